"""The calendar days and months into which the rows of a raw day are divided, and how they are asked for. Pure.

A row of history is one bucket, which begins at a UTC boundary, and a local midnight may lie inside it. As for readers
(:mod:`opensearch_strata.history.query.borders`), the rows of such a bucket count for their raw day: those of earlier
raw days lie before the midnight, those of later ones after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import day_bounds
from opensearch_strata.definition.levels import Level

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Piece:
    """Rows that belong to one calendar day or month, in epoch milliseconds.

    :param start: when the first of their buckets begins
    :param end: when the first bucket begins that does not belong to it
    :param time: local midnight, by which rows of levels name the day or month
    :param is_whole: whether the midnights at its ends cut no bucket
    """

    start: int
    end: int
    time: int
    is_whole: bool = True


def between(start: int, end: int) -> dict[str, Any]:
    """The query that finds rows whose buckets begin in a span.

    :param start: epoch milliseconds, inclusive
    :param end: epoch milliseconds, exclusive
    """
    return {"range": {"@timestamp": {"gte": start, "lt": end, "format": "epoch_millis"}}}


WITHOUT_TIME: dict[str, Any] = {"bool": {"must_not": {"exists": {"field": "@timestamp"}}}}
"""The query that finds rows of documents without a time."""


def pieces_of(dataset: Dataset, level: Level, unit: date, days: Iterable[date], bucket: timedelta) -> Iterator[Piece]:
    """The calendar days that hold rows, or for ``1M`` the calendar months. Each row is in exactly one of them.

    :param unit: the raw day of the rows, or the first day of the month of their raw days
    :param days: local days to which rows count, see :func:`after_cut`
    :param bucket: length of the rows' buckets if these begin at UTC boundaries; zero if they begin where local days do
    """
    for day in sorted({day.replace(day=1) if level.is_of_months else day for day in days}):
        (start, cut), (end, cut_too) = (_boundary(dataset, one, unit, bucket) for one in (day, _next(level, day)))
        if start < end:  # a zone that crosses the date line skips a day
            yield Piece(start, end, _midnight(dataset, day), not (cut or cut_too))


def after_cut(dataset: Dataset, days: Iterable[date]) -> set[date]:
    """Days that begin inside a bucket that begins on one of these days, so that the bucket may count for them.

    :param days: local days in which buckets of base rows begin
    """
    bucket = dataset.history.bucket_length // _MILLISECOND
    return {day + _DAY for day in days if _midnight(dataset, day + _DAY) % bucket}


def _next(level: Level, day: date) -> date:
    return (day + timedelta(days=32)).replace(day=1) if level.is_of_months else day + _DAY


def _boundary(dataset: Dataset, day: date, unit: date, bucket: timedelta) -> tuple[int, bool]:
    """When the first bucket of a day begins, and whether the day begins inside a bucket."""
    midnight, length = _midnight(dataset, day), bucket // _MILLISECOND
    cut = length and midnight % length
    if not cut:
        return midnight, False
    return midnight - cut if unit >= day else midnight - cut + length, True


def _midnight(dataset: Dataset, day: date) -> int:
    return (day_bounds(day, dataset.zone)[0] - _EPOCH) // _MILLISECOND
