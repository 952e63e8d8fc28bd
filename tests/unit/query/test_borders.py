"""Which rows count for a span: each for one of the spans that touch, on whichever side of a midnight it lies."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import day_bounds, day_of
from opensearch_strata.history.query.borders import (
    RowsOfSpan,
    edges,
    midnight_in,
    partial_buckets,
    rows_of_span,
    whole_buckets,
)
from opensearch_strata.history.query.question import Question, milliseconds, moment_of
from tests.streams import dataset_of

MAY = datetime(2024, 5, 1, tzinfo=UTC)
HOUR = 3_600_000
DAY = timedelta(days=1)
ZONES = [
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Adelaide"),
    *("America/St_Johns", "Australia/Lord_Howe", "Pacific/Chatham", "America/Havana", "Pacific/Apia", "Africa/Cairo"),
]

zones = st.sampled_from(ZONES)
buckets = st.sampled_from(["15m", "30m", "1h", "6h", "1d"])
moments = st.datetimes(datetime(2011, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


def question_of(dataset: Dataset) -> Question:
    return Question.checked(dataset, MAY, MAY + DAY, metrics=["load"], stats=["sum"])


def local_days(dataset: Dataset, moment: datetime, count: int) -> list[date]:
    """The days around a moment, without those that the zone leaves out."""
    first = day_of(moment, dataset.zone) - 2 * DAY
    days = [first + number * DAY for number in range(count)]
    return [day for day in days if day_bounds(day, dataset.zone)[0] < day_bounds(day, dataset.zone)[1]]


def counts(rows: RowsOfSpan, bucket: int, day: date) -> bool:
    """Whether a row is read for a span, as the server judges it."""
    if rows.whole and rows.whole[0] <= bucket < rows.whole[1]:
        return True
    return any(
        edge.bucket == bucket and not (edge.since and day < edge.since) and not (edge.before and day >= edge.before)
        for edge in rows.edges
    )


@given(moments, zones, buckets, st.integers(-3, 3))
def test_a_row_counts_for_one_day_and_on_time_for_its_own(event: datetime, zone: str, bucket: str, late: int) -> None:
    dataset = dataset_of("t", time_zone=zone, history={"bucket": bucket})
    asked = question_of(dataset)
    begin = milliseconds(event) // asked.bucket * asked.bucket
    own = day_of(event, dataset.zone)
    raw_day = own + late * DAY
    found = []
    for day in local_days(dataset, event, 6):
        start, end = (milliseconds(border) for border in day_bounds(day, dataset.zone))
        assert all(edge.cut is None for edge in edges(asked, start, end))
        if counts(rows_of_span(asked, start, end), begin, raw_day):
            found.append(day)
    touched = {day_of(moment_of(ms), dataset.zone) for ms in (begin, milliseconds(event), begin + asked.bucket - 1)}
    assert len(found) == 1
    assert found[0] in touched
    assert late or found == [own]


@given(moments, zones, buckets, st.lists(st.integers(1, 96), min_size=2, max_size=6, unique=True))
def test_spans_that_touch_count_each_row_once(start: datetime, zone: str, bucket: str, hours: list[int]) -> None:
    """Borders anywhere: a bucket that is cut where no day begins is left to raw documents on both sides."""
    dataset = dataset_of("t", time_zone=zone, history={"bucket": bucket})
    asked = question_of(dataset)
    midnight = milliseconds(day_bounds(day_of(start, dataset.zone), dataset.zone)[0])
    borders = [midnight, *(midnight + hour * HOUR // 4 for hour in sorted(hours))]
    begin = borders[0] // asked.bucket * asked.bucket
    for row in range(begin, borders[-1] + 1, asked.bucket):
        for day in (day_of(moment_of(row), dataset.zone) + late * DAY for late in (-1, 0, 1)):
            times = sum(counts(rows_of_span(asked, *span), row, day) for span in pairwise(borders))
            uncut = not any(row < border < row + asked.bucket for border in borders)
            assert times <= 1
            assert times == 1 or not uncut or row >= borders[-1]


def test_a_midnight_within_a_bucket_is_found() -> None:
    asked = question_of(dataset_of("t", time_zone="Asia/Kolkata"))
    begin = milliseconds(datetime(2024, 5, 5, 18, tzinfo=UTC))
    assert midnight_in(asked, begin) == begin + HOUR // 2
    assert midnight_in(asked, begin + HOUR) is None


def test_a_bucket_that_is_cut_elsewhere_is_told_with_the_cut() -> None:
    asked = question_of(dataset_of("t", time_zone="Asia/Kolkata"))
    zone = ZoneInfo("Asia/Kolkata")
    start = milliseconds(datetime(2024, 5, 6, 0, 10, tzinfo=zone))
    (edge,) = edges(asked, start, milliseconds(datetime(2024, 5, 6, 5, 30, tzinfo=zone)))
    assert (edge.cut, rows_of_span(asked, start, start + 4 * HOUR + 20 * 60_000).edges) == (start, [])


@pytest.mark.parametrize(
    ("minutes", "whole", "partial"),
    [
        ((0, 120), (0, 120), []),
        ((10, 120), (60, 120), [(10, 60)]),
        ((0, 110), (0, 60), [(60, 110)]),
        ((10, 130), (60, 120), [(10, 60), (120, 130)]),
        ((10, 70), (60, 60), [(10, 60), (60, 70)]),
        ((10, 20), (60, 0), [(10, 20)]),
        ((0, 20), (0, 0), [(0, 20)]),
        ((20, 60), (60, 60), [(20, 60)]),
    ],
)
def test_a_span_is_whole_buckets_and_parts_of_some(
    minutes: tuple[int, int], whole: tuple[int, int], partial: list[tuple[int, int]]
) -> None:
    assert whole_buckets(60, *minutes) == whole
    assert partial_buckets(60, *minutes) == partial
