"""What an answer of the bulk API means, item by item and as a whole.

Item statuses: https://docs.opensearch.org/latest/api-reference/document-apis/bulk/. Blocks:
``org.opensearch.cluster.block.ClusterBlockException``, 403 or 429 with the level in the text
(``FORBIDDEN/12/index read-only / allow delete (api)`` since a disk ran full).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from opensearch_strata.errors.judging import TRANSIENT_STATUSES, explain, is_transient


class Verdict(Enum):
    """What becomes of a document. Of several in one answer, the first of this order says what to do next."""

    FORBIDDEN = "forbidden"
    """Not with these credentials, or not in this way: no document is to blame, and none will be taken."""
    TOO_LARGE = "too_large"
    BLOCKED = "blocked"
    """The index takes no writes, or is not there: again, until somebody has lifted that."""
    BUSY = "busy"
    """Refused because of load: again, with fewer requests at once."""
    AGAIN = "again"
    """Not answered, or not by OpenSearch: again. Under its id a document cannot double."""
    FAULTY = "faulty"
    """The server failed over it: again a few times, then it is the document's fault."""
    REJECTED = "rejected"
    """This document will never be taken."""
    DROPPED = "dropped"
    """An ingest pipeline stored nothing, or elsewhere: the document is not in its raw day."""
    CREATED = "created"
    EXISTED = "existed"


# Of a whole index or cluster, never of one document, whatever the status.
_BLOCKS = {
    "cluster_block_exception",
    "index_create_block_exception",
    "index_closed_exception",
    "index_not_found_exception",
    "validation_exception",  # no more shards are allowed, so the index cannot be made
}


def judged_item(said: Mapping[str, Any], index: str, identity: str | None) -> Verdict:
    """What one item of a bulk answer means.

    An ingest pipeline answers 200 or 201 for what it dropped, sent to another index or gave another id: only
    ``result: created`` with the names that were sent is a document of ours.

    :param said: ``status``, ``result``, ``_index``, ``_id`` and ``error`` of the item, as far as it has them
    :param index: where the document was sent
    :param identity: its id; None if it was sent without
    """
    status, error = said.get("status", 503), said.get("error")
    if status in (200, 201):
        if said.get("result") == "noop":
            return Verdict.DROPPED
        if said.get("result") != "created":
            return Verdict.AGAIN  # it says nothing; under its id the document cannot double
        if identity is not None and said.get("_id") != identity:
            return Verdict.FORBIDDEN
        return Verdict.CREATED if said.get("_index") == index else Verdict.DROPPED
    if status == 409:
        if identity is not None and said.get("_id", identity) != identity:
            return Verdict.FORBIDDEN
        return Verdict.EXISTED if said.get("_index", index) == index else Verdict.DROPPED
    if error is not None and error.get("type") in _BLOCKS:
        return Verdict.BLOCKED
    if status == 429:
        return Verdict.BUSY
    if status in TRANSIENT_STATUSES:
        return Verdict.AGAIN
    if status in (401, 403) or _wants_no_ids(error):
        return Verdict.FORBIDDEN
    return Verdict.FAULTY if status >= 500 else Verdict.REJECTED


def judged_failure(error: Exception) -> Verdict:
    """What the failure of a whole bulk request means; FORBIDDEN for all that repetition will not cure."""
    from opensearchpy import ConnectionTimeout, SerializationError, TransportError

    if isinstance(error, SerializationError):
        return Verdict.AGAIN  # the answer broke off, or a proxy wrote a page
    if isinstance(error, ConnectionTimeout):
        return Verdict.BUSY  # it is most likely still at it
    if not isinstance(error, TransportError) or not isinstance(error.status_code, int):
        return Verdict.AGAIN if is_transient(error) else Verdict.FORBIDDEN
    if error.status_code == 413:
        return Verdict.TOO_LARGE
    if _type_of(error) in _BLOCKS and error.status_code not in (502, 503, 504):  # 503: no cluster manager for a moment
        return Verdict.BLOCKED
    if error.status_code == 429:
        return Verdict.BUSY
    if is_transient(error):
        return Verdict.AGAIN
    return Verdict.FAULTY if error.status_code >= 500 else Verdict.FORBIDDEN


def reason(said: Mapping[str, Any], index: str, identity: str | None) -> str:
    """The server's words on an item that is no document of ours, as a sentence.

    :param said: as for :func:`judged_item`, as are the others
    """
    from opensearchpy import TransportError

    status, error = said.get("status", 503), said.get("error")
    if status in (200, 201, 409):
        return _pipelines_doing(said, index, identity)
    words = explain(TransportError(status, (error or {}).get("type", ""), {"error": error}))
    if _wants_no_ids(error):
        return f"{words} A time series collection of OpenSearch Serverless takes no ids; load it without them."
    return words


def _pipelines_doing(said: Mapping[str, Any], index: str, identity: str | None) -> str:
    if said.get("result") == "noop":
        return f"An ingest pipeline of {index} dropped it, so that nothing was stored."
    if identity is not None and said.get("_id") != identity:
        return (
            f"An ingest pipeline of {index} gives documents ids of its own ({identity!r} became {said.get('_id')!r}), "
            f"so that every attempt would load them once more. Let it leave _id as it is, or set "
            f"index.default_pipeline and index.final_pipeline of {index} to _none."
        )
    if said.get("_index", index) != index:
        return f"An ingest pipeline of {index} sent it to {said['_index']}, so that it is not in its raw day."
    return "OpenSearch did not say what became of it."


def _wants_no_ids(error: Mapping[str, Any] | None) -> bool:
    return error is not None and str(error.get("reason", "")).startswith("Document ID is not supported")


def _type_of(error: Any) -> str:
    info = error.args[2] if len(error.args) > 2 else None
    cause = info.get("error") if isinstance(info, Mapping) else None
    return str(cause.get("type")) if isinstance(cause, Mapping) else ""
