"""Raw days with ingest pipelines: what a pipeline drops, moves or renames is never taken for loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.dead_letters.file import read_dead_letters
from opensearch_strata.archive.dead_letters.letter import DeadLetter
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.redrive import Redriven, dead_letters_of
from opensearch_strata.workflows.backfill.backfill import Backfill
from tests.archives import Archive, forget_ledger, held, intake_of, same
from tests.shell import Shell
from tests.streams import DAY, TYPES, Stream

pytestmark = pytest.mark.usefixtures("aws")

SET_ASIDE = {"drop": {"if": "ctx.device == 'd1'"}}
ALL: dict[str, Any] = {"drop": {}}


@pytest.fixture
def target(client: OpenSearch, shell: Shell, archive: Archive) -> Iterator[Stream]:
    """The dataset that the archive belongs to, known to the shell, with a raw day that producers made."""
    stream = shell.stream(intake=intake_of(archive.bucket, max_dead_share=0.9), raw={"fields": TYPES})
    stream.create()
    yield stream
    forget_ledger(client, stream.dataset.name)


@pytest.fixture
def pipe(client: OpenSearch, target: Stream) -> Iterator[Callable[..., None]]:
    """Put a pipeline before the raw day, or take it away."""
    name = f"{target.dataset.name}-pipeline"
    index = target.dataset.raw_index(DAY)

    def put(*processors: dict[str, Any], kind: str = "default_pipeline") -> None:
        client.ingest.put_pipeline(id=name, body={"processors": list(processors)})
        settings = {"index.default_pipeline": "_none", "index.final_pipeline": "_none", f"index.{kind}": name}
        client.indices.put_settings(index=index, body=settings)

    yield put
    client.indices.put_settings(index=index, body=dict.fromkeys(("index.default_pipeline", "index.final_pipeline")))
    client.ingest.delete_pipeline(id=name)


def load(shell: Shell, target: Stream, code: int = 0) -> str:
    shown = shell.run(f"backfill {target.dataset.name} --from {DAY} --to {DAY} --apply", code)
    return " ".join((shown.stdout + shown.stderr).split())


def again(target: Stream, archive: Archive, *, apply: bool = True) -> Redriven:
    url = dead_letters_of(target.dataset)
    return Backfill(target.client, target.dataset, lambda: archive.s3).redrive(
        url, apply=apply, settings=LoadSettings()
    )


def letters(target: Stream, archive: Archive) -> list[DeadLetter]:
    files = read_dead_letters(archive.s3, dead_letters_of(target.dataset), target.dataset.name)
    return [letter for stored in files for letter in stored]


@pytest.mark.parametrize("kind", ["default_pipeline", "final_pipeline"])
def test_what_a_pipeline_drops_is_a_dead_letter_and_named_and_redriven_when_it_may_pass(
    shell: Shell, target: Stream, archive: Archive, pipe: Callable[..., None], kind: str
) -> None:
    sent = archive.fill(DAY)
    dropped = sum(document["device"] == "d1" for document in sent)
    pipe(SET_ASIDE, kind=kind)
    told = load(shell, target)
    index = target.dataset.raw_index(DAY)
    assert f"Proven: 240 events read = {240 - dropped} created" in told
    assert (
        f"Dead letters: {dropped} kept out by an ingest pipeline, the first: An ingest pipeline of {index} dropped"
        in told
    )
    assert len(held(target, DAY)) == 240 - dropped
    assert {letter.reason for letter in letters(target, archive)} == {"dropped"}
    assert len(letters(target, archive)) == dropped
    pipe({"set": {"field": "site", "value": "north", "override": False}})
    assert again(target, archive).created == dropped
    assert letters(target, archive) == []
    assert same([{**one, "site": ""} for one in held(target, DAY)], [{**one, "site": ""} for one in sent])


def test_a_pipeline_that_drops_all_leaves_nothing_proven_however_often_it_runs(
    shell: Shell, target: Stream, archive: Archive, pipe: Callable[..., None]
) -> None:
    sent = archive.fill(DAY)
    pipe(ALL)
    for _ in range(2):
        assert "240 of 240 events" not in (told := load(shell, target, 1))
        assert "NOT proven: objects in quarantine (4)" in told
        assert "60 kept out by an ingest pipeline" in told
    assert held(target, DAY) == []
    pipe({"set": {"field": "site", "value": "north", "override": False}})
    load(shell, target)
    assert len(held(target, DAY)) == len(sent)


def test_a_letter_stays_until_its_document_is_there(
    shell: Shell, target: Stream, archive: Archive, pipe: Callable[..., None]
) -> None:
    archive.fill(DAY)
    pipe({"fail": {"message": "no", "if": "ctx.device == 'd1'"}})
    load(shell, target)
    waiting = len(letters(target, archive))
    assert {letter.reason for letter in letters(target, archive)} == {"rejected"}
    pipe(ALL)
    sums = again(target, archive)
    assert (sums.created, sums.existed, sums.still_dead) == (0, 0, {"dropped": waiting})
    assert len(letters(target, archive)) == waiting
    dry = again(target, archive, apply=False)
    assert dry.refused_before["dropped"].records == waiting
    assert dry.outlook.startswith(f"0 of {waiting} dead letters can probably be loaded, 0 still cannot. Of the others")


def test_what_a_pipeline_sends_elsewhere_is_not_in_its_day(
    client: OpenSearch, shell: Shell, target: Stream, archive: Archive, pipe: Callable[..., None]
) -> None:
    archive.fill(DAY)
    other = f"{target.dataset.name}-elsewhere"
    pipe({"set": {"field": "_index", "value": other}})
    for _ in range(2):
        told = load(shell, target, 1)
        assert f"An ingest pipeline of {target.dataset.raw_index(DAY)} sent it to {other}" in told
    client.indices.refresh(index=other)
    assert client.count(index=other)["count"] == 240
    assert held(target, DAY) == []


def test_a_pipeline_that_gives_other_ids_ends_the_load_in_a_sentence(
    shell: Shell, target: Stream, archive: Archive, pipe: Callable[..., None]
) -> None:
    archive.fill(DAY)
    pipe({"remove": {"field": "_id"}})
    told = load(shell, target, 1)
    assert "changes the ids of documents" in told
    assert f"set index.default_pipeline and index.final_pipeline of {target.dataset.raw_index(DAY)} to _none" in told
    assert "Proven" not in told.replace("NOT proven", "")
