"""What documents of a raw day hold that no search sees: values that the mapping ignores, cuts off or does not know.

Nothing that is computed from such a day can carry it, however well raw side and rows agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from opensearch_strata import decisive
from opensearch_strata.dataset import Dataset
from opensearch_strata.history.pages import PATIENTLY
from opensearch_strata.history.raw_day import RawDay
from opensearch_strata.history.scripts import in_source_metric

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

# Documents of a shard whose source is looked into, where nothing says that a field holds lists.
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


def unseen(client: OpenSearch, dataset: Dataset, raw: RawDay) -> list[Unseen]:
    """Values of the dataset's fields that only the source of documents knows."""
    fields = sorted(set(dataset.source_fields.values()))
    aggs: dict[str, Any] = {f"ignored {field}": {"filter": {"terms": {"_ignored": _names(field)}}} for field in fields}
    aggs |= {f"without {field}": {"filter": _without(field)} for field in raw.hiding.unmapped}
    for field, path in raw.hiding.beyond.items():
        aggs[f"beyond {field}"] = {"filter": _without(field), "aggs": {"found": in_source_metric(path)}}
        aggs[f"values {field}"] = {"value_count": {"field": field}}
        aggs[f"documents {field}"] = {"filter": {"exists": {"field": field}}}
    found = PATIENTLY(decisive.search, client, raw.index, {"size": 0, "aggs": aggs})["aggregations"]
    told = []
    for field in fields:
        if ignored := found[f"ignored {field}"]["doc_count"]:
            told.append(Unseen(field, ignored, _ignored(raw, field, ignored)))
    for field, path in raw.hiding.beyond.items():
        several = found[f"values {field}"]["value"] > found[f"documents {field}"]["doc_count"]
        without = sum(found[f"beyond {field}"]["found"]["value"])
        if beyond := without + _longer(client, raw, field, path, several):
            told.append(Unseen(field, beyond, _beyond(raw, field, beyond)))
    for field in sorted(
        raw.hiding.unmapped.keys() - {one.field for one in told}
    ):  # what is ignored is in the source alone too
        if found[f"without {field}"]["doc_count"] and (alone := _in_source_alone(client, raw, field)):
            told.append(Unseen(field, alone, _unmapped(raw, field)))
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


def _without(field: str) -> dict[str, Any]:
    return {"bool": {"must_not": {"exists": {"field": field}}}}


def _in_source_alone(client: OpenSearch, raw: RawDay, field: str) -> int:
    """How many documents without a field have it in their source, or what is copied to it.

    A field once mapped stays so, whatever becomes of ``dynamic``. So in each shard only those that came before the
    first document which has it can be older than its mapping, and each of these is looked into.
    """
    alone = 0
    aggs = {str(number): in_source_metric(path) for number, path in enumerate(raw.hiding.unmapped[field])}
    for shard, newest in enumerate(raw.sequence):
        first = None if field in raw.hiding.anywhere else _first_with(client, raw, field, shard)
        end = newest + 1 if first is None else min(first + _SLACK, newest + 1)
        for start in range(0, end, _STEP):  # sources are slow to read, and a search must end in time
            part = {"range": {"_seq_no": {"gte": start, "lt": min(start + _STEP, end)}}}
            body = {"size": 0, "query": {"bool": {"filter": [_without(field), part]}}, "aggs": aggs}
            answer = PATIENTLY(decisive.search, client, raw.index, body, shard=shard)["aggregations"]
            alone += sum(sum(one["value"]) for one in answer.values())
    return alone


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


def _longer(client: OpenSearch, raw: RawDay, field: str, path: Sequence[str], several: bool) -> int:
    """How many documents with a field hold a longer value beside those that its mapping takes.

    :param several: whether some document has several values of it. Then each document is looked into; else only enough
        of them to see whether producers send lists, as sources are slow to read
    """
    found: dict[str, Any] = {"found": in_source_metric(path, longer_than=raw.hiding.limits[field])}
    aggs = found if several else {"some": {"sampler": {"shard_size": _SAMPLE}, "aggs": found}}
    body = {"size": 0, "query": {"exists": {"field": field}}, "aggs": aggs}
    answer = PATIENTLY(decisive.search, client, raw.index, body)["aggregations"]
    return sum((answer if several else answer["some"])["found"]["value"])


def _ignored(raw: RawDay, field: str, documents: int) -> str:
    return (
        f"{documents} documents of {raw.index} hold a {field!r} that its mapping ignores (ignore_malformed), which no "
        f'row can carry; find them by {{"term": {{"_ignored": "{field}"}}}}, and correct or remove the value'
    )


def _beyond(raw: RawDay, field: str, documents: int) -> str:
    return (
        f"{documents} documents of {raw.index} hold a {field!r} that is longer than its mapping takes (ignore_above), "
        f"so their rows lack it; shorten it, or make the index anew without that limit"
    )


def _unmapped(raw: RawDay, field: str) -> str:
    return (
        f"documents of {raw.index} hold {field!r} in their source alone: its mapping did not know the field when they "
        f"came (dynamic: false, a multi-field or copy_to that was added later); make the index anew under a "
        f"mapping that has it"
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
