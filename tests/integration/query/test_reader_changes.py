"""Indices that come and go while a question is answered: the answer is the same, or a sentence, never a mixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, TransportError

from opensearch_strata.connections import retrying
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.history.query.sources import existing
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.reader import read
from tests.streams import DAY, Stream

NEXT, LAST = DAY + timedelta(days=1), DAY + timedelta(days=2)
START = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)

Answered = Callable[[int, Any], Exception | None]


def refused(reason: str, *types: str) -> TransportError:
    """The server's answer to a search of an index of which it finds no shard."""
    failed = [{"shard": number, "reason": {"type": kind}} for number, kind in enumerate(types)]
    kind = "search_phase_execution_exception"
    return TransportError(503, kind, {"error": {"type": kind, "reason": reason, "failed_shards": failed}})


GONE = NotFoundError(404, "index_not_found_exception", {"error": {"type": "index_not_found_exception"}})
GOING = refused("all shards failed")
CLOSED = refused("all shards failed", "index_shard_closed_exception", "no_shard_available_action_exception")
COMING = refused("Search rejected due to missing shards [[flights-2013.01.05][0]].")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "GOING_PAUSE", 0.001)
    monkeypatch.setattr(existing, "_PATIENCE", 2.0)


@contextmanager
def answered(client: OpenSearch, error: Answered) -> Iterator[list[str]]:
    """What the server answers to requests of named indices: an error, or what it really answers.

    :param error: number and body of the request -> the error
    """
    real, asked = client.transport.perform_request, list[str]()

    def perform(method: str, url: str, *args: Any, **more: Any) -> Any:
        if url.endswith(("_search", "_mapping")):
            asked.append(url)
            if found := error(len(asked), more.get("body")):
                raise found
        return real(method, url, *args, **more)

    with patch.object(client.transport, "perform_request", perform):
        yield asked


def question(stream: Stream) -> pd.DataFrame:
    """It needs every kind of request: its start cuts a bucket; raw days, proven ones, foreign rows are all in it."""
    return read(
        stream.client, stream.dataset, START + timedelta(minutes=5), START + timedelta(days=3),
        metrics=["temperature"], stats=["count", "sum", "p99"], interval="1h", by=["device"],
    )  # fmt: skip


def days_of_each_kind(stream: Stream) -> None:
    stream.condensed(count=60)
    assert prove(stream.client, stream.dataset, DAY).state == "verified"
    restored = stream.condensed(NEXT, count=60)
    stream.client.indices.delete(index=stream.dataset.raw_index(NEXT))
    stream.write(restored, NEXT)
    stream.fill(LAST, count=60)


def first_looks(asked: list[str]) -> int:
    """How many requests find out when the events of each index happened: one for each index."""
    return len({url for url in asked if "," not in url})


def nth(met: int, error: Exception) -> Answered:
    """That one request is answered with an error."""
    return lambda number, body: error if number == met else None


def from_nth(first: int, error: Exception) -> Answered:
    """That request and all after it are answered with an error."""
    return lambda number, body: error if number >= first else None


def test_an_index_on_its_way_changes_no_answer_whichever_request_meets_it(stream: Stream) -> None:
    days_of_each_kind(stream)
    with answered(stream.client, lambda number, body: None) as asked:
        expected = question(stream)
    looks = first_looks(asked)
    assert len(asked) > looks + 8
    for error in (GONE, GOING, CLOSED, COMING):
        # A raw day that is gone at the first look is no fault: then it is not read.
        for met in range(looks + 1 if error is GONE else 1, len(asked) + 1):
            with answered(stream.client, nth(met, error)):
                pd.testing.assert_frame_equal(question(stream), expected)


def test_indices_that_go_all_the_time_end_in_a_sentence(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    days_of_each_kind(stream)
    with answered(stream.client, lambda number, body: None) as asked:
        question(stream)
    monkeypatch.setattr(existing, "_PATIENCE", 0.01)
    for first in range(1, len(asked) + 1):
        with (
            answered(stream.client, from_nth(first, CLOSED)) as tried,
            pytest.raises(TransientError, match="deleted or created while they were read, 10 times in a row"),
        ):
            question(stream)
        assert len(tried) < 500


def test_an_index_whose_shards_do_not_start_is_red(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(existing, "_PATIENCE", 0.05)
    stream.fill(count=24)
    with (
        answered(stream.client, lambda number, body: COMING),
        pytest.raises(Refused, match="is red, so it cannot be read"),
    ):
        question(stream)


def test_rows_that_change_before_an_index_goes_are_not_mixed_with_others(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new plan knows only the new rows, so the old one is checked before it is given up."""
    monkeypatch.setattr("opensearch_strata.history.query.recall.PAGE_SIZE", 2)
    monkeypatch.setattr("opensearch_strata.history.query.recall._LEAST_PAGE", 2)
    stream.condensed(count=60)
    assert prove(stream.client, stream.dataset, DAY).state == "verified"
    pages = 0

    def change(body: Any) -> Exception | None:
        """After two pages of history: late documents, in the part that was read and in the rest, are condensed."""
        nonlocal pages
        pages += "page" in (body or {}).get("aggs", {})
        if pages != 3:
            return None
        pages += 1
        late = [{"@timestamp": (START + hour * timedelta(hours=1)).isoformat(), "device": "d0"} for hour in (0, 23)]
        stream.write([{**document, "temperature": 1.0, "load": 1} for document in late])
        assert prove(stream.client, stream.dataset, DAY).state == "verified"
        return GOING

    name = stream.dataset.raw_index(DAY)
    with (
        answered(stream.client, lambda _, body: change(body)),
        pytest.raises(TransientError, match=f"{name} or its rows were recreated while they were read"),
    ):
        read(
            stream.client, stream.dataset, START, START + timedelta(days=1),
            metrics=["load"], stats=["count"], interval="1h", by=["device"],
        )  # fmt: skip
    assert pages > 3
