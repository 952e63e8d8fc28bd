"""Search bodies for a question: pages of buckets from either source, and what must be known beforehand. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from opensearch_strata.history.buckets.scripts import condense_metric, fetch_metric, recall_metric
from opensearch_strata.history.month.level_notes import LEVEL
from opensearch_strata.history.query.borders import Edge, RowsOfSpan
from opensearch_strata.history.query.level_choice.cover import PartOfRows
from opensearch_strata.history.query.read_plan import ReadPlan
from opensearch_strata.history.query.single_rows.records import Layout
from opensearch_strata.history.query.stretches import Stretch

Body = dict[str, Any]
Side = Literal["raw", "history"]
Spans = Iterable[tuple[int, int]]
"""Parts of the time in epoch milliseconds, with exclusive ends."""

TIME = "time"
"""Name of the composite source that holds the time; no group can have this name, see :class:`Question`."""


# Characters of index names in one search, whose request line may have at most 4 KiB.
_LINE = 3000


def batches(names: Sequence[str], most: int | None = None) -> Iterator[Sequence[str]]:
    """Names of indices, as many at a time as one search may have.

    :param names: exact names of indices
    :param most: how many a search may have at most
    """
    fitting = _LINE // (1 + max(map(len, names), default=0))
    size = min(fitting, most or fitting)
    return (names[first : first + size] for first in range(0, len(names), size))


def page_body(plan: ReadPlan, side: Side, query: Body, stretch: Stretch, after: Body | None, size: int) -> Body:
    """One page of buckets ordered by time and groups, or a single bucket if nothing is kept apart.

    :param after: key of the last bucket that is already known
    """
    metrics = (
        condense_metric(plan.dataset, finished=False)
        if side == "raw"
        else recall_metric(plan.dataset, list(plan.dataset.metrics), plan.dataset.sketches)
    )
    aggs = {"metrics": metrics}
    if sources := _sources(plan, side, stretch):
        composite: Body = {"size": size, "sources": sources, **({"after": after} if after else {})}
        aggs = {"page": {"composite": composite, "aggs": aggs}}
    return {"size": 0, "track_total_hits": False, "query": query, "aggs": aggs}


def fetch_body(layout: Layout, query: Body, most: int) -> Body:
    """The rows that a query finds, as they are.

    :param most: if there are more in a shard, they are only counted
    """
    rows = fetch_metric(layout.dataset, layout.by, layout.fractions, length=layout.length, most=most)
    return {"size": 0, "track_total_hits": False, "query": query, "aggs": {"rows": rows}}


def count_body(query: Body) -> Body:
    """How many documents a query finds."""
    return {"size": 0, "track_total_hits": True, "query": query}


def _sources(plan: ReadPlan, side: Side, stretch: Stretch) -> list[Body]:
    sources: list[Body] = []
    if stretch.time is None:
        histogram: Body = {"field": _time_field(plan, side), "fixed_interval": f"{stretch.unit}ms"}
        if offset := stretch.origin % stretch.unit:
            histogram["offset"] = f"{offset}ms"
        sources.append({TIME: {"date_histogram": histogram}})
    return [*sources, *({group: {"terms": {"field": group, "missing_bucket": True}}} for group in plan.question.by)]


def raw_query(plan: ReadPlan, spans: Spans) -> Body:
    """Query for raw documents of parts of the time."""
    ranges = [_range(plan.question.dataset.raw.timestamp, start, end) for start, end in spans]
    return {"bool": {"filter": [ranges[0] if len(ranges) == 1 else _any(ranges), *_groups(plan)]}}


def rows_query(plan: ReadPlan, rows: RowsOfSpan) -> Body:
    """Query for rows of the buckets that lie entirely in a span and, of the buckets that it cuts, those that count."""
    groups = _groups(plan)
    clauses = [_clause([_range("@timestamp", *rows.whole), *groups], plan.excluded)] if rows.whole else []
    for edge in rows.edges:
        clauses.append(_clause([*_of_edge(plan, edge), *groups], plan.excluded if edge.inner else plan.cut_from_raw))
    return clauses[0] if len(clauses) == 1 else _any(clauses)


def part_query(plan: ReadPlan, part: PartOfRows) -> Body:
    """Query for the rows of a part: of a level for some raw days, or base rows of all others."""
    query = rows_query(plan, part.rows)
    if not part.days:
        return query
    dataset, level = plan.question.dataset, part.level
    if level is None:
        return _clause([query], sorted(dataset.transform_id(day) for day in part.days))
    ids = sorted({dataset.unit_id(level, day) for day in part.days})
    return _clause([query, {"term": {LEVEL: level.name}}, {"terms": {"transform._id": ids}}], [])


def _of_edge(plan: ReadPlan, edge: Edge) -> list[Body]:
    first, end = (day and plan.question.dataset.transform_id(day) for day in (edge.since, edge.before))
    days = {**({"gte": first} if first else {}), **({"lt": end} if end else {})}
    bucket = _range("@timestamp", edge.bucket, edge.bucket + 1)
    return [bucket, {"range": {"transform._id": days}}] if days else [bucket]


def _clause(filters: list[Body], without: Iterable[str]) -> Body:
    return {"bool": {"filter": filters, "must_not": _ids(without)}}


def cut_rows_body(plan: ReadPlan, edge: Edge) -> Body:
    """Whether a bucket that is cut has rows with a wanted value; counts at most one."""
    valued = _any(_has(metric, "count") for metric in plan.question.metrics)
    query = {"bool": {"filter": [rows_query(plan, RowsOfSpan(None, [edge])), valued]}}
    return {"size": 0, "track_total_hits": 1, "query": query}


def ends_body(plan: ReadPlan, part: PartOfRows) -> Body:
    """When the first and the last bucket of the rows of each raw day begin."""
    ends = {"first": {"min": {"field": "@timestamp"}}, "last": {"max": {"field": "@timestamp"}}}
    days = {"terms": {"field": "transform._id", "size": 1000}, "aggs": ends}
    return {"size": 0, "track_total_hits": False, "query": part_query(plan, part), "aggs": {"days": days}}


def lacking_body(plan: ReadPlan, rows: RowsOfSpan, leaves: Sequence[str]) -> Body:
    """For each metric, the days of rows that have the metric but lack a needed part of it."""
    days = {"days": {"terms": {"field": "transform._id", "size": 3, "order": {"_key": "asc"}}}}
    aggs = {}
    for metric in plan.question.metrics:
        lacking = _any({"bool": {"must_not": _has(metric, leaf)}} for leaf in leaves)
        aggs[metric] = {"filter": {"bool": {"filter": [_has(metric, "count"), lacking]}}, "aggs": days}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": rows_query(plan, rows),
        "aggs": aggs,
    }


def _has(metric: str, leaf: str) -> Body:
    return {"exists": {"field": f"metrics.{metric}.{leaf}"}}


def _any(queries: Iterable[Body]) -> Body:
    return {"bool": {"should": list(queries), "minimum_should_match": 1}}


def _ids(transform_ids: Iterable[str]) -> list[Body]:
    return [{"terms": {"transform._id": ids}}] if (ids := list(transform_ids)) else []


def _range(field: str, start: int, end: int) -> Body:
    return {"range": {field: {"gte": start, "lt": end, "format": "epoch_millis"}}}


def _groups(plan: ReadPlan) -> list[Body]:
    return [_equals(group, value) for group, value in plan.question.where.items()]


def _equals(group: str, value: Any) -> Body:
    return {"bool": {"must_not": {"exists": {"field": group}}}} if value is None else {"term": {group: value}}


def _time_field(plan: ReadPlan, side: Side) -> str:
    return plan.question.dataset.raw.timestamp if side == "raw" else "@timestamp"
