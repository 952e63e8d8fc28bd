"""Answers from raw days and from history beside the exact ones, from the documents themselves."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.reader import read
from tests.streams import DAY, Document, Stream, StreamFactory, definition_of

pytestmark = pytest.mark.versions

NEW_YORK = ZoneInfo("America/New_York")
METRICS: dict[str, Any] = definition_of("t")["metrics"]
STATS = ["min", "p1", "p25", "p50", "p90", "p99.9", "max", "avg", "sum", "count"]
SPRING, AUTUMN = date(2024, 3, 10), date(2024, 11, 3)  # New York's clocks change
MAY = (datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC))
DAYS = [date(2024, 4, 30), date(2024, 5, 1), date(2024, 5, 2)]


@pytest.fixture(scope="module", params=["raw", "history"])
def told(request: pytest.FixtureRequest, make_stream: StreamFactory) -> tuple[Stream, list[Document], str]:
    """Three days at the border of two months, their documents, and where they are: raw, or history alone."""
    stream = make_stream()
    documents = []
    for day in DAYS:
        documents += stream.fill(day, count=400)
        if request.param == "history":
            stream.condense(day)
            stream.client.indices.delete(index=stream.dataset.raw_index(day))
    return stream, documents, request.param


def ask(stream: Stream, start: datetime, end: datetime, interval: str | None = None, **question: Any) -> pd.DataFrame:
    question = {"metrics": ["temperature"], "stats": STATS, **question}
    return read(stream.client, stream.dataset, start, end, interval=interval, **question)


def values(documents: list[Document], keep: Callable[[Document], bool] = lambda _: True) -> list[float]:
    return sorted(document["temperature"] for document in documents if "temperature" in document and keep(document))


def assert_answers(record: Any, exact: list[float]) -> None:
    """Every statistic of a record is that of the exact values, quantiles within one percent."""
    found = {stat: record[f"temperature.{stat}"] for stat in STATS}
    assert (found["count"], found["min"], found["max"]) == (len(exact), exact[0], exact[-1])
    assert found["sum"] == pytest.approx(math.fsum(exact), rel=1e-12)
    assert found["avg"] == pytest.approx(math.fsum(exact) / len(exact), rel=1e-12)
    for stat in ("p1", "p25", "p50", "p90", "p99.9"):
        wanted = exact[math.floor(float(stat[1:]) / 100 * (len(exact) - 1))]
        assert abs(found[stat] - wanted) <= 0.01 * abs(wanted) * (1 + 1e-9), stat


def test_the_whole_span_is_one_record(told: tuple[Stream, list[Document], str]) -> None:
    stream, documents, source = told
    start, end = datetime(2024, 4, 30, tzinfo=UTC), datetime(2024, 5, 3, tzinfo=UTC)
    frame = ask(stream, start, end)
    assert len(frame) == 1
    assert frame.index[0] == start
    assert frame["source"].tolist() == [source]
    assert_answers(frame.iloc[0], values(documents))


def test_hours(told: tuple[Stream, list[Document], str]) -> None:
    stream, documents, _ = told
    start = datetime(2024, 4, 30, 22, tzinfo=UTC)
    frame = ask(stream, start, start + timedelta(hours=5), "1h")
    assert frame.index.tolist() == [start + timedelta(hours=n) for n in range(5)]
    for time, record in frame.iterrows():
        hour = f"{time:%Y-%m-%dT%H:}"
        assert_answers(record, values(documents, lambda d: d["@timestamp"].startswith(hour)))  # noqa: B023


def test_months(told: tuple[Stream, list[Document], str]) -> None:
    stream, documents, _ = told
    frame = ask(stream, datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC), "1M")
    assert [f"{time:%Y-%m-%d}" for time in frame.index] == ["2024-04-01", "2024-05-01"]
    for time, record in frame.iterrows():
        assert_answers(record, values(documents, lambda d: d["@timestamp"].startswith(f"{time:%Y-%m}")))  # noqa: B023


def test_groups_apart(told: tuple[Stream, list[Document], str]) -> None:
    stream, documents, _ = told
    frame = ask(stream, *MAY, by=["site", "device"])
    found = list(zip(frame["site"].astype(object).where(frame["site"].notna(), None), frame["device"], strict=True))
    assert found == [(None, "d0"), ("north", "d1"), ("south", "d2")]
    for (_, device), (_, record) in zip(found, frame.iterrows(), strict=True):
        of_device = values(documents, lambda d: d["device"] == device and d["@timestamp"] >= "2024-05")  # noqa: B023
        assert_answers(record, of_device)


@pytest.mark.parametrize("site", ["north", None])
def test_one_group_alone(told: tuple[Stream, list[Document], str], site: str | None) -> None:
    stream, documents, _ = told
    frame = ask(stream, *MAY, where={"site": site})
    assert_answers(frame.iloc[0], values(documents, lambda d: d.get("site") == site and d["@timestamp"] >= "2024-05"))


def test_groups_by_time_are_ordered(told: tuple[Stream, list[Document], str]) -> None:
    stream, _, _ = told
    frame = ask(stream, *MAY, interval="6h", by=["device"], stats=["count"])
    keys = list(zip(frame.index, frame["device"], strict=True))
    assert keys == sorted(keys)
    assert len(keys) == 2 * 4 * 3


def test_several_metrics_beside_each_other(told: tuple[Stream, list[Document], str]) -> None:
    stream, documents, _ = told
    frame = ask(stream, *MAY, interval="1h", metrics=["load", "temperature"], stats=["sum", "count", "avg"])
    assert list(frame.columns) == [
        *("load.sum", "load.count", "load.avg"),
        *("temperature.sum", "temperature.count", "temperature.avg", "source"),
    ]
    assert [str(dtype) for dtype in frame.dtypes] == ["float64", "Int64", "float64"] * 2 + ["category"]
    exact = [d["load"] for d in documents if "load" in d and d["@timestamp"] >= "2024-05"]
    assert (frame["load.sum"].sum(), frame["load.count"].sum()) == (sum(exact), len(exact))


def test_what_a_record_lacks_is_missing_and_not_zero(make_stream: StreamFactory) -> None:
    stream = make_stream()
    stream.write([{"@timestamp": f"{DAY}T05:00:00Z", "device": "a", "temperature": 1.0}])
    stream.write([{"@timestamp": f"{DAY}T06:00:00Z", "device": "b", "load": 2}])
    stream.write([{"@timestamp": f"{DAY}T07:00:00Z", "device": "c"}])
    for turn in range(2):
        frame = ask(stream, *MAY, "1h", metrics=["temperature", "load"], stats=["sum", "count"], by=["device"])
        assert frame["device"].tolist() == ["a", "b"]
        assert frame["load.sum"].isna().tolist() == frame["load.count"].isna().tolist() == [True, False]
        assert frame["temperature.count"].tolist() == [1, pd.NA]
        if not turn:
            stream.condense()
            stream.client.indices.delete(index=stream.dataset.raw_index(DAY))


def test_nothing_that_matches_is_an_empty_frame_of_the_same_columns(told: tuple[Stream, list[Document], str]) -> None:
    stream, _, _ = told
    full = ask(stream, *MAY, by=["device"])
    empty = ask(stream, *MAY, by=["device"], where={"device": "d99"})
    assert len(empty) == 0
    assert list(empty.columns) == list(full.columns)
    assert [empty.index.dtype, *empty.dtypes.drop("device")] == [full.index.dtype, *full.dtypes.drop("device")]
    assert empty.attrs == full.attrs == {
        "dataset": stream.dataset.name,
        "units": {},
        "relative_errors": {"temperature": 0.01},
        "distinct_errors": {},
        "levels": [],
        "notes": full.attrs["notes"],
    }  # fmt: skip


@pytest.fixture(scope="module", params=["raw", "history"])
def new_york(request: pytest.FixtureRequest, make_stream: StreamFactory) -> Stream:
    """A document every hour of the two days on which New York's clocks change; its value is the UTC hour."""
    stream = make_stream(time_zone="America/New_York", history={"group_by": ["device"]})
    for day in (SPRING, AUTUMN):
        start = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).astimezone(UTC)
        hours = [start + timedelta(hours=n) for n in range(25 if day == AUTUMN else 23)]
        documents = [{"@timestamp": h.isoformat(), "device": "d", "temperature": float(h.hour)} for h in hours]
        stream.write(documents, day)
        if request.param == "history":
            stream.condense(day)
            stream.client.indices.delete(index=stream.dataset.raw_index(day))
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
    frame = ask(new_york, local(day), local(day + timedelta(days=1)), interval, stats=["count"])
    assert frame["temperature.count"].tolist() == counts


