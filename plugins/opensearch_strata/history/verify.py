"""The proof that a day's rows carry every raw document, from numbers read back from the server."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from opensearch_strata.dataset import Dataset
from opensearch_strata.errors import TransientError
from opensearch_strata.history.aggregation import compared_stats, totals_body
from opensearch_strata.history.raw_day import WHOLE, RawDay, count_documents, inspect_raw_day
from opensearch_strata.history.sketch import Bins, merge_into, unpack
from opensearch_strata.history.stored_rows import carried, is_stray, stream_rows

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_READS = 5

State = Literal["verified", "differs", "missing", "empty"]


@dataclass(frozen=True)
class Check:
    """One line of the proof."""

    name: str
    raw: Any
    history: Any
    holds: bool


@dataclass(frozen=True)
class Proof:
    """All lines of a day's proof; ``missing`` and ``empty`` are states of their own, never verified.

    :param raw: the raw day that was read, None if missing
    :param rows: rows that carry it
    :param null_rows: rows of documents without a group value or a time, counted like all others
    :param genuine_documents: documents carried by rows that bear a transform's ids
    """

    index: str
    day: date
    state: State
    raw: RawDay | None
    checks: list[Check] = field(default_factory=list)
    rows: int = 0
    null_rows: int = 0
    genuine_documents: int = 0

    @property
    def failed(self) -> list[Check]:
        """The lines that do not hold."""
        return [check for check in self.checks if not check.holds]

    @property
    def mendable(self) -> bool:
        """True for rows that differ from a raw day which holds all that they carry: condensing cures it."""
        return self.state == "differs" and self.raw is not None and self.raw.documents >= self.genuine_documents


@dataclass
class Totals:
    """Sums over a whole day, from one of the two sides."""

    documents: int = 0
    stats: dict[str, dict[str, float]] = field(default_factory=dict)
    sketches: dict[str, Bins] = field(default_factory=dict)
    buckets: Counter[int | None] = field(default_factory=Counter)
    rows: int = 0
    null_rows: int = 0
    strays: int = 0
    unreadable: int = 0
    genuine_documents: int = 0
    doc_count: int = 0


def verify(client: OpenSearch, dataset: Dataset, day: date) -> Proof:
    """Compare a raw day with its rows, line by line. Changes nothing.

    :raises TransientError: documents came or went while it was read; nothing can be said yet
    """
    raw = inspect_raw_day(client, dataset, day)
    index = dataset.raw_index(day)
    if raw is None or raw.documents == 0:
        there = carried(client, dataset, day)
        state: State = "missing" if raw is None else "empty"
        return Proof(index, day, state, raw, rows=there.rows, genuine_documents=there.documents)
    source = _raw_totals(client, dataset, raw)
    if (after := count_documents(client, index)) != raw.documents or source.documents != raw.documents:
        raise TransientError(
            f"{index} changed while it was read ({raw.documents} documents before, {after} after); verify it again."
        )
    history = _history_totals(client, dataset, day)
    checks = compare(dataset, source, history)
    state = "verified" if all(check.holds for check in checks) else "differs"
    return Proof(index, day, state, raw, checks, history.rows, history.null_rows, history.genuine_documents)


def _raw_totals(client: OpenSearch, dataset: Dataset, raw: RawDay) -> Totals:
    answer = client.search(index=raw.index, body=totals_body(dataset), params=WHOLE)
    found = answer["aggregations"]
    totals = Totals(documents=answer["hits"]["total"]["value"])
    for name, metric in dataset.metrics.items():
        count = found[f"{name}.count"]["value"]
        if count:
            totals.stats[name] = {stat: found[f"{name}.{stat}"]["value"] for stat in compared_stats(metric)}
    for name, value in (found["sketches"]["value"] if dataset.sketches else {}).items():
        totals.sketches[name] = unpack(value["sketch"])
    for bucket in found["buckets"]["buckets"]:
        totals.buckets[bucket["key"]] = bucket["doc_count"]
    if without_time := found["without_time"]["doc_count"]:
        totals.buckets[None] = without_time
    return totals


def _history_totals(client: OpenSearch, dataset: Dataset, day: date) -> Totals:
    """Totals of rows that nobody wrote meanwhile; another run may be condensing the same day."""
    before = carried(client, dataset, day)
    for _ in range(_READS):
        totals = _read_rows(client, dataset, day) if before.rows else Totals()
        after = carried(client, dataset, day)
        if after == before:
            return totals
        before = after
    raise TransientError(
        f"The rows of {dataset.raw_index(day)} were written while they were read, {_READS} times; verify it again when "
        f"the other run is done."
    )


def _read_rows(client: OpenSearch, dataset: Dataset, day: date) -> Totals:
    totals = Totals()
    sums: dict[str, list[float]] = {}
    for hit in stream_rows(client, dataset, day):
        totals.rows += 1
        stray = is_stray(dataset, day, hit)
        totals.strays += stray
        try:
            _add_row(totals, sums, dataset, hit["_source"], stray)
        except (KeyError, TypeError, ValueError):  # written by somebody else, or damaged
            totals.unreadable += 1
    for name, parts in sums.items():
        totals.stats[name]["sum"] = math.fsum(parts)
    return totals


def _add_row(totals: Totals, sums: dict[str, list[float]], dataset: Dataset, row: dict[str, Any], stray: bool) -> None:
    documents = row["transform._doc_count"]
    totals.documents += documents
    totals.genuine_documents += 0 if stray else documents
    totals.buckets[row.get("@timestamp")] += documents
    totals.null_rows += any(row.get(key) is None for key in (*dataset.history.group_by, "@timestamp"))
    totals.doc_count += row["_doc_count"]
    for name, value in row["metrics"].items():
        _add_metric(totals, sums, name, value)


def _add_metric(totals: Totals, sums: dict[str, list[float]], name: str, value: dict[str, Any]) -> None:
    stats = totals.stats.setdefault(name, {"count": 0})
    stats["count"] += value["count"]
    for stat, better in (("min", min), ("max", max)):
        if stat in value:
            stats[stat] = better(stats.get(stat, value[stat]), value[stat])
    if "sum" in value:
        sums.setdefault(name, []).append(value["sum"])
    if "sketch" in value:
        merge_into(totals.sketches.setdefault(name, {}), unpack(value["sketch"]))


def compare(dataset: Dataset, raw: Totals, history: Totals) -> list[Check]:
    """Every line of the proof. Pure."""
    moved = {key for key in raw.buckets | history.buckets if raw.buckets[key] != history.buckets[key]}
    checks = [
        Check("documents", raw.documents, history.documents, raw.documents == history.documents),
        Check("documents by _doc_count", raw.documents, history.doc_count, raw.documents == history.doc_count),
        Check("rows under foreign ids", 0, history.strays, history.strays == 0),
        Check("rows that cannot be read", 0, history.unreadable, history.unreadable == 0),
        Check("time buckets that differ", 0, len(moved), not moved),
    ]
    for name, metric in dataset.metrics.items():
        left, right = raw.stats.get(name, {}), history.stats.get(name, {})
        for stat in (s for s in ("count", "min", "max", "sum") if s in metric.stats):
            one, other = left.get(stat, 0), right.get(stat, 0)
            same = _same_sum(left, right) if stat == "sum" else one == other
            checks.append(Check(f"{name} {stat}", one, other, same))
        if name in dataset.sketches:
            bins, merged = raw.sketches.get(name, {}), history.sketches.get(name, {})
            counted = sum(merged.values())
            count = left.get("count", 0)
            checks.append(Check(f"{name} sketch count", count, counted, count == counted))
            differing = sum(1 for b in bins.keys() | merged.keys() if bins.get(b) != merged.get(b))
            checks.append(Check(f"{name} sketch bins that differ", 0, differing, differing == 0))
    return checks


def _same_sum(left: dict[str, float], right: dict[str, float]) -> bool:
    """Equal within 1e-9, relative to the sum or, where values cancel out, to the largest value."""
    one, other = left.get("sum", 0.0), right.get("sum", 0.0)
    largest = max((abs(left.get(stat, 0.0)) for stat in ("min", "max")), default=0.0)
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9 * largest)
