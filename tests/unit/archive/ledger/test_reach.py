"""What a load of some days says about wider ranges: nothing is read again for nothing, and nothing is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.documents.reading import ReadAs, reading_of
from opensearch_strata.archive.documents.shaper import Document, Shaper
from opensearch_strata.archive.events import NOWHERE, Event
from opensearch_strata.archive.ledger.loads import Reach
from opensearch_strata.archive.ledger.rows import ObjectRow
from opensearch_strata.archive.ledger.takeover import taken_over, without_days
from opensearch_strata.definition.dataset import Dataset
from tests.ledgers import place
from tests.streams import dataset_of

BASE = 1_715_000_000_000  # 2024-05-06, the day in the key of the object
DATASET = dataset_of("t")
BY = reading_of(DATASET)

offsets = st.integers(-30, 30)
ranges = st.tuples(offsets, offsets).map(sorted).map(lambda pair: (BASE + pair[0], BASE + pair[1] + 1))


def line(number: int, message: dict[str, Any]) -> Event:
    return Event(number, 0, message, b"", None, "", NOWHERE, "")


def loaded(times: list[int], span: tuple[int, int], dataset: Dataset = DATASET) -> tuple[ObjectRow, set[int]]:
    """The row of an object of such events, and which of them became documents."""
    shaper = Shaper(dataset, place(), span)
    items = [line(number, {"@timestamp": time}) for number, time in enumerate(times)]
    items += [line(len(times), {"no": "time"})]
    taken = {time for time, item in zip(times, items, strict=False) if isinstance(shaper.shaped(item), Document)}
    reach = Reach(*shaper.reach, reading_of(dataset).definition) if shaper.reach else None
    return ObjectRow(place(), 1, span, "done", reach=reach), taken


@given(st.lists(offsets.map(lambda offset: BASE + offset), max_size=6), ranges, ranges)
def test_a_wider_range_is_done_just_if_it_has_no_other_event(
    times: list[int], span: tuple[int, int], other: tuple[int, int]
) -> None:
    row, taken = loaded(times, span)
    wide = min(span[0], other[0]), max(span[1], other[1])
    left = {time for time in times if wide[0] <= time < wide[1]} - taken
    assert row.is_done_for(wide, BY) == (not left)
    assert bool(row.loaded_for(wide, BY)) == (not left)


@given(st.lists(offsets.map(lambda offset: BASE + offset), max_size=6), st.lists(ranges, min_size=2, max_size=4))
def test_loads_of_several_ranges_leave_out_no_event_together(times: list[int], spans: list[tuple[int, int]]) -> None:
    *asked, wide = spans
    row, known = loaded(times, asked[0])
    for span in asked[1:]:
        latest, taken = loaded(times, span)
        row = replace(taken_over(row, span), state="done", reach=latest.reach)
        known |= taken
    if row.is_done_for(wide, BY):
        assert {time for time in times if wide[0] <= time < wide[1]} <= known


ROW = loaded([BASE], (BASE, BASE + 10))[0]
WIDE = (BASE - 100, BASE + 100)


@pytest.mark.parametrize(
    ("row", "wanted", "by"),
    [
        (replace(ROW, reach=None), WIDE, BY),  # of a version that kept none
        (ROW, WIDE, reading_of(dataset_of("t", intake={"timestamp_format": "epoch_seconds"}))),
        (ROW, WIDE, reading_of(dataset_of("t", time_zone="Asia/Kolkata"))),
        (ROW, WIDE, None),  # whoever claims it asks for what was loaded
        (replace(ROW, state="quarantined"), WIDE, BY),
        (replace(ROW, state="failed"), WIDE, BY),
        (replace(ROW, state="running"), WIDE, BY),
        (ROW, (BASE + 5, BASE + 100), BY),  # no wider one, but another
        (without_days(replace(ROW, days={"t-2024.05.06": 1}), ["t-2024.05.06"]), WIDE, BY),
    ],
)
def test_it_is_read_again_where_that_is_not_certain(
    row: ObjectRow | None, wanted: tuple[int, int], by: ReadAs | None
) -> None:
    assert ROW.is_done_for(WIDE, BY)
    assert row is None or not row.is_done_for(wanted, by)


@pytest.mark.parametrize(
    ("intake", "message"),
    [
        ({}, {"@timestamp": 1_715_000_000}),  # seconds, or so it looks for these days
        ({"timestamp_format": "%d %b %H:%M:%S"}, {"@timestamp": "06 May 12:00:00"}),  # the year is of the days
    ],
)
def test_nothing_is_known_of_wider_ranges_where_times_depend_on_the_range(
    intake: dict[str, Any], message: dict[str, Any]
) -> None:
    dataset = dataset_of("t", intake={"layout": None, **intake})
    shaper = Shaper(dataset, place()._replace(key="logs/a.gz"), (BASE, BASE + 86_400_000))
    shaper.shaped(line(0, message))
    assert shaper.reach is None
