"""Engine ``search``: the composite aggregation paged by us, time slices in parallel, rows written in bulk."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from opensearch_strata.dataset import Dataset
from opensearch_strata.errors import Refused, explain, is_transient
from opensearch_strata.history.aggregation import rows_body
from opensearch_strata.history.engines.run import EngineRun, OnDocuments
from opensearch_strata.history.pages import PATIENTLY, Page, Pages, each_page
from opensearch_strata.history.raw_day import RawDay
from opensearch_strata.history.rows import row_of_bucket

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def condense_by_search(
    client: OpenSearch, dataset: Dataset, raw: RawDay, on_documents: OnDocuments = lambda _: None
) -> EngineRun:
    """Write all rows of a raw day. Safe to repeat: the same bucket always has the same ``_id``."""
    pages = Pages(client, dataset, raw, partial(rows_body, dataset))

    def write(page: Page) -> _Written:
        started = time.perf_counter()
        if page.buckets:
            _write(client, dataset, raw, page.buckets)
        documents = sum(bucket["doc_count"] for bucket in page.buckets)
        if documents:
            on_documents(documents)
        return _Written(documents, len(page.buckets), time.perf_counter() - started)

    written = each_page(pages, write)
    return EngineRun(
        engine="search",
        documents=sum(part.documents for part in written),
        rows=sum(part.rows for part in written),
        search_seconds=pages.search_seconds,
        index_seconds=sum(part.seconds for part in written),
    )


class _Written(NamedTuple):
    """What became of a page."""

    documents: int
    rows: int
    seconds: float


def _write(client: OpenSearch, dataset: Dataset, raw: RawDay, buckets: list[dict[str, Any]]) -> None:
    """Bulk-write rows; what is refused with 429 or 503 is sent again, rows being idempotent.

    :raises Refused: the month index cannot take a row
    """
    transform_id = dataset.transform_id(raw.day)
    lines = []
    for bucket in buckets:
        identity, source = row_of_bucket(dataset, transform_id, bucket, raw.uuid)
        lines += [orjson.dumps({"index": {"_id": identity}}), orjson.dumps(source)]
    PATIENTLY(_bulk, client, dataset.month_index(raw.day), b"\n".join([*lines, b""]))


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
