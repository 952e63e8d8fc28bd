"""Days in every zone and of every bucket, wherever they lie: the same answers as from the documents themselves."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opensearch_strata.definition.days import day_bounds, day_of
from opensearch_strata.errors import Refused
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.reader import read
from tests.streams import Document, Stream, StreamFactory

Place = Literal["raw", "condensed", "proven", "gone"]

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
STATS = ["min", "max", "sum", "count", "p50"]
CASES = [
    ("Asia/Kolkata", "1h", date(2024, 4, 28)),
    ("Asia/Kathmandu", "30m", date(2024, 5, 6)),
    ("Australia/Lord_Howe", "1h", date(2024, 4, 4)),  # clocks change by half an hour on the 7th
    ("Europe/Berlin", "1d", date(2024, 3, 28)),  # a day of 23 hours on the 31st
    ("America/St_Johns", "6h", date(2024, 11, 1)),  # a day of 25 hours on the 3rd
    ("America/Havana", "1h", date(2024, 3, 8)),  # there is no midnight on the 10th
]


@dataclass(frozen=True)
class Event:
    """A document: when it happened, in which raw day it lies, and whether its raw document is gone."""

    time: datetime
    raw_day: date
    device: str
    value: float
    is_gone: bool


@dataclass(frozen=True, repr=False)
class Told:
    """A dataset whose days lie in every place, and all that is in it."""

    stream: Stream
    events: list[Event]
    first: date
    bucket: timedelta

    def midnight(self, day: date) -> datetime:
        return day_bounds(day, self.stream.dataset.zone)[0]

    def day(self, moment: datetime) -> date:
        return day_of(moment, self.stream.dataset.zone)

    def begin_of_bucket(self, moment: datetime) -> datetime:
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        return epoch + (moment - epoch) // self.bucket * self.bucket

    def told_time(self, event: Event) -> datetime:
        """A time of the bucket that is all that is left of an event: on the side of a midnight where its raw day is."""
        if not event.is_gone:
            return event.time
        begin = self.begin_of_bucket(event.time)
        first, last = self.day(begin), self.day(begin + self.bucket - MINUTE)
        return max(begin, self.midnight(min(max(event.raw_day, first), last)))

    def record(self, moment: datetime, interval: str | None, start: datetime) -> datetime:
        """When the record of a moment begins."""
        if interval is None:
            return start
        day = self.day(moment)
        if interval in ("1d", "1M"):
            return self.midnight(day.replace(day=1) if interval == "1M" else day)
        return self.begin_of_bucket(moment)


def arriving(told: Told, day: date, place: Place) -> Iterable[tuple[Event, Document]]:
    """Events of a raw day: its own, some at its very borders, and a few that came late."""
    rng = random.Random(f"{day}")
    start, end = day_bounds(day, told.stream.dataset.zone)
    times = [start, start + MINUTE, end - MINUTE, end - timedelta(milliseconds=1)]
    times += [start + rng.random() * (end - start) for _ in range(20)]
    times += [start - rng.random() * timedelta(hours=30) for _ in range(5)] + [start - 20 * MINUTE]
    for moment in times:
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        event = Event(moment, day, rng.choice("ab"), rng.choice([-1, 1]) * rng.lognormvariate(1, 2), place == "gone")
        yield event, {"@timestamp": moment.isoformat(), "device": event.device, "temperature": event.value}


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]} {case[1]}")
def told(request: pytest.FixtureRequest, make_stream: StreamFactory) -> Told:
    zone, bucket, first = request.param
    stream = make_stream(time_zone=zone, history={"bucket": bucket, "group_by": ["device"]})
    told = Told(stream, [], first, stream.dataset.history.bucket_length)
    places: list[Place] = ["gone", "gone", "proven", "condensed", "gone", "raw", "gone"]
    for number, place in enumerate(places):
        day = first + number * DAY
        written = list(arriving(told, day, place))
        told.events.extend(event for event, _ in written)
        stream.write([document for _, document in written], day)
        if place != "raw":
            stream.condense(day)
        if place in ("proven", "gone"):
            assert prove(stream.client, stream.dataset, day).state == "verified"
        if place == "gone":
            stream.client.indices.delete(index=stream.dataset.raw_index(day))
    again = first + 4 * DAY  # a late flush makes this day anew
    late = Event(told.midnight(again) + 90 * MINUTE, again, "late", 5.0, is_gone=False)
    told.events.append(late)
    stream.write([{"@timestamp": late.time.isoformat(), "device": "late", "temperature": late.value}], again)
    return told


def expected(told: Told, start: datetime, end: datetime, interval: str | None, by: list[str]) -> dict[Any, list[float]]:
    found = defaultdict(list)
    for event in told.events:
        if start <= (moment := told.told_time(event)) < end:
            found[told.record(moment, interval, start), event.device if by else None].append(event.value)
    return found


def ask(told: Told, start: datetime, end: datetime, interval: str | None, by: list[str]) -> pd.DataFrame:
    asked: dict[str, Any] = {"metrics": ["temperature"], "stats": STATS, "interval": interval, "by": by}
    return read(told.stream.client, told.stream.dataset, start, end, **asked)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_record_is_that_of_its_documents(told: Told, data: st.DataObject) -> None:
    """Spans between local midnights and between borders of buckets, whichever of the days are still raw."""
    days = sorted(data.draw(st.lists(st.integers(-2, 8), min_size=2, max_size=2, unique=True), label="days"))
    start, end = (told.midnight(told.first + number * DAY) for number in days)
    if data.draw(st.booleans(), label="ends at a bucket"):
        end = told.begin_of_bucket(end) + told.bucket * data.draw(st.integers(1, 5))
    interval = data.draw(st.sampled_from([None, "1d", "1M", told.stream.dataset.history.bucket]), label="interval")
    by = data.draw(st.sampled_from([[], ["device"]]), label="by")
    wanted = expected(told, start, end, interval, by)
    if not wanted:
        with suppress(Refused):  # where nothing is known at all
            assert ask(told, start, end, interval, by).empty
        return
    frame = ask(told, start, end, interval, by)
    records = (
        frame.rename(columns=lambda name: name.rpartition(".")[2]).tz_convert("UTC").reset_index().to_dict("records")
    )
    assert {(record["time"].to_pydatetime(), record.get("device")) for record in records} == wanted.keys()
    for record in records:
        values = sorted(wanted[record["time"].to_pydatetime(), record.get("device")])
        assert (record["count"], record["min"], record["max"]) == (len(values), values[0], values[-1])
        assert math.isclose(record["sum"], math.fsum(values), rel_tol=1e-9, abs_tol=1e-9)
        assert math.isclose(record["p50"], values[(len(values) - 1) // 2], rel_tol=0.0101)


def test_days_add_up_to_the_whole_span(told: Told) -> None:
    start, end = (told.midnight(told.first + number * DAY) for number in (-3, 9))
    for interval in (None, "1d", "1M", told.stream.dataset.history.bucket):
        frame = ask(told, start, end, interval, [])
        assert frame["temperature.count"].sum() == len(told.events)
    assert any("are added up" in note for note in frame.attrs["notes"])