def test_the_hour_that_comes_twice_is_two_hours(new_york: Stream) -> None:
    frame = ask(new_york, local(AUTUMN, 1), local(AUTUMN, 2), "1h", stats=["min"])
    assert [time.isoformat() for time in frame.index] == ["2024-11-03T01:00:00-04:00", "2024-11-03T01:00:00-05:00"]
    assert frame["temperature.min"].tolist() == [5, 6]  # their UTC hours


def test_a_span_is_cut_in_the_zone_that_it_is_given_in(new_york: Stream) -> None:
    frame = ask(new_york, local(SPRING, 1), local(SPRING, 4), stats=["count"])
    assert frame["temperature.count"].tolist() == [2]  # there is no 02:00
    assert str(frame.index.tz) == "America/New_York"


def test_hours_of_a_zone_off_by_half_an_hour_are_named_by_their_buckets(make_stream: StreamFactory) -> None:
    stream = make_stream(time_zone="Asia/Kolkata", history={"group_by": ["device"]})
    stream.write([{"@timestamp": "2024-05-06T10:45:00Z", "device": "d", "temperature": 1.0}])
    stream.condense()
    frame = ask(stream, *MAY, interval="1h", stats=["count"])
    assert frame.index[0].isoformat() == "2024-05-06T15:30:00+05:30"
    assert "Records of 1h are buckets of rows" in frame.attrs["notes"][0]
    with pytest.raises(Refused, match="Parts of a day of '6h' cannot be computed in Asia/Kolkata"):
        ask(stream, *MAY, interval="6h", stats=["count"])


