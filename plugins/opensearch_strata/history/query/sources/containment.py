"""Whether a recreated raw day holds everything that its rows carry, as a restored one does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.buckets.aggregation import PAGE_SIZE, group_sources
from opensearch_strata.history.buckets.partials import DistinctCount, merged_of_states
from opensearch_strata.history.buckets.scripts import condense_metric, recall_metric
from opensearch_strata.history.query.sources.carried import DayRows
from opensearch_strata.history.query.sources.existing import RawSource
from opensearch_strata.sketches.hyperloglog import unpack

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_ROWS = PAGE_SIZE * 4 // 5
"""Approximate rows per slice of time: the server looks at all documents of a slice again for each of its pages."""

Statistics = Mapping[str, Mapping[str, Any]]
_Bucket = tuple[tuple[Any, ...], int, Statistics]


def contains_rows(client: OpenSearch, dataset: Dataset, source: RawSource, rows: DayRows, month: str) -> bool:
    """Compare each row with the raw documents of its group and bucket. Returns whether raw holds what the rows carry.

    If both have equally many values of a metric, all that is kept of the metric must be the same. If raw has more
    values, its extremes must be at least as far apart and its bins must include those of the row.

    So a raw day with as many documents as its rows carry holds them only if every row is the same, as for condensing.
    For a raw day with more documents, nothing shows whether it holds those of the rows or others that look like them.
    The rows are read in slices of time, so that the raw day is read about once.

    :param month: name of the index that holds the rows
    :raises NotFoundError: an index was deleted meanwhile
    """
    if rows.first is None or rows.last is None:
        return False
    of_day = {"term": {"transform._id": dataset.transform_id(source.day)}}
    for start, end in _slices(dataset, rows):
        there = _buckets(
            client, dataset, source.index, dataset.raw.timestamp, [_between(dataset.raw.timestamp, start, end)]
        )
        carried = _buckets(
            client, dataset, month, "@timestamp", [_between("@timestamp", start, end), of_day], recall=True
        )
        for key, documents, statistics in carried:  # both are in the same order
            found = next((bucket for bucket in there if bucket[0] == key), None)
            if found is None or found[1] < documents or not _covers(dataset, found[2], statistics):
                return False
    return True


def _slices(dataset: Dataset, rows: DayRows) -> Iterator[tuple[int, int]]:
    """Spans of whole buckets that together hold all rows with a time."""
    length = round(1000 * dataset.history.bucket_length.total_seconds())
    first, last = rows.first or 0, rows.last or 0
    buckets = (last - first) // length + 1
    count = min(buckets, -(-rows.number // _ROWS))
    borders = [first + buckets * number // count * length for number in range(count + 1)]
    return pairwise(borders)


def _between(field: str, start: int, end: int) -> dict[str, Any]:
    return {"range": {field: {"gte": start, "lt": end, "format": "epoch_millis"}}}


def _buckets(
    client: OpenSearch,
    dataset: Dataset,
    index: str,
    timestamp: str,
    filters: list[dict[str, Any]],
    recall: bool = False,
) -> Iterator[_Bucket]:
    """Key, documents and statistics of each group and bucket.

    :param recall: read rows instead of raw documents
    """
    names = list(dataset.metrics)
    *groups, time = group_sources(dataset)
    time["@timestamp"]["date_histogram"]["field"] = timestamp
    metrics = (
        recall_metric(dataset, names, dataset.sketches) if recall else condense_metric(dataset, names, finished=False)
    )
    composite: dict[str, Any] = {"size": PAGE_SIZE, "sources": [*groups, time]}
    while True:
        body = {
            "size": 0,
            "track_total_hits": False,
            "query": {"bool": {"filter": filters}},
            "aggs": {"rows": {"composite": composite, "aggs": {"metrics": metrics}}},
        }
        page = decisive.search(client, index, body)["aggregations"]["rows"]
        for bucket in page["buckets"]:
            statistics = merged_of_states(dataset, names, bucket["metrics"]["value"])
            yield tuple(bucket["key"].values()), bucket["doc_count"], statistics
        if len(page["buckets"]) < PAGE_SIZE:
            return
        composite = {**composite, "after": page["after_key"]}


def _covers(dataset: Dataset, found: Statistics, wanted: Statistics) -> bool:
    """Whether documents with the found statistics may include those with the wanted statistics."""
    for name, row in wanted.items():
        there = found.get(name)
        if there is None or there["count"] < row["count"]:
            return False
        if there["count"] == row["count"]:
            slack = 0.0 if (decimals := dataset.decimals(name)) is None else 0.5 / 10.0**decimals
            if not _same(there, row, slack):
                return False
            continue
        if ("min" in row and there["min"] > row["min"]) or ("max" in row and there["max"] < row["max"]):
            return False
        if any(there["bins"].get(bin_, 0) < count for bin_, count in row.get("bins", {}).items()):
            return False
        if "distinct" in row and not _holds(there["distinct"], row["distinct"]):
            return False
    return True


def _same(found: Mapping[str, Any], row: Mapping[str, Any], slack: float) -> bool:
    """Whether statistics of equally many values may come from the same values.

    :param slack: how much rounding may change one value
    """
    if any(found.get(part) != row[part] for part in ("bins", "top") if part in row):
        return False
    if "distinct" in row and not (
        _holds(found["distinct"], row["distinct"]) and _holds(row["distinct"], found["distinct"])
    ):
        return False
    # Rows store numbers in fields of limited width, and the values of a sum may cancel each other out.
    largest = max(abs(values.get(end, 0.0)) for values in (found, row) for end in ("min", "max", "sum"))
    near = slack + 1e-6 * largest + 1e-12
    numbers = {stat: near * (row["count"] if stat == "sum" else 1) for stat in ("min", "max", "sum") if stat in row}
    return all(abs(found[stat] - row[stat]) <= most for stat, most in numbers.items())


def _holds(found: DistinctCount, row: DistinctCount) -> bool:
    """Whether registers may be those of the values of a row and of more. Registers that a row lacks say nothing."""
    return not (found.wire and row.wire) or unpack(found.wire).holds(unpack(row.wire))
