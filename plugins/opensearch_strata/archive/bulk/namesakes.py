"""Finds documents that exist under the ids of our documents but have other contents.

A load derives an id from the event's own bytes, so a document that exists under it is the same event. Archives of
documents bring ids that somebody else chose: in a dump of two indices, or of an index whose documents have changed
since, one id may stand for two documents. The second one is not "already there".
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.bulk.body import Body
from opensearch_strata.connections import decisive

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_AT_ONCE = 500


def namesakes(client: OpenSearch, body: Body[Any], positions: Iterable[int]) -> dict[int, str]:
    """Find the documents whose ids are taken by other documents: position -> a sentence why it was not stored.

    A document that has everything ours has and more counts as ours, because an ingest pipeline may have added the rest.

    :param positions: of documents that already existed
    :raises OpenSearchException: the documents cannot be looked up
    """
    own = iter([at for at in positions if body.events[at].document_id])
    found: dict[int, str] = {}
    while part := list(islice(own, _AT_ONCE)):
        docs = [{"_index": body.indices[at], "_id": body.ids[at]} for at in part]
        for at, answer in zip(part, decisive.get_documents(client, docs), strict=True):
            there = answer.get("_source")  # None if the index stores no source
            if there is not None and not _holds(there, json.loads(body.source(at))):
                found[at] = (
                    f"Another document already exists in {body.indices[at]} under its _id {body.ids[at]!r}, so it was "
                    f"not stored. If documents of several indices have the same ids, load each index with a separate "
                    f"dataset."
                )
    return found


def _holds(there: Any, ours: Any) -> bool:
    if isinstance(ours, dict):
        return isinstance(there, dict) and all(key in there and _holds(there[key], ours[key]) for key in ours)
    return bool(there == ours)
