"""Finds values of a raw day that no search sees, because the mapping ignores them, cuts them off or lacks their field.

Nothing computed from such a day can carry these values, however well the raw day and its rows agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors.amounts import counted
from opensearch_strata.history.buckets.bucket_pages import PATIENTLY
from opensearch_strata.history.buckets.counting import counts_in
from opensearch_strata.history.buckets.scripts import in_source_metric
from opensearch_strata.history.raw_day.inspection import RawDay

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

# Documents per shard whose source is examined if nothing suggests that they hold more values than searches see.
_SAMPLE = 2000

# Operations that may overtake one another on their way into a shard; each server thread has one in progress.
_SLACK = 1000

# The most operations whose sources one search examines.
_STEP = 250_000


@dataclass(frozen=True)
class Unseen:
    """Values of a field that no search sees.

    :param documents: how many documents hold one; 0 for a field without any value
    :param sentence: describes the problem and what to do
    """

    field: str
    documents: int
    sentence: str


def unseen(client: OpenSearch, raw: RawDay) -> list[Unseen]:
    """Values of the dataset's fields that are only in the source of the documents."""
    aggs: dict[str, Any] = {}
    hidings = sorted(raw.hiding.items())
    for number, (field, hiding) in enumerate(hidings):  # field names may have characters that aggregation names may not
        aggs[f"ignored {number}"] = {"filter": {"terms": {"_ignored": _names(field)}}}
        aggs[f"without {number}"] = {"filter": _without(field)}
        aggs |= {f"lost {number}": {"filter": _without(field, hiding.origins)}} if hiding.origins else {}
        aggs |= {f"values {number}": {"value_count": {"field": field}}} if hiding.limit is not None else {}
    found = counts_in(client, raw, aggs)
    told = []
    for number, (field, hiding) in enumerate(hidings):
        without = found[f"without {number}"]
        if ignored := found[f"ignored {number}"]:
            told.append(Unseen(field, ignored, _ignored(raw, field, ignored)))
            continue  # only the source holds these
        if hiding.origins and (lost := found[f"lost {number}"]):
            told.append(Unseen(field, lost, _lost(raw, field, hiding.origins, lost)))
            continue
        limited = hiding.limit is not None
        lists = limited and found[f"values {number}"] > raw.documents - without
        if hidden := _hidden(client, raw, field, without=bool(without), lists=lists):
            told.append(Unseen(field, hidden, (_beyond if limited else _unmapped)(raw, field, hidden)))
    return told


def without_any_value(dataset: Dataset, raw: RawDay, counts: Mapping[str, int]) -> list[Unseen]:
    """Fields of the dataset without any value in a whole day: most likely they have another name. Pure.

    :param counts: number of values of each metric
    """
    told = [
        Unseen(field, 0, _absent(raw, field))
        for field in dict.fromkeys([*dataset.history.group_by, dataset.raw.timestamp])
        if field not in raw.types
    ]
    for name, metric in dataset.metrics.items():
        if not counts.get(name) and not metric.sparse:
            told.append(Unseen(metric.field, 0, _no_value(raw, name, metric.field)))
    return told


def _names(field: str) -> list[str]:
    """A field, and the objects that contain it."""
    return list(accumulate(field.split("."), lambda path, name: f"{path}.{name}"))


def _without(field: str, origins: Sequence[str] = ()) -> dict[str, Any]:
    """The query that finds the documents without a field.

    :param origins: find only documents that have one of these fields
    """
    some = {"should": [{"exists": {"field": origin}} for origin in origins], "minimum_should_match": 1}
    return {"bool": {"must_not": {"exists": {"field": field}}, **(some if origins else {})}}


