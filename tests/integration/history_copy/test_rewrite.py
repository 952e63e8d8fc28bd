"""A month moved to a new index of the same name: the same rows, no moment without them, and nothing lost on the way."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.history.copy.replacement import Replacement
from opensearch_strata.history.copy.rewrite import RewrittenMonth, rewrite_month
from opensearch_strata.history.month.stand_in import stand_in_name
from opensearch_strata.history.raw_day.hold import OvertakenError
from opensearch_strata.history.verify.coverage import coverage
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.reader import read
from opensearch_strata.workflows.expired import list_expired
from tests.copies import marks_of, odd_documents, odd_stream, proven_days, rows_in, strata_of
from tests.streams import DAY, Stream, StreamFactory, assert_verified

NEXT = DAY + timedelta(days=1)
Answer = tuple[Any, ...]


@pytest.fixture
def odd(make_stream: StreamFactory, bucket: str) -> Stream:
    return odd_stream(make_stream, bucket)


def with_shards(stream: Stream, shards: int) -> Stream:
    """The same stream, whose months are to have another number of shards."""
    history = stream.dataset.history.model_copy(update={"shards": shards, "codec": "best_compression"})
    return Stream(stream.client, stream.dataset.model_copy(update={"history": history}), stream.types)


def rewritten(stream: Stream, **options: Any) -> RewrittenMonth:
    return rewrite_month(stream.client, stream.dataset, DAY, apply=True, **options)


def asked(client: OpenSearch, stream: Stream, days: int) -> Answer:
    """What a reader gets of the first days."""
    start = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    frame = read(
        client, stream.dataset, start, start + timedelta(days=days),
        metrics=["temperature"], stats=["count", "sum", "p99"], interval="6h", by=["device"],
    )  # fmt: skip
    sums = (float(frame[f"temperature.{stat}"].sum()) for stat in ("count", "sum", "p99"))
    return len(frame), *sums, tuple(sorted(set(frame["source"]))), tuple(frame.attrs["notes"])


class Readers:
    """Readers that ask the same question over and over, and what they are told."""

    def __init__(self, url: str, ask: Callable[[OpenSearch], Answer], number: int = 2) -> None:
        self.answers: Counter[Answer] = Counter()
        self.errors: list[Exception] = []
        self._url, self._ask = url, ask
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._loop) for _ in range(number)]

    def _loop(self) -> None:
        with build_client(ClientSettings.from_url(self._url)) as client:
            while not self._over.is_set():
                try:
                    self.answers[self._ask(client)] += 1
                except Exception as error:  # noqa: BLE001 - told by the test
                    self.errors.append(error)

    @contextmanager
    def asking(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()


@pytest.mark.versions
@pytest.mark.parametrize("keep_raw", [False, True])
def test_readers_find_every_row_at_any_time(odd: Stream, opensearch_url: str, keep_raw: bool) -> None:
    proven_days(odd, 4, keep_raw=keep_raw)
    before = asked(odd.client, odd, 4)
    assert (before[-2], before[-1]) == (("history",), ())

    readers = Readers(opensearch_url, lambda client: asked(client, odd, 4))
    with readers.asking():
        for shards in (3, 1):
            rewritten(with_shards(odd, shards))
    assert readers.errors == []
    assert readers.answers.keys() == {before}
    assert readers.answers.total() > 10


@pytest.mark.versions
def test_the_new_index_has_the_same_rows_and_marks(odd: Stream) -> None:
    days = proven_days(odd, 2, keep_raw=False)
    month = odd.dataset.month_index(DAY)
    odd.client.indices.put_alias(index=month, name=f"{month}-readers", body={"filter": {"term": {"on": True}}})
    odd.client.indices.put_settings(index=month, body={"index.refresh_interval": "7s", "index.blocks.write": True})
    before, marks, meta = rows_in(odd.client, month), marks_of(odd.client, month), strata_of(odd.client, month)
    looked = rewrite_month(odd.client, with_shards(odd, 3).dataset, DAY, apply=False)
    assert (looked.outcome, looked.rows, looked.after) == ("would be rewritten", len(before), None)
    done = rewritten(with_shards(odd, 3))
    assert done.outcome == "rewritten"
    assert done.before
    assert done.after
    assert (done.before.shards, done.after.shards, done.after.codec) == (1, 3, "best_compression")
    assert rows_in(odd.client, month) == before
    now = marks_of(odd.client, month)
    assert [replace(now[day], rows_version="") for day in days] == [replace(marks[d], rows_version="") for d in days]
    after = strata_of(odd.client, month)
    assert {**after, "verified": 0, "same_rows": 0} == {**meta, "verified": 0, "same_rows": 0}
    assert after["same_rows"][f"{DAY}"][0] == marks[DAY].rows_version
    assert after["same_rows"][f"{DAY}"][-1] == now[DAY].rows_version
    found = odd.client.indices.get(index=month, params={"flat_settings": "true"})[month]
    assert found["aliases"] == {f"{month}-readers": {"filter": {"term": {"on": True}}}}
    kept = {key: found["settings"].get(f"index.{key}") for key in ("refresh_interval", "blocks.write", "hidden")}
    assert kept == {"refresh_interval": "7s", "blocks.write": "true", "hidden": "false"}
    assert not odd.client.indices.exists(index=stand_in_name(odd.dataset, DAY))


def test_a_month_goes_on_after_it_was_rewritten(odd: Stream) -> None:
    proven_days(odd, 1)
    rewritten(with_shards(odd, 2))
    assert_verified(odd)
    odd.write(odd_documents(count=3)[:3])
    assert prove(odd.client, odd.dataset, DAY, engine="search").state == "verified"
    odd.write(odd_documents(NEXT), NEXT)
    odd.condense(NEXT)
    assert_verified(odd, NEXT)
    before = rows_in(odd.client, odd.dataset.month_index(DAY))
    rewritten(odd)
    assert rows_in(odd.client, odd.dataset.month_index(DAY)) == before


def test_rows_that_nobody_proved_and_those_of_others_move_too(odd: Stream) -> None:
    proven_days(odd)
    odd.put_row("stray", {"device": "x", "@timestamp": 5, "transform._id": "strata-other-2024.05.06"})
    odd.put_row("nobody's", {"device": "y", "_doc_count": 3, "transform._doc_count": 2})
    before = rows_in(odd.client, odd.dataset.month_index(DAY))
    rewritten(with_shards(odd, 2))
    assert rows_in(odd.client, odd.dataset.month_index(DAY)) == before


def test_a_new_mapping_must_hold_the_very_values(make_stream: StreamFactory, bucket: str) -> None:
    loose = odd_stream(make_stream, bucket, raw={"fields": {}})
    proven_days(loose, keep_raw=False)
    month = loose.dataset.month_index(DAY)
    before = rows_in(loose.client, month)
    fields = loose.dataset.raw.model_copy(update={"fields": {"load": "short"}})
    exact = Stream(loose.client, loose.dataset.model_copy(update={"raw": fields}), loose.types)
    rewritten(exact, new_mapping=True)
    mapping = loose.client.indices.get_mapping(index=month)[month]["mappings"]["properties"]["metrics"]["properties"]
    assert mapping["load"]["properties"]["sum"]["type"] == "scaled_float"
    assert rows_in(loose.client, month) == before
    metric = loose.dataset.metrics["temperature"].model_copy(update={"decimals": 1})
    metrics = {**loose.dataset.metrics, "temperature": metric}
    coarse = Stream(loose.client, exact.dataset.model_copy(update={"metrics": metrics}), loose.types)
    with pytest.raises(Refused, match=r"The rows of strata-\S+ in \S+-stand-in are not those of \S+: .*temperature_"):
        rewritten(coarse, new_mapping=True)
    assert rows_in(loose.client, month) == before
    assert not loose.client.indices.exists(index=stand_in_name(loose.dataset, DAY))
    assert "write" not in loose.client.indices.get_settings(index=month)[month]["settings"]["index"].get("blocks", {})


STEPS = ["building", "putting", "deleting", "cloning", "comparing"]


class Killed(BaseException):
    """As if the process had died: nothing that it would do next is done."""


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_rewrite_is_finished_by_the_next_run(odd: Stream, step: str) -> None:
    """Whatever it was at: readers find all rows, writers are told to wait where they must, and nothing is lost."""
    proven_days(odd, 2, keep_raw=False)
    month = odd.dataset.month_index(DAY)
    before, answer = rows_in(odd.client, month), asked(odd.client, odd, 2)
    target = with_shards(odd, 2)

    def kill(what: str) -> None:
        if what.startswith(step):
            raise Killed

    never = patch("opensearch_strata.history.copy.rewrite.release"), patch.object(Replacement, "give_up")
    no_release = patch("opensearch_strata.history.copy.replacement.release")
    with never[0], never[1], no_release, pytest.raises(Killed):
        rewritten(target, on_step=kill)
    assert asked(odd.client, odd, 2) == answer
    assert {day.day: day.place for day in coverage(odd.client, odd.dataset)} == {DAY: "history", NEXT: "history"}
    odd.write(odd_documents(NEXT + timedelta(days=1)), NEXT + timedelta(days=1))
    with patch("opensearch_strata.history.raw_day.hold._MINE", set()):  # known to be over, as of a dead process
        if step in ("building", "putting"):
            odd.condense(NEXT + timedelta(days=1))
            rewritten(target)
        else:
            with pytest.raises(TransientError, match="is being replaced by an import or a rewrite"):
                odd.condense(NEXT + timedelta(days=1))
            assert rewrite_month(odd.client, target.dataset, DAY, apply=False).outcome == "would be put in place"
            assert rewritten(target).outcome == "put in place"
    kept = [row for row in rows_in(odd.client, month) if not row["_transform_id"].endswith("05.08")]
    assert kept == before
    assert not odd.client.indices.exists(index=stand_in_name(odd.dataset, DAY))
    odd.condense(NEXT + timedelta(days=1))
    assert asked(odd.client, odd, 2) == answer


def test_while_a_month_moves_nobody_writes_rows_to_it(odd: Stream) -> None:
    proven_days(odd)
    errors: list[Exception] = []

    def condense(what: str) -> None:
        if what.startswith(("building", "putting", "cloning")):
            try:
                odd.condense()
            except Exception as error:  # noqa: BLE001 - looked at below
                errors.append(error)

    month = odd.dataset.month_index(DAY)
    before = rows_in(odd.client, month)
    rewritten(with_shards(odd, 2), on_step=condense)
    assert [type(error) for error in errors] == [TransientError] * 3
    assert rows_in(odd.client, month) == before


def test_a_write_in_spite_of_the_block_keeps_the_old_index(odd: Stream) -> None:
    proven_days(odd)
    month = odd.dataset.month_index(DAY)
    uuid = odd.client.indices.get_settings(index=month)[month]["settings"]["index"]["uuid"]

    def write(what: str) -> None:
        if what.startswith("putting"):
            odd.client.indices.put_settings(index=month, body={"index.blocks.write": None})
            odd.put_row("late", {"device": "x", "transform._id": odd.dataset.transform_id(DAY)})

    with pytest.raises(TransientError, match="in spite of its write block"):
        rewritten(with_shards(odd, 2), on_step=write)
    settings = odd.client.indices.get_settings(index=month)[month]["settings"]["index"]
    assert settings["uuid"] == uuid
    assert not odd.client.indices.exists(index=stand_in_name(odd.dataset, DAY))


def test_an_index_that_came_in_between_is_not_taken_for_the_month(odd: Stream) -> None:
    proven_days(odd, keep_raw=False)
    month = odd.dataset.month_index(DAY)
    answer = asked(odd.client, odd, 1)

    def create(what: str) -> None:
        if what.startswith("cloning"):
            odd.client.index(index=month, body={"somebody": "else"}, params={"refresh": "true"})

    with pytest.raises(TransientError, match=f"{month} could not be made from {month}-stand-in"):
        rewritten(with_shards(odd, 2), on_step=create)
    assert asked(odd.client, odd, 1) == answer
    with pytest.raises(Refused, match=f"Somebody created {month} while it was being replaced"):
        rewritten(with_shards(odd, 2))
    odd.client.indices.delete(index=month)
    assert rewritten(with_shards(odd, 2)).outcome == "put in place"
    assert asked(odd.client, odd, 1) == answer


def test_what_cannot_be_rewritten_is_refused(odd: Stream) -> None:
    month, beside = odd.dataset.month_index(DAY), stand_in_name(odd.dataset, DAY)
    with pytest.raises(Refused, match=f"There is no {month}, so nothing can be rewritten"):
        rewritten(odd)
    odd.client.indices.create(index=month)
    with pytest.raises(Refused, match="was not created by Strata"):
        rewritten(odd)
    odd.client.indices.delete(index=month)
    proven_days(odd)
    odd.client.indices.create(index=beside)
    with pytest.raises(Refused, match="belongs to an index that Strata did not create"):
        rewritten(odd)
    odd.client.indices.delete(index=beside)
    odd.client.indices.create(index=f"{odd.dataset.name}-elsewhere", body={"aliases": {beside: {}}})
    with pytest.raises(Refused, match="is an alias of"):
        rewritten(odd)


def test_a_stand_in_is_no_raw_day_without_a_date(make_stream: StreamFactory, bucket: str) -> None:
    stream = odd_stream(make_stream, bucket)
    name = stream.dataset.name
    wide = stream.dataset.model_copy(
        update={"history": stream.dataset.history.model_copy(update={"index": f"{name}-{{month}}-history"})}
    )
    stream.client.indices.create(index=stand_in_name(wide, DAY))
    assert list_expired(stream.client, wide, DAY, datetime.now(UTC)).undated == []


def taken_over(stream: Stream) -> None:
    """Another run has the stand-in from now on."""
    beside = stand_in_name(stream.dataset, DAY)
    meta = stream.client.indices.get_mapping(index=beside)[beside]["mappings"]["_meta"]
    other = {"run": "another", "process": "", "until": int(time.time()) + 60, "lifts": True}
    stream.client.indices.put_mapping(index=beside, body={"_meta": {**meta, "strata_hold": other}})


@pytest.mark.parametrize("step", ["putting", "deleting", "comparing"])
def test_a_run_that_was_taken_for_dead_deletes_nothing(odd: Stream, step: str) -> None:
    """Its stand-in belongs to another run by then, and may be where the only rows are."""
    proven_days(odd, keep_raw=False)
    answer = asked(odd.client, odd, 1)
    there = set()

    def lose(what: str) -> None:
        if what.startswith(step):
            taken_over(odd)
            there.update(odd.client.indices.get(index=f"{odd.dataset.name}-*", params={"expand_wildcards": "all"}))

    with pytest.raises(OvertakenError):
        rewritten(with_shards(odd, 2), on_step=lose)
    now = odd.client.indices.get(index=f"{odd.dataset.name}-*", params={"expand_wildcards": "all"})
    assert now.keys() == there
    assert asked(odd.client, odd, 1) == answer
    if step != "putting":
        with (
            patch("opensearch_strata.history.raw_day.hold._PATIENCE", 0.5),
            pytest.raises(Refused, match="another run"),
        ):
            rewritten(with_shards(odd, 2))
