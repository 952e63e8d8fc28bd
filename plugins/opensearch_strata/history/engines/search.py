"""Engine ``search``: the composite aggregation paged by us, time slices in parallel, rows written in bulk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import pairwise
from threading import Event
from typing import TYPE_CHECKING, Any

import orjson
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from opensearch_strata import decisive
from opensearch_strata.dataset import Dataset
from opensearch_strata.errors import Refused, explain, is_transient
from opensearch_strata.history.aggregation import rows_body
from opensearch_strata.history.engines.run import EngineRun, OnDocuments
from opensearch_strata.history.raw_day import RawDay
from opensearch_strata.history.rows import row_of_bucket

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

# As many searches at once as keep a small node busy and leave a large one to its other users.
PARALLEL = 2

# A node that is out of memory or threads for a moment is asked again.
_PATIENTLY = Retrying(
    retry=retry_if_exception(is_transient),
    wait=wait_random_exponential(multiplier=0.5, max=30),
    stop=stop_after_attempt(7),
    reraise=True,
)

_MATCH_ALL: dict[str, Any] = {"match_all": {}}


@dataclass
class _Tally:
    documents: int = 0
    rows: int = 0
    search_seconds: float = 0.0
    index_seconds: float = 0.0


def condense_by_search(
    client: OpenSearch, dataset: Dataset, raw: RawDay, on_documents: OnDocuments = lambda _: None
) -> EngineRun:
    """Write all rows of a raw day. Safe to repeat: the same bucket always has the same ``_id``."""
    queries = slice_queries(dataset, *_time_span(client, dataset, raw), PARALLEL)
    given_up = Event()
    with ThreadPoolExecutor(len(queries), thread_name_prefix="condense") as pool:
        slices = [
            pool.submit(_condense_slice, client, dataset, raw, query, on_documents, given_up) for query in queries
        ]
        try:
            tallies = [done.result() for done in as_completed(slices)]
        except BaseException:  # Ctrl-C or a slice that failed: the others end with their page, not with the day
            given_up.set()
            raise
    return EngineRun(
        engine="search",
        documents=sum(tally.documents for tally in tallies),
        rows=sum(tally.rows for tally in tallies),
        search_seconds=sum(tally.search_seconds for tally in tallies),
        index_seconds=sum(tally.index_seconds for tally in tallies),
    )


def _time_span(client: OpenSearch, dataset: Dataset, raw: RawDay) -> tuple[int, int]:
    """First and last event time in epoch milliseconds; zeros if no document has one."""
    timestamp = {"field": dataset.raw.timestamp}
    aggs = {"first": {"min": timestamp}, "last": {"max": timestamp}}
    answer = _PATIENTLY(decisive.search, client, raw.index, {"size": 0, "aggs": aggs})
    found = answer["aggregations"]
    return int(found["first"]["value"] or 0), int(found["last"]["value"] or 0)


def slice_queries(dataset: Dataset, first: int, last: int, parallel: int) -> list[dict[str, Any]]:
    """Queries that share a day's documents out by time, each document to exactly one. Pure.

    Borders are bucket borders; the outermost slices are open and the first takes documents without a time, so
    nothing outside ``first .. last`` is lost either.

    :param first: earliest event time, epoch milliseconds
    :param last: latest event time, epoch milliseconds
    """
    bucket = int(dataset.history.bucket_length.total_seconds() * 1000)
    buckets = last // bucket - first // bucket + 1
    count = min(parallel, buckets)
    if count < 2:
        return [_MATCH_ALL]
    borders = [(first // bucket + buckets * i // count) * bucket for i in range(1, count)]
    timestamp = dataset.raw.timestamp
    opening = _range(timestamp, lt=borders[0])
    without_time = {"bool": {"must_not": {"exists": {"field": timestamp}}}}
    return [
        {"bool": {"should": [opening, without_time], "minimum_should_match": 1}},
        *(_range(timestamp, gte=low, lt=high) for low, high in pairwise(borders)),
        _range(timestamp, gte=borders[-1]),
    ]


def _range(timestamp: str, **limits: int) -> dict[str, Any]:
    return {"range": {timestamp: {**limits, "format": "epoch_millis"}}}


def _condense_slice(
    client: OpenSearch,
    dataset: Dataset,
    raw: RawDay,
    query: dict[str, Any],
    on_documents: OnDocuments,
    given_up: Event,
) -> _Tally:
    tally = _Tally()
    for buckets in _pages(client, dataset, raw, query, tally):
        if given_up.is_set():
            break
        started = time.perf_counter()
        _write(client, dataset, raw, buckets)
        tally.index_seconds += time.perf_counter() - started
        documents = sum(bucket["doc_count"] for bucket in buckets)
        tally.documents += documents
        tally.rows += len(buckets)
        on_documents(documents)
    return tally


def _pages(
    client: OpenSearch, dataset: Dataset, raw: RawDay, query: dict[str, Any], tally: _Tally
) -> Iterator[list[dict[str, Any]]]:
    after = None
    while True:
        started = time.perf_counter()
        body = rows_body(dataset, query, after)
        answer = _PATIENTLY(decisive.search, client, raw.index, body)
        tally.search_seconds += time.perf_counter() - started
        page = answer["aggregations"]["rows"]
        if page["buckets"]:
            yield page["buckets"]
        after = page.get("after_key")
        if after is None:
            return


def _write(client: OpenSearch, dataset: Dataset, raw: RawDay, buckets: list[dict[str, Any]]) -> None:
    """Bulk-write rows; what is refused with 429 or 503 is sent again, rows being idempotent.

    :raises Refused: the month index cannot take a row
    """
    transform_id = dataset.transform_id(raw.day)
    lines = []
    for bucket in buckets:
        identity, source = row_of_bucket(dataset, transform_id, bucket, raw.uuid)
        lines += [orjson.dumps({"index": {"_id": identity}}), orjson.dumps(source)]
    _PATIENTLY(_bulk, client, dataset.month_index(raw.day), b"\n".join([*lines, b""]))


def _bulk(client: OpenSearch, index: str, body: bytes) -> None:
    from opensearchpy.helpers.errors import BulkIndexError

    kept = {"filter_path": "errors,items.*.error,items.*.status,items.*._id,items.*._index"}
    answer = client.bulk(body=body, index=index, params=kept)
    if not answer["errors"]:
        return
    refused = [item for item in answer["items"] if "error" in item["index"]]
    error = BulkIndexError(f"{len(refused)} rows were refused", refused)
    if is_transient(error):
        raise error
    raise Refused(f"{explain(error)} Rows written so far were kept; the next run overwrites them.")
