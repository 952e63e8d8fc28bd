"""The seam between raw days and history: wherever it lies, with levels and without, the answer is the same."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from itertools import cycle, islice
from typing import Any

import pandas as pd
import pytest

from opensearch_strata.definition.days import day_bounds
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.reader import read
from tests.streams import Document, Stream, StreamFactory

MARCH = [date(2024, 3, 1) + timedelta(days=number) for number in range(31)]  # New York's clocks change on the 10th
HOUR = timedelta(hours=1)
DEFAULT_LEVELS = [{"bucket": "1h"}, {"bucket": "1d", "group_by": ["device", "site"]}, {"bucket": "1d"}]
STATS = ["min", "p1", "p50", "p99.9", "max", "avg", "sum", "count"]
QUESTIONS: list[dict[str, Any]] = [
    {"interval": "1h"},
    {"interval": "1h", "by": ["site", "device"]},
    {"interval": "6h"},
    {"interval": "6h", "by": ["site"], "metrics": ["temperature"], "stats": ["p50", "avg"]},
    {"interval": "1d", "by": ["device"]},
    {"interval": "1d", "where": {"site": "north"}},
    {"interval": "1d", "where": {"site": None}, "metrics": ["load"]},
    {"interval": "1M"},
    {"interval": "1M", "by": ["device", "site"]},
    {},
    {"by": ["site"]},
    {"interval": "1h", "metrics": ["load"], "stats": ["count"], "by": ["device"]},
]


@pytest.fixture(scope="module")
def stream(make_stream: StreamFactory) -> Stream:
    metric = {"stats": ["min", "max", "sum", "count", "avg"]}
    return make_stream(
        types={"@timestamp": "date", "device": "keyword", "site": "keyword", "temperature": "double", "load": "double"},
        time_zone="America/New_York",
        history={"levels": [*DEFAULT_LEVELS, {"bucket": "6h", "group_by": ["site"]}, {"bucket": "1M"}]},
        metrics={
            "temperature": {**metric, "field": "temperature", "decimals": 1, "distribution": {"relative_error": 0.01}},
            "load": {**metric, "field": "load", "distribution": {"relative_error": 0.02}},
        },
    )


def documents_of(dataset_zone: Any, day: date) -> list[Document]:
    """What arrives on a day: mostly its own events, some of the day before, one that is three days late."""
    rng = random.Random(f"{day}")
    start, end = day_bounds(day, dataset_zone)
    times = [start + rng.random() * (end - start) for _ in range(24)]
    times += [start + timedelta(hours=hour) for hour in range(3)]  # on the border itself
    times += [start - rng.random() * timedelta(hours=5) for _ in range(3)] + [start - timedelta(days=3) + 5 * HOUR]
    documents = []
    for moment in times:
        document: Document = {"@timestamp": moment.isoformat(timespec="milliseconds"), "device": f"d{rng.randrange(4)}"}
        if rng.random() < 0.7:
            document["site"] = rng.choice(["north", "søuth", "Ωst"])
        if rng.random() < 0.9:
            document["temperature"] = rng.choice([0.0, rng.gauss(-2, 9), rng.lognormvariate(3, 2)])
        if rng.random() < 0.6:
            document["load"] = rng.choice([-1, 1]) * rng.lognormvariate(1, 3)
        if rng.random() < 0.1:
            del document["device"]
        documents.append(document)
    return documents


def ask(stream: Stream, question: dict[str, Any], *, levels: bool = True) -> pd.DataFrame:
    start = datetime(2024, 2, 20, tzinfo=UTC)
    asked = {"metrics": ["temperature", "load"], "stats": STATS, **question}
    dataset = stream.dataset
    if not levels:
        dataset = dataset.model_copy(update={"history": dataset.history.model_copy(update={"levels": []})})
    return read(stream.client, dataset, start, start + timedelta(days=60), **asked)


def assert_answered(stream: Stream, question: dict[str, Any], expected: pd.DataFrame) -> None:
    """The answer is the same with levels and from base rows."""
    for levels in (True, False):
        assert_same(ask(stream, question, levels=levels), expected)


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """All but the source: sums and averages as far as additions can tell, everything else to the last bit."""
    found, expected = found.drop(columns="source"), expected.drop(columns="source")
    added = [name for name in expected.columns if name.endswith((".sum", ".avg"))]
    pd.testing.assert_frame_equal(found[added], expected[added], rtol=1e-12, atol=1e-13)
    pd.testing.assert_frame_equal(found.drop(columns=added), expected.drop(columns=added), check_exact=True)
    # Without a note: every day was proven.
    assert {**found.attrs, "levels": []} == {**expected.attrs, "levels": []}


@pytest.mark.long
def test_the_boundary_moves_day_by_day_and_no_answer_changes(stream: Stream) -> None:
    for day in MARCH:
        stream.write(documents_of(stream.dataset.zone, day), day)
    expected = [ask(stream, question) for question in QUESTIONS]
    assert [set(frame["source"]) for frame in expected] == [{"raw"}] * len(QUESTIONS)
    assert len(expected[0]) > 500
    assert expected[1]["temperature.p50"].isna().any()
    assert expected[1]["device"].isna().any()
    turn = cycle(range(len(QUESTIONS)))
    for day in MARCH:
        stream.condense(day)
        assert prove(stream.client, stream.dataset, day).state == "verified"
        (number,) = islice(turn, 1)
        assert_answered(stream, QUESTIONS[number], expected[number])  # verified and still raw
        stream.client.indices.delete(index=stream.dataset.raw_index(day))
        for number in range(len(QUESTIONS)) if day in (MARCH[0], MARCH[15], MARCH[-1]) else islice(turn, 1):
            assert_answered(stream, QUESTIONS[number], expected[number])
        if day == MARCH[15]:
            assert ask(stream, {"interval": "1M"})["source"].tolist()[-1] == "both"
            assert set(ask(stream, {"interval": "1h"})["source"]) == {"raw", "history", "both"}
    levels = set[str]()
    for question in QUESTIONS:
        found = ask(stream, question)
        assert set(found["source"]) == {"history"}
        levels |= set(found.attrs["levels"])
    assert levels == {"1h", "6h.site", "1d.device.site", "1d", "1M"}
