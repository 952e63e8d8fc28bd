"""Search bodies over a raw day: the composite that makes rows, and the totals that prove them. Pure."""

from __future__ import annotations

from typing import Any

from opensearch_strata.dataset import Dataset, Metric
from opensearch_strata.history.scripts import condense_metric, recall_metric
from opensearch_strata.history.top_values import LIMIT
from opensearch_strata.history.totals import numbers_and_words

# Buckets in a page. The breaker is charged 5 KB a bucket for a scripted_metric: 25 MB.
PAGE_SIZE = 5000

# As many values as rows can list, from so many of each shard that their counts are exact in all but extreme cases.
_MOST_FREQUENT = {"size": LIMIT, "shard_size": 10 * LIMIT, "show_term_doc_count_error": True}


def group_sources(dataset: Dataset) -> list[dict[str, Any]]:
    """Composite sources in key order: the groups, then the time. A missing value is a bucket of its own."""
    terms = [{f: {"terms": {"field": f, "missing_bucket": True}}} for f in dataset.history.group_by]
    time = {
        "field": dataset.raw.timestamp,
        "fixed_interval": dataset.history.bucket,
        "time_zone": "UTC",
        "missing_bucket": True,
    }
    return [*terms, {"@timestamp": {"date_histogram": time}}]


def rows_body(
    dataset: Dataset,
    query: dict[str, Any],
    after: dict[str, Any] | None,
    size: int | None = None,
    *,
    finished: bool = False,
) -> dict[str, Any]:
    """One page of buckets.

    :param query: which documents; ``match_all`` lets the server end later pages early
    :param after: ``after_key`` of the page before
    :param size: most buckets of a page
    """
    composite: dict[str, Any] = {"size": size or PAGE_SIZE, "sources": group_sources(dataset)}
    if after is not None:
        composite["after"] = after
    return {
        "size": 0,
        "track_total_hits": False,
        "query": query,
        "aggs": {"rows": {"composite": composite, "aggs": {"metrics": condense_metric(dataset, finished=finished)}}},
    }


def compared_stats(metric: Metric) -> list[str]:
    """Statistics of a raw day that its proof needs: those that rows keep, and the extremes that scale a sum."""
    extremes = {"min", "max"} if "sum" in metric.stats else set()
    return sorted({*metric.stats, *extremes} - {"avg"})


def recall_body(dataset: Dataset, query: dict[str, Any]) -> dict[str, Any]:
    """Totals of the rows of history that a query finds, as one bucket."""
    metric = recall_metric(dataset, list(dataset.metrics), dict(dataset.sketches))
    return {"size": 0, "track_total_hits": False, "query": query, "aggs": {"totals": metric}}


def totals_body(dataset: Dataset) -> dict[str, Any]:
    """Totals of a whole raw day twice: by the server's own aggregations, and by the script, as one bucket.

    Values that are counted come from the server alone, whose terms aggregation says the same.
    """
    timestamp = dataset.raw.timestamp
    aggs: dict[str, Any] = {
        "buckets": {
            "date_histogram": {"field": timestamp, "fixed_interval": dataset.history.bucket, "min_doc_count": 1}
        },
        "without_time": {"missing": {"field": timestamp}},
    }
    numbers, words = numbers_and_words(dataset, list(dataset.metrics))
    for name in numbers:
        metric = dataset.metrics[name]
        for stat in compared_stats(metric):
            kind = "value_count" if stat == "count" else stat
            aggs[f"{name}.{stat}"] = {kind: {"field": metric.field}}
    for name in words:
        aggs[f"{name}.values"] = {"terms": {"field": dataset.metrics[name].field, **_MOST_FREQUENT}}
    aggs["totals"] = condense_metric(dataset, numbers, finished=False)
    return {"size": 0, "track_total_hits": True, "aggs": aggs}
