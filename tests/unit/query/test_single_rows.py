"""Runs of whole records, and records from bytes: what the server sends, packed here as its script does it."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import groupby
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensearch_strata.history.query.frame import frame_of, frames, joined
from opensearch_strata.history.query.group_order import key_order
from opensearch_strata.history.query.question import Question
from opensearch_strata.history.query.read_plan import ReadPlan
from opensearch_strata.history.query.recall import Cell
from opensearch_strata.history.query.single_rows.records import Layout, Records, records_of
from opensearch_strata.history.query.single_rows.runs import Run, runs_of
from opensearch_strata.history.query.stretches import Stretch
from opensearch_strata.sketches.ddsketch import bin_of, bins_of
from tests.streams import dataset_of

HOUR = 3_600_000
DAY = 24 * HOUR
START = datetime(2024, 5, 6, tzinfo=UTC)
GROUPS = {"address": "ip", "name": "keyword", "shelf": "short", "on": "boolean"}
VALUES: dict[str, list[Any]] = {
    "address": ["9.0.0.1", "10.0.0.1", "::1", None],
    "name": ["b", "a", "Ωst", "\U0001f600", "￿", None],
    "shelf": [-3, 12, 2, None],
    "on": [False, True, None],
}

places = st.integers(-5, 30)


def multiples(length: int) -> Callable[[int, bool], int]:
    """Borders of buckets of one length."""
    return lambda moment, after: (-(-moment // length) if after else moment // length) * length


@given(st.integers(1, 12), st.lists(st.tuples(places, st.integers(0, 5)), max_size=4), st.booleans())
def test_a_run_is_divided_where_other_events_begin_and_end(
    length: int, spans: list[tuple[int, int]], as_days: bool
) -> None:
    begins = range(0, 10 * length, 10)
    run = Run(list(begins) if as_days else begins, 10 * length)
    touching = [(3 * first, 3 * first + 4 * more) for first, more in spans]
    expected = [any(first < begin + 10 and begin <= last for first, last in touching) for begin in begins]
    found: list[bool] = []
    while len(found) < length:
        part, is_touched = run.part(len(found), length).divided(touching)
        assert part.span[0] == 10 * len(found)
        found += [is_touched] * len(part)
    assert found == expected
    assert run.is_touched(touching) == any(expected)
    times = [begin for begin, touched in zip(begins, expected, strict=True) if touched]
    assert [begin for part in run.at(times) for begin in part.begins] == times
    assert len(list(run.at(times))) == sum(touched for touched, _ in groupby(expected))
    pieces = list(run.stretches())
    assert len(pieces) == (length if as_days else 1)
    assert (pieces[0].start, pieces[-1].end) == run.span
    moved = Run([begin + 3 for begin in begins] if as_days else range(3, 10 * length + 3, 10), 10 * length + 3)
    times = [piece.start if piece.time is None else piece.time for piece in moved.stretches()]
    assert all((time - (piece.origin or 3)) % 10 == 0 for time, piece in zip(times, moved.stretches(), strict=True))
    assert as_days or next(moved.stretches()).cut(1)[0].end == 13


def test_cut_records_are_no_part_of_a_run() -> None:
    piece = Stretch(HOUR // 2, 4 * HOUR + 1, unit=HOUR)
    head, run, tail = runs_of([piece], multiples(HOUR))
    assert (head, tail) == (Stretch(HOUR // 2, HOUR, unit=HOUR), Stretch(4 * HOUR, 4 * HOUR + 1, unit=HOUR))
    assert run == Run(range(HOUR, 4 * HOUR, HOUR), 4 * HOUR)
    assert list(runs_of([Stretch(1, 2, unit=HOUR)], multiples(HOUR))) == [Stretch(1, 2, unit=HOUR)]


def test_whole_days_are_a_run() -> None:
    whole = [Stretch(n * DAY, (n + 1) * DAY, time=n * DAY) for n in range(1, 4)]
    cut = Stretch(DAY // 2, DAY, time=0)
    late = Stretch(4 * DAY + HOUR, 5 * DAY + HOUR, time=4 * DAY + HOUR)  # a local midnight within a bucket
    after_a_gap = Stretch(6 * DAY, 7 * DAY, time=6 * DAY)
    found = list(runs_of([cut, *whole, late, after_a_gap], multiples(DAY)))
    assert found == [cut, Run([DAY, 2 * DAY, 3 * DAY], 4 * DAY), late, Run([6 * DAY], 7 * DAY)]
    assert len(list(runs_of([whole[0], whole[2]], multiples(DAY)))) == 2


def test_parts_of_days_are_a_run_over_several_days() -> None:
    days = [Stretch(5 * HOUR, DAY, unit=6 * HOUR), Stretch(DAY, DAY + 25 * HOUR, unit=6 * HOUR, origin=DAY)]
    borders: list[int] = [*range(0, DAY, 6 * HOUR), *range(DAY, DAY + 25 * HOUR, 6 * HOUR), DAY + 25 * HOUR]

    def border(moment: int, after: bool) -> int:
        found = [place for place in borders if (place >= moment if after else place <= moment)]
        return min(found) if after else max(found)

    head, run = runs_of(days, border)
    assert head == replace(days[0], end=6 * HOUR)
    assert run == Run(borders[1:-1], borders[-1])


def plan_of(stats: Sequence[str]) -> ReadPlan:
    full = {"field": "x", "stats": ["min", "max", "sum", "count", "avg"]}
    metrics = {"x": {**full, "decimals": 1, "distribution": {"relative_error": 0.02}}, "y": {**full, "field": "y"}}
    dataset = dataset_of("t", history={"group_by": list(GROUPS)}, metrics=metrics)
    asked: dict[str, Any] = {"stats": stats, "interval": "1h", "by": list(GROUPS)}
    question = Question.checked(dataset, START, START + timedelta(days=3), metrics=["x"], **asked)
    return ReadPlan(question, [], [], [], {"x": 20} if question.quantiles else {}, GROUPS)


def packed(layout: Layout, rows: Sequence[tuple[int, Sequence[Any], list[float]]]) -> list[Any]:
    """A shard's answer: the rows in the order in which it found them."""
    known: list[list[Any]] = [[] for _ in layout.by]
    out = b""
    for time, groups, values in rows:
        if not values:
            continue
        out += struct.pack(">q", time)
        for group, seen in zip(groups, known, strict=True):
            if group is not None and group not in seen:
                seen.append(group)
            out += struct.pack(">i", -1 if group is None else seen.index(group))
        stats = {"min": min(values), "max": max(values), "sum": sum(values)}
        out += struct.pack(">q", len(values))
        out += b"".join(
            struct.pack(">d", stats[s] * 1.0000000000000002) for s in stats if s in layout.dataset.metrics["x"].stats
        )
        ordered = sorted(values)
        for fraction in layout.fractions:
            rank = int(fraction * (len(ordered) - 1))
            place = 2**31 - 1 if rank == len(ordered) - 1 else -(2**31) if rank == 0 else bin_of(ordered[rank], 20)
            out += struct.pack(">i", place)
    return [len(rows), base64.b64encode(out).decode(), known]


