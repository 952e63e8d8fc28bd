"""Calendar days of a zone: no moment belongs to two days or to none, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.definition.days import (
    day_bounds,
    day_of,
    days_between,
    is_complete,
    months_between,
    newest_complete,
    newest_expired,
    require_complete,
)
from opensearch_strata.errors import Refused

NEW_YORK = ZoneInfo("America/New_York")
# Whole and half hours off UTC, clocks that change by 30 minutes, at midnight and by a whole day.
ZONES = [
    ZoneInfo(name)
    for name in (
        *("UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"),
        *("America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Pacific/Apia"),
    )
]
days = st.dates(date(2000, 1, 1), date(2037, 12, 31))
zones = st.sampled_from(ZONES)


@given(days, zones)
def test_adjacent_days_meet(day: date, zone: ZoneInfo) -> None:
    assert day_bounds(day, zone)[1] == day_bounds(day + timedelta(days=1), zone)[0]


@given(days, zones, st.floats(0, 0.999))
def test_each_moment_of_a_day_belongs_to_it(day: date, zone: ZoneInfo, part: float) -> None:
    start, end = day_bounds(day, zone)
    if start < end:  # Apia had no 2011-12-30
        assert day_of(start + (end - start) * part, zone) == day
        assert day_of(end - timedelta(microseconds=1), zone) == day


@given(st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC)), zones)
def test_each_moment_lies_within_its_day(moment: datetime, zone: ZoneInfo) -> None:
    start, end = day_bounds(day_of(moment, zone), zone)
    assert start <= moment < end


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", date(2013, 3, 10), 23),
        ("America/New_York", date(2013, 11, 3), 25),
        ("America/New_York", date(2013, 3, 11), 24),
        ("Europe/Berlin", date(2024, 3, 31), 23),
        ("Europe/Berlin", date(2024, 10, 27), 25),
        ("Australia/Lord_Howe", date(2024, 4, 7), 24.5),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),  # has no midnight
        ("America/Havana", date(2024, 11, 3), 25),  # has two
        ("Pacific/Apia", date(2011, 12, 30), 0),
        ("UTC", date(2024, 2, 29), 24),
    ],
)
def test_length_of_a_day(zone: str, day: date, hours: float) -> None:
    start, end = day_bounds(day, ZoneInfo(zone))
    assert end - start == timedelta(hours=hours)


def test_borders_are_in_utc() -> None:
    assert day_bounds(date(2013, 3, 10), NEW_YORK) == (
        datetime(2013, 3, 10, 5, tzinfo=UTC),
        datetime(2013, 3, 11, 4, tzinfo=UTC),
    )


def test_a_day_is_complete_when_its_zone_says_so() -> None:
    end = datetime(2013, 3, 11, 4, tzinfo=UTC)
    assert is_complete(date(2013, 3, 10), end, NEW_YORK)
    assert not is_complete(date(2013, 3, 10), end - timedelta(microseconds=1), NEW_YORK)


def test_an_unfinished_day_is_refused_with_the_newest_one() -> None:
    now = datetime(2013, 3, 12, 3, tzinfo=UTC)  # still the 11th in New York
    require_complete(date(2013, 3, 10), now, NEW_YORK)
    with pytest.raises(Refused, match=r"2013-03-11 is not over in America/New_York.*newest complete day is 2013-03-10"):
        require_complete(date(2013, 3, 11), now, NEW_YORK)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC)), zones)
def test_the_newest_complete_day_is_over_and_the_next_is_not(now: datetime, zone: ZoneInfo) -> None:
    newest = newest_complete(now, zone)
    assert is_complete(newest, now, zone)
    assert not is_complete(newest + timedelta(days=1), now, zone)


@given(days, st.integers(1, 400))
def test_the_window_holds_exactly_its_days(day: date, window: int) -> None:
    kept = [newest_expired(day, window) + timedelta(days=n + 1) for n in range(window)]
    assert kept[-1] == day
    assert len(kept) == window


@given(days, st.integers(0, 1000))
def test_months_between_are_those_of_the_days_between(first: date, length: int) -> None:
    last = first + timedelta(days=length)
    expected = sorted({day.replace(day=1) for day in days_between(first, last)})
    assert months_between(first, last) == expected


@given(days, st.integers(0, 1000))
def test_days_between_are_all_of_them_once(first: date, length: int) -> None:
    found = days_between(first, first + timedelta(days=length))
    assert (found[0], found[-1], len(found)) == (first, first + timedelta(days=length), length + 1)
    assert found == sorted(set(found))


def test_an_empty_span_has_no_days_and_no_months() -> None:
    assert days_between(date(2024, 3, 2), date(2024, 2, 1)) == []
    assert months_between(date(2024, 3, 2), date(2024, 2, 1)) == []
