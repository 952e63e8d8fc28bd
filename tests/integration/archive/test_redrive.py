"""Dead letters loaded again: under the same ids, as often as one likes, and what still fails is kept."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.dead_letters.file import read_dead_letters
from opensearch_strata.archive.dead_letters.letter import DeadLetter
from opensearch_strata.archive.ledger.index import LEDGER_INDEX
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.redrive import Redriven, dead_letters_of
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import DefinitionError, Refused
from opensearch_strata.workflows.backfill.backfill import Backfill
from tests.archives import Archive, forget_ledger, held, intake_of, same
from tests.shell import Shell
from tests.streams import DAY, TYPES, Document, Stream, dataset_of, definition_of, measurements

NOON = f"{DAY}T12:00:00+00:00"

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def target(client: OpenSearch, shell: Shell, archive: Archive) -> Iterator[Stream]:
    """The dataset that the archive belongs to, known to the shell."""
    stream = shell.stream(intake=intake_of(archive.bucket, max_dead_share=1), raw={"fields": TYPES})
    yield stream
    forget_ledger(client, stream.dataset.name)


def load(shell: Shell, target: Stream) -> Any:
    return shell.json(f"backfill {target.dataset.name} --from {DAY} --to {DAY} --apply")


def again(target: Stream, archive: Archive, dataset: Dataset | None = None, apply: bool = True) -> Redriven:
    dataset = dataset or target.dataset
    url = dead_letters_of(dataset)
    return Backfill(target.client, dataset, lambda: archive.s3).redrive(url, apply=apply, settings=LoadSettings())


def letters(target: Stream, archive: Archive) -> list[DeadLetter]:
    files = read_dead_letters(archive.s3, dead_letters_of(target.dataset), target.dataset.name)
    return [letter for stored in files for letter in stored]


def mended(target: Stream, **intake: Any) -> Dataset:
    """The dataset with another intake."""
    definition = definition_of(target.dataset.name, raw={"fields": TYPES})
    return Dataset.model_validate({**definition, "intake": {**target.dataset.intake.model_dump(), **intake}})


@pytest.fixture
def conflicting(shell: Shell, target: Stream, archive: Archive) -> list[Document]:
    """Three of the documents are refused by the mapping: their temperature is a word."""
    sent = measurements(count=40)
    for number in (5, 6, 30):
        sent[number]["temperature"] = "warm"
    archive.put(sent)
    assert load(shell, target)["proof"]["counts"]["dead"] == 3
    return sent


def let_words_pass(target: Stream) -> None:
    """Mend the mapping."""
    field = {"type": "double", "ignore_malformed": True}
    target.client.indices.put_mapping(index=target.dataset.raw_index(DAY), body={"properties": {"temperature": field}})


def test_after_the_mapping_is_mended_letters_become_documents_under_their_ids(
    target: Stream, archive: Archive, conflicting: list[Document]
) -> None:
    wanted = {letter.id for letter in letters(target, archive)}
    let_words_pass(target)
    sums = again(target, archive)
    assert (sums.files, sums.letters, sums.documents, sums.created, sums.existed) == (1, 3, 3, 3, 0)
    assert sums.still_dead == {}
    assert same(held(target, DAY), conflicting)
    docs = target.client.mget(index=target.dataset.raw_index(DAY), body={"ids": sorted(wanted)})["docs"]
    assert [doc["found"] for doc in docs] == [True] * 3
    assert letters(target, archive) == []
    assert again(target, archive) == Redriven()


def test_letters_that_are_loaded_are_already_there(
    target: Stream, archive: Archive, conflicting: list[Document]
) -> None:
    (key,) = [key for key in archive.contents() if "dead-letters" in key]
    kept = archive.s3.get_object(Bucket=archive.bucket, Key=key)["Body"].read()
    let_words_pass(target)
    again(target, archive)
    archive.s3.put_object(Bucket=archive.bucket, Key=key, Body=kept)  # as if the run had been killed before its end
    sums = again(target, archive)
    assert (sums.created, sums.existed, sums.loaded) == (0, 3, 3)
    assert same(held(target, DAY), conflicting)
    assert key not in archive.contents()


def test_what_still_fails_stays_with_one_attempt_more(
    target: Stream, archive: Archive, conflicting: list[Document]
) -> None:
    before = letters(target, archive)
    sums = again(target, archive)
    assert sums.still_dead == {"rejected": 3}
    assert sums.first["rejected"].startswith(f"{before[0].place}, record 0: OpenSearch answered 400: mapper_parsing")
    after = letters(target, archive)
    assert [letter.attempts for letter in after] == [2, 2, 2]
    assert [(one.id, one.record, one.ordinal, one.raw, one.first_time) for one in after] == [
        (one.id, one.record, one.ordinal, one.raw, one.first_time) for one in before
    ]


def test_a_dry_run_changes_nothing(target: Stream, archive: Archive, conflicting: list[Document]) -> None:
    before = archive.contents()
    sums = again(target, archive, apply=False)
    assert (sums.letters, sums.documents, sums.created, sums.existed) == (3, 3, 0, 0)
    assert archive.contents() == before
    assert len(held(target, DAY)) == 37


def test_identical_records_without_ids_stay_distinct(shell: Shell, target: Stream, archive: Archive) -> None:
    line = orjson.dumps({"when": NOON, "device": "d1"})
    key = f"firehose/{DAY:%Y/%m/%d}/12/lines"
    body = b"\n".join([line, line, orjson.dumps({"when": NOON, "device": "d2"})])
    archive.s3.put_object(Bucket=archive.bucket, Key=key, Body=gzip.compress(body))
    assert load(shell, target)["proof"]["counts"]["dead"] == 3
    assert {(one.reason, one.id, one.index) for one in letters(target, archive)} == {("no_time", "", "")}
    dataset = mended(target, rename={"when": "@timestamp"})
    assert again(target, archive, dataset).created == 3
    assert [one["device"] for one in held(target, DAY)] == ["d1", "d1", "d2"]


def test_a_letter_has_the_id_and_the_place_that_it_had(shell: Shell, target: Stream, archive: Archive) -> None:
    line = orjson.dumps({"@timestamp": NOON, "device": "d1", "temperature": "warm"})
    good = orjson.dumps({"@timestamp": NOON, "device": "d2"})
    key = f"firehose/{DAY:%Y/%m/%d}/12/lines"
    archive.s3.put_object(Bucket=archive.bucket, Key=key, Body=b"\n".join([good, line, line, line]))
    load(shell, target)
    ((stored, (*_, last)),) = [
        (stored, list(stored))
        for stored in read_dead_letters(archive.s3, dead_letters_of(target.dataset), target.dataset.name)
    ]
    stored.keep([last])  # the others were loaded before
    let_words_pass(target)
    assert again(target, archive, mended(target, metadata="archive")).created == 1
    found = target.client.get(index=target.dataset.raw_index(DAY), id=last.id)
    assert found["_source"]["archive"]["position"] == f"{last.record}:0" != "0:0"


def test_a_part_of_a_line_is_not_loaded_as_a_line(client: OpenSearch, shell: Shell, archive: Archive) -> None:
    stream = shell.stream(intake=intake_of(archive.bucket, max_dead_share=1, parser="raw"))
    packed = gzip.compress("".join(f"{DAY}T12:00:00.000Z message {number}\n" for number in range(5_000)).encode())
    key = f"firehose/{DAY:%Y/%m/%d}/12/exported"
    archive.s3.put_object(Bucket=archive.bucket, Key=key, Body=packed[: len(packed) // 2])
    assert load(shell, stream)["proof"]["counts"]["dead"] == 1
    (before,) = letters(stream, archive)
    assert (before.format, before.raw[:5]) == ("export_task", f"{DAY}"[:5].encode())
    sums = again(stream, archive)
    assert (sums.documents, sums.created, sums.still_dead) == (0, 0, {"broken": 1})
    (after,) = letters(stream, archive)
    assert (after.raw, after.attempts) == (before.raw, 2)
    assert after.detail == "Only part of the record was kept; load the object again from an intact copy."
    (stored,) = read_dead_letters(archive.s3, dead_letters_of(stream.dataset), stream.dataset.name)
    stored.keep([replace(after, format="lines")])
    assert again(stream, archive).still_dead == {"broken": 1}
    forget_ledger(client, stream.dataset.name)


def test_a_broken_envelope_and_its_first_event_are_letters_of_their_own(
    target: Stream, archive: Archive, conflicting: list[Document]
) -> None:
    (stored,) = read_dead_letters(archive.s3, dead_letters_of(target.dataset), target.dataset.name)
    first = next(iter(stored))
    stored.keep([replace(first, reason="broken", raw=b"{", detail="Cut off."), first])
    let_words_pass(target)
    sums = again(target, archive)
    assert (sums.created, sums.still_dead) == (1, {"broken": 1})
    assert [(letter.reason, letter.raw) for letter in letters(target, archive)] == [("broken", b"{")]


FLOWS = "version srcaddr dstaddr start log-status"


def flow(packets: str, number: int) -> str:
    return f"2 10.0.0.{number} {packets} {int(_noon().timestamp())} OK"


@pytest.fixture
def flows(shell: Shell, archive: Archive, client: OpenSearch) -> Iterator[Stream]:
    """An object of a flow log, whose header says that the third value is an address; two are none."""
    stream = shell.stream(
        intake=intake_of(archive.bucket, max_dead_share=1, parser="vpc_flow"), raw={"fields": {"dstaddr": "ip"}}
    )
    text = "\n".join([FLOWS, flow("10.1.0.1", 1), flow("nowhere", 2), flow("elsewhere", 3)])
    archive.s3.put_object(Bucket=archive.bucket, Key=f"firehose/{DAY:%Y/%m/%d}/12/flows", Body=text.encode())
    assert load(shell, stream)["proof"]["counts"]["dead"] == 2
    yield stream
    forget_ledger(client, stream.dataset.name)


def test_what_depends_on_lines_before_it_stays_a_letter(flows: Stream, archive: Archive) -> None:
    flows.client.indices.delete(index=flows.dataset.raw_index(DAY))  # by itself nothing would refuse them now
    before = letters(flows, archive)
    for attempt in (2, 3):
        sums = again(flows, archive)
        assert (sums.documents, sums.created, sums.dropped, sums.still_dead) == (0, 0, 0, {"rejected": 2})
        assert sums.first["rejected"].count("What it means depends on lines before it; load the object again.") == 1
        after = letters(flows, archive)
        assert [letter.attempts for letter in after] == [attempt] * 2
        assert [(one.id, one.index, one.raw) for one in after] == [(one.id, one.index, one.raw) for one in before]
        assert all(new.detail.startswith(old.detail) for new, old in zip(after, before, strict=True))
    assert not flows.exists(DAY)


def test_a_parser_that_remembers_nothing_reads_letters_again(flows: Stream, archive: Archive) -> None:
    sums = again(flows, archive, mended(flows, parser="raw"))
    assert sums.still_dead == {"no_time": 2}
    assert "It has no valid time" in sums.first["no_time"]


def test_an_object_is_loaded_again_once_the_ledger_forgot_it(shell: Shell, flows: Stream, archive: Archive) -> None:
    found = letters(flows, archive)
    flows.client.indices.put_mapping(
        index=flows.dataset.raw_index(DAY), body={"properties": {"dstaddr": {"type": "ip", "ignore_malformed": True}}}
    )
    load(shell, flows)
    assert len(held(flows, DAY)) == 1  # done is done
    row = [{"kind": "object"}, {"dataset": flows.dataset.name}, {"key": found[0].place.key}]
    query = {"query": {"bool": {"filter": [{"term": one} for one in row]}}}
    (key,) = [key for key in archive.contents() if "dead-letters" in key]
    archive.s3.delete_object(Bucket=archive.bucket, Key=key)
    flows.client.delete_by_query(index=LEDGER_INDEX, body=query, params={"refresh": "true"})
    proof = load(shell, flows)["proof"]
    assert (proof["counts"]["created"], proof["counts"]["existed"], proof["counts"]["dead"]) == (2, 1, 0)
    assert [one["dstaddr"] for one in held(flows, DAY)] == ["10.1.0.1", "nowhere", "elsewhere"]
    assert letters(flows, archive) == []


def test_a_raw_day_that_is_missing_is_mapped_before_it_takes_a_letter(
    shell: Shell, target: Stream, archive: Archive
) -> None:
    later = DAY + timedelta(days=1)
    archive.put([{"@timestamp": NOON, "device": "d1", "when": f"{later}T12:00:00Z"}])
    archive.put_messages([(_noon(), "no JSON")], "broken")
    load(shell, target)
    assert not target.exists(later)
    dataset = mended(target, unparsed="document")
    target.client.indices.delete(index=target.dataset.raw_index(DAY))
    assert again(target, archive, dataset).created == 1
    index = target.dataset.raw_index(DAY)
    mapping = target.client.indices.get_mapping(index=index)[index]["mappings"]["properties"]
    assert mapping["device"] == {"type": "keyword"}
    assert mapping["@timestamp"] == {"type": "date"}


def _noon() -> Any:
    from datetime import datetime

    return datetime.fromisoformat(NOON)


def test_what_is_damaged_is_left_and_named(
    shell: Shell, target: Stream, archive: Archive, conflicting: list[Document]
) -> None:
    (key,) = [key for key in archive.contents() if "dead-letters" in key]
    body = gzip.decompress(archive.s3.get_object(Bucket=archive.bucket, Key=key)["Body"].read())
    archive.s3.put_object(Bucket=archive.bucket, Key=key, Body=gzip.compress(body + b"garbage\n"))
    let_words_pass(target)
    sums = again(target, archive)
    assert sums.created == 3
    assert sums.damage[0].startswith("Line 4 of s3://")
    left = archive.s3.get_object(Bucket=archive.bucket, Key=key)["Body"].read()
    assert gzip.decompress(left) == b"garbage\n"
    failed = shell.run(f"redrive {target.dataset.name} --apply", 1)
    assert failed.stderr == "Error: 1 damaged place of the files cannot be read; see the reasons above.\n"


# --- The shell


def test_the_shell_loads_them_and_says_what_is_left(
    shell: Shell, target: Stream, archive: Archive, conflicting: list[Document]
) -> None:
    name = target.dataset.name
    dry = shell.run(f"redrive {name}").stdout
    assert "0 of 3 dead letters can probably be loaded, 0 still cannot. Of the others, 3 rejected by OpenSearch" in dry
    assert "mapper_parsing_exception" in dry
    assert dry.splitlines()[-1].endswith(
        "Only sending them again shows whether they are accepted now. Nothing was loaded; add --apply to load them."
    )
    failed = shell.run(f"redrive {name} --apply", 1)
    assert "still dead, rejected" in failed.stdout
    assert failed.stderr == "Error: 3 dead letters cannot be loaded yet; see the reasons above.\n"
    let_words_pass(target)
    done = shell.run(f"redrive {name} --apply --dead-letters s3://{archive.bucket}/firehose/dead-letters")
    assert done.stdout.splitlines()[-1] == "3 of 3 dead letters are now documents."
    assert same(held(target, DAY), conflicting)
    assert shell.run(f"redrive {name}").stdout == (
        f"There are no dead letters of {name} in s3://{archive.bucket}/firehose/dead-letters/.\n"
    )


def test_as_json(shell: Shell, target: Stream, conflicting: list[Document]) -> None:
    value = shell.json(f"redrive {target.dataset.name} --apply", 1)
    assert (value["applied"], value["letters"], value["still_dead"]) == (True, 3, {"rejected": 3})


def test_no_such_bucket(shell: Shell, target: Stream) -> None:
    told = shell.run(f"redrive {target.dataset.name} --dead-letters s3://no-such-bucket-1/x/", 1).stderr
    assert f"Dead letters in s3://no-such-bucket-1/x/{target.dataset.name}/ cannot be listed." in told


def test_nothing_says_where_they_are() -> None:
    with pytest.raises(DefinitionError, match=r"does not say where its dead letters are\. Give the prefix"):
        dead_letters_of(dataset_of("t"))
    with pytest.raises(DefinitionError, match=r"'here' is not an S3 URL|'here/' is not an S3 URL"):
        dead_letters_of(dataset_of("t"), "here")


@pytest.mark.long
def test_opensearch_takes_no_letters(target: Stream, archive: Archive, conflicting: list[Document]) -> None:
    before = archive.contents()
    target.set_block("write", True)
    with pytest.raises(Refused, match="is write-blocked"):
        again(target, archive)
    assert archive.contents() == before


def test_letters_never_take_the_place_of_a_day_that_was_condensed_and_deleted(
    shell: Shell, target: Stream, archive: Archive
) -> None:
    sent = measurements(count=40)
    for one in sent[:30]:
        one["temperature"] = "warm"
    archive.put(sent)
    days = f"backfill {target.dataset.name} --from {DAY} --to {DAY} --apply"
    assert shell.json(f"{days} --then condense_and_drop")["proof"]["counts"]["created"] == 10
    for apply in (False, True):
        result = again(target, archive, apply=apply)
        assert (result.documents, result.created, result.still_dead) == (0, 0, {"rejected": 30})
        assert "was condensed and deleted" in result.first["rejected"]
    assert len(letters(target, archive)) == 30
    assert not target.exists()
    assert sum(row["transform._doc_count"] for row in target.rows().values()) == 10


def test_a_dry_run_does_not_offer_letters_whose_documents_are_there(
    shell: Shell, target: Stream, archive: Archive, conflicting: list[Document]
) -> None:
    let_words_pass(target)
    index = target.dataset.raw_index(DAY)
    for letter in letters(target, archive)[:2]:
        target.client.index(index=index, id=letter.id, body={"there": True})
    dry = again(target, archive, apply=False)
    assert (dry.documents, dry.existed, dry.refused_before["rejected"].records) == (3, 2, 1)
    assert dry.outlook.startswith("0 of 3 dead letters can probably be loaded, 2 are already there, 0 still cannot.")


def test_a_dry_run_does_not_offer_letters_of_a_day_that_is_closed(
    target: Stream, archive: Archive, conflicting: list[Document]
) -> None:
    let_words_pass(target)
    index = target.dataset.raw_index(DAY)
    target.client.indices.close(index=index)
    dry = again(target, archive, apply=False)
    assert (dry.documents, dry.existed, dry.still_dead.total()) == (0, 0, 3)
    assert f"{index} cannot be looked into (index_closed_exception)" in dry.first["rejected"]
