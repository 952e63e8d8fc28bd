"""Intervals in a zone: no two hours become one when clocks go back, and none is named where none can be."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.days import day_bounds, day_of
from opensearch_strata.errors import Refused
from opensearch_strata.history.intervals import Interval
from tests.streams import dataset_of

NEW_YORK = ZoneInfo("America/New_York")
BERLIN = ZoneInfo("Europe/Berlin")
zones = st.sampled_from([ZoneInfo("UTC"), NEW_YORK, BERLIN, ZoneInfo("America/Havana"), ZoneInfo("America/Sao_Paulo")])
moments = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
intervals = st.sampled_from(["1h", "2h", "6h", "12h", "1d", "1M"]).map(Interval.parse)


def starts(interval: str, day: date, zone: ZoneInfo) -> list[str]:
    """Where intervals begin on a day, as UTC hours."""
    begin, end = day_bounds(day, zone)
    hours = int((end - begin) / timedelta(hours=1))
    moments = [Interval.parse(interval).start_of((begin + timedelta(hours=n)).astimezone(zone)) for n in range(hours)]
    return sorted({f"{moment.astimezone(UTC):%dT%H}" for moment in moments})


@given(moments, zones, intervals)
def test_a_moment_lies_in_its_interval(moment: datetime, zone: ZoneInfo, interval: Interval) -> None:
    start = interval.start_of(moment.astimezone(zone))
    assert start.astimezone(UTC) <= moment
    assert day_of(start, zone) <= day_of(moment, zone)
    if interval.length and interval.length < timedelta(days=1):
        assert moment - start.astimezone(UTC) < interval.length
        assert day_of(start, zone) == day_of(moment, zone)


@given(moments, zones, intervals)
def test_a_start_is_the_start_of_itself(moment: datetime, zone: ZoneInfo, interval: Interval) -> None:
    start = interval.start_of(moment.astimezone(zone)).astimezone(UTC)
    assert interval.start_of(start.astimezone(zone)).astimezone(UTC) == start


@given(moments, zones)
def test_days_begin_where_the_zone_begins_them(moment: datetime, zone: ZoneInfo) -> None:
    start = Interval.parse("1d").start_of(moment.astimezone(zone))
    assert start.astimezone(UTC) == day_bounds(day_of(moment, zone), zone)[0]


def test_months_begin_on_their_first_day() -> None:
    start = Interval.parse("1M").start_of(datetime(2013, 3, 31, 23, tzinfo=NEW_YORK))
    assert start.astimezone(UTC) == datetime(2013, 3, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("interval", "day", "expected"),
    [
        ("6h", date(2013, 3, 10), ["10T05", "10T11", "10T17", "10T23"]),  # 23 hours: the last part has five
        ("6h", date(2013, 11, 3), ["03T04", "03T10", "03T16", "03T22", "04T04"]),  # 25 hours
        ("12h", date(2013, 7, 1), ["01T04", "01T16"]),
        ("1d", date(2013, 11, 3), ["03T04"]),
    ],
)
def test_parts_of_a_day_are_counted_from_midnight(interval: str, day: date, expected: list[str]) -> None:
    assert starts(interval, day, NEW_YORK) == expected


def test_both_hours_of_a_clock_that_goes_back_are_there() -> None:
    assert len(starts("1h", date(2013, 11, 3), NEW_YORK)) == 25
    assert len(starts("1h", date(2013, 3, 10), NEW_YORK)) == 23


@pytest.mark.parametrize("text", ["", "h", "0h", "1.5h", "2d", "3M", "1w", "1H", "60s", " 1h", "1h "])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(Refused, match="is no interval; write 15m, 1h, 6h, 1d or 1M"):
        Interval.parse(text)


@pytest.mark.parametrize("text", ["7h", "5h", "7m", "36h", "1441m"])
def test_what_does_not_divide_a_day_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=f"'{text}' does not divide a day"):
        Interval.parse(text)


def check(interval: str, zone: str = "UTC", bucket: str = "1h", **span: Any) -> None:
    dataset = dataset_of("t", time_zone=zone, history={"bucket": bucket})
    start = datetime(2024, span.get("month", 1), 5, tzinfo=ZoneInfo(zone))
    Interval.parse(interval).check(dataset, start, start + timedelta(days=span.get("days", 3)))


@pytest.mark.parametrize(
    ("interval", "zone", "bucket"),
    [
        *(("1h", "UTC", "1h"), ("6h", "UTC", "1h"), ("1M", "UTC", "6h"), ("1d", "America/New_York", "1h")),
        ("1h", "Asia/Kolkata", "1h"),  # named by where the bucket begins
        ("1d", "Asia/Kolkata", "30m"),
        ("1d", "Europe/London", "6h"),  # in winter
    ],
)
def test_intervals_that_rows_can_answer(interval: str, zone: str, bucket: str) -> None:
    check(interval, zone, bucket)


@pytest.mark.parametrize("interval", ["15m", "90m"])
def test_finer_than_the_buckets_is_refused(interval: str) -> None:
    with pytest.raises(Refused, match=f"'{interval}' is not a multiple of the bucket '1h'"):
        check(interval)


@pytest.mark.parametrize(
    ("interval", "zone", "bucket", "month", "days"),
    [
        ("1d", "Asia/Kolkata", "1h", 1, 3),
        ("6h", "Asia/Kolkata", "1h", 1, 3),
        ("1M", "Australia/Adelaide", "1h", 1, 3),
        ("1d", "America/New_York", "6h", 1, 3),
        ("1d", "Europe/London", "6h", 7, 3),  # summer time begins days an hour before a bucket
        ("1d", "Europe/London", "6h", 1, 200),
    ],
)
def test_borders_that_cut_buckets_are_refused(interval: str, zone: str, bucket: str, month: int, days: int) -> None:
    with pytest.raises(Refused, match=f"Buckets of '{bucket}' start on UTC borders, which are no borders of a day"):
        check(interval, zone, bucket, month=month, days=days)
