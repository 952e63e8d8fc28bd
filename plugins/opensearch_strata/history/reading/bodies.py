"""Search bodies of a question: pages of buckets from either source, and what must be known beforehand. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from opensearch_strata.history.reading.plan import Plan
from opensearch_strata.history.reading.walk import Stretch
from opensearch_strata.history.scripts import condense_metric, recall_metric

Body = dict[str, Any]
Side = Literal["raw", "history"]
Spans = Iterable[tuple[int, int]]
"""Parts of the time in epoch milliseconds, the ends exclusive."""

TIME = "time"
"""Source of the composite that holds the time; no group can bear this name, see :class:`Question`."""


def page_body(plan: Plan, side: Side, query: Body, stretch: Stretch, after: Body | None, size: int) -> Body:
    """One page of buckets in the order of time and groups, or a single bucket if nothing is kept apart.

    :param after: key of the last bucket that is known already
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


def _sources(plan: Plan, side: Side, stretch: Stretch) -> list[Body]:
    sources: list[Body] = []
    if stretch.time is None:
        histogram: Body = {"field": _time_field(plan, side), "fixed_interval": f"{stretch.unit}ms"}
        if offset := stretch.origin % stretch.unit:
            histogram["offset"] = f"{offset}ms"
        sources.append({TIME: {"date_histogram": histogram}})
    return [*sources, *({group: {"terms": {"field": group, "missing_bucket": True}}} for group in plan.question.by)]


def raw_query(plan: Plan, spans: Spans) -> Body:
    """Raw documents of parts of the time."""
    return {"bool": {"filter": _filters(plan, "raw", spans)}}


def rows_query(plan: Plan, spans: Spans, *, without: Iterable[str]) -> Body:
    """Rows of buckets that begin in parts of the time.

    :param without: transform ids whose rows are left out
    """
    return {"bool": {"filter": _filters(plan, "history", spans), "must_not": _ids(without)}}


def cut_rows_body(plan: Plan, spans: Spans, *, without: Iterable[str]) -> Body:
    """Whether there are rows with a value that is asked for: finds at most one."""
    query = rows_query(plan, spans, without=without)
    query["bool"]["filter"].append(_any(_has(metric, "count") for metric in plan.question.metrics))
    return {"size": 0, "track_total_hits": 1, "query": query}


def lacking_body(plan: Plan, spans: Spans, leaves: Sequence[str], *, without: Iterable[str]) -> Body:
    """Days of rows that have a metric but not all that is needed of it, metric by metric."""
    days = {"days": {"terms": {"field": "transform._id", "size": 3, "order": {"_key": "asc"}}}}
    aggs = {}
    for metric in plan.question.metrics:
        lacking = _any({"bool": {"must_not": _has(metric, leaf)}} for leaf in leaves)
        aggs[metric] = {"filter": {"bool": {"filter": [_has(metric, "count"), lacking]}}, "aggs": days}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": rows_query(plan, spans, without=without),
        "aggs": aggs,
    }


def _has(metric: str, leaf: str) -> Body:
    return {"exists": {"field": f"metrics.{metric}.{leaf}"}}


def _any(queries: Iterable[Body]) -> Body:
    return {"bool": {"should": list(queries), "minimum_should_match": 1}}


def _ids(transform_ids: Iterable[str]) -> list[Body]:
    return [{"terms": {"transform._id": ids}}] if (ids := list(transform_ids)) else []


def _filters(plan: Plan, side: Side, spans: Spans) -> list[Body]:
    field = _time_field(plan, side)
    ranges = [{"range": {field: {"gte": start, "lt": end, "format": "epoch_millis"}}} for start, end in spans]
    groups = [_equals(group, value) for group, value in plan.question.where.items()]
    return [*(ranges if len(ranges) == 1 else [_any(ranges)]), *groups]


def _equals(group: str, value: Any) -> Body:
    return {"bool": {"must_not": {"exists": {"field": group}}}} if value is None else {"term": {group: value}}


def _time_field(plan: Plan, side: Side) -> str:
    return plan.question.dataset.raw.timestamp if side == "raw" else "@timestamp"
