"""What a response of the bulk API means, item by item and as a whole.

Item statuses: https://docs.opensearch.org/latest/api-reference/document-apis/bulk/. Blocks:
``org.opensearch.cluster.block.ClusterBlockException``, 403 or 429 with the level in the text
(``FORBIDDEN/12/index read-only / allow delete (api)`` when a disk is full).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from opensearch_strata.errors.judging import TRANSIENT_STATUSES, explain, is_transient


class Outcome(Enum):
    """The outcome for a document. If a response has several, the first one in this order decides what to do next."""

    FORBIDDEN = "forbidden"
    """Not with these credentials, or not in this way: the documents are not at fault, but none will be accepted."""
    TOO_LARGE = "too_large"
    BLOCKED = "blocked"
    """The index is write-blocked or does not exist: send again until somebody has resolved that."""
    BUSY = "busy"
    """Refused because of load: send again, with fewer concurrent requests."""
    AGAIN = "again"
    """No answer, or none from OpenSearch: send again. Its id prevents duplicates of the document."""
    FAULTY = "faulty"
    """The server failed on it: send again a few times, then treat it as the document's fault."""
    REJECTED = "rejected"
    """This document will never be accepted."""
    DROPPED = "dropped"
    """An ingest pipeline dropped it or sent it elsewhere: the document is not in its raw day."""
    CREATED = "created"
    EXISTED = "existed"


# These concern a whole index or cluster, never a single document, whatever the status is.
_BLOCKS = {
    "cluster_block_exception",
    "index_create_block_exception",
    "index_closed_exception",
    "index_not_found_exception",
    "validation_exception",  # the shard limit is reached, so the index cannot be created
}


def judged_item(said: Mapping[str, Any], index: str, identity: str | None) -> Outcome:
    """What one item of a bulk response means.

    The status is 200 or 201 also for a document that an ingest pipeline dropped, sent to another index or gave another
    id: only ``result: created`` with the index and id that were sent means that our document was created.

    :param said: ``status``, ``result``, ``_index``, ``_id`` and ``error`` of the item, as far as present
    :param index: the index that the document was sent to
    :param identity: its id; None if it was sent without one
    """
    status, error = said.get("status", 503), said.get("error")
    if status in (200, 201):
        if said.get("result") == "noop":
            return Outcome.DROPPED
        if said.get("result") != "created":
            return Outcome.AGAIN  # this says nothing about the document; its id prevents duplicates
        if identity is not None and said.get("_id") != identity:
            return Outcome.FORBIDDEN
        return Outcome.CREATED if said.get("_index") == index else Outcome.DROPPED
    if status == 409:
        if identity is not None and said.get("_id", identity) != identity:
            return Outcome.FORBIDDEN
        return Outcome.EXISTED if said.get("_index", index) == index else Outcome.DROPPED
    if error is not None and error.get("type") in _BLOCKS:
        return Outcome.BLOCKED
    if status == 429:
        return Outcome.BUSY
    if status in TRANSIENT_STATUSES:
        return Outcome.AGAIN
    if status in (401, 403) or _wants_no_ids(error):
        return Outcome.FORBIDDEN
    return Outcome.FAULTY if status >= 500 else Outcome.REJECTED


def judged_failure(error: Exception) -> Outcome:
    """What the failure of a whole bulk request means; FORBIDDEN for anything that another attempt will not cure."""
    from opensearchpy import ConnectionTimeout, SerializationError, TransportError

    if isinstance(error, SerializationError):
        return Outcome.AGAIN  # the response was cut off, or a proxy answered with an HTML page
    if isinstance(error, ConnectionTimeout):
        return Outcome.BUSY  # OpenSearch is most likely still working on it
    if not isinstance(error, TransportError) or not isinstance(error.status_code, int):
        return Outcome.AGAIN if is_transient(error) else Outcome.FORBIDDEN
    if error.status_code == 413:
        return Outcome.TOO_LARGE
    if _type_of(error) in _BLOCKS and error.status_code not in (502, 503, 504):  # 503: briefly no cluster manager
        return Outcome.BLOCKED
    if error.status_code == 429:
        return Outcome.BUSY
    if is_transient(error):
        return Outcome.AGAIN
    return Outcome.FAULTY if error.status_code >= 500 else Outcome.FORBIDDEN


def reason(said: Mapping[str, Any], index: str, identity: str | None) -> str:
    """A sentence that says why an item was not created as it was sent, from the server's response.

    :param said: as in :func:`judged_item`, and likewise the other parameters
    """
    from opensearchpy import TransportError

    status, error = said.get("status", 503), said.get("error")
    if status in (200, 201, 409):
        return _pipelines_doing(said, index, identity)
    words = explain(TransportError(status, (error or {}).get("type", ""), {"error": error}))
    if _wants_no_ids(error):
        return f"{words} A time series collection of OpenSearch Serverless accepts no ids; load it without them."
    return words


def _pipelines_doing(said: Mapping[str, Any], index: str, identity: str | None) -> str:
    if said.get("result") == "noop":
        return f"An ingest pipeline of {index} dropped it, so nothing was stored."
    if identity is not None and said.get("_id") != identity:
        return (
            f"An ingest pipeline of {index} changes the ids of documents ({identity!r} became {said.get('_id')!r}), "
            f"so every attempt would load them once more. Make it leave _id as it is, or set "
            f"index.default_pipeline and index.final_pipeline of {index} to _none."
        )
    if said.get("_index", index) != index:
        return f"An ingest pipeline of {index} sent it to {said['_index']}, so it is not in its raw day."
    return "OpenSearch did not report what became of it."


def _wants_no_ids(error: Mapping[str, Any] | None) -> bool:
    return error is not None and str(error.get("reason", "")).startswith("Document ID is not supported")


def _type_of(error: Any) -> str:
    info = error.args[2] if len(error.args) > 2 else None
    cause = info.get("error") if isinstance(info, Mapping) else None
    return str(cause.get("type")) if isinstance(cause, Mapping) else ""
