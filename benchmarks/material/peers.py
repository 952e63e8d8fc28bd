"""What people use without Strata: the other side of every comparison. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.buckets.aggregation import PAGE_SIZE, group_sources

Body = dict[str, Any]

FIRST_PAGE_SIZE = 1000
PERCENTS = (50, 90, 99)

INDEX_ROLLUP = {"bytes": 13_500_000, "seconds": 3.3, "raw_bytes": 587_000_000}
"""Index Management's rollup of the same day: min, max, sum, avg and value_count of 11 metrics without distributions.
Measured once on this class of machine; the plugin is not installed on this node, so it is not part of a run."""


def standard_body(dataset: Dataset, query: Body, after: Body | None) -> Body:
    """Statistics without distributions: four standard aggregations per metric, over the composite that Strata uses."""
    kinds = {"min": "min", "max": "max", "sum": "sum", "count": "value_count"}
    aggs = {
        f"{name}.{stat}": {kind: {"field": metric.field}}
        for name, metric in dataset.metrics.items()
        for stat, kind in kinds.items()
    }
    return _page(PAGE_SIZE, group_sources(dataset), query, after, aggs)


def first_body(dataset: Dataset, query: Body, after: Body | None) -> Body:
    """What people write first: time before group, small pages, a scripted map of rounded values for each metric."""
    time = {"field": dataset.raw.timestamp, "fixed_interval": dataset.history.bucket}
    sources = [
        {"@timestamp": {"date_histogram": time}},
        *({group: {"terms": {"field": group}}} for group in dataset.history.group_by),
    ]
    aggs: Body = {}
    for name, metric in dataset.metrics.items():
        for stat in ("min", "max", "avg"):
            aggs[f"{name}.{stat}"] = {stat: {"field": metric.field}}
        aggs[f"{name}.distribution"] = _value_counts(metric.field)
    return _page(FIRST_PAGE_SIZE, sources, query, after, aggs)


def _value_counts(field: str) -> Body:
    return {
        "scripted_metric": {
            "params": {"field": field},
            "init_script": "state.h = [:]",
            "map_script": (
                "if (doc[params.field].size() > 0) {"
                " def k = String.valueOf(Math.round(doc[params.field].value));"
                " state.h[k] = state.h.getOrDefault(k, 0) + 1;"
                " }"
            ),
            "combine_script": "return state.h",
            "reduce_script": (
                "def all = [:];"
                " for (h in states) {"
                " if (h != null) { for (e in h.entrySet()) { all[e.key] = all.getOrDefault(e.key, 0) + e.value; } }"
                " }"
                " return all;"
            ),
        }
    }


def _page(size: int, sources: list[Body], query: Body, after: Body | None, aggs: Body) -> Body:
    composite: Body = {"size": size, "sources": sources}
    if after is not None:
        composite["after"] = after
    return {
        "size": 0,
        "track_total_hits": False,
        "query": query,
        "aggs": {"rows": {"composite": composite, "aggs": aggs}},
    }


def hourly_percentiles_body(fields: Sequence[str], device: str | None = None) -> Body:
    """Hourly p50, p90 and p99 of fields, for all devices together or for one."""
    query: Body = {"bool": {"filter": [{"term": {"device": device}}]}} if device else {"match_all": {}}
    return {"size": 0, "track_total_hits": False, "query": query, "aggs": {"hours": _hours(fields)}}


def percentiles_by_device_body(field: str, devices: int) -> Body:
    """Hourly p50, p90 and p99 of a field, for each device separately."""
    terms = {"field": "device", "size": devices}
    by_device = {"terms": terms, "aggs": {"hours": _hours([field])}}
    return {"size": 0, "track_total_hits": False, "aggs": {"devices": by_device}}


def _hours(fields: Sequence[str]) -> Body:
    return {
        "date_histogram": {"field": "@timestamp", "fixed_interval": "1h"},
        "aggs": {field: {"percentiles": {"field": field, "percents": PERCENTS}} for field in fields},
    }
