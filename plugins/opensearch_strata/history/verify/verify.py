"""The proof that a day's rows carry every raw document, row by row, from numbers read back from the server.

A raw day is walked in slices of its time. Each page of its buckets is computed twice, by the server's own aggregations
and by the script, and compared with the very rows that must stand for them. So the proof covers every group and hour,
and no search ever reads a whole day to return a page of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import TransientError
from opensearch_strata.history.buckets.aggregation import proof_body, recall_body, stored_rows_body, words_body
from opensearch_strata.history.buckets.bucket_pages import PATIENTLY, Page, Pages, each_page
from opensearch_strata.history.buckets.partials import (
    DistinctCount,
    State,
    counts_of_states,
    distinct_of_states,
    merged_of_states,
    split_metrics,
)
from opensearch_strata.history.buckets.scripts import row_values
from opensearch_strata.history.carriable.unseen import Unseen, unseen, without_any_value
from opensearch_strata.history.month.row_ids import row_id
from opensearch_strata.history.month.rows_of_day import Carried, carried, is_stray, of_day, stream_rows
from opensearch_strata.history.raw_day.inspection import RawDay, inspect_raw_day
from opensearch_strata.history.verify.comparison import Comparison, Measured, Totals
from opensearch_strata.history.verify.proof import Check, Proof, ProofState
from opensearch_strata.history.verify.ruler import Ruler, rounded, same
from opensearch_strata.history.verify.totals import totals_of
from opensearch_strata.sketches.top_values import NO_TERMS, ValueCounts, contradictions, occurrences

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_READS = 5


@dataclass(frozen=True)
class Extra:
    """Rows of a day in addition to those that stand for its documents.

    :param strays: how many of them have an id that does not match their keys
    :param genuine_documents: how many documents are carried by all rows whose ids match their keys
    """

    rows: int
    strays: int
    genuine_documents: int
    first: str = ""


@dataclass(frozen=True)
class Read:
    """Everything that was read of a day and its rows.

    :param there: what the rows carry according to the server's own sums
    :param metrics: what readers get from the rows, merged by the server, see :func:`merged_of_states`
    :param counts: the same for metrics with top values
    :param distinct: the same for metrics with distinct counts
    :param terms: the server's own counts of the values of those metrics in the raw day
    :param unreadable: whether readers get no answer from these rows
    :param unseen: what documents hold but no search sees
    """

    there: Carried
    compared: Comparison
    extra: Extra
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, ValueCounts] = field(default_factory=dict)
    distinct: dict[str, DistinctCount] = field(default_factory=dict)
    terms: dict[str, Any] = field(default_factory=dict)
    unreadable: bool = False
    unseen: Sequence[Unseen] = ()


def verify(
    client: OpenSearch, dataset: Dataset, day: date, on_documents: Callable[[int], None] = lambda _: None
) -> Proof:
    """Compare a raw day with its rows, row by row. Changes nothing.

    :param on_documents: called with the number of raw documents of each part that was compared
    :raises TransientError: documents or rows changed while they were read, so there is no verdict yet
    :raises Refused: see :func:`inspect_raw_day`
    """
    raw = inspect_raw_day(client, dataset, day)
    index = dataset.raw_index(day)
    there = carried(client, dataset, day)
    if raw is None or raw.documents == 0:
        state: ProofState = "missing" if raw is None else "empty"
        return Proof(index, day, state, raw, rows=there.rows, genuine_documents=there.documents, carried=there)
    if not there.rows:
        return Proof(index, day, "differs", raw, [Check("documents", raw.documents, 0, holds=False)], carried=there)
    for _ in range(_READS):
        read = _read(client, dataset, raw, there, on_documents)
        _require_unchanged(client, raw)
        before, there = there, carried(client, dataset, day)
        if there == before:
            break
    else:
        raise TransientError(
            f"The rows of {index} were written while they were read, {_READS} times; verify it again when the other "
            f"run is done."
        )
    rows = compare(dataset, raw, read)
    sight = see(dataset, raw, read)
    checks = [*rows, *sight]
    state = "differs" if not _all_hold(rows) else "verified" if _all_hold(sight) else "held"
    genuine = read.extra.genuine_documents
    metrics = {**read.metrics, **totals_of(read.counts, read.distinct)}
    return Proof(index, day, state, raw, checks, there.rows, read.compared.null_rows, genuine, there, metrics)


def _all_hold(checks: list[Check]) -> bool:
    return all(check.holds for check in checks)


def _require_unchanged(client: OpenSearch, raw: RawDay) -> None:
    from opensearchpy import NotFoundError

    try:
        now = decisive.primaries(client, raw.index)
    except NotFoundError:
        raise TransientError(f"{raw.index} was deleted while it was read; verify it again.") from None
    if (now.uuid, now.sequence) != (raw.uuid, raw.sequence):
        raise TransientError(
            f"{raw.index} changed while it was read (it had {raw.documents} documents before); verify it again."
        )


def _read(
    client: OpenSearch, dataset: Dataset, raw: RawDay, there: Carried, on_documents: Callable[[int], None]
) -> Read:
    """Read a raw day and its rows side by side."""
    from opensearchpy import RequestError

    ruler = Ruler(dataset, raw.types, raw.uuid)
    names = list(dataset.metrics)

    def work(page: Page) -> tuple[Comparison, list[State | None] | None]:
        states: list[State | None] | None = []
        if page.first:
            try:
                states = _recall(client, dataset, raw, page)
            except RequestError:  # a sketch is not valid: it is damaged, or somebody else wrote it
                states = None
        return _compare(client, dataset, ruler, raw, page), states

    compared, totals = Comparison(), Totals(dataset, names)

    def take(parts: Sequence[tuple[Comparison, list[State | None] | None]]) -> None:
        nonlocal compared
        compared = Comparison.joined([compared, *(part for part, _ in parts)])
        for _, states in parts:
            totals.add(states)

    each_page(Pages(client, dataset, raw, partial(proof_body, dataset, ruler.names)), work, take, on_documents)
    extra = _extra(client, dataset, raw.day, there, compared)
    terms = _terms(client, dataset, raw) if dataset.top_values else {}
    lost = unseen(client, raw)
    numbers = split_metrics(dataset, names).numbers
    try:
        if totals.states is None:
            raise ValueError("rows that the server cannot read")
        metrics = merged_of_states(dataset, numbers, totals.states, finite=False)
        counts = counts_of_states(dataset, names, totals.states)
        distinct = distinct_of_states(dataset, names, totals.states)
    except ValueError:
        return Read(there, compared, extra, terms=terms, unreadable=True, unseen=lost)
    return Read(there, compared, extra, metrics, counts, distinct, terms, unseen=lost)


def _terms(client: OpenSearch, dataset: Dataset, raw: RawDay) -> dict[str, Any]:
    found: dict[str, Any] = PATIENTLY(decisive.search, client, raw.index, words_body(dataset))["aggregations"]
    return found


def _recall(client: OpenSearch, dataset: Dataset, raw: RawDay, page: Page) -> list[State | None]:
    """All rows of a slice merged into one by the server, as readers get them."""
    query = {"bool": {"filter": [of_day(dataset, raw.day), page.part.query("@timestamp")]}}
    answer = PATIENTLY(decisive.search, client, dataset.month_index(raw.day), recall_body(dataset, query))
    states: list[State | None] = answer["aggregations"]["totals"]["value"]
    return states


def _compare(client: OpenSearch, dataset: Dataset, ruler: Ruler, raw: RawDay, page: Page) -> Comparison:
    """Compare the buckets of a page with their rows."""
    transform = dataset.transform_id(raw.day)
    buckets = {row_id(transform, ruler.keys_of(bucket["key"])): bucket for bucket in page.buckets}
    if not buckets:
        return Comparison()
    body = stored_rows_body(dataset, list(buckets), of_day(dataset, raw.day), row_values(ruler.fields))
    kept = {"filter_path": "timed_out,_shards,hits.hits._id,hits.hits.fields,aggregations.rows.buckets"}
    answer = PATIENTLY(decisive.search, client, dataset.month_index(raw.day), body, **kept)
    rows = {hit["_id"]: hit["fields"]["row"] for hit in answer.get("hits", {}).get("hits", [])}
    found = answer.get("aggregations", {}).get("rows", {}).get("buckets", [])
    doc_counts = {tuple(ruler.keys_of(bucket["key"])): bucket["doc_count"] for bucket in found}
    compared = Comparison.of_page(dataset, ruler, buckets, rows, doc_counts)
    if len(buckets) < len(page.buckets):  # two groups that Index Management cannot tell apart
        compared.missing.add(None, "groups whose rows have the same id")
        compared.missing.count += len(page.buckets) - len(buckets) - 1
    return compared


def _extra(client: OpenSearch, dataset: Dataset, day: date, there: Carried, compared: Comparison) -> Extra:
    """Rows in addition to those that were compared. They are searched one by one only if there are any."""
    if there.rows == compared.rows:
        return Extra(0, 0, compared.carried)
    strays = genuine = 0
    first = ""
    for row in stream_rows(client, dataset, day):
        if is_stray(dataset, day, row):
            strays += 1
            first = first or f"row {row.identity!r}"
        else:
            genuine += row.documents or 0
    return Extra(there.rows - compared.rows, strays, genuine, first)


def compare(dataset: Dataset, raw: RawDay, read: Read) -> list[Check]:
    """Every line of the proof. Pure."""
    compared, there, extra = read.compared, read.there, read.extra
    unreadable = compared.unreadable.count or (there.rows if read.unreadable else 0)
    documents = raw.documents == there.documents == compared.documents
    checks = [
        Check("documents", raw.documents, there.documents, documents),
        Check("documents by _doc_count", raw.documents, there.doc_count, raw.documents == there.doc_count),
        Check("rows under foreign ids", 0, extra.strays, extra.strays == 0, (extra.first,) if extra.strays else ()),
        Check("rows without a document", 0, extra.rows - extra.strays, extra.rows == extra.strays),
        Check("rows that cannot be read", 0, unreadable, unreadable == 0, compared.unreadable.named),
        Check("rows that are missing", 0, compared.missing.count, not compared.missing.count, compared.missing.named),
        Check("rows that differ", 0, compared.differing.count, not compared.differing.count, compared.differing.named),
    ]
    for name in dataset.metrics:
        if name in dataset.top_values:
            checks += _counted_checks(name, read)
        elif name in dataset.distinct:
            checks += _distinct_checks(name, read)
        else:
            checks += _metric_checks(dataset, name, read)
    return checks


def see(dataset: Dataset, raw: RawDay, read: Read) -> list[Check]:
    """The lines about what searches may fail to see in the raw day itself. Pure."""
    counts = {name: measured.count for name, measured in read.compared.metrics.items()}
    counts |= {name: occurrences(read.terms.get(name, NO_TERMS)) for name in dataset.top_values}
    lines = {
        "values that searches do not see": read.unseen,
        "fields without any value": without_any_value(dataset, raw, counts),
    }
    return [
        Check(name, sum(max(one.documents, 1) for one in found), 0, not found, tuple(one.sentence for one in found))
        for name, found in lines.items()
    ]


def _metric_checks(dataset: Dataset, name: str, read: Read) -> Iterator[Check]:
    """Compare a day's totals by the server's own aggregations with those that readers get from the rows."""
    raw, rows = read.compared.metrics.get(name, Measured()), read.metrics.get(name, {})
    stats = dataset.metrics[name].stats
    decimals = dataset.decimals(name)
    yield Check(f"{name} count", raw.count, rows.get("count", 0), raw.count == rows.get("count", 0))
    for stat, value in (("min", raw.low), ("max", raw.high)):
        if stat in stats:
            one, other = rounded(value, decimals) if raw.count else 0.0, rows.get(stat, 0.0)
            yield Check(f"{name} {stat}", one, other, one == other)
    if "sum" in stats:
        found = rows.get("sum", 0.0)
        largest = max(abs(raw.low), abs(raw.high)) if raw.count else 0.0
        slack = 0.0 if decimals is None else raw.count * 0.5 / 10.0**decimals
        yield Check(f"{name} sum", raw.sum, found, same(raw.sum, found, 1e-9 * largest + slack))
        if decimals is not None:
            yield Check(f"{name} sum of rounded values", raw.exact, found, same(raw.exact, found, 0.0))
    if name in dataset.sketches:
        counted = sum(rows.get("bins", {}).values())
        yield Check(f"{name} sketch count", raw.count, counted, raw.count == counted)


def _counted_checks(name: str, read: Read) -> Iterator[Check]:
    """Compare the server's own counts of values, including the most frequent ones, with the rows."""
    terms, counts = read.terms.get(name, NO_TERMS), read.counts.get(name, ValueCounts())
    count = occurrences(terms)
    yield Check(f"{name} count", count, counts.count, count == counts.count)
    yield Check(f"{name} counted values", count, counts.told, count == counts.told)
    wrong = contradictions(counts, terms)
    yield Check(f"{name} values that differ", 0, len(wrong), not wrong, tuple(map(repr, wrong[:1])))


def _distinct_checks(name: str, read: Read) -> Iterator[Check]:
    """Compare the server's own count of values with the rows; what their registers are was compared row by row."""
    count, found = read.compared.metrics.get(name, Measured()).count, read.distinct.get(name)
    carried, told = (found.count, found.told) if found else (0, 0)
    yield Check(f"{name} count", count, carried, count == carried)
    yield Check(f"{name} values in registers", count, told, count == told)
