"""Rows that are fetched: what they answer is what the server merges from the same rows, to the last bit."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest

from opensearch_strata.history.query import recall
from opensearch_strata.history.query.single_rows import fetching
from opensearch_strata.reader import read, read_pages
from tests.streams import DAY, Document, Stream, StreamFactory, dataset_of

pytestmark = pytest.mark.versions

NEXT, LAST = DAY + timedelta(days=1), DAY + timedelta(days=2)
START = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
HOUR = timedelta(hours=1)
END = START + 70.5 * HOUR  # which cuts an hour
VALUES: dict[str, list[Any]] = {
    "device": ["d1", "d2", "Ωst", "\U0001f600", None],
    "address": ["10.0.0.1", "9.0.0.1", "2001:db8::1", None],
    "shelf": [-3, 7, 200, None],
    "on": [True, False, None],
}
TYPES = {"@timestamp": "date", "device": "keyword", "address": "ip", "shelf": "short", "on": "boolean"}
METRIC: dict[str, Any] = {"stats": ["min", "max", "sum", "count", "avg"], "sparse": True}
ALL = ["min", "p0", "p50", "p99.9", "p7", "p100", "max", "avg", "sum", "count"]
QUESTIONS: list[dict[str, Any]] = [
    {"by": ["device", "address", "shelf", "on"]},
    {"by": ["on", "shelf", "address", "device"], "stats": ["p50"], "metrics": ["load", "temperature"]},
    {"by": ["device", "shelf", "on"], "where": {"address": "9.0.0.1"}},
    {"by": ["address", "device"], "where": {"shelf": None, "on": True}, "stats": ["count", "max"]},
    {"where": {"device": "d1", "address": "10.0.0.1", "shelf": 7, "on": None}, "stats": ["avg"]},
    {"where": {"device": "d9", "address": None, "shelf": 7, "on": None}},
]


def documents_of(seed: int, start: datetime, count: int) -> Iterator[Document]:
    rng = random.Random(seed)
    for number in range(count):
        document: Document = {"@timestamp": (start + number * timedelta(days=1) / count).isoformat()}
        document |= {name: value for name, known in VALUES.items() if (value := rng.choice(known)) is not None}
        if rng.random() < 0.8:
            document["temperature"] = rng.choice([0.0, -0.0, rng.gauss(-2, 9), rng.lognormvariate(3, 2)])
        if rng.random() < 0.4:
            document["load"] = rng.choice([-1, 1]) * rng.lognormvariate(1, 90)
        yield document


@pytest.fixture(scope="module")
def stream(make_stream: StreamFactory) -> Stream:
    """A day in a coarser sketch; a day with late documents of it, which are rows of their own; and a raw day."""
    made = make_stream(
        types={**TYPES, "temperature": "double", "load": "double"},
        history={"group_by": list(VALUES)},
        metrics={
            "temperature": {**METRIC, "field": "temperature", "decimals": 1, "distribution": {"relative_error": 0.02}},
            "load": {**METRIC, "field": "load", "distribution": {"relative_error": 0.01}},
        },
    )
    made.write(documents_of(1, START, 300))
    made.condense()
    finer = made.dataset.model_dump(mode="json", exclude_none=True)
    finer["metrics"]["temperature"]["distribution"]["relative_error"] = 0.01
    made.dataset = dataset_of(finer.pop("name"), **finer)
    late = list(documents_of(1, START, 300))[100:140]
    made.write([*documents_of(2, START + timedelta(days=1), 300), *late], NEXT)
    made.condense(NEXT)
    for day in (DAY, NEXT):
        made.client.indices.delete(index=made.dataset.raw_index(day))
    made.write(documents_of(3, START + timedelta(days=2) - HOUR, 300), LAST)
    return made


def ask(stream: Stream, **question: Any) -> pd.DataFrame:
    asked = {"metrics": ["temperature", "load"], "stats": ALL, "interval": "1h", **question}
    return read(stream.client, stream.dataset, START, END, **asked)


def merged(stream: Stream, **question: Any) -> pd.DataFrame:
    with patch.object(recall, "single_rows", lambda plan: None):
        return ask(stream, **question)


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_fetched_rows_are_what_the_server_merges(stream: Stream, question: dict[str, Any]) -> None:
    expected = merged(stream, **question)
    found = ask(stream, **question)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert found.attrs == expected.attrs


def test_the_questions_meet_both_sides_repeated_rows_and_two_steps(stream: Stream) -> None:
    expected = merged(stream, **QUESTIONS[0])
    assert set(expected["source"]) == {"history", "raw", "both"}
    assert expected.attrs["relative_errors"] == {"temperature": 0.02, "load": 0.01}
    with patch.object(recall.Recall, "_of_stretch", autospec=True, side_effect=recall.Recall._of_stretch) as merging:
        ask(stream, **QUESTIONS[0])
    spans = [(call.args[1].start, call.args[1].end) for call in merging.call_args_list]
    begin = int(START.timestamp() * 1000)
    hours = [((start - begin) / 3_600_000, (end - begin) / 3_600_000) for start, end in spans]
    assert (hours[0][0], hours[-3][1]) == (8, 12)  # the late documents
    assert hours[-2:] == [(47, 70), (70, 70.5)]  # what is raw


@pytest.mark.parametrize(("rows", "least"), [(7, 47), (40, 15)])
def test_what_an_answer_cannot_hold_is_fetched_in_parts_or_merged(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, rows: int, least: int
) -> None:
    expected = merged(stream, **QUESTIONS[0])
    monkeypatch.setattr(fetching, "_most", lambda layout: rows)
    with patch.object(fetching.Fetching, "fetch", autospec=True, side_effect=fetching.Fetching.fetch) as fetched:
        pd.testing.assert_frame_equal(ask(stream, **QUESTIONS[0]), expected, check_exact=True)
    assert len(fetched.call_args_list) >= least


def test_pages_are_small_and_progress_goes_forward(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = merged(stream, **QUESTIONS[0])
    monkeypatch.setattr("opensearch_strata.history.query.frame.PAGE_RECORDS", 50)
    shares: list[float] = []
    asked = {"metrics": ["temperature", "load"], "stats": ALL, "interval": "1h", **QUESTIONS[0]}
    pages = read_pages(
        stream.client, stream.dataset, START, END, **asked,
        on_progress=shares.append,
    )  # fmt: skip
    sizes = [len(page) for page in pages]
    assert max(sizes) == 50
    assert sum(sizes) == len(expected)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_row_without_its_sketch_is_an_error_and_not_a_number(stream: Stream) -> None:
    foreign = {"@timestamp": int(START.timestamp() * 1000), "transform._id": "strata-other-2024.05.06",
               "metrics": {"load": {"count": 1, "min": 1.0, "max": 1.0, "sum": 1.0}}}  # fmt: skip
    stream.put_row("foreign", foreign)
    try:
        with pytest.raises(Exception, match=r"script|load"):
            read(
                stream.client, stream.dataset, START, START + HOUR, metrics=["load"], stats=["p50"], interval="1h",
                by=list(VALUES),
            )  # fmt: skip
    finally:
        stream.drop_row("foreign")
