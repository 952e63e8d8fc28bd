"""The slices of a day: every document is in one of them, no bucket is cut, and they fill about a page each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.history.buckets.aggregation import PAGE_SIZE
from opensearch_strata.history.buckets.slices import Slice, SliceWalk

HOUR = 3_600_000
times = st.integers(-(10**12), 4 * 10**12)
lengths = st.sampled_from([HOUR, HOUR // 4, 24 * HOUR])


def matches(query: dict[str, Any], time: int | None) -> bool:
    """Whether a document of this time matches, as the server would decide; None for a document without one."""
    ((kind, body),) = query.items()
    match kind:
        case "match_all":
            return True
        case "range":
            limits = body["@timestamp"]
            assert limits["format"] == "epoch_millis"
            return time is not None and limits.get("gte", time) <= time < limits.get("lt", time + 1)
        case "exists":
            return time is not None
        case "bool" if "must_not" in body:
            return not matches(body["must_not"], time)
        case "bool":
            assert body["minimum_should_match"] == 1
            return any(matches(part, time) for part in body["should"])
    raise AssertionError(f"unknown query {query}")


def test_evaluator_knows_the_time_of_a_document() -> None:
    noon = int(datetime(2024, 5, 6, 12, tzinfo=UTC).timestamp() * 1000)
    assert matches({"range": {"@timestamp": {"gte": noon, "format": "epoch_millis"}}}, noon)
    assert not matches({"range": {"@timestamp": {"lt": noon, "format": "epoch_millis"}}}, noon)


def walked(walk: SliceWalk, rows_of: Callable[[Slice], int]) -> list[Slice]:
    """All slices of a walk, which learns of so many rows in each."""
    found = []
    while part := walk.next():
        found.append(part)
        walk.learn(part, rows_of(part))
    return found


@given(times, st.integers(0, 10**10), st.none() | times, lengths, st.integers(0, 3000))
def test_each_document_is_in_one_slice(first: int, span: int, time: int | None, bucket: int, rows: int) -> None:
    found = walked(SliceWalk(bucket, first, first + span), lambda part: rows * part.units)
    assert sum(matches(part.query("@timestamp"), time) for part in found) == 1


@given(times, st.integers(0, 10**9), times, lengths)
def test_no_bucket_is_cut(first: int, span: int, time: int, bucket: int) -> None:
    start = time // bucket * bucket
    for part in walked(SliceWalk(bucket, first, first + span), lambda part: 900 * part.units):
        query = part.query("@timestamp")
        assert len({matches(query, moment) for moment in (start, time, start + bucket - 1)}) == 1


@given(times, st.integers(1, 20_000))
def test_a_day_of_many_rows_takes_about_as_many_searches_as_pages(first: int, rows: int) -> None:
    found = walked(SliceWalk(HOUR, first, first + 24 * HOUR - 1), lambda part: rows * part.units)
    assert len(found) <= min(25, 15 + 2 * 25 * rows / PAGE_SIZE)
    assert all(part.units == 1 or part.units * rows <= PAGE_SIZE for part in found)


@given(times, st.integers(1, 200), st.integers(0, 500))
def test_no_thread_is_left_with_much_of_a_day(first: int, hours: int, rows: int) -> None:
    left = (first + hours * HOUR) // HOUR - first // HOUR + 1
    for part in walked(SliceWalk(HOUR, first, first + hours * HOUR), lambda part: rows * part.units):
        assert part.units <= max(1, left / 4)
        left -= part.units
    assert left == 0


def test_what_is_left_without_events_is_one_slice() -> None:
    walk = SliceWalk(HOUR, 0, 24 * HOUR)
    first = walk.next()
    assert first
    walk.skip(None)
    assert [(part.start, part.end) for part in [first, *walked(walk, lambda _: 0)]] == [(None, HOUR), (HOUR, None)]


def test_a_day_that_fits_in_a_page_is_one_slice_of_everything() -> None:
    assert [part.query("t") for part in walked(SliceWalk(HOUR, 5, 99 * HOUR, whole=True), lambda _: 7)] == [
        {"match_all": {}}
    ]


@given(times, st.integers(1, 10**6), st.sampled_from([1, 2**53, 10**18]))
def test_time_without_events_is_skipped_without_losing_the_next(first: int, hours: int, scale: int) -> None:
    """The server's extremes are doubles: far away they are not exact."""
    following = min(first + hours * HOUR * scale, 2**63 - 1)
    walk = SliceWalk(HOUR, first, following)
    part = walk.next()
    assert part
    walk.skip(float(following))
    rest = walked(walk, lambda _: 1)
    assert sum(matches(part.query("@timestamp"), following) for part in [part, *rest]) == 1
    assert len(rest) <= 3
