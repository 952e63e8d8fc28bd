"""Answers from the history beside the exact ones, from the documents themselves."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.history.intervals import Interval
from opensearch_strata.history.reader import Record, read_history
from tests.streams import DAY, Document, Stream, StreamFactory, dataset_of, definition_of

NEW_YORK = ZoneInfo("America/New_York")
METRICS: dict[str, Any] = definition_of("t")["metrics"]
STATS = ["min", "p1", "p25", "p50", "p90", "p99.9", "max", "avg", "sum", "count"]
SPRING, AUTUMN = date(2024, 3, 10), date(2024, 11, 3)  # New York's clocks change
MAY = (datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def history(make_stream: StreamFactory) -> tuple[Stream, list[Document]]:
    """Three days at the border of two months, condensed, and their documents."""
    stream = make_stream()
    days = [date(2024, 4, 30), date(2024, 5, 1), date(2024, 5, 2)]
    documents = [document for day in days for document in stream.condensed(day, count=400)]
    return stream, documents


def ask(stream: Stream, start: datetime, end: datetime, interval: str | None = None, **question: Any) -> list[Record]:
    question = {"metric": "temperature", "stats": STATS, **question}
    parsed = Interval.parse(interval) if interval else None
    return read_history(stream.client, stream.dataset, start, end, interval=parsed, **question)


def values(documents: list[Document], keep: Callable[[Document], bool] = lambda _: True) -> list[float]:
    return sorted(document["temperature"] for document in documents if "temperature" in document and keep(document))


def assert_answers(record: Record, exact: list[float]) -> None:
    """Every statistic of a record is that of the exact values, quantiles within one percent."""
    assert record["count"] == len(exact)
    assert record["min"] == exact[0]
    assert record["max"] == exact[-1]
    assert record["sum"] == pytest.approx(math.fsum(exact), rel=1e-12)
    assert record["avg"] == pytest.approx(math.fsum(exact) / len(exact), rel=1e-12)
    for stat in ("p1", "p25", "p50", "p90", "p99.9"):
        wanted = exact[math.floor(float(stat[1:]) / 100 * (len(exact) - 1))]
        assert abs(record[stat] - wanted) <= 0.01 * abs(wanted) * (1 + 1e-9), stat


def test_the_whole_span_is_one_record(history: tuple[Stream, list[Document]]) -> None:
    stream, documents = history
    start, end = datetime(2024, 4, 30, tzinfo=UTC), datetime(2024, 5, 3, tzinfo=UTC)
    (record,) = ask(stream, start, end)
    assert record["time"] == start
    assert_answers(record, values(documents))


def test_hours(history: tuple[Stream, list[Document]]) -> None:
    stream, documents = history
    start = datetime(2024, 4, 30, 22, tzinfo=UTC)
    records = ask(stream, start, start + timedelta(hours=5), "1h")
    assert [record["time"] for record in records] == [start + timedelta(hours=n) for n in range(5)]
    for record in records:
        hour = f"{record['time']:%Y-%m-%dT%H:}"
        assert_answers(record, values(documents, lambda d: d["@timestamp"].startswith(hour)))  # noqa: B023


def test_months(history: tuple[Stream, list[Document]]) -> None:
    stream, documents = history
    records = ask(stream, datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC), "1M")
    assert [f"{record['time']:%Y-%m-%d}" for record in records] == ["2024-04-01", "2024-05-01"]
    for record in records:
        month = f"{record['time']:%Y-%m}"
        assert_answers(record, values(documents, lambda d: d["@timestamp"].startswith(month)))  # noqa: B023


def test_groups_apart(history: tuple[Stream, list[Document]]) -> None:
    stream, documents = history
    records = ask(stream, *MAY, by=["site", "device"])
    found = [(record["site"], record["device"]) for record in records]
    assert found == [(None, "d0"), ("north", "d1"), ("south", "d2")]
    for record in records:
        device = record["device"]
        assert_answers(
            record,
            values(documents, lambda d: d["device"] == device and d["@timestamp"] >= "2024-05"),  # noqa: B023
        )


def test_one_group_alone(history: tuple[Stream, list[Document]]) -> None:
    stream, documents = history
    (record,) = ask(stream, *MAY, where={"site": "north"})
    assert_answers(record, values(documents, lambda d: d.get("site") == "north" and d["@timestamp"] >= "2024-05"))


def test_groups_by_time_are_ordered(history: tuple[Stream, list[Document]]) -> None:
    stream, _ = history
    records = ask(stream, *MAY, interval="6h", by=["device"], stats=["count"])
    keys = [(record["time"], record["device"]) for record in records]
    assert keys == sorted(keys)
    assert len(keys) == 2 * 4 * 3


def test_a_metric_without_a_distribution(history: tuple[Stream, list[Document]]) -> None:
    stream, documents = history
    (record,) = ask(stream, *MAY, metric="load", stats=["sum", "count", "avg"])
    exact = [d["load"] for d in documents if "load" in d and d["@timestamp"] >= "2024-05"]
    assert (record["sum"], record["count"], record["avg"]) == (sum(exact), len(exact), sum(exact) / len(exact))
    assert list(record) == ["time", "sum", "count", "avg"]


def test_nothing_is_nothing(history: tuple[Stream, list[Document]]) -> None:
    stream, _ = history
    assert ask(stream, datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC)) == []
    assert ask(stream, *MAY, where={"device": "d99"}) == []


@pytest.fixture(scope="module")
def new_york(make_stream: StreamFactory) -> Stream:
    """A document every hour of the two days on which New York's clocks change; its value is the UTC hour."""
    stream = make_stream(time_zone="America/New_York", history={"group_by": ["device"]})
    for day in (SPRING, AUTUMN):
        start = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).astimezone(UTC)
        hours = [start + timedelta(hours=n) for n in range(25 if day == AUTUMN else 23)]
        documents = [{"@timestamp": h.isoformat(), "device": "d", "temperature": float(h.hour)} for h in hours]
        stream.write(documents, day)
        stream.condense(day)
    return stream


