"""Which days objects may hold, by what their keys tell."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.planning.held_days import days_held, ranges_of
from opensearch_strata.archive.store.listing import Listing
from opensearch_strata.archive.store.objects import ListedObject
from opensearch_strata.definition.days import day_bounds, day_of, days_between
from tests.streams import dataset_of

FIRST, LAST = date(2013, 1, 1), date(2013, 12, 31)


def held(keys: list[str], modified: datetime = datetime(2013, 3, 9, 12, tzinfo=UTC), **intake: Any) -> list[date]:
    time_zone = intake.pop("time_zone", "UTC")
    dataset = dataset_of("logs", time_zone=time_zone, intake={"source": "s3://archive/p/", **intake})
    span = (_ms(day_bounds(FIRST, dataset.zone)[0]), _ms(day_bounds(LAST, dataset.zone)[1]))
    listing = Listing(None, "s3://archive/p/", dataset.intake, *span, "s3://archive/dead/")
    objects = [ListedObject(Place("archive", f"p/{key}", "e"), 1, _ms(modified)) for key in keys]
    return days_held(listing, dataset, objects, span)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def test_an_object_holds_days_from_before_its_arrival_to_just_after_it() -> None:
    assert held(["2013/01/05/07/x"], max_clock_lead="1h", max_lateness="1h") == [date(2013, 1, 5)]
    assert held(["2013/01/05/07/x"], max_clock_lead="1h", max_lateness="8h") == [date(2013, 1, 4), date(2013, 1, 5)]
    assert held(["2013/01/05/23/x"], max_clock_lead="1h", max_lateness="1h") == [date(2013, 1, 5), date(2013, 1, 6)]
    assert held(["2013/01/05/07/x"], max_clock_lead="1h", max_lateness="1h", time_zone="Asia/Tokyo") == [
        date(2013, 1, 5)
    ]
    assert held(["2013/01/05/15/x"], max_clock_lead="1h", max_lateness="1h", time_zone="Asia/Tokyo") == [
        date(2013, 1, 5),
        date(2013, 1, 6),
    ]


def test_days_beyond_the_range_count_for_nothing() -> None:
    assert held(["2013/01/01/00/x", "2014/01/01/00/x", "2015/06/01/00/x"], max_clock_lead="1h", max_lateness="2h") == [
        FIRST,
        LAST,
    ]


def test_a_key_that_tells_little_tells_no_day() -> None:
    assert held(["2013/x"], layout="%Y/") == []
    assert held(["2013/05/06/x"], layout="%Y/%m/%d/", max_lateness="400d") == []
    assert held(["x", "2013/01/05/07/x"], layout=None, max_lateness="1h", max_clock_lead="1h") == [date(2013, 3, 9)]


@given(
    st.lists(st.datetimes(datetime(2012, 12, 20), datetime(2014, 1, 10)), min_size=1, max_size=20),
    st.integers(-3600, 30 * 3600),
    st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu"]),
)
def test_no_event_within_the_margins_is_of_another_day(arrivals: list[datetime], ago: int, zone: str) -> None:
    found = held(
        [f"{moment:%Y/%m/%d/%H}/x" for moment in arrivals], max_clock_lead="1h", max_lateness="30h", time_zone=zone
    )
    dataset = dataset_of("logs", time_zone=zone)
    for moment in arrivals:
        event = moment.replace(tzinfo=UTC, minute=0, second=0, microsecond=0) - timedelta(seconds=ago)
        day = day_of(event, dataset.zone)
        if FIRST <= day <= LAST and ago > -3600:
            assert day in found
    assert found == sorted(set(found))


@pytest.mark.parametrize("gaps", [[], [1], [1, 1, 2, 1, 5]])
def test_days_become_ranges_and_come_back(gaps: list[int]) -> None:
    days = [FIRST + timedelta(days=sum(gaps[:number])) for number in range(len(gaps) + 1)]
    ranges = ranges_of(days)
    assert [day for first, last in ranges for day in days_between(first, last)] == days
    assert len(ranges) == 1 + sum(gap > 1 for gap in gaps)
