"""The rows of one day as the month index has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.dataset import Dataset
from opensearch_strata.history.raw_day import WHOLE
from opensearch_strata.history.rows import row_id

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_PAGE = 2000


@dataclass(frozen=True)
class Carried:
    """What a day's rows carry: how many rows, for how many raw documents.

    :param version: sum of the rows' sequence numbers; another one means that some row was written since
    """

    rows: int
    documents: int
    version: int = 0


def _of_day(dataset: Dataset, day: date) -> dict[str, Any]:
    return {"term": {"transform._id": dataset.transform_id(day)}}


def carried(client: OpenSearch, dataset: Dataset, day: date) -> Carried:
    """Rows of a day and the documents they stand for, by the server's own sum; zero if there is no month index."""
    from opensearchpy import NotFoundError

    index = dataset.month_index(day)
    try:
        client.indices.refresh(index=index)
    except NotFoundError:
        return Carried(0, 0)
    body = {
        "size": 0,
        "track_total_hits": True,
        "query": _of_day(dataset, day),
        "aggs": {
            "documents": {"sum": {"field": "transform._doc_count"}},
            "version": {"sum": {"field": "_seq_no"}},
        },
    }
    answer = client.search(index=index, body=body, params=WHOLE)
    sums = answer["aggregations"]
    return Carried(answer["hits"]["total"]["value"], int(sums["documents"]["value"]), int(sums["version"]["value"]))


def stream_rows(client: OpenSearch, dataset: Dataset, day: date) -> Iterator[dict[str, Any]]:
    """Every row of a day as a search hit, after a refresh."""
    index = dataset.month_index(day)
    client.indices.refresh(index=index)
    return stream_hits(client, index, _of_day(dataset, day))


def stream_hits(client: OpenSearch, index: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every hit of a query on one index, in pages, bounded in memory.

    Shard by shard in order of sequence number, which is unique there: no hit is lost or seen twice at a page's
    border, and no scroll or point-in-time permission is needed.
    """
    shards = int(client.indices.get_settings(index=index)[index]["settings"]["index"]["number_of_shards"])
    for shard in range(shards):
        body: dict[str, Any] = {"size": _PAGE, "query": query, "sort": [{"_seq_no": "asc"}]}
        while True:
            params = {**WHOLE, "preference": f"_shards:{shard}"}
            hits = client.search(index=index, body=body, params=params)["hits"]["hits"]
            yield from hits
            if len(hits) < _PAGE:
                break
            body["search_after"] = hits[-1]["sort"]


def is_stray(dataset: Dataset, day: date, hit: dict[str, Any]) -> bool:
    """True for a row whose ``_id`` is not the one that a transform gives to its keys."""
    source = hit["_source"]
    keys = [source.get(field) for field in (*dataset.history.group_by, "@timestamp")]
    return bool(hit["_id"] != row_id(dataset.transform_id(day), keys))


def genuine_documents(client: OpenSearch, dataset: Dataset, day: date) -> int:
    """Documents that the day's rows carry, rows under foreign ids left out."""
    rows = stream_rows(client, dataset, day)
    return sum(hit["_source"]["transform._doc_count"] for hit in rows if not is_stray(dataset, day, hit))


def delete_rows(client: OpenSearch, dataset: Dataset, day: date) -> int:
    """Delete a day's rows by transform id; returns how many."""
    index = dataset.month_index(day)
    client.indices.refresh(index=index)
    answer = client.delete_by_query(
        index=index, body={"query": _of_day(dataset, day)}, params={"refresh": "true", "conflicts": "abort"}
    )
    return int(answer["deleted"])
