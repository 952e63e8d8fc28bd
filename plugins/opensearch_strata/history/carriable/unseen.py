"""What documents of a raw day hold that no search sees: values that the mapping ignores, cuts off or does not know.

Nothing that is computed from such a day can carry it, however well raw side and rows agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.buckets.pages import PATIENTLY
from opensearch_strata.history.buckets.scripts import in_source_metric
from opensearch_strata.history.raw_day.inspection import RawDay

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

# Documents of a shard whose source is looked into, where nothing says that values are missing beside others.
_SAMPLE = 2000

# Operations that may overtake one another on their way into a shard; a thread of the server has one under way.
_SLACK = 1000

# Operations whose sources one search looks into at most.
_STEP = 250_000


@dataclass(frozen=True)
class Unseen:
    """Values of a field that no search sees.

    :param documents: that hold one; of a field without any value, 0
    :param sentence: what, and what to do
    """

    field: str
    documents: int
    sentence: str


def unseen(client: OpenSearch, raw: RawDay) -> list[Unseen]:
    """Values of the dataset's fields that only the source of documents knows."""
    aggs: dict[str, Any] = {}
    hidings = sorted(raw.hiding.items())
    for number, (field, hiding) in enumerate(hidings):  # names of fields may hold more
        aggs[f"ignored {number}"] = {"filter": {"terms": {"_ignored": _names(field)}}}
        aggs[f"without {number}"] = {"filter": _without(field)}
        aggs |= {f"lost {number}": {"filter": _without(field, hiding.origins)}} if hiding.origins else {}
        aggs |= {f"values {number}": {"value_count": {"field": field}}} if hiding.limit is not None else {}
    found = PATIENTLY(decisive.search, client, raw.index, {"size": 0, "aggs": aggs})["aggregations"]
    told = []
    for number, (field, hiding) in enumerate(hidings):
        without = found[f"without {number}"]["doc_count"]
        if ignored := found[f"ignored {number}"]["doc_count"]:
            told.append(Unseen(field, ignored, _ignored(raw, field, ignored)))
            continue  # the source alone knows these
        if hiding.origins and (lost := found[f"lost {number}"]["doc_count"]):
            told.append(Unseen(field, lost, _lost(raw, field, hiding.origins, lost)))
            continue
        limited = hiding.limit is not None
        lists = limited and found[f"values {number}"]["value"] > raw.documents - without
        if hidden := _hidden(client, raw, field, without=bool(without), lists=lists):
            told.append(Unseen(field, hidden, (_beyond if limited else _unmapped)(raw, field, hidden)))
    return told


def without_any_value(dataset: Dataset, raw: RawDay, counts: Mapping[str, int]) -> list[Unseen]:
    """Fields of the dataset of which a whole day has no value: most likely they have another name. Pure.

    :param counts: values of each metric
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
    """A field, and the objects that it lies in."""
    return list(accumulate(field.split("."), lambda path, name: f"{path}.{name}"))


def _without(field: str, origins: Sequence[str] = ()) -> dict[str, Any]:
    """What finds the documents without a field.

    :param origins: only those that have one of these fields
    """
    some = {"should": [{"exists": {"field": origin}} for origin in origins], "minimum_should_match": 1}
    return {"bool": {"must_not": {"exists": {"field": field}}, **(some if origins else {})}}


def _hidden(client: OpenSearch, raw: RawDay, field: str, *, without: bool, lists: bool) -> int:
    """How many documents hold a value of a field, or what is copied to it, in their source alone.

    Sources are slow to read. Of the documents that have the field, each is looked into where values can be told to be
    missing beside others; else, of words, only enough to see whether producers send lists.

    :param without: whether there are documents without the field
    :param lists: whether some document has several values of it
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
    """How many documents of a query hold more of a field in their source than searches see.

    :param query: filters
    :param shard: only this one, and only those that came before the first document with the field: a field once mapped
        stays so, whatever becomes of ``dynamic``
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
    """Lowest sequence number of a shard's documents with a field; None if it has none."""
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
        f"{documents} documents of {raw.index} hold a {field!r} that its mapping ignores (ignore_malformed), which no "
        f'row can carry; find them by {{"term": {{"_ignored": "{field}"}}}}, and correct or remove the value'
    )


def _beyond(raw: RawDay, field: str, documents: int) -> str:
    return (
        f"{documents} documents of {raw.index} hold a {field!r} that is longer than its mapping takes (ignore_above), "
        f"or took when they came, so their rows lack it; shorten it, or make the index anew without that limit"
    )


def _unmapped(raw: RawDay, field: str, documents: int) -> str:
    return (
        f"{documents} documents of {raw.index} hold {field!r} in their source alone: its mapping did not know the "
        f"field when they came (dynamic: false, a multi-field or copy_to that was added later), or took no value as "
        f"long (ignore_above); make the index anew under the mapping of today"
    )


def _lost(raw: RawDay, field: str, origins: Sequence[str], documents: int) -> str:
    return (
        f"{documents} documents of {raw.index} hold {' or '.join(map(repr, origins))} and no {field!r}, which is "
        f"made of it: its mapping did not know the field when they came, or took no value as long (ignore_above). "
        f"Their source does not hold it (_source); make the index anew under a mapping that takes all values"
    )


def _absent(raw: RawDay, field: str) -> str:
    return (
        f"the mapping of {raw.index} has no {field!r}, by which rows are made; mend the name in the definition, or add "
        f"the field to that mapping if these documents have none"
    )


def _no_value(raw: RawDay, name: str, field: str) -> str:
    return (
        f"no document of {raw.index} has a value of {field!r} (metric {name}); mend the name in the definition, or "
        f"state sparse: true for the metric if a day may have none"
    )
