"""The rows of one day as the month index stores them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused
from opensearch_strata.history.month.marks import rows_version
from opensearch_strata.history.month.row_ids import RAW_UUID, row_id
from opensearch_strata.history.month.stand_in import require_not_replaced

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_PAGE = 2000

NO_TIME = 2**63 - 1
"""The sort value of a missing time."""


@dataclass(frozen=True)
class Carried:
    """What a day's rows carry: how many rows there are, and for how many raw documents they stand.

    :param doc_count: the same documents as counted by aggregations, using the rows' ``_doc_count``
    :param month: UUID of the month index; empty if there is none
    :param version: sum and maximum of the rows' sequence numbers; a difference means that some row was written since
    :param sources: UUIDs of the raw indices that the rows came from; rows of earlier releases do not state it
    """

    rows: int
    documents: int
    doc_count: int = 0
    month: str = ""
    version: tuple[int, int] = (0, 0)
    sources: frozenset[str] = frozenset()

    @property
    def rows_version(self) -> str:
        """The version of the rows as one string, as marks store it."""
        return rows_version(self.month, self.rows, *self.version)


NOTHING = Carried(0, 0)
"""What a day without rows carries."""


@dataclass(frozen=True)
class StoredRow:
    """What identifies a row, without its metrics.

    :param keys: group values in the order of the groups, then the time as epoch milliseconds; None where missing
    :param documents: how many raw documents it stands for; None if somebody else wrote a row that does not state it
    """

    identity: str
    keys: list[Any]
    documents: int | None


def of_day(dataset: Dataset, day: date) -> dict[str, Any]:
    """Query for the rows of a day."""
    return {"term": {"transform._id": dataset.transform_id(day)}}


def carried(client: OpenSearch, dataset: Dataset, day: date) -> Carried:
    """The rows of a day and the documents that they stand for, as summed by the server; zero without a month index.

    :raises Refused: the month index is closed
    :raises TransientError: the month is about to be replaced by another index
    """
    from opensearchpy import NotFoundError, RequestError

    index = dataset.month_index(day)
    try:
        month = decisive.uuid_of(client, index)
        decisive.refresh(client, index)
    except NotFoundError:
        require_not_replaced(client, dataset, day)
        return NOTHING
    except RequestError as error:
        if error.error != "index_closed_exception":
            raise
        raise Refused(
            f"{index} is closed, so the rows of {day} cannot be read. Nothing was changed. Open it and run again."
        ) from None
    body = {
        "size": 0,
        "track_total_hits": True,
        "query": of_day(dataset, day),
        "aggs": {
            "documents": {"sum": {"field": "transform._doc_count"}},
            "version": {"sum": {"field": "_seq_no"}},
            "newest": {"max": {"field": "_seq_no"}},
            "sources": {"terms": {"field": RAW_UUID, "size": 100}},
            "day": {"terms": {"field": "transform._id", "size": 1}},
        },
    }
    answer = decisive.search(client, index, body)
    sums = answer["aggregations"]
    return Carried(
        rows=answer["hits"]["total"]["value"],
        documents=int(sums["documents"]["value"]),
        doc_count=sum(bucket["doc_count"] for bucket in sums["day"]["buckets"]),
        month=month,
        version=(int(sums["version"]["value"]), int(sums["newest"]["value"] or 0)),
        sources=frozenset(bucket["key"] for bucket in sums["sources"]["buckets"]),
    )


def stream_rows(client: OpenSearch, dataset: Dataset, day: date) -> Iterator[StoredRow]:
    """Every row of a day after a refresh, read in pages with bounded memory.

    Reads shard by shard in the order of sequence numbers, which are unique within a shard. So no hit is lost or seen
    twice between two pages, and no scroll or point-in-time permission is needed.
    """
    index = dataset.month_index(day)
    decisive.refresh(client, index)
    fields = [*dataset.history.group_by, "transform._doc_count"]
    # The time is read as a sort value because that is a plain number: as text, times before 1970 come out wrong.
    order = [{"_seq_no": "asc"}, {"@timestamp": "asc"}]
    shards = int(client.indices.get_settings(index=index)[index]["settings"]["index"]["number_of_shards"])
    for shard in range(shards):
        body = {"size": _PAGE, "query": of_day(dataset, day), "sort": order, "docvalue_fields": fields}
        while True:
            hits = decisive.search(client, index, body, shard=shard)["hits"]["hits"]
            yield from (_stored_row(dataset, hit) for hit in hits)
            if len(hits) < _PAGE:
                break
            body["search_after"] = hits[-1]["sort"]


def _stored_row(dataset: Dataset, hit: dict[str, Any]) -> StoredRow:
    fields = hit.get("fields", {})
    groups = [fields.get(name, [None])[0] for name in dataset.history.group_by]
    time = hit["sort"][1]
    documents = fields.get("transform._doc_count", [None])[0]
    return StoredRow(hit["_id"], [*groups, None if time == NO_TIME else time], documents)


def is_stray(dataset: Dataset, day: date, row: StoredRow) -> bool:
    """Whether the ``_id`` of a row is not the one that a transform would give to its keys."""
    return row.identity != row_id(dataset.transform_id(day), row.keys)


def genuine_documents(client: OpenSearch, dataset: Dataset, day: date) -> int:
    """Documents that the day's rows carry, without rows under foreign ids."""
    rows = stream_rows(client, dataset, day)
    return sum(row.documents or 0 for row in rows if not is_stray(dataset, day, row))
