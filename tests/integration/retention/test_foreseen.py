"""What *Tonight* foresees is what the run then does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from opensearch_strata.history.levels.prove import prove
from opensearch_strata.workflows.cycle import CycleRun, run_cycle
from opensearch_strata.workflows.overview.overview import look_over
from opensearch_strata.workflows.overview.tonight import Tonight, tonight
from tests.streams import Stream, StreamFactory

NOW = datetime(2024, 5, 14, 1, tzinfo=UTC)
TODAY = date(2024, 5, 13)
"""The day of the next run."""

Make = Callable[[Stream, date], object]
"""Makes a day."""


def proven(stream: Stream, day: date) -> None:
    stream.fill(day, count=20)
    prove(stream.client, stream.dataset, day, engine="search")


def late(stream: Stream, day: date) -> None:
    proven(stream, day)
    stream.fill(day, count=3, seed=1)


def poorer(stream: Stream, day: date) -> None:
    proven(stream, day)
    index = stream.dataset.raw_index(day)
    (one,) = stream.client.search(index=index, body={"size": 1})["hits"]["hits"]
    stream.client.delete(index=index, id=one["_id"], params={"refresh": "true"})


def recreated(stream: Stream, day: date) -> None:
    gone(stream, day)
    stream.fill(day, count=20)


def recreated_with_more(stream: Stream, day: date) -> None:
    recreated(stream, day)
    stream.fill(day, count=3, seed=1)


def gone(stream: Stream, day: date) -> None:
    proven(stream, day)
    stream.client.indices.delete(index=stream.dataset.raw_index(day))


def closed(stream: Stream, day: date) -> None:
    proven(stream, day)
    stream.client.indices.close(index=stream.dataset.raw_index(day))


def emptied(stream: Stream, day: date) -> None:
    gone(stream, day)
    stream.create(day)


def made(make_stream: StreamFactory, **raw: Any) -> Stream:
    return make_stream(raw={"window_days": 2, **raw}, history={"levels": []}, cycle={"max_deletes_per_run": 20})


def foreseen(stream: Stream) -> Tonight:
    return tonight(look_over(stream.client, None, stream.dataset, NOW), NOW)


def ran(stream: Stream, *, apply: bool) -> CycleRun:
    return run_cycle(stream.client, stream.dataset, TODAY, NOW, apply=apply, engine="search")


def test_days_that_leave_the_window(make_stream: StreamFactory) -> None:
    stream = made(make_stream)
    leave: dict[int, Make] = {4: recreated, 8: Stream.fill, 9: proven, 10: late}
    stay: dict[int, Make] = {5: recreated_with_more, 6: Stream.create, 7: poorer}
    for number, make in {**leave, **stay, 12: proven, 13: proven}.items():
        make(stream, date(2024, 5, number))
    told = foreseen(stream)
    assert told.deletes == [date(2024, 5, number) for number in leave]
    assert list(told.lacks) == [date(2024, 5, number) for number in (4, 8, 10)]
    assert list(told.refuses) == [date(2024, 5, number) for number in stay]
    dry = {one.day: one.outcome for one in ran(stream, apply=False).retirements}
    assert (
        dry.pop(date(2024, 5, 5)) == "dry_run"
    )  # it condenses nothing, so it does not meet what a recreated day lacks
    assert {day for day, outcome in dry.items() if outcome == "dry_run"} == set(told.deletes)
    became = {one.day: one.outcome for one in ran(stream, apply=True).retirements}
    assert became == {**dict.fromkeys(told.deletes, "deleted"), **dict.fromkeys(told.refuses, "kept")}


@pytest.mark.parametrize(
    ("make", "required"),
    [
        *((make, False) for make in (Stream.fill, proven, late, poorer, closed, recreated, recreated_with_more)),
        *((make, required) for make in (Stream.create, gone, emptied, None) for required in (False, True)),
    ],
)
def test_the_day_of_the_run(make_stream: StreamFactory, make: Make | None, required: bool) -> None:
    stream = made(make_stream, required_daily=required)
    proven(stream, date(2024, 5, 12))
    if make:
        make(stream, TODAY)
    told = foreseen(stream).condenses
    found = ran(stream, apply=False)
    if make is recreated:
        assert told.endswith("if not, the run fails.")
    else:
        assert told.endswith("the run fails.") == bool(found.problem), (told, found.problem)
    assert ("is condensed and proven" in told) == found.report.verified
