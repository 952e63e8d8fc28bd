"""A raw day on the cluster: whether it exists, how many documents it has, and which index exactly it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.connections.expanded import expand
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import DefinitionError, Refused, StrataError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.history.raw_day.fields import Hiding, hiding, nested_paths, unreadable

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


@dataclass(frozen=True)
class RawDay:
    """One raw day that exists as an index.

    :param documents: how many documents searches see, after a refresh
    :param types: field path -> mapping type
    :param sequence: highest sequence number of each primary shard, read before the documents were counted; if they and
        the UUID are equal at two times, nothing was written or deleted in between
    :param history: its history UUID; empty unless it was restored from a snapshot, which keeps the UUID and may bring
        other documents under the same sequence numbers
    :param blocked: the write or read-only blocks that are set, for example ``{"read_only"}``
    :param created: when the index was created, epoch milliseconds
    :param meta: ``_meta`` of its mapping, where runs of Strata record what they do with the index
    :param hiding: how documents may hold values that no search sees, for each field of the dataset
    """

    index: str
    day: date
    uuid: str
    documents: int
    types: dict[str, str]
    blocked: frozenset[str]
    sequence: tuple[int, ...] = ()
    created: int = 0
    history: str = ""
    meta: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    hiding: Mapping[str, Hiding] = dataclasses.field(default_factory=dict)


def inspect_raw_day(client: OpenSearch, dataset: Dataset, day: date) -> RawDay | None:
    """The raw day; None if there is no such index.

    :raises Refused: the name belongs to an alias or data stream, the index is closed, or documents are hidden from this
        user
    :raises DefinitionError: its mapping does not fit the dataset
    """
    from opensearchpy import NotFoundError

    index = dataset.raw_index(day)
    try:
        found: Mapping[str, Any] = client.indices.get(index=index)
    except NotFoundError:
        return None
    if index not in found:
        behind = ", ".join(sorted(found))
        raise Refused(
            f"{index} is an alias or data stream of {behind}, not an index; Strata proves and deletes only indices "
            f"under their own names. Nothing was changed. Rename it, or let the dataset's raw.index name the real "
            f"indices."
        )
    body = found[index]
    mappings = body["mappings"]
    types = dict(field_types(mappings.get("properties", {})))
    if problems := _mapping_problems(dataset, mappings, types):
        raise DefinitionError(f"{index} does not fit dataset {dataset.name!r}: {'; '.join(problems)}.")
    settings = body["settings"]["index"]
    if settings.get("verified_before_close") == "true":
        raise Refused(f"{index} is closed, so its documents cannot be read; it was kept. Open it, or leave it closed.")
    before = decisive.primaries(client, index)
    documents = decisive.count(client, index)
    if documents != before.documents:
        _require_nothing_hidden(client, index, documents, before, list(nested_paths(mappings)))
    return RawDay(
        index=index,
        day=day,
        uuid=settings["uuid"],
        documents=documents,
        sequence=before.sequence,
        types=types,
        blocked=frozenset(name for name, on in settings.get("blocks", {}).items() if str(on) == "true"),
        created=int(settings["creation_date"]),
        history=settings.get("history", {}).get("uuid", ""),
        meta=mappings.get("_meta", {}),
        hiding=hiding(mappings, list(dataset.source_fields.values()), resized="resize" in settings),
    )


def _mapping_problems(dataset: Dataset, mappings: Mapping[str, Any], types: dict[str, str]) -> list[str]:
    """Where a mapping does not fit the dataset, one sentence for each problem."""
    lost = {field: reason for field in dataset.source_fields.values() if (reason := unreadable(mappings, field))}
    unread = [f"{key}: {lost[field]}" for key, field in dataset.source_fields.items() if field in lost]
    return unread + dataset.type_problems({field: kind for field, kind in types.items() if field not in lost})


def _require_nothing_hidden(
    client: OpenSearch, index: str, documents: int, before: decisive.Primaries, nested: list[str]
) -> None:
    """Make sure that searches see every document that the primary shards hold, unless documents changed meanwhile.

    :param documents: how many documents searches see
    :param nested: paths of nested fields, whose objects Lucene counts one by one
    :raises Refused: they do not see every document
    """
    aggs = {f"{number}": {"nested": {"path": path}} for number, path in enumerate(nested)}
    found = decisive.search(client, index, {"size": 0, "aggs": aggs})["aggregations"] if nested else {}
    now = decisive.primaries(client, index)
    hidden = now.documents - documents - sum(found[name]["doc_count"] for name in aggs)
    if (now.uuid, now.sequence) == (before.uuid, before.sequence) and hidden:
        raise Refused(
            f"{index} holds {counted(hidden, 'document')} more than this user sees ({documents:,}): document-level "
            f"security, or an alias or pipeline with a filter, hides them. Nothing was changed. Use a user who sees "
            f"every document."
        )


def newest_raw_day(client: OpenSearch, dataset: Dataset) -> date | None:
    """The newest day that has a raw index; None if no day has one."""
    found = expand(client, dataset.raw.names.expression, "*.settings.index.uuid")
    return max(filter(None, map(dataset.raw.names.date_in, found.indices)), default=None)


def misfits(client: OpenSearch, dataset: Dataset, day: date) -> list[str]:
    """Where the actual mapping of a raw day does not fit the dataset, one sentence for each problem."""
    try:
        raw = inspect_raw_day(client, dataset, day)
    except StrataError as error:
        return [str(error)]
    if raw is None:
        return []
    return [
        f"{raw.index} has no field {field!r}, which {key} of dataset {dataset.name!r} names; correct the name, or wait "
        f"for the first document that has the field."
        for key, field in dataset.source_fields.items()
        if field not in raw.types
    ]


def absent_key_fields(dataset: Dataset, raw: RawDay) -> list[str]:
    """Fields that identify a row (groups and time) but are not in the raw day's mapping, so no document has them."""
    return [field for field in (*dataset.history.group_by, dataset.raw.timestamp) if field not in raw.types]


def field_types(properties: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """``(full field path, type)`` of all leaves of a mapping, including multi-fields.

    :param properties: ``properties`` of a mapping, as the server returns them
    :param path: prefix of the names, ending with a dot; empty at the top
    """
    for name, body in properties.items():
        full = f"{path}{name}"
        if "properties" in body:
            yield from field_types(body["properties"], f"{full}.")
        else:
            yield full, body.get("type", "object")
            yield from field_types(body.get("fields", {}), f"{full}.")
