"""Documents that are there under ids of ours, and are not ours.

An id that a load makes is of the event's own bytes, so whatever is there under it is the event. Archives of documents
bring ids that somebody else chose: in a dump of two indices, or of an index whose documents changed since, one id
may stand for two documents. The second is not "already there".
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
    """Position -> why it is not stored, a sentence: of documents whose ids are taken by other documents.

    A document that has more than ours does is taken for it, as an ingest pipeline may have added that.

    :param positions: of documents that were there already
    :raises OpenSearchException: they cannot be looked up
    """
    own = iter([at for at in positions if body.events[at].document_id])
    found: dict[int, str] = {}
    while part := list(islice(own, _AT_ONCE)):
        docs = [{"_index": body.indices[at], "_id": body.ids[at]} for at in part]
        for at, answer in zip(part, decisive.get_documents(client, docs), strict=True):
            there = answer.get("_source")  # an index may keep none
            if there is not None and not _holds(there, json.loads(body.source(at))):
                found[at] = (
                    f"Another document is in {body.indices[at]} under its _id {body.ids[at]!r}, so that it was not "
                    f"stored. Where documents of several indices have the same ids, load each index with a dataset "
                    f"of its own."
                )
    return found


def _holds(there: Any, ours: Any) -> bool:
    if isinstance(ours, dict):
        return isinstance(there, dict) and all(key in there and _holds(there[key], ours[key]) for key in ours)
    return bool(there == ours)
