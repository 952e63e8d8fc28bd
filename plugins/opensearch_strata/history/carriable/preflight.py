"""Finds what no row could carry of a raw day, before the first row is written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import moment
from opensearch_strata.errors import Refused
from opensearch_strata.history.buckets.aggregation import PAGE_SIZE, group_sources
from opensearch_strata.history.buckets.bucket_pages import PATIENTLY, too_many_buckets
from opensearch_strata.history.buckets.counting import counts_in
from opensearch_strata.history.month.row_ids import NULL_KEY, joined_keys
from opensearch_strata.history.raw_day.inspection import RawDay

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

# Beyond these times the server's bucket arithmetic overflows: a few years before the ends of its timeline.
_EARLIEST, _LATEST = -(2**63) + 10**11, 2**63 - 10**11

_LARGEST = 1.7976931348623157e308


def require_carriable(client: OpenSearch, dataset: Dataset, raw: RawDay) -> None:
    """Make sure that rows can carry the day.

    :raises Refused: they cannot; the message has the reason and what to do. Nothing was written
    """
    if not raw.documents:
        return
    for reason in (_several_values, _counted_twice, _impossible_times, _sums_without_end, _one_id_for_two):
        if found := reason(client, dataset, raw):
            raise Refused(f"{raw.index} {found}")


def _several_values(client: OpenSearch, dataset: Dataset, raw: RawDay) -> str | None:
    known = [field for field in (*dataset.history.group_by, dataset.raw.timestamp) if field in raw.types]
    aggs: dict[str, Any] = {}
    for number, field in enumerate(known):  # field names may have characters that aggregation names may not
        aggs[f"values {number}"] = {"value_count": {"field": field}}
        aggs[f"documents {number}"] = {"filter": {"exists": {"field": field}}}
    found = counts_in(client, raw, aggs) if aggs else {}
    lists = [field for number, field in enumerate(known) if found[f"values {number}"] > found[f"documents {number}"]]
    if not lists:
        return None
    return (
        f"has documents with several values of {', '.join(lists)}, by which {dataset.name!r} makes rows: such a "
        f"document would count once for each value. Nothing was written. Let the producers send a single value, or "
        f"group by another field."
    )


def _counted_twice(client: OpenSearch, dataset: Dataset, raw: RawDay) -> str | None:  # noqa: ARG001
    """Documents whose own ``_doc_count`` makes aggregations count them more than once."""
    body = {"size": 0, "track_total_hits": True, "aggs": {"all": {"filter": {"match_all": {}}}}}
    answer = PATIENTLY(decisive.search, client, raw.index, body)
    documents, counted = answer["hits"]["total"]["value"], answer["aggregations"]["all"]["doc_count"]
    if documents == counted:
        return None
    return (
        f"has documents with a _doc_count of their own: aggregations count {counted:,} instead of {documents:,}. "
        f"Nothing was written. Let the producers leave that field out, or give it another name."
    )


def _impossible_times(client: OpenSearch, dataset: Dataset, raw: RawDay) -> str | None:
    field = dataset.raw.timestamp
    aggs = {"first": {"min": {"field": field}}, "last": {"max": {"field": field}}}
    found = PATIENTLY(decisive.search, client, raw.index, {"size": 0, "aggs": aggs})["aggregations"]
    for extreme in ("first", "last"):
        time = found[extreme]["value"]
        if time is not None and not _EARLIEST <= time <= _LATEST:
            when = found[extreme].get("value_as_string", time)
            return (
                f"has a document whose {field!r} is {when}, which is too far away for any row. Nothing was written. "
                f"Correct or delete the document; a range query on {field!r} finds it."
            )
    return None


def _sums_without_end(client: OpenSearch, dataset: Dataset, raw: RawDay) -> str | None:
    """Values so large that the values of one bucket may add up to more than a number can hold."""
    fields = sorted(
        {
            metric.field
            for name, metric in dataset.metrics.items()
            if "sum" in metric.stats and raw.types.get(metric.field) in ("double", "scaled_float")
        }
    )
    kinds = ("min", "max")
    aggs = {f"{kind} {number}": {kind: {"field": field}} for number, field in enumerate(fields) for kind in kinds}
    if not fields:
        return None
    found = PATIENTLY(decisive.search, client, raw.index, {"size": 0, "aggs": aggs})["aggregations"]
    safe = _LARGEST / raw.documents
    for number, field in enumerate(fields):
        extremes = [abs(float(found[f"{kind} {number}"]["value"] or 0)) for kind in kinds]
        if max(extremes) > safe and (place := _endless(client, dataset, raw, field, safe)):
            return (
                f"has values of {field!r} that add up to more than a number can hold, in one bucket at {place}. "
                f"Nothing was written. Correct the documents, or leave sum and avg out of the metric's stats."
            )
    return None


def _endless(client: OpenSearch, dataset: Dataset, raw: RawDay, field: str, safe: float) -> str | None:
    """A bucket whose large values have an infinite sum."""
    large = {"should": [{"range": {field: {"gt": safe}}}, {"range": {field: {"lt": -safe}}}]}
    query = {"bool": {**large, "minimum_should_match": 1}}
    for bucket in _buckets(client, dataset, raw, query, {"sum": {"sum": {"field": field}}}):
        if not math.isfinite(float(bucket["sum"]["value"])):
            return moment(bucket["key"]["@timestamp"])
    return None


def _one_id_for_two(client: OpenSearch, dataset: Dataset, raw: RawDay) -> str | None:
    """Groups whose rows would have the same id, because Index Management joins their values with colons.

    Its ids cannot be changed, and both engines write the same ids. Only values with a colon, or those that equal Index
    Management's stand-in for a missing value, can be mistaken for others. No other values are examined.
    """
    fields = [field for field in dataset.history.group_by if field in raw.types]
    suspects: list[dict[str, Any]] = []
    words = [field for field in fields if raw.types[field] == "keyword"]
    if len(dataset.history.group_by) > 1:
        suspects += [{"wildcard": {field: "*:*"}} for field in words]
        suspects += [_with_colons(field) for field in fields if raw.types[field] == "ip"]
    named_missing = [{"term": {field: NULL_KEY}} for field in words]
    if named_missing and _any(client, raw, named_missing):
        suspects += named_missing
        suspects += [{"bool": {"must_not": {"exists": {"field": field}}}} for field in dataset.history.group_by]
    if not suspects or not _any(client, raw, suspects):
        return None
    query = {"bool": {"should": suspects, "minimum_should_match": 1}}
    seen: dict[str, tuple[Any, ...]] = {}
    for bucket in _buckets(client, dataset, raw, query, {}, timed=False):
        keys = tuple(bucket["key"][field] for field in dataset.history.group_by)
        other = seen.setdefault(joined_keys(keys), keys)
        if other != keys:
            return (
                f"has two groups whose rows have the same id, {_shown(dataset, other)} and {_shown(dataset, keys)}: "
                f"Index Management joins group values with colons, and writes {NULL_KEY!r} for a missing one. Nothing "
                f"was written. Let the producers send other values, or leave one of the fields out of "
                f"history.group_by."
            )
    return None


def _with_colons(field: str) -> dict[str, Any]:
    """The query that finds IPv6 addresses."""
    of_four = {"range": {field: {"gte": "0.0.0.0", "lte": "255.255.255.255"}}}
    return {"bool": {"must": {"exists": {"field": field}}, "must_not": of_four}}


def _shown(dataset: Dataset, keys: tuple[Any, ...]) -> str:
    return "(" + ", ".join(f"{f} {k!r}" for f, k in zip(dataset.history.group_by, keys, strict=True)) + ")"


def _any(client: OpenSearch, raw: RawDay, should: list[dict[str, Any]]) -> bool:
    query = {"bool": {"should": should, "minimum_should_match": 1}}
    body = {"size": 0, "query": query, "aggs": {"first": {"filter": {"match_all": {}}}}}
    answer = PATIENTLY(decisive.search, client, raw.index, body)
    return bool(answer["aggregations"]["first"]["doc_count"])


def _buckets(
    client: OpenSearch,
    dataset: Dataset,
    raw: RawDay,
    query: dict[str, Any],
    aggs: dict[str, Any],
    *,
    timed: bool = True,
) -> Iterator[dict[str, Any]]:
    """Buckets of the documents that a query finds, by the groups and, if ``timed``, by the time."""
    from opensearchpy.exceptions import TransportError

    sources = group_sources(dataset)[: None if timed else -1]
    size, after = PAGE_SIZE, None
    while True:
        composite = {"size": size, "sources": sources, **({"after": after} if after else {})}
        body = {"size": 0, "query": query, "aggs": {"rows": {"composite": composite, "aggs": aggs}}}
        try:
            found = PATIENTLY(decisive.search, client, raw.index, body)["aggregations"]["rows"]
        except TransportError as error:
            if size < 2 or not too_many_buckets(error):
                raise
            size //= 2
            continue
        yield from found["buckets"]
        after = found.get("after_key")
        if after is None:
            return
