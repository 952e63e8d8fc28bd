"""Rows of levels as their index holds them: their versions, and their values by id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.history.buckets.bucket_pages import PATIENTLY
from opensearch_strata.history.buckets.scripts import row_values
from opensearch_strata.history.month.level_notes import LEVEL
from opensearch_strata.history.month.marks import rows_version

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_MOST_LEVELS = 1000
_PAGE = 2000


@dataclass(frozen=True)
class StoredLevel:
    """The rows of one level of a day or month.

    :param rows: how many there are
    :param documents: how many raw documents they stand for
    :param version: changes whenever one of them is written or deleted, see
        :func:`opensearch_strata.history.month.marks.rows_version`
    """

    rows: int
    documents: int
    version: str


def mapping_of(client: OpenSearch, index: str) -> dict[str, Any]:
    """Mapping of an index; empty if there is none.

    :param index: exact name of a month or of an index of levels
    """
    found = client.indices.get_mapping(index=index, params={"ignore_unavailable": "true"})
    mapping: dict[str, Any] = found[index]["mappings"] if index in found else {}
    return mapping


def strata_in(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """``_meta.strata`` of a mapping; empty if it has none.

    :param mapping: as the server gives it: ``properties``, ``_meta``
    """
    strata: dict[str, Any] = mapping.get("_meta", {}).get("strata", {})
    return strata


def stored_levels(
    client: OpenSearch, index: str, unit_ids: Sequence[str], uuid: str = ""
) -> dict[str, dict[str, StoredLevel]]:
    """The levels of days and months as searches see them: their ``transform._id`` -> level -> its rows.

    One search, which looks at the sequence numbers of these rows. A reader compares the versions with those that the
    month notes (:mod:`opensearch_strata.history.month.level_notes`), before and after it reads the rows.

    :param index: exact name of the index of levels
    :param unit_ids: what the rows have as ``transform._id``
    :param uuid: UUID of the index, if it is known
    :raises NotFoundError: there is no such index
    """
    by_level = {"levels": {"terms": {"field": LEVEL, "size": _MOST_LEVELS}, "aggs": _of_rows(LEVEL)}}
    body = {
        "size": 0,
        "track_total_hits": False,
        "query": {"terms": {"transform._id": list(unit_ids)}},
        "aggs": {"units": {"terms": {"field": "transform._id", "size": max(len(unit_ids), 1)}, "aggs": by_level}},
    }
    uuid = uuid or decisive.uuid_of(client, index)
    units = PATIENTLY(decisive.search, client, index, body)["aggregations"]["units"]["buckets"]
    return {unit["key"]: {level["key"]: _stored(level, uuid) for level in unit["levels"]["buckets"]} for unit in units}


def base_rows(client: OpenSearch, index: str, unit_ids: Sequence[str]) -> dict[str, StoredLevel]:
    """The base rows of days, all of them that were written: their ``transform._id`` -> what they carry.

    :param index: exact name of the month
    :param unit_ids: what the rows have as ``transform._id``
    :raises NotFoundError: there is no such index
    """
    decisive.refresh(client, index)
    uuid = decisive.uuid_of(client, index)
    days = {"terms": {"field": "transform._id", "size": max(len(unit_ids), 1)}, "aggs": _of_rows("transform._id")}
    query = {"terms": {"transform._id": list(unit_ids)}}
    body = {"size": 0, "track_total_hits": False, "query": query, "aggs": {"days": days}}
    found = PATIENTLY(decisive.search, client, index, body)["aggregations"]["days"]["buckets"]
    return {day["key"]: _stored(day, uuid) for day in found}


def _of_rows(keyword: str) -> dict[str, Any]:
    """Aggregations over rows.

    :param keyword: a field that each of them has
    """
    return {
        "rows": {"value_count": {"field": keyword}},
        "documents": {"sum": {"field": "transform._doc_count"}},
        "sum": {"sum": {"field": "_seq_no"}},
        "newest": {"max": {"field": "_seq_no"}},
    }


def _stored(found: Mapping[str, Any], uuid: str) -> StoredLevel:
    rows, documents, total, newest = (int(found[name]["value"] or 0) for name in ("rows", "documents", "sum", "newest"))
    return StoredLevel(rows, documents, rows_version(uuid, rows, total, newest))


def values_by_id(
    client: OpenSearch, index: str, identities: Sequence[str], fields: Sequence[str]
) -> dict[str, list[Any]]:
    """Values of rows, by their ids; a row that does not exist is left out.

    :param identities: ``_id`` of each row, at most one page
    :param fields: the wanted fields, in the order of the values
    """
    body = {
        "size": len(identities),
        "track_total_hits": False,
        "query": {"ids": {"values": list(identities)}},
        "sort": ["_doc"],
        "script_fields": {"row": {"script": row_values(fields)}},
    }
    kept = {"filter_path": "timed_out,_shards,hits.hits._id,hits.hits.fields"}
    answer = PATIENTLY(decisive.search, client, index, body, **kept)
    return {hit["_id"]: hit["fields"]["row"] for hit in answer.get("hits", {}).get("hits", [])}


def identities_of(client: OpenSearch, index: str, unit_id: str, filters: Iterable[Mapping[str, Any]]) -> set[str]:
    """Ids of rows of a day or month.

    :param unit_id: what they have as ``transform._id``
    :param filters: queries that they match as well
    """
    found: set[str] = set()
    shards = int(client.indices.get_settings(index=index)[index]["settings"]["index"]["number_of_shards"])
    for shard in range(shards):
        query = {"bool": {"filter": [{"term": {"transform._id": unit_id}}, *filters]}}
        body: dict[str, Any] = {"size": _PAGE, "_source": False, "query": query, "sort": [{"_seq_no": "asc"}]}
        while hits := PATIENTLY(decisive.search, client, index, body, shard=shard)["hits"]["hits"]:
            found |= {hit["_id"] for hit in hits}
            body["search_after"] = hits[-1]["sort"]
    return found
