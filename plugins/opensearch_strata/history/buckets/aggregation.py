"""Search bodies over a raw day: the composite that makes rows, and what proves them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.buckets.scripts import condense_metric, recall_metric
from opensearch_strata.sketches.top_values import LIMIT

# Buckets in a page. The breaker is charged 5 KB a bucket for a scripted_metric: 25 MB.
PAGE_SIZE = 5000

# As many values as rows can list, from so many of each shard that their counts are exact in all but extreme cases.
_MOST_FREQUENT = {"size": LIMIT, "shard_size": 10 * LIMIT, "show_term_doc_count_error": True}


def group_sources(dataset: Dataset, timestamp: str | None = None) -> list[dict[str, Any]]:
    """Composite sources in key order: the groups, then the time. A missing value is a bucket of its own.

    :param timestamp: field of the time, that of raw documents by default
    """
    terms = [{f: {"terms": {"field": f, "missing_bucket": True}}} for f in dataset.history.group_by]
    time = {
        "field": timestamp or dataset.raw.timestamp,
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
    :param finished: let the server make whole rows; else it answers with the states of shards, which are merged here
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


def recall_body(dataset: Dataset, query: dict[str, Any]) -> dict[str, Any]:
    """Totals of the rows of history that a query finds, as one bucket.

    :param query: which rows of the month indices
    """
    metric = recall_metric(dataset, list(dataset.metrics), dict(dataset.sketches))
    return {"size": 0, "track_total_hits": False, "query": query, "aggs": {"totals": metric}}


def proof_body(
    dataset: Dataset, names: Sequence[str], query: dict[str, Any], after: dict[str, Any] | None, size: int
) -> dict[str, Any]:
    """One page of buckets twice: by the server's own aggregations, and by the script.

    :param names: metrics that the script is asked for
    :param query: which documents of the raw day
    :param after: ``after_key`` of the page before
    :param size: most buckets of a page
    """
    body = rows_body(dataset, query, after, size)
    aggs = body["aggs"]["rows"]["aggs"]
    aggs["metrics"] = condense_metric(dataset, names, finished=False)
    for name, metric in dataset.metrics.items():
        kind = "value_count" if name in dataset.top_values else "stats"
        aggs[f"server {name}"] = {kind: {"field": metric.field}}
    return body


def words_body(dataset: Dataset) -> dict[str, Any]:
    """The server's own counts of the values of each metric with top values, of a whole raw day."""
    terms = {n: {"terms": {"field": dataset.metrics[n].field, **_MOST_FREQUENT}} for n in dataset.top_values}
    return {"size": 0, "track_total_hits": False, "aggs": terms}


def stored_rows_body(dataset: Dataset, identities: Sequence[str], query: dict[str, Any], script: Any) -> dict[str, Any]:
    """Rows by their ids, and the documents that aggregations count for each of them.

    :param identities: the rows' ``_id``, at most a page of them
    :param query: that they must match as well
    :param script: of each row, under the name ``row``
    """
    sources = group_sources(dataset, "@timestamp")
    return {
        "size": len(identities),
        "track_total_hits": False,
        "query": {"bool": {"filter": [{"ids": {"values": list(identities)}}, query]}},
        "sort": ["_doc"],
        "script_fields": {"row": {"script": script}},
        "aggs": {"rows": {"composite": {"size": len(identities), "sources": sources}}},
    }
