"""Engine ``search``: pages through the composite aggregation, in parallel time slices, and writes rows in bulk."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.buckets.aggregation import rows_body
from opensearch_strata.history.buckets.bucket_pages import Page, Pages, each_page
from opensearch_strata.history.condense.engines.base import EngineRun, OnDocuments
from opensearch_strata.history.condense.engines.row_writer import Row, write_rows
from opensearch_strata.history.month.row_ids import row_of_bucket
from opensearch_strata.history.raw_day.inspection import RawDay

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def condense_by_search(
    client: OpenSearch, dataset: Dataset, raw: RawDay, on_documents: OnDocuments = lambda _: None
) -> EngineRun:
    """Write all rows of a raw day. Safe to repeat: the same bucket always has the same ``_id``."""
    pages = Pages(client, dataset, raw, partial(rows_body, dataset))

    written: list[_Written] = []

    def write(page: Page) -> _Written:
        started = time.perf_counter()
        if page.buckets:
            _write(client, dataset, raw, page.buckets)
        return _Written(page.documents, len(page.buckets), time.perf_counter() - started)

    each_page(pages, write, written.extend, on_documents)
    return EngineRun(
        engine="search",
        documents=sum(part.documents for part in written),
        rows=sum(part.rows for part in written),
        search_seconds=pages.search_seconds,
        index_seconds=sum(part.seconds for part in written),
    )


class _Written(NamedTuple):
    """The outcome of one page."""

    documents: int
    rows: int
    seconds: float


def _write(client: OpenSearch, dataset: Dataset, raw: RawDay, buckets: list[dict[str, Any]]) -> None:
    """Write the rows of a page, see :func:`~opensearch_strata.history.condense.engines.row_writer.write_rows`."""
    transform_id = dataset.transform_id(raw.day)
    rows: list[Row] = [row_of_bucket(dataset, transform_id, bucket, raw.uuid) for bucket in buckets]
    write_rows(client, dataset.month_index(raw.day), raw, rows)
