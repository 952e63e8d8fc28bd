"""Which days are raw, which are history, and whether the two agree. Counts only; the proof is verify's affair."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from opensearch_strata import decisive
from opensearch_strata.dataset import Dataset
from opensearch_strata.naming import day_of_transform

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Place = Literal["raw", "raw and history", "history", "differs"]


@dataclass(frozen=True)
class DayCoverage:
    """One day of a dataset.

    :param raw_documents: None if there is no raw day
    :param raw_bytes: store size of its primary shards
    :param rows: rows of history
    :param carried: raw documents that the rows stand for
    :param history_bytes: the rows' share, by number, of their month's primary shards
    """

    day: date
    raw_documents: int | None = None
    raw_bytes: int = 0
    rows: int = 0
    carried: int = 0
    history_bytes: int = 0

    @property
    def place(self) -> Place:
        """Where the day is; ``differs`` if raw and rows count different documents."""
        if self.raw_documents is None:
            return "history"
        if not self.rows:
            return "raw"
        return "raw and history" if self.raw_documents == self.carried else "differs"


def coverage(client: OpenSearch, dataset: Dataset) -> list[DayCoverage]:
    """Every day that is raw or history, oldest first."""
    raw = _raw_days(client, dataset)
    rows = _history_days(client, dataset)
    days = []
    for day in sorted(raw.keys() | rows.keys()):
        documents, raw_bytes = raw.get(day, (None, 0))
        days.append(DayCoverage(day, documents, raw_bytes, *rows.get(day, (0, 0, 0))))
    return days


def _raw_days(client: OpenSearch, dataset: Dataset) -> dict[date, tuple[int, int]]:
    """Day -> (documents, bytes)."""
    names = dataset.raw.names
    sizes = _sizes(client, names.expression)
    documents = _documents(client, names.expression)
    return {day: (documents.get(name, 0), size) for name, (_, size) in sizes.items() if (day := names.date_in(name))}


def _documents(client: OpenSearch, expression: str) -> dict[str, int]:
    """Index name -> documents as searches count them: statistics count nested objects too."""
    indices = {"field": "_index"}
    aggs = {"indices": {"terms": {**indices, "size": 10_000}, "aggs": {"documents": {"value_count": indices}}}}
    answer = decisive.search(client, expression, {"size": 0, "aggs": aggs})
    found = answer["aggregations"]["indices"]["buckets"] if "aggregations" in answer else []
    return {bucket["key"]: bucket["documents"]["value"] for bucket in found}


def _sizes(client: OpenSearch, expression: str) -> dict[str, tuple[int, int]]:
    """Index name -> (Lucene documents, bytes) of its primary shards, after a refresh.

    A shard that nobody searches is not refreshed by itself, and statistics are no search.
    """
    decisive.refresh(client, expression, expand_wildcards="open")
    stats = client.indices.stats(index=expression, metric="docs,store", params={"expand_wildcards": "open"})
    return {
        name: (body["primaries"]["docs"]["count"], body["primaries"]["store"]["size_in_bytes"])
        for name, body in stats["indices"].items()
    }


def _history_days(client: OpenSearch, dataset: Dataset) -> dict[date, tuple[int, int, int]]:
    """Day -> (rows, documents they carry, their bytes)."""
    days: dict[date, tuple[int, int, int]] = {}
    for index, (total, size) in _sizes(client, dataset.history.names.expression).items():
        if dataset.history.names.date_in(index) is None or not total:
            continue
        for bucket in _transforms(client, index):
            if day := day_of_transform(dataset.name, bucket["key"]):
                rows = bucket["rows"]["value"]
                days[day] = (rows, int(bucket["documents"]["value"]), size * rows // total)
    return days


def _transforms(client: OpenSearch, index: str) -> list[dict[str, Any]]:
    """One bucket per day of a month; its own doc_count would count raw documents, because of ``_doc_count``."""
    aggs = {
        "documents": {"sum": {"field": "transform._doc_count"}},
        "rows": {"value_count": {"field": "transform._id"}},
    }
    body = {"size": 0, "aggs": {"days": {"terms": {"field": "transform._id", "size": 62}, "aggs": aggs}}}
    buckets: list[dict[str, Any]] = decisive.search(client, index, body)["aggregations"]["days"]["buckets"]
    return buckets
