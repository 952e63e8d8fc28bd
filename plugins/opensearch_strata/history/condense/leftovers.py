"""Rows that a raw day does not produce: leftovers of documents that no longer exist."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import TransientError
from opensearch_strata.history.buckets.aggregation import rows_body
from opensearch_strata.history.buckets.bucket_pages import Page, Pages, each_page
from opensearch_strata.history.condense.engines.row_writer import require_unmoved, write_rows
from opensearch_strata.history.month.row_ids import row_id
from opensearch_strata.history.month.rows_of_day import stream_rows
from opensearch_strata.history.raw_day.hold import held, require_held
from opensearch_strata.history.raw_day.inspection import RawDay

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_AT_ONCE = 2000


def delete_leftovers(client: OpenSearch, dataset: Dataset, raw: RawDay) -> int:
    """Delete the rows of a day that are not backed by any document of its raw day. Returns how many were deleted.

    The raw day's own groups and hours are read, and only rows that are not among them are deleted. The deletion holds
    the raw day and checks that it has not changed, so nobody wrote to it or retired it after the reading.

    :param raw: the raw day as it was condensed
    :raises Refused: another run holds the raw day, or it is gone
    :raises TransientError: it has changed since it was condensed
    """
    identities = _identities(client, dataset, raw)
    leftovers = [row.identity for row in stream_rows(client, dataset, raw.day) if row.identity not in identities]
    if not leftovers:
        return 0
    month = dataset.month_index(raw.day)
    with held(client, raw) as hold:
        require_unmoved(client, raw)
        remaining = iter(leftovers)
        while batch := list(islice(remaining, _AT_ONCE)):
            require_held(client, raw.index, hold)
            write_rows(client, month, raw, [(identity, None) for identity in batch])
    return len(leftovers)


def _keys_body(dataset: Dataset, query: dict[str, Any], after: dict[str, Any] | None, size: int) -> dict[str, Any]:
    """A page with only the groups and hours."""
    body = rows_body(dataset, query, after, size)
    del body["aggs"]["rows"]["aggs"]
    return body


def _identities(client: OpenSearch, dataset: Dataset, raw: RawDay) -> set[str]:
    """Ids of all rows that the raw day produces.

    :raises TransientError: the groups and hours do not add up to all of its documents
    """
    transform_id = dataset.transform_id(raw.day)
    fields = (*dataset.history.group_by, "@timestamp")

    identities: set[str] = set()
    documents = 0

    def ids_of(page: Page) -> tuple[int, list[str]]:
        found = [row_id(transform_id, [bucket["key"][field] for field in fields]) for bucket in page.buckets]
        return page.documents, found

    def take(pages: Sequence[tuple[int, list[str]]]) -> None:
        nonlocal documents
        for counted, found in pages:
            documents += counted
            identities.update(found)

    each_page(Pages(client, dataset, raw, partial(_keys_body, dataset)), ids_of, take)
    if documents != raw.documents:
        raise TransientError(f"{raw.index} changed while its rows were compared; no row was deleted. Run again.")
    return identities
