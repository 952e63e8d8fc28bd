"""Finds documents that exist under the ids of our documents but have other contents.

A load derives an id from the event's own bytes, so a document that exists under it is the same event. Archives of
documents bring ids that somebody else chose: in a dump of two indices, or of an index whose documents have changed
since, one id may stand for two documents. The second one is not "already there".
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.bulk.body import Body
from opensearch_strata.connections import decisive
from opensearch_strata.connections.raw_hits import get_raw

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_AT_ONCE = 500


def namesakes(
    client: OpenSearch, body: Body[Any], positions: Iterable[int], exact: Collection[str] = ()
) -> dict[int, str]:
    """Find the documents whose ids are taken by other documents: position -> a sentence why it was not stored.

    A document that has everything ours has and more counts as ours, because an ingest pipeline may have added the rest.

    :param positions: of documents that already existed
    :param exact: indices in which a document is ours only if it has the same bytes
    :raises OpenSearchException: the documents cannot be looked up
    """
    own = iter([at for at in positions if body.event(at).document_id])
    found: dict[int, str] = {}
    while part := list(islice(own, _AT_ONCE)):
        for at, there in zip(part, _sources(client, body, part), strict=True):
            is_exact = body.indices[at] in exact
            if there is None or _is_ours(there, body.source(at), is_exact):  # None if the index stores no source
                continue
            name = f"Another document already exists in {body.indices[at]} under its _id {body.ids[at]!r}, so it was "
            cure = (
                "not restored. If the document there is not needed, delete it and restore the day again."
                if is_exact
                else "not stored. If documents of several indices have the same ids, load each index with a separate "
                "dataset."
            )
            found[at] = f"{name}{cure}"
    return found


def _sources(client: OpenSearch, body: Body[Any], positions: list[int]) -> list[Any]:
    """The sources of documents by their ids: bytes, or decoded if they are not JSON to everybody."""
    from opensearchpy import SerializationError

    docs = []
    for at in positions:
        routing = body.event(at).routing
        asked = {"_index": body.indices[at], "_id": body.ids[at]}
        docs.append(asked if routing is None else {**asked, "routing": routing})
    try:
        return [bytes(found.source) or None for found in get_raw(client, docs)]
    except SerializationError:
        return [found.get("_source") for found in decisive.get_documents(client, docs)]


def _is_ours(there: Any, ours: bytes, is_exact: bool) -> bool:
    if isinstance(there, bytes):
        if there == ours or is_exact:
            return there == ours
        there = json.loads(there)
    return bool(there == json.loads(ours)) if is_exact else _holds(there, json.loads(ours))


def _holds(there: Any, ours: Any) -> bool:
    if isinstance(ours, dict):
        return isinstance(there, dict) and all(key in there and _holds(there[key], ours[key]) for key in ours)
    return bool(there == ours)
