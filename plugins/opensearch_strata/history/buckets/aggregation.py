"""Search bodies over a raw day: the composite aggregation that makes rows, and those that prove them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.buckets.scripts import condense_metric, recall_metric
from opensearch_strata.sketches.top_values import LIMIT

# Buckets in a page. A scripted_metric charges the circuit breaker 5 KB per bucket, so 25 MB per page.
PAGE_SIZE = 5000

# As many values as a row can list. Each shard returns enough of them for exact counts in all but extreme cases.
_MOST_FREQUENT = {"size": LIMIT, "shard_size": 10 * LIMIT, "show_term_doc_count_error": True}


def group_sources(dataset: Dataset, timestamp: str | None = None) -> list[dict[str, Any]]:
    """Composite sources in key order: the groups, then the time. A missing value gets its own bucket.

    :param timestamp: the time field; that of raw documents by default
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

    :param query: selects the documents; ``match_all`` lets the server end later pages early
    :param after: ``after_key`` of the previous page
    :param size: maximum number of buckets in a page
    :param finished: let the server make complete rows; otherwise it answers with the states of the shards, which are
        merged here
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

    :param query: selects rows of the month indices
    """
    metric = recall_metric(dataset, list(dataset.metrics), dict(dataset.sketches))
    return {"size": 0, "track_total_hits": False, "query": query, "aggs": {"totals": metric}}


def proof_body(
    dataset: Dataset, names: Sequence[str], query: dict[str, Any], after: dict[str, Any] | None, size: int
) -> dict[str, Any]:
    """One page of buckets, computed twice: by the server's own aggregations and by the script.

    :param names: metrics that the script computes
    :param query: selects documents of the raw day
    :param after: ``after_key`` of the previous page
    :param size: maximum number of buckets in a page
    """
    body = rows_body(dataset, query, after, size)
    aggs = body["aggs"]["rows"]["aggs"]
    aggs["metrics"] = condense_metric(dataset, names, finished=False)
    for name, metric in dataset.metrics.items():
        kind = "value_count" if name in dataset.counted else "stats"
        aggs[f"server {name}"] = {kind: {"field": metric.field}}
    return body


def words_body(dataset: Dataset) -> dict[str, Any]:
    """The server's own counts of the values of each metric with top values, over a whole raw day."""
    terms = {n: {"terms": {"field": dataset.metrics[n].field, **_MOST_FREQUENT}} for n in dataset.top_values}
    return {"size": 0, "track_total_hits": False, "aggs": terms}


def stored_rows_body(dataset: Dataset, identities: Sequence[str], query: dict[str, Any], script: Any) -> dict[str, Any]:
    """Rows by their ids, and the documents that aggregations count for each of them.

    :param identities: ``_id`` of each row, at most one page
    :param query: a query that the rows must match as well
    :param script: computes a field named ``row`` for each row
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