tenths = st.integers(-10_000, 10_000).map(lambda n: n / 10)
row = st.tuples(
    st.integers(0, 3), st.tuples(*(st.sampled_from(known) for known in VALUES.values())), st.lists(tenths, max_size=5)
)


@settings(max_examples=40)
@given(
    st.lists(row, max_size=12, unique_by=lambda one: one[:2]),
    st.sampled_from([["count"], ["sum", "avg", "max"], ["p50", "min", "p99", "p0", "p100", "count"]]),
    st.integers(1, 3),
    st.sampled_from([1, 3, 100]),
)
def test_records_are_the_frame_that_cells_are(rows: Any, stats: list[str], shards: int, size: int) -> None:
    plan = plan_of(stats)
    layout = Layout(plan.dataset, plan.question.by, plan.question.quantiles)
    cells = []
    for hour, groups, values in rows:
        if values:
            kept = {"min": min(values), "max": max(values), "sum": round(sum(values), 1), "count": len(values)}
            found: dict[str, Any] = {stat: kept[stat] + 0 for stat in plan.dataset.metrics["x"].stats if stat != "avg"}
            cells.append(Cell(hour * HOUR, groups, {"x": {**found, "bins": bins_of(values, 20)}}, "history"))
    cells.sort(key=lambda cell: key_order({"": cell.time, **dict(zip(GROUPS, cell.groups, strict=True))}, GROUPS))
    states = [packed(layout, [(h * HOUR, g, v) for h, g, v in rows[n::shards]]) for n in range(shards)]
    records = records_of(layout, GROUPS, plan.steps, states)
    assert records.repeated() == []
    expected = frame_of(plan, cells)
    parts = list(frames(plan, [records], size))
    assert all(0 < len(part) <= size for part in parts)
    pd.testing.assert_frame_equal(joined(plan, parts), expected, check_exact=True)
    assert joined(plan, parts).attrs == expected.attrs


def test_groups_with_several_rows_are_told_by_their_times() -> None:
    plan = plan_of(["sum"])
    layout = Layout(plan.dataset, plan.question.by, {})
    one, other, lacks = ("::1", "a", 1, True), ("::1", "b", 1, True), (None, None, None, None)
    states = [
        packed(layout, [(3 * HOUR, one, [1.0]), (HOUR, lacks, [1.0]), (2 * HOUR, one, [])]),
        packed(layout, [(HOUR, lacks, [2.0]), (2 * HOUR, one, [1.0]), (3 * HOUR, other, [2.0])]),
    ]
    records = records_of(layout, GROUPS, {}, states)
    assert records.repeated() == [HOUR]
    assert [records.place_of(n * HOUR) for n in range(5)] == [0, 0, 2, 3, 5]
    assert len(records[2:]) == 3


@pytest.mark.parametrize("states", [[], [[7, "", [[], [], [], []]]]])
def test_nothing_found_is_no_record(states: list[Any]) -> None:
    plan = plan_of(["p50", "sum"])
    layout = Layout(plan.dataset, plan.question.by, plan.question.quantiles)
    records = records_of(layout, GROUPS, plan.steps, states)
    assert isinstance(records, Records)
    assert len(records) == 0
    assert list(frames(plan, [records])) == []


def test_addresses_are_ordered_by_their_bytes() -> None:
    texts = ["10.0.0.1", "9.0.0.1", "::1", "2001:db8::1"]
    ordered = sorted(texts, key=lambda text: key_order({"address": text}, GROUPS))
    assert ordered == ["::1", "9.0.0.1", "10.0.0.1", "2001:db8::1"]
    assert ip_address(ordered[0]).version == 6
