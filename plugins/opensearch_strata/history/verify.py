"""The proof that a day's rows carry every raw document, from numbers read back from the server."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from opensearch_strata import decisive
from opensearch_strata.dataset import Dataset
from opensearch_strata.errors import TransientError
from opensearch_strata.history.aggregation import compared_stats, recall_body, totals_body
from opensearch_strata.history.raw_day import RawDay, inspect_raw_day
from opensearch_strata.history.sketch import Bins
from opensearch_strata.history.stored_rows import NOTHING, Carried, StoredRow, carried, is_stray, of_day, stream_rows
from opensearch_strata.history.top_values import NO_TERMS, Counts, contradictions, occurrences
from opensearch_strata.history.totals import counts_of_states, merged_of_states, numbers_and_words

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
    :param carried: what its rows carry and their version, as they were read
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
    carried: Carried = NOTHING

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
    """Sums over a whole day, from one of the two sides.

    :param metrics: what the script says of each metric, see :func:`merged_of_states`; none with top values
    :param server: what the server's own aggregations say of each of them; of the raw day only
    :param terms: the server's own counts of the values of each metric with top values; of the raw day only
    :param counts: what the rows say of the same
    """

    documents: int = 0
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    server: dict[str, dict[str, float]] = field(default_factory=dict)
    terms: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=dict)
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
        return Proof(index, day, state, raw, rows=there.rows, genuine_documents=there.documents, carried=there)
    source = _raw_totals(client, dataset, raw)
    if (after := decisive.count(client, index)) != raw.documents or source.documents != raw.documents:
        raise TransientError(
            f"{index} changed while it was read ({raw.documents} documents before, {after} after); verify it again."
        )
    history, there = _history_totals(client, dataset, day)
    checks = compare(dataset, source, history)
    state = "verified" if all(check.holds for check in checks) else "differs"
    return Proof(index, day, state, raw, checks, history.rows, history.null_rows, history.genuine_documents, there)


def _raw_totals(client: OpenSearch, dataset: Dataset, raw: RawDay) -> Totals:
    answer = decisive.search(client, raw.index, totals_body(dataset))
    found = answer["aggregations"]
    totals = Totals(documents=answer["hits"]["total"]["value"])
    numbers, words = numbers_and_words(dataset, list(dataset.metrics))
    for name in numbers:
        if found[f"{name}.count"]["value"]:
            stats = compared_stats(dataset.metrics[name])
            totals.server[name] = {stat: found[f"{name}.{stat}"]["value"] for stat in stats}
    totals.terms = {name: found[f"{name}.values"] for name in words}
    totals.metrics = merged_of_states(dataset, numbers, found["totals"]["value"])
    for bucket in found["buckets"]["buckets"]:
        totals.buckets[bucket["key"]] = bucket["doc_count"]
    if without_time := found["without_time"]["doc_count"]:
        totals.buckets[None] = without_time
    return totals


def _history_totals(client: OpenSearch, dataset: Dataset, day: date) -> tuple[Totals, Carried]:
    """Totals of rows that nobody wrote meanwhile; another run may be condensing the same day."""
    before = carried(client, dataset, day)
    for _ in range(_READS):
        totals = _read_rows(client, dataset, day, before) if before.rows else Totals()
        after = carried(client, dataset, day)
        if after == before:
            return totals, after
        before = after
    raise TransientError(
        f"The rows of {dataset.raw_index(day)} were written while they were read, {_READS} times; verify it again when "
        f"the other run is done."
    )


def _read_rows(client: OpenSearch, dataset: Dataset, day: date, there: Carried) -> Totals:
    from opensearchpy import RequestError

    totals = Totals(doc_count=there.doc_count)
    for row in stream_rows(client, dataset, day):
        _add_row(totals, row, is_stray(dataset, day, row))
    try:
        totals.metrics, totals.counts = _recall(client, dataset, day)
    except (RequestError, ValueError):  # a sketch that is none: written by somebody else, or damaged
        totals.unreadable = totals.unreadable or totals.rows
    return totals


def _add_row(totals: Totals, row: StoredRow, stray: bool) -> None:
    totals.rows += 1
    totals.strays += stray
    if row.documents is None:
        totals.unreadable += 1
        return
    totals.documents += row.documents
    totals.genuine_documents += 0 if stray else row.documents
    totals.buckets[row.keys[-1]] += row.documents
    totals.null_rows += None in row.keys


def _recall(client: OpenSearch, dataset: Dataset, day: date) -> tuple[dict[str, dict[str, Any]], dict[str, Counts]]:
    """All rows of the day merged into one by the server, as readers get them."""
    body = recall_body(dataset, of_day(dataset, day))
    answer = decisive.search(client, dataset.month_index(day), body)
    names, states = list(dataset.metrics), answer["aggregations"]["totals"]["value"]
    numbers, _ = numbers_and_words(dataset, names)
    return merged_of_states(dataset, numbers, states), counts_of_states(dataset, names, states)


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
    for name in dataset.metrics:
        checks += (_counted_checks if name in dataset.top_values else _metric_checks)(dataset, name, raw, history)
    return checks


def _metric_checks(dataset: Dataset, name: str, raw: Totals, history: Totals) -> Iterator[Check]:
    """The server's own count and extremes, its sum, and the script's sum and distribution, against the rows."""
    server, script, rows = (side.get(name, {}) for side in (raw.server, raw.metrics, history.metrics))
    stats = dataset.metrics[name].stats
    decimals = dataset.decimals(name)
    for stat in (s for s in ("count", "min", "max") if s in stats):
        one, other = _rounded(server.get(stat, 0), decimals), rows.get(stat, 0)
        yield Check(f"{name} {stat}", one, other, one == other)
    if "sum" in stats:
        one, other = server.get("sum", 0.0), rows.get("sum", 0.0)
        largest = max(abs(server.get(stat, 0.0)) for stat in ("min", "max"))
        slack = 0.0 if decimals is None else server.get("count", 0) * 0.5 / 10.0**decimals
        yield Check(f"{name} sum", one, other, _same(one, other, 1e-9 * largest + slack))
        if decimals is not None:
            exact = script.get("sum", 0.0)
            yield Check(f"{name} sum of rounded values", exact, other, _same(exact, other, 0.0))
    if name in dataset.sketches:
        bins, merged = _bins(script), _bins(rows)
        count, counted = server.get("count", 0), sum(merged.values())
        yield Check(f"{name} sketch count", count, counted, count == counted)
        differing = sum(1 for b in bins.keys() | merged.keys() if bins.get(b) != merged.get(b))
        yield Check(f"{name} sketch bins that differ", 0, differing, differing == 0)


def _counted_checks(_: Dataset, name: str, raw: Totals, history: Totals) -> Iterator[Check]:
    """The server's own count of values, and of each of the most frequent ones, against the rows."""
    terms, counts = raw.terms.get(name, NO_TERMS), history.counts.get(name, Counts())
    count = occurrences(terms)
    yield Check(f"{name} count", count, counts.count, count == counts.count)
    yield Check(f"{name} counted values", count, counts.told, count == counts.told)
    wrong = contradictions(counts, terms)
    yield Check(f"{name} values that differ", 0, len(wrong), not wrong)


def _rounded(value: float, decimals: int | None) -> float:
    """A value as the scripts round it."""
    return value if decimals is None else round(value * 10.0**decimals) / 10.0**decimals


def _bins(metric: dict[str, Any]) -> Bins:
    bins: Bins = metric.get("bins", {})
    return bins


def _same(one: float, other: float, slack: float) -> bool:
    """Equal within 1e-9, relative to the sum, or within what rounding and cancelling values may leave."""
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=slack)
