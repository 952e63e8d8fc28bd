"""What a reader asks, checked before anything is sent. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused
from opensearch_strata.history.query.intervals import Interval

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")
_NEEDS = {
    **{stat: {stat} for stat in ("min", "max", "sum", "count")},
    "avg": {"sum", "count"},
    "top": {"top"},
    "distinct": {"registers"},
}
_QUANTILE_NEEDS = {"min", "max", "sketch"}
_OWN_COLUMNS = ("time", "source")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def quantile_of(stat: str) -> float | None:
    """0.99 for ``p99``; None for a statistic that is not a percentile."""
    match = _PERCENTILE.fullmatch(stat)
    return float(match[1]) / 100 if match else None


def is_stat(text: str) -> bool:
    """Whether this is a statistic that a history can have: ``min max sum count avg top distinct`` or a percentile.

    :param text: as a person typed it
    """
    return text in _NEEDS or quantile_of(text) is not None


def milliseconds(moment: datetime) -> int:
    """An aware moment in epoch milliseconds, rounded up, because times of documents are whole milliseconds."""
    return -((_EPOCH - moment) // _MILLISECOND)


def moment_of(ms: int) -> datetime:
    """The moment, in UTC, that epoch milliseconds stand for."""
    return _EPOCH + ms * _MILLISECOND


@dataclass(frozen=True)
class Question:
    """A question that the definition of its dataset can answer.

    :param start: epoch milliseconds, inclusive
    :param end: epoch milliseconds, exclusive
    :param interval: length of a record; None for the whole span
    """

    dataset: Dataset
    start: int
    end: int
    metrics: tuple[str, ...]
    stats: tuple[str, ...]
    interval: Interval | None = None
    by: tuple[str, ...] = ()
    where: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def checked(
        cls,
        dataset: Dataset,
        start: datetime,
        end: datetime,
        *,
        metrics: Sequence[str],
        stats: Sequence[str],
        interval: str | None = None,
        by: Sequence[str] = (),
        where: Mapping[str, Any] | None = None,
    ) -> Question:
        """See :func:`opensearch_strata.reader.read`.

        :raises Refused: the dataset cannot answer this; the message has the reason
        """
        metrics, stats, by = (_names(given) for given in (metrics, stats, by))
        _check_span(start, end)
        _check_stats(dataset, metrics, stats)
        columns = {*_OWN_COLUMNS, *(f"{metric}.{stat}" for metric in metrics for stat in stats)}
        _check_groups(dataset, [*by, *(where or {})], columns)
        parsed = Interval.parse(interval) if interval else None
        if parsed:
            parsed.check(dataset, start, end)
        return cls(dataset, milliseconds(start), milliseconds(end), metrics, stats, parsed, by, dict(where or {}))

    @property
    def quantiles(self) -> dict[str, float]:
        """The percentiles among the statistics: ``{"p99": 0.99}``."""
        return {stat: q for stat in self.stats if (q := quantile_of(stat)) is not None}

    @property
    def leaves(self) -> list[str]:
        """What a row of history must carry of a metric in addition to its count."""
        needed = set().union(*(_NEEDS.get(stat, _QUANTILE_NEEDS) for stat in self.stats))
        return sorted(needed - {"count"})

    @property
    def bucket(self) -> int:
        """Length of the rows' buckets in milliseconds."""
        return self.dataset.history.bucket_length // _MILLISECOND

    @property
    def of_rows(self) -> tuple[int, int]:
        """The start of the first bucket that may hold a part of the span, and the end of the span."""
        return self.start // self.bucket * self.bucket, self.end


def _names(given: Sequence[str]) -> tuple[str, ...]:
    """Each name once; a single name may be given without a list."""
    return (given,) if isinstance(given, str) else tuple(dict.fromkeys(given))


def _check_span(start: datetime, end: datetime) -> None:
    for moment in (start, end):
        if moment.tzinfo is None:
            raise Refused(f"{moment} has no time zone, so it can mean several moments; give it a tzinfo.")
    if start >= end:
        raise Refused(f"The span from {start} to {end} is empty; let it end after it starts.")


def _check_stats(dataset: Dataset, metrics: Sequence[str], stats: Sequence[str]) -> None:
    if not metrics:
        raise Refused(f"No metric is asked for; {dataset.name!r} has {', '.join(dataset.metrics)}.")
    if not stats:
        raise Refused(f"No statistic is asked for; there are {', '.join(_NEEDS)} and percentiles such as p99.")
    for metric in metrics:
        if metric not in dataset.metrics:
            raise Refused(f"{dataset.name!r} has no metric {metric!r}; it has {', '.join(dataset.metrics)}.")
    for stat in stats:
        if not is_stat(stat):
            raise Refused(f"{stat!r} is not a statistic; ask for {', '.join(_NEEDS)} or a percentile such as p99.")
    for metric in metrics:
        kept = {*dataset.metrics[metric].stats, *dataset.distribution_leaf(metric)} - {"sketch"}
        shown = ", ".join(sorted("distinct" if leaf == "registers" else leaf for leaf in kept))
        for stat in stats:
            if stat not in _NEEDS and metric not in dataset.sketches:
                raise Refused(f"{metric!r} carries no distribution, so no {stat}; it has {shown}.")
            if not _NEEDS.get(stat, set()) <= kept:
                raise Refused(f"{metric!r} carries no {stat}; it has {shown}.")


def _check_groups(dataset: Dataset, groups: Iterable[str], columns: set[str]) -> None:
    for group in groups:
        if group not in dataset.history.group_by:
            known = ", ".join(dataset.history.group_by)
            raise Refused(f"Rows of {dataset.name!r} are not grouped by {group!r}; they are grouped by {known}.")
        if group in columns:
            raise Refused(
                f"A frame cannot hold the group {group!r}, because another column has that name; leave the group out."
            )
