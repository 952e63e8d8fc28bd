"""Answers from the history: sums, weighted averages and quantiles of any span, from merged rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from opensearch_strata.dataset import Dataset
from opensearch_strata.days import day_of, months_between
from opensearch_strata.errors import Refused
from opensearch_strata.history.intervals import Interval
from opensearch_strata.history.sketch import Bins, merge_into, quantiles, unpack
from opensearch_strata.history.stored_rows import stream_hits

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")
_NEEDS = {"min": {"min"}, "max": {"max"}, "sum": {"sum"}, "count": {"count"}, "avg": {"sum", "count"}}
_QUANTILE_NEEDS = {"min", "max", "sketch"}

Record = dict[str, Any]


@dataclass
class _Cell:
    """Merged rows of one time and group."""

    count: int = 0
    sum: float = 0.0
    min: float = float("inf")
    max: float = float("-inf")
    bins: Bins = field(default_factory=dict)

    def add(self, value: Mapping[str, Any]) -> None:
        self.count += value["count"]
        self.sum += value.get("sum", 0.0)
        self.min = min(self.min, value.get("min", self.min))
        self.max = max(self.max, value.get("max", self.max))
        if "sketch" in value:
            merge_into(self.bins, unpack(value["sketch"]))

    def answer(self, stats: Sequence[str], relative_error: float | None) -> Record:
        plain = {"count": self.count, "sum": self.sum, "min": self.min, "max": self.max}
        wanted = {stat: q for stat in stats if (q := quantile_of(stat)) is not None}
        found = (
            quantiles(self.bins, wanted.values(), relative_error, self.min, self.max)
            if wanted and relative_error
            else {}
        )
        return {
            stat: found[wanted[stat]] if stat in wanted else self.sum / self.count if stat == "avg" else plain[stat]
            for stat in stats
        }


def quantile_of(stat: str) -> float | None:
    """0.99 for ``p99``, None for a statistic that is no percentile."""
    match = _PERCENTILE.fullmatch(stat)
    return float(match[1]) / 100 if match else None


def is_stat(text: str) -> bool:
    """Whether a history can be asked for this at all: ``min max sum count avg`` or a percentile."""
    return text in _NEEDS or quantile_of(text) is not None


def read_history(
    client: OpenSearch,
    dataset: Dataset,
    start: datetime,
    end: datetime,
    *,
    metric: str,
    stats: Sequence[str],
    interval: Interval | None = None,
    by: Sequence[str] = (),
    where: Mapping[str, str] | None = None,
) -> list[Record]:
    """Statistics of one metric from the history, ordered by time and group.

    :param start: aware, inclusive; a row counts by the start of its bucket
    :param end: aware, exclusive
    :param stats: ``min max sum count avg`` or percentiles such as ``p50`` and ``p99.9``, within the metric's
        relative error of the exact value at rank ``floor(q * (n - 1))``
    :param interval: length of a record; the whole span if None
    :param by: fields of ``group_by`` to keep apart
    :param where: fields of ``group_by`` and the value wanted
    :returns: ``{"time": aware datetime, **by, **stats}``; times and groups without a value are left out
    :raises Refused: what was asked is not in the history, with the reason
    """
    _check_question(dataset, start, end, metric, stats, [*by, *(where or {})])
    if interval:
        interval.check(dataset, start, end)
    query = _query(start, end, where or {})
    needed = set().union(*(_NEEDS.get(stat, _QUANTILE_NEEDS) for stat in stats))
    # Times are kept apart in UTC: of two hours that have one name when clocks go back, datetime makes one.
    cells: dict[tuple[Any, ...], _Cell] = {}
    for index in _months(client, dataset, start, end, metric):
        for hit in stream_hits(client, index, query):
            row = hit["_source"]
            value = row["metrics"].get(metric)
            if value is None:
                continue
            if missing := needed - value.keys():
                raise Refused(_lacking(row["transform._id"], metric, missing))
            time = _time_of(row["@timestamp"], dataset, interval) if interval else start.astimezone(UTC)
            key = (time, *(row.get(name) for name in by))
            cells.setdefault(key, _Cell()).add(value)
    relative_error = dataset.sketches.get(metric)
    return [
        {
            "time": key[0].astimezone(dataset.zone),
            **dict(zip(by, key[1:], strict=True)),
            **cells[key].answer(stats, relative_error),
        }
        for key in sorted(cells, key=lambda key: (key[0], *((v is not None, str(v)) for v in key[1:])))
    ]


def _time_of(bucket_ms: int, dataset: Dataset, interval: Interval) -> datetime:
    bucket = datetime.fromtimestamp(bucket_ms / 1000, UTC)
    if interval.length == dataset.history.bucket_length:
        return bucket
    return interval.start_of(bucket.astimezone(dataset.zone)).astimezone(UTC)


def _lacking(transform_id: str, metric: str, missing: Iterable[str]) -> str:
    return (
        f"Rows of {transform_id} carry no {', '.join(sorted(missing))} of {metric!r}: they were condensed before the "
        f"definition asked for it. Condense that day again if it is still raw, or ask for later days."
    )


def _check_question(
    dataset: Dataset, start: datetime, end: datetime, metric: str, stats: Sequence[str], groups: Iterable[str]
) -> None:
    if start >= end:
        raise Refused(f"The span from {start} to {end} is empty; let it end after it starts.")
    if metric not in dataset.metrics:
        raise Refused(f"{dataset.name!r} has no metric {metric!r}; it has {', '.join(dataset.metrics)}.")
    for group in groups:
        if group not in dataset.history.group_by:
            known = ", ".join(dataset.history.group_by)
            raise Refused(f"Rows of {dataset.name!r} are not grouped by {group!r}; they are by {known}.")
        if group in ("time", *stats):
            raise Refused(f"A record cannot hold the group {group!r} beside what bears the same name; ask without it.")
    kept = set(dataset.metrics[metric].stats)
    for stat in stats:
        if quantile_of(stat) is not None:
            if metric not in dataset.sketches:
                raise Refused(f"{metric!r} carries no distribution, so no {stat}; it has {', '.join(sorted(kept))}.")
        elif stat not in _NEEDS:
            raise Refused(f"{stat!r} is no statistic; ask for {', '.join(_NEEDS)} or a percentile such as p99.")
        elif not _NEEDS[stat] <= kept:
            raise Refused(f"{metric!r} carries no {stat}; it has {', '.join(sorted(kept))}.")


def _query(start: datetime, end: datetime, where: Mapping[str, str]) -> dict[str, Any]:
    span = {"gte": int(start.timestamp() * 1000), "lt": int(end.timestamp() * 1000), "format": "epoch_millis"}
    terms = [{"term": {name: value}} for name, value in where.items()]
    return {"bool": {"filter": [{"range": {"@timestamp": span}}, *terms]}}


def _months(client: OpenSearch, dataset: Dataset, start: datetime, end: datetime, metric: str) -> list[str]:
    """Existing month indices of a span, all with the relative error that the definition states."""
    from opensearchpy import NotFoundError

    # A late event lies in the raw day of its arrival, so a bucket may be in the month beside its own.
    margin = timedelta(days=1)
    names = []
    for month in months_between(day_of(start - margin, dataset.zone), day_of(end + margin, dataset.zone)):
        index = dataset.month_index(month)
        try:
            mapping = client.indices.get_mapping(index=index)[index]["mappings"]
        except NotFoundError:
            continue
        made = mapping.get("_meta", {}).get("strata", {}).get("metrics", {}).get(metric, {}).get("relative_error")
        wanted = dataset.sketches.get(metric)
        if made not in (None, wanted):
            raise Refused(
                f"{index} holds sketches of {metric!r} with a relative error of {made}, the definition says {wanted}; "
                f"they cannot be read as one. Ask for other months, or undo the change of the definition."
            )
        names.append(index)
    return names
