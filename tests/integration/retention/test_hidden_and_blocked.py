"""Indices that a template hides or somebody blocks: never left out without a word, never in the way of the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.history.raw_day.inspection import newest_raw_day
from opensearch_strata.history.verify.coverage import coverage
from opensearch_strata.reader import read
from opensearch_strata.workflows.cycle import retire_expired
from opensearch_strata.workflows.expired import list_expired
from tests.streams import DAY, Stream

NEXT = DAY + timedelta(days=1)
LAST = DAY + timedelta(days=100)


def documents_from(stream: Stream, first: int, end: int) -> int:
    """What readers count between two days of May."""
    start, stop = datetime(2024, 5, first, tzinfo=UTC), datetime(2024, 5, end, tzinfo=UTC)
    answer = read(stream.client, stream.dataset, start, stop, metrics=["temperature"], stats=["count"])
    return int(answer["temperature.count"].sum())


def with_temperature(documents: list[dict[str, object]]) -> int:
    return sum("temperature" in document for document in documents)


def retired(stream: Stream) -> dict[str, str]:
    """Lot of each expired raw day; of one that was kept, why."""
    expired = list_expired(stream.client, stream.dataset, LAST, datetime(2025, 1, 1, tzinfo=UTC))
    lots = retire_expired(stream.client, stream.dataset, expired, LAST, apply=True, engine="search")
    return {one.index: one.note or one.outcome for one in lots}


@contextmanager
def setting(stream: Stream, index: str, key: str) -> Iterator[None]:
    stream.client.indices.put_settings(index=index, body={key: True})
    try:
        yield
    finally:
        stream.client.indices.put_settings(index=index, body={key: None})


def test_a_hidden_month_is_read_when_its_raw_days_are_gone(stream: Stream) -> None:
    sent = with_temperature(stream.fill(DAY, count=60))
    stream.condense(DAY)
    with setting(stream, stream.dataset.month_index(DAY), "index.hidden"):
        assert retired(stream) == {stream.dataset.raw_index(DAY): "deleted"}
        assert documents_from(stream, 6, 7) == sent
        assert [(one.day, one.place) for one in coverage(stream.client, stream.dataset)] == [(DAY, "history")]


def test_a_hidden_raw_day_is_read_beside_the_others(stream: Stream) -> None:
    sent = with_temperature(stream.fill(DAY, count=60)) + with_temperature(stream.fill(NEXT, count=60))
    with setting(stream, stream.dataset.raw_index(NEXT), "index.hidden"):
        assert documents_from(stream, 6, 8) == sent
        assert [one.place for one in coverage(stream.client, stream.dataset)] == ["raw", "raw"]
        assert newest_raw_day(stream.client, stream.dataset) == NEXT


@pytest.mark.parametrize("block", ["read", "metadata"])
def test_a_blocked_raw_day_is_named_and_keeps_nothing_from_the_others(stream: Stream, block: str) -> None:
    for day in (DAY, NEXT):
        stream.fill(day, count=60)
    blocked = stream.dataset.raw_index(DAY)
    with setting(stream, blocked, f"index.blocks.{block}"):
        with pytest.raises(Refused, match=f"{blocked} cannot be read: somebody blocked it .*Lift the block"):
            documents_from(stream, 6, 8)
        assert documents_from(stream, 7, 8) > 0
        first, second = coverage(stream.client, stream.dataset)
        assert blocked in first.problem
        assert second.place == "raw"
        lots = retired(stream)
    assert f"Somebody blocked {blocked}: set index.blocks.{block} to null on it" in lots.pop(blocked)
    assert lots == {stream.dataset.raw_index(NEXT): "deleted"}
    assert stream.exists(DAY)


def test_a_blocked_month_is_no_empty_history(stream: Stream) -> None:
    stream.condensed(DAY, count=60)
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    month = stream.dataset.month_index(DAY)
    for block in ("read", "metadata"):
        with setting(stream, month, f"index.blocks.{block}"), pytest.raises(Refused, match=f"{month} cannot be read"):
            documents_from(stream, 6, 7)


def test_a_closed_month_is_named_with_its_cure(stream: Stream) -> None:
    stream.fill(DAY, count=20)
    stream.condense(DAY)
    month = stream.dataset.month_index(DAY)
    stream.client.indices.close(index=month)
    (day,) = coverage(stream.client, stream.dataset)
    assert day.problem == f"{month} is closed, so its rows cannot be read. Open it."
    (why,) = retired(stream).values()
    assert f"{month} is closed, so the rows of {DAY} cannot be read. Nothing was changed. Open it" in why
    assert stream.exists()
    stream.client.indices.open(index=month)
    assert retired(stream) == {stream.dataset.raw_index(DAY): "deleted"}


def test_a_month_that_must_not_be_read_is_named_in_the_status(stream: Stream) -> None:
    stream.fill(DAY, count=20)
    stream.condense(DAY)
    month = stream.dataset.month_index(DAY)
    with setting(stream, month, "index.blocks.read"):
        (day,) = coverage(stream.client, stream.dataset)
    assert month in day.problem