def test_groups_of_every_type_come_in_the_order_of_the_server(make_stream: StreamFactory) -> None:
    """Addresses above all: as texts they would sort otherwise, and the two sources would not meet."""
    types = {"@timestamp": "date", "host": "ip", "shelf": "short", "on": "boolean", "name": "keyword", "load": "short"}
    groups = ["host", "shelf", "on", "name"]
    stream = make_stream(types=types, history={"group_by": groups}, metrics={"load": METRICS["load"]})
    keys = [
        ("10.0.0.9", -5, True, "Z"),
        ("10.0.0.10", 7, False, "a"),
        ("9.9.9.9", 100, True, "ß"),
        ("2001:db8::1", 20, None, "𝄞"),
        (None, None, False, "\uffee"),
    ]
    documents = [
        {
            "@timestamp": f"{DAY}T05:00:00Z",
            "load": 1,
            **{g: v for g, v in zip(groups, key, strict=True) if v is not None},
        }
        for key in keys
    ]
    later = DAY + timedelta(days=1)
    stream.write(documents)
    stream.write([*documents, *documents], later)
    for turn in range(2):
        for group in groups:
            frame = ask(stream, *MAY, metrics=["load"], stats=["count"], by=[group])
            counts = {key[groups.index(group)]: 0 for key in keys}
            for key in keys:
                counts[key[groups.index(group)]] += 3
            found = frame[group].astype(object).where(frame[group].notna(), None)
            assert dict(zip(found, frame["load.count"], strict=True)) == counts
            assert set(frame["source"]) == ({"both"} if turn else {"raw"})
        if not turn:
            stream.condense()
            stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    frame = ask(stream, *MAY, metrics=["load"], stats=["count"], by=groups)
    assert [str(frame[group].dtype) for group in groups] == ["category", "Int64", "boolean", "category"]
