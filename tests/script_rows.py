"""Rows as the scripts of both engines make them on the node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from opensearchpy import RequestError

from opensearch_strata.history.buckets.aggregation import recall_body, rows_body
from opensearch_strata.history.month.row_ids import row_of_bucket
from tests.streams import DAY, Document, Stream


def condense_in_segments(stream: Stream, documents: Sequence[Document], slices: str) -> None:
    """Write a day in several segments, and condense it.

    :param slices: whether a search goes through the segments at the same time: ``none`` or ``all``
    """
    index = stream.create()
    stream.client.indices.put_settings(index=index, body={"index.search.concurrent_segment_search.mode": slices})
    for batch in range(5):
        stream.write(documents[batch::5])
    stream.condense()


def buckets(stream: Stream, index: str | None = None, *, finished: bool) -> list[dict[str, Any]]:
    """Buckets of the aggregation that makes rows.

    :param finished: as a transform job needs them
    """
    body = rows_body(stream.dataset, {"match_all": {}}, None, finished=finished)
    answer = stream.client.search(index=index or stream.dataset.raw_index(DAY), body=body)
    found: list[dict[str, Any]] = answer["aggregations"]["rows"]["buckets"]
    return found


def by_search(stream: Stream, index: str | None = None) -> list[Any]:
    """Metrics of each row as the engine `search` writes them."""
    return [
        row_of_bucket(stream.dataset, "t", bucket)[1]["metrics"] for bucket in buckets(stream, index, finished=False)
    ]


def by_job(stream: Stream, index: str | None = None) -> list[Any]:
    """Metrics of each row as a transform job writes them."""
    return [bucket["metrics"]["value"] for bucket in buckets(stream, index, finished=True)]


def refusals(stream: Stream, damaged: Iterable[dict[str, Any]]) -> int:
    """How many damaged rows the node refuses to merge, each asked for by itself; it answers all others.

    :param damaged: metrics of a row each
    """
    month = stream.dataset.month_index(DAY)
    rows = list(damaged)
    lines = [line for number, row in enumerate(rows) for line in ({"index": {"_id": f"{number}"}}, {"metrics": row})]
    stream.client.bulk(index=month, body=lines, params={"refresh": "true"})
    refused = 0
    for number in range(len(rows)):
        body = recall_body(stream.dataset, {"ids": {"values": [f"{number}"]}})
        try:
            stream.client.search(index=month, body=body)
        except RequestError:
            refused += 1
    return refused