def local(day: date, hour: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    ("interval", "day", "counts"),
    [
        *(("1d", SPRING, [23]), ("1d", AUTUMN, [25]), ("1M", AUTUMN, [25])),
        *(("1h", SPRING, [1] * 23), ("1h", AUTUMN, [1] * 25)),
        *(("6h", SPRING, [6, 6, 6, 5]), ("6h", AUTUMN, [6, 6, 6, 6, 1])),
    ],
)
def test_clocks_that_change(new_york: Stream, interval: str, day: date, counts: list[int]) -> None:
    records = ask(new_york, local(day), local(day + timedelta(days=1)), interval, stats=["count"])
    assert [record["count"] for record in records] == counts


def test_the_hour_that_comes_twice_is_two_hours(new_york: Stream) -> None:
    records = ask(new_york, local(AUTUMN, 1), local(AUTUMN, 2), "1h", stats=["min"])
    assert [record["time"].isoformat() for record in records] == [
        "2024-11-03T01:00:00-04:00",
        "2024-11-03T01:00:00-05:00",
    ]
    assert [record["min"] for record in records] == [5, 6]  # their UTC hours


def test_a_span_is_cut_in_the_zone_that_it_is_given_in(new_york: Stream) -> None:
    (record,) = ask(new_york, local(SPRING, 1), local(SPRING, 4), stats=["count"])
    assert record["count"] == 2  # there is no 02:00
    assert record["time"].tzinfo is NEW_YORK


def test_hours_of_a_zone_off_by_half_an_hour_are_named_by_their_buckets(make_stream: StreamFactory) -> None:
    stream = make_stream(time_zone="Asia/Kolkata", history={"group_by": ["device"]})
    stream.write([{"@timestamp": "2024-05-06T10:45:00Z", "device": "d", "temperature": 1.0}])
    stream.condense()
    (record,) = ask(stream, *MAY, interval="1h", stats=["count"])
    assert record["time"].isoformat() == "2024-05-06T15:30:00+05:30"
    with pytest.raises(Refused, match="no borders of a day in Asia/Kolkata"):
        ask(stream, *MAY, interval="1d", stats=["count"])


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ({"metric": "power"}, "has no metric 'power'; it has temperature, load"),
        ({"by": ["carrier"]}, "are not grouped by 'carrier'; they are by device, site"),
        ({"where": {"carrier": "B6"}}, "are not grouped by 'carrier'"),
        ({"stats": ["median"]}, "'median' is no statistic; ask for min, max, sum, count, avg or a percentile"),
        ({"stats": ["p101"]}, "'p101' is no statistic"),
        ({"stats": ["p50"], "metric": "load"}, "'load' carries no distribution, so no p50; it has count, sum"),
        ({"stats": ["max"], "metric": "load"}, "'load' carries no max; it has count, sum"),
        ({"interval": "15m"}, "'15m' is not a multiple of the bucket '1h'"),
        ({"end": MAY[0]}, "is empty; let it end after it starts"),
    ],
)
def test_questions_that_cannot_be_answered(
    history: tuple[Stream, list[Document]], question: dict[str, Any], sentence: str
) -> None:
    stream, _ = history
    with pytest.raises(Refused, match=sentence):
        ask(stream, **{"start": MAY[0], "end": MAY[1], **question})


def test_sketches_of_another_error_are_refused(stream: Stream) -> None:
    stream.condensed(count=10)
    coarser = {"temperature": {**METRICS["temperature"], "distribution": {"relative_error": 0.05}}}
    other = Stream(stream.client, dataset_of(stream.dataset.name, metrics=coarser))
    with pytest.raises(Refused, match=r"relative error of 0\.01, the definition says 0\.05; they cannot be read"):
        ask(other, *MAY)


def test_rows_from_before_a_statistic_was_asked_for_are_refused(stream: Stream) -> None:
    stream.condensed(count=40)
    load = {"field": "load", "stats": ["min", "max", "sum", "count"], "distribution": {"relative_error": 0.01}}
    richer = Stream(stream.client, dataset_of(stream.dataset.name, metrics={**METRICS, "load": load}))
    richer.condensed(DAY + timedelta(days=1), count=40)
    with pytest.raises(Refused, match=r"-2024\.05\.06 carry no max, min, sketch of 'load': they were condensed before"):
        ask(richer, *MAY, metric="load", stats=["p50"])
    later = datetime(2024, 5, 7, tzinfo=UTC)
    assert ask(richer, later, MAY[1], metric="load", stats=["p50", "max"])
    assert ask(richer, *MAY, metric="load", stats=["sum", "avg"])
