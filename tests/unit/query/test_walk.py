"""The walk through a span: every moment once, in the record that a calendar on the wall would name."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.definition.days import day_bounds
from opensearch_strata.history.buckets.aggregation import PAGE_SIZE
from opensearch_strata.history.buckets.pace import Pace
from opensearch_strata.history.query.question import Question, milliseconds, moment_of
from opensearch_strata.history.query.stretches import Stretch, stretches
from tests.streams import dataset_of

ZONES = ["UTC", "America/New_York", "Europe/Berlin", "America/Havana", "America/Sao_Paulo"]
LENGTHS = {"1h": 1, "2h": 2, "6h": 6, "12h": 12}
FOREVER = (-(10**15), 10**15)

moments = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


def walk(zone: str, start: datetime, end: datetime, interval: str | None, bucket: str = "1h") -> list[Stretch]:
    dataset = dataset_of("t", time_zone=zone, history={"bucket": bucket})
    asked = Question.checked(dataset, start, end, metrics=["load"], stats=["sum"], interval=interval)
    return list(stretches(asked, *FOREVER))


def begin_of_record(moment: datetime, zone: ZoneInfo, interval: str) -> datetime:
    """What the wall says: the begin of a moment's month or day, or of the part of the day since its midnight."""
    midnight = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if interval == "1M":
        return midnight.replace(day=1).astimezone(UTC)
    part = timedelta(hours=LENGTHS.get(interval, 48))
    return midnight.astimezone(UTC) + (moment - midnight.astimezone(UTC)) // part * part


def record_in(stretch: Stretch, moment: int) -> int:
    """Where the record of a moment begins, as the server's histogram says it."""
    if stretch.time is not None:
        return stretch.time
    return stretch.origin + (moment - stretch.origin) // stretch.unit * stretch.unit


@given(moments, st.sampled_from(ZONES), st.sampled_from([*LENGTHS, "1d", "1M"]), st.floats(0, 1))
def test_a_moment_lies_in_one_stretch_and_its_record(start: datetime, zone: str, interval: str, place: float) -> None:
    end = start + timedelta(days=40)
    moment = start + place * timedelta(days=39)
    found = walk(zone, start, end, interval)
    assert (found[0].start, found[-1].end) == (milliseconds(start), milliseconds(end))
    assert all(one.end == after.start for one, after in pairwise(found))
    (stretch,) = [s for s in found if s.start <= milliseconds(moment) < s.end]
    begin = begin_of_record(moment_of(milliseconds(moment)), ZoneInfo(zone), interval)
    assert moment_of(record_in(stretch, milliseconds(moment))) == begin


def begins(interval: str, day: date, zone: str) -> list[str]:
    """Where records begin on a day, as UTC hours."""
    start, end = day_bounds(day, ZoneInfo(zone))
    found = walk(zone, start, end, interval)
    hours = range(milliseconds(start), milliseconds(end), 3_600_000)
    times = {record_in(s, hour) for s in found for hour in hours if s.start <= hour < s.end}
    return [f"{moment_of(time):%dT%H}" for time in sorted(times)]


@pytest.mark.parametrize(
    ("interval", "day", "expected"),
    [
        ("6h", date(2013, 3, 10), ["10T05", "10T11", "10T17", "10T23"]),  # 23 hours: the last part has five
        ("6h", date(2013, 11, 3), ["03T04", "03T10", "03T16", "03T22", "04T04"]),  # 25 hours
        ("12h", date(2013, 7, 1), ["01T04", "01T16"]),
        ("1d", date(2013, 11, 3), ["03T04"]),
        ("1M", date(2013, 3, 31), ["01T05"]),  # before the clocks changed
    ],
)
def test_parts_of_a_day_are_counted_from_midnight(interval: str, day: date, expected: list[str]) -> None:
    assert begins(interval, day, "America/New_York") == expected


def test_both_hours_of_a_clock_that_goes_back_are_there() -> None:
    assert len(begins("1h", date(2013, 11, 3), "America/New_York")) == 25
    assert len(begins("1h", date(2013, 3, 10), "America/New_York")) == 23


def test_the_buckets_of_the_rows_need_no_calendar() -> None:
    start = datetime(2024, 1, 1, 0, 10, tzinfo=UTC)
    assert walk("Asia/Kolkata", start, start + timedelta(days=90), "1h") == [
        Stretch(milliseconds(start), milliseconds(start + timedelta(days=90)), unit=3_600_000)
    ]


def test_days_are_one_stretch_until_clocks_are_changed() -> None:
    span = [day_bounds(date(2013, 1, day), ZoneInfo("America/New_York"))[0] for day in (1, 1)]
    found = walk("America/New_York", span[0], span[1].replace(year=2014), "6h")
    assert [f"{moment_of(one.start):%m-%dT%H}" for one in found] == ["01-01T05", "03-11T04", "11-04T05"]


def test_only_what_is_known_is_walked() -> None:
    dataset = dataset_of("t")
    century = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    first, last = (milliseconds(datetime(2024, 5, day, 12, tzinfo=UTC)) for day in (6, 8))
    for interval, count in (("1h", 1), ("6h", 1), ("1d", 3), ("1M", 1)):
        asked = Question.checked(dataset, *century, metrics=["load"], stats=["sum"], interval=interval)
        assert len(list(stretches(asked, first, last))) == count
    asked = Question.checked(dataset, *century, metrics=["load"], stats=["sum"])
    assert [s.time for s in stretches(asked, first, last)] == [milliseconds(century[0])]


@given(
    st.integers(0, 10**6), st.integers(1, 10**5), st.integers(1, 5000), st.integers(-4000, 4000), st.integers(1, 300)
)
def test_cuts_lose_nothing_and_lie_on_the_borders_of_records(
    start: int, length: int, unit: int, origin: int, units: int
) -> None:
    rest: Stretch | None = Stretch(start, start + length, unit=unit, origin=origin)
    position, counted = start, 0
    whole = rest.units if rest else 0
    while rest:
        part, rest = rest.cut(units)
        assert part.start == position < part.end
        assert part.units <= units
        assert rest is None or (part.end - origin) % unit == 0
        position, counted = part.end, counted + part.units
    assert (position, counted) == (start + length, whole)


def test_the_pace_is_about_a_page_a_search() -> None:
    """Of 10,000 devices an hour at a time; where there is little, as much as there may be."""
    pace = Pace(most=24 * 31)
    asked = []
    for _ in range(5):
        asked.append(pace.units)
        pace.learn(pace.units, 10_000 * pace.units)
    assert asked == [1] * 5
    for _ in range(9):
        asked.append(pace.units)
        pace.learn(pace.units, 20 * pace.units)
    assert asked[-1] == PAGE_SIZE * 4 // 5 // 20
    assert all(later <= 4 * sooner for sooner, later in pairwise(asked))
    for found in [0, 1] * 5:
        pace.learn(pace.units, found)
    assert pace.units == 24 * 31
