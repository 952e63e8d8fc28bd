"""Where each day is: raw, history, both, or two counts that differ."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote

from opensearchpy import OpenSearch

from opensearch_strata.history.verify import coverage as coverage_module
from opensearch_strata.history.verify.coverage import DayCoverage, coverage
from tests.faults.proxy import Answer, FaultyProxy, Forward, Request
from tests.faults.rules import refused
from tests.mutations import drop_a_row
from tests.streams import DAY, Stream, StreamFactory, measurements


def places(stream: Stream) -> dict[int, str]:
    """Days since DAY -> where that day is."""
    return {(found.day - DAY).days: found.place for found in coverage(stream.client, stream.dataset)}


def covered(stream: Stream, day: date = DAY) -> DayCoverage:
    (found,) = (found for found in coverage(stream.client, stream.dataset) if found.day == day)
    return found


def test_each_day_has_its_place(stream: Stream) -> None:
    for offset in (0, 1, 2, 30):
        stream.condensed(DAY + timedelta(days=offset), count=30)
    stream.fill(DAY + timedelta(days=3), count=10)
    stream.create(DAY + timedelta(days=4))
    stream.write(measurements(DAY, count=1, seed=3), DAY + timedelta(days=1))
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY + timedelta(days=2)))
    stream.create(index=f"{stream.dataset.name}-backup")
    assert places(stream) == {
        **{0: "raw and history", 1: "differs", 2: "history", 3: "raw", 4: "raw"},
        30: "raw and history",
    }
    assert list(places(stream)) == sorted(places(stream))


def test_what_cannot_be_read_is_told_and_hides_no_day(
    make_stream: StreamFactory, proxy: FaultyProxy, through: OpenSearch
) -> None:
    stream = make_stream()
    for offset in range(4):
        stream.fill(DAY + timedelta(days=offset), count=10)
    stream.client.indices.close(index=stream.dataset.raw_index(DAY + timedelta(days=1)))
    broken = stream.dataset.raw_index(DAY + timedelta(days=2))
    rollup = stream.create(index=f"{stream.dataset.name}-rollup")

    def answer(request: Request, forward: Forward) -> Answer:
        """As searches that include a rollup index, or an index whose files are damaged, are answered."""
        if any(name in unquote(request.path) for name in (broken, rollup, "*")):
            return refused(400, "search_phase_execution_exception")(request, forward)
        return forward(request)

    proxy.add(answer, path="_search", times=100)
    found = {(found.day - DAY).days: found for found in coverage(through, stream.dataset)}
    assert {day: one.place for day, one in found.items()} == {0: "raw", 1: "unreadable", 2: "unreadable", 3: "raw"}
    assert found[1].problem == f"{stream.dataset.raw_index(DAY + timedelta(days=1))} is closed."
    assert found[2].problem.startswith("OpenSearch answered 400")


def test_names_of_many_days_fit_into_requests(stream: Stream) -> None:
    for offset in range(4):
        stream.create(DAY + timedelta(days=offset))
    with patch.object(coverage_module, "_LONGEST", 2 * len(stream.dataset.raw_index(DAY)) + 1):
        assert set(places(stream).values()) == {"raw"}
        assert len(places(stream)) == 4


def test_numbers_of_a_day(stream: Stream) -> None:
    stream.condensed(count=60)
    found = covered(stream)
    assert (found.raw_documents, found.carried, found.rows) == (60, 60, len(stream.rows()))
    assert (found.raw_bytes or 0) > 0
    assert (found.history_bytes or 0) > 0


def test_sizes_that_statistics_lack_are_not_known(stream: Stream) -> None:
    stream.condensed(count=6)
    ask = stream.client.indices.stats

    def without_store(**options: Any) -> Any:
        found = ask(**options)
        for index in found["indices"].values():
            del index["primaries"]["store"]
        return found

    with patch.object(stream.client.indices, "stats", without_store):
        found = covered(stream)
    assert (found.place, found.raw_bytes, found.history_bytes) == ("raw and history", None, None)


def test_bytes_of_a_month_are_shared_out_by_rows(stream: Stream) -> None:
    stream.condensed(DAY, count=60)
    stream.condensed(DAY + timedelta(days=1), count=6)
    index = stream.dataset.month_index(DAY)
    stats = stream.client.indices.stats(index=index)["indices"][index]["primaries"]
    shares = [found.history_bytes or 0 for found in coverage(stream.client, stream.dataset)]
    assert shares[0] > shares[1] > 0
    assert stats["store"]["size_in_bytes"] - 2 <= sum(shares) <= stats["store"]["size_in_bytes"]


def test_rows_that_were_lost_differ(stream: Stream) -> None:
    stream.condensed(count=30)
    drop_a_row(stream)
    assert places(stream) == {0: "differs"}


def test_an_emptied_raw_day_differs_from_its_rows(stream: Stream) -> None:
    stream.condensed(count=30)
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    stream.create()
    found = covered(stream)
    assert (found.place, found.raw_documents, found.carried) == ("differs", 0, 30)


def test_nested_objects_are_no_documents(make_stream: StreamFactory) -> None:
    types = {"@timestamp": "date", "device": "keyword", "parts": {"type": "nested"}}
    stream = make_stream(types)
    stream.write([{"@timestamp": DAY.isoformat(), "device": "d", "parts": [{"n": 1}, {"n": 2}]}] * 5)
    stream.condense()
    assert (covered(stream).raw_documents, covered(stream).place) == (5, "raw and history")


def test_rows_of_somebody_else_are_no_day(stream: Stream) -> None:
    stream.condensed(count=30)
    row = next(iter(stream.rows().values()))
    for foreign in (f"strata-{stream.dataset.name}-by-hand", "strata-other-2024.05.01", "rollup"):
        stream.put_row(foreign, {**row, "transform._id": foreign})
    assert list(places(stream)) == [0]


def test_closed_days_and_empty_clusters(make_stream: StreamFactory) -> None:
    stream = make_stream()
    assert coverage(stream.client, stream.dataset) == []
    stream.fill(count=10)
    stream.client.indices.close(index=stream.dataset.raw_index(DAY))
    stream.fill(DAY + timedelta(days=1), count=10)
    assert places(stream) == {0: "unreadable", 1: "raw"}
