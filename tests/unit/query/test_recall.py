"""How much is held and looked at while a long answer is read; a server that only counts stands in for the real one."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from opensearch_strata.history.buckets import pace
from opensearch_strata.history.query import recall as recall
from opensearch_strata.history.query.frame import frames
from opensearch_strata.history.query.question import Question, milliseconds
from opensearch_strata.history.query.read_plan import ReadPlan
from opensearch_strata.history.query.recall import Cell, Recall
from opensearch_strata.history.query.sources.existing import Contents, MonthSource, RawSource
from tests.streams import dataset_of

HOUR = 3_600_000
START = datetime(2024, 3, 1, tzinfo=UTC)
DAYS, PAGE = 20, 50


COMPLETE = {"timed_out": False, "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0}}


class Bucket(dict[str, Any]):
    """A bucket that can be watched."""


class CountingServer:
    """Holds a document of every device in every hour, on both sides.

    :param devices: how many there are
    """

    def __init__(self, devices: int) -> None:
        self.devices = [f"d{number:05}" for number in range(devices)]
        self.alive: weakref.WeakSet[Bucket] = weakref.WeakSet()
        self.most_alive = 0
        self.looked_at = 0
        self.longest = self.largest = self.searches = 0
        self.indices = SimpleNamespace(get=lambda **_: {})

    def search(self, index: str, body: dict[str, Any], params: Any) -> dict[str, Any]:
        self.searches += 1
        self.most_alive = max(self.most_alive, len(self.alive))
        (span,) = body["query"]["bool"]["filter"][0]["range"].values()
        self.longest = max(self.longest, span["lt"] - span["gte"])
        first, last = -(-span["gte"] // HOUR), -(-span["lt"] // HOUR)
        self.looked_at += (last - first) * len(self.devices)
        composite = body["aggs"]["page"]["composite"]
        after = composite.get("after", {"time": first * HOUR, "device": ""})
        self.largest = max(self.largest, composite["size"])
        buckets: list[Bucket] = []
        for hour in range(max(first, after["time"] // HOUR), last):
            for device in self.devices:
                if (hour * HOUR, device) > (after["time"], after["device"]) and len(buckets) < composite["size"]:
                    states = [[[1.0, 0.0, 1.0, 1.0], [1], [None]]]
                    buckets.append(Bucket(key={"time": hour * HOUR, "device": device}, metrics={"value": states}))
        self.alive.update(buckets)
        return {**COMPLETE, "aggregations": {"page": {"buckets": buckets}}}


Bucket.__hash__ = object.__hash__  # type: ignore[assignment]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "PAGE_SIZE", PAGE)
    monkeypatch.setattr(recall, "_LEAST_PAGE", PAGE)
    monkeypatch.setattr(pace, "PAGE_SIZE", PAGE)


def plan_of(days: int, *, with_raw: bool, raw_hours: tuple[int, int] | None = None) -> ReadPlan:
    dataset = dataset_of("t", metrics={"load": {"field": "load", "stats": ["sum", "count"]}})
    end = START + timedelta(days=days)
    question = Question.checked(dataset, START, end, metrics=["load"], stats=["sum"], interval="1h", by=["device"])
    contents = Contents(1, milliseconds(START), milliseconds(end) - 1)
    first, last = raw_hours or (0, days * 24)
    late = Contents(1, milliseconds(START) + first * HOUR, milliseconds(START) + last * HOUR - 1)
    raw = [RawSource("t-2024.03.01", date(2024, 3, 1), "u", late)] if with_raw else []
    return ReadPlan(question, raw, [], [MonthSource("t-history-2024.03", date(2024, 3, 1), {}, {}, contents)], {}, {})


def read_all(server: CountingServer, plan: ReadPlan) -> Iterator[Cell]:
    return (cell for cell in Recall(server, plan).cells() if isinstance(cell, Cell))  # type: ignore[arg-type]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("with_raw", [True, False])
@pytest.mark.parametrize("devices", [1, 20, 120])
def test_a_long_answer_is_held_page_by_page_and_looked_at_about_once(with_raw: bool, devices: int) -> None:
    server, sides = CountingServer(devices), 1 + with_raw
    count = sum(1 for _ in read_all(server, plan_of(DAYS, with_raw=with_raw)))
    documents = DAYS * 24 * devices
    assert count == documents
    assert server.most_alive <= 3 * PAGE * sides
    assert server.largest == PAGE
    assert server.longest <= (24 if with_raw else DAYS * 24) * HOUR
    pages_of_an_hour = -(-devices // PAGE)
    assert server.looked_at <= (1 + pages_of_an_hour) * documents * sides
    assert server.searches <= sides * 1.5 * max(DAYS, documents / PAGE + 10)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(
    ("raw_hours", "at_most"), [(None, 2 * DAYS + 2), ((240, 264), 8), ((0, 1), 5), ((479, 480), 6)]
)
def test_raw_documents_slow_down_only_what_they_touch(
    raw_hours: tuple[int, int] | None, at_most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall, "PAGE_SIZE", 1000)
    monkeypatch.setattr(pace, "PAGE_SIZE", 1000)
    server = CountingServer(1)
    plan = plan_of(DAYS, with_raw=True, raw_hours=raw_hours)
    bands = Question.checked(
        plan.question.dataset, START, START + timedelta(days=DAYS), metrics=["load"], stats=["sum"], interval="1h"
    )
    assert sum(1 for _ in read_all(server, replace(plan, question=bands))) == DAYS * 24
    assert server.searches <= at_most


@pytest.mark.usefixtures("small_pages")
def test_both_sides_are_one_cell_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = list(read_all(CountingServer(3), plan_of(2, with_raw=True)))
    keys = [(cell.time, cell.groups) for cell in cells]
    assert keys == sorted(keys)
    assert {cell.source for cell in cells} == {"both"}
    assert {cell.row["load"]["count"] for cell in cells} == {2}


@pytest.mark.usefixtures("small_pages")
def test_progress_goes_forward_to_the_end() -> None:
    shares: list[float] = []
    cells = Recall(CountingServer(2), plan_of(3, with_raw=False)).cells(shares.append)  # type: ignore[arg-type]
    assert len(list(cells)) == 3 * 24 * 2
    assert shares == sorted(shares)
    assert shares[0] < 0.1
    assert shares[-1] == 1.0


@pytest.mark.usefixtures("small_pages")
def test_frames_come_before_everything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opensearch_strata.history.query.frame.PAGE_RECORDS", 60)
    server, plan = CountingServer(10), plan_of(DAYS, with_raw=False)
    parts = frames(plan, read_all(server, plan))
    assert len(next(parts)) == 60
    assert server.searches < 10
    assert sum(map(len, parts)) == DAYS * 240 - 60