def _hidden(client: OpenSearch, raw: RawDay, field: str, *, without: bool, lists: bool) -> int:
    """How many documents hold a value of a field, or a value that is copied to it, only in their source.

    Sources are slow to read. Every document is examined only if values may be missing alongside others. Otherwise, only
    documents without the field are examined and, for keywords, a sample of those with it: enough to see whether
    producers send lists.

    :param without: whether there are documents without the field
    :param lists: whether some document has several values of the field
    """
    hiding = raw.hiding[field]
    if hiding.copied or (lists and hiding.limit is not None):
        return _looked_into(client, raw, field, [])
    hidden = 0
    if without and (hiding.anywhere or field not in raw.types):
        hidden = _looked_into(client, raw, field, [_without(field)])
    elif without:
        for shard in range(len(raw.sequence)):
            hidden += _looked_into(client, raw, field, [_without(field)], shard)
    if hiding.values == "words" or hiding.limit is not None:
        aggs = {"some": {"sampler": {"shard_size": _SAMPLE}, "aggs": {"found": in_source_metric(field, hiding)}}}
        body = {"size": 0, "query": {"exists": {"field": field}}, "aggs": aggs}
        hidden += sum(PATIENTLY(decisive.search, client, raw.index, body)["aggregations"]["some"]["found"]["value"])
    return hidden


def _looked_into(
    client: OpenSearch, raw: RawDay, field: str, query: list[dict[str, Any]], shard: int | None = None
) -> int:
    """How many documents of a query hold more values of a field in their source than searches see.

    :param query: filters that the documents match
    :param shard: examine only this shard, and only its documents from before the first one with the field: a field that
        is mapped stays mapped, even if ``dynamic`` changes
    """
    end = 1 + (max(raw.sequence) if shard is None else raw.sequence[shard])
    if shard is not None and (first := _first_with(client, raw, field, shard)) is not None:
        end = min(first + _SLACK, end)
    hidden = 0
    for start in range(0, end, _STEP):  # a search must end in time
        part = {"range": {"_seq_no": {"gte": start, "lt": min(start + _STEP, end)}}}
        aggs = {"found": in_source_metric(field, raw.hiding[field])}
        body = {"size": 0, "query": {"bool": {"filter": [*query, part]}}, "aggs": aggs}
        answer = PATIENTLY(decisive.search, client, raw.index, body, shard=shard)
        hidden += sum(answer["aggregations"]["found"]["value"])
    return hidden


def _first_with(client: OpenSearch, raw: RawDay, field: str, shard: int) -> int | None:
    """Lowest sequence number of a shard's documents with a field; None if there are none."""
    order = [{"_seq_no": "asc"}]
    body = {
        "size": 1,
        "_source": False,
        "query": {"exists": {"field": field}},
        "sort": order,
        "track_total_hits": False,
    }
    hits = PATIENTLY(decisive.search, client, raw.index, body, shard=shard)["hits"]["hits"]
    return int(hits[0]["sort"][0]) if hits else None


def _ignored(raw: RawDay, field: str, documents: int) -> str:
    return (
        f"{raw.index} has {counted(documents, 'document')} with a {field!r} that its mapping ignores "
        f"(ignore_malformed), so no row can carry the value; find such documents with "
        f'{{"term": {{"_ignored": "{field}"}}}}, and correct or remove the value'
    )


def _beyond(raw: RawDay, field: str, documents: int) -> str:
    return (
        f"{raw.index} has {counted(documents, 'document')} with a {field!r} that is longer than its mapping allows, or "
        f"allowed at indexing time (ignore_above), so rows lack the value; shorten it, or recreate the index without "
        f"that limit"
    )


def _unmapped(raw: RawDay, field: str, documents: int) -> str:
    return (
        f"{raw.index} has {counted(documents, 'document')} with {field!r} only in the source: at indexing time, its "
        f"mapping did not know the field (dynamic: false, a multi-field or copy_to that was added later) or did not "
        f"allow so long a value (ignore_above); recreate the index with the current mapping"
    )


def _lost(raw: RawDay, field: str, origins: Sequence[str], documents: int) -> str:
    return (
        f"{raw.index} has {counted(documents, 'document')} with {' or '.join(map(repr, origins))} but without "
        f"{field!r}, which is filled from it: at indexing time, its mapping did not know the field or did not allow so "
        f"long a value (ignore_above). The source does not hold the value (_source); recreate the index with a mapping "
        f"that allows all values"
    )


def _absent(raw: RawDay, field: str) -> str:
    return (
        f"the mapping of {raw.index} has no {field!r}, by which rows are made; correct the name in the definition, or "
        f"add the field to that mapping if these documents do not have it"
    )


def _no_value(raw: RawDay, name: str, field: str) -> str:
    return (
        f"no document of {raw.index} has a value for {field!r} (metric {name}); correct the name in the definition, or "
        f"set sparse: true for the metric if a day may have none"
    )
