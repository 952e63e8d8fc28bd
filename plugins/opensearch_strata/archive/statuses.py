"""What an answer of the bulk API means, item by item and as a whole.

Item statuses: https://docs.opensearch.org/latest/api-reference/document-apis/bulk/. Blocks:
``org.opensearch.cluster.block.ClusterBlockException``, 403 or 429 with the level in the text
(``FORBIDDEN/12/index read-only / allow delete (api)`` since a disk ran full).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from opensearch_strata.errors import TRANSIENT_STATUSES, explain, is_transient


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


def judged_item(status: int, error: Mapping[str, Any] | None) -> Verdict:
    """What one item of a bulk answer means.

    :param error: the item's ``error``
    """
    if status in (200, 201):
        return Verdict.CREATED
    if status == 409:
        return Verdict.EXISTED
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


def reason(status: int, error: Mapping[str, Any] | None) -> str:
    """The server's words on an item, as a sentence."""
    from opensearchpy import TransportError

    words = explain(TransportError(status, (error or {}).get("type", ""), {"error": error}))
    if _wants_no_ids(error):
        return f"{words} A time series collection of OpenSearch Serverless takes no ids; load it without them."
    return words


def _wants_no_ids(error: Mapping[str, Any] | None) -> bool:
    return error is not None and str(error.get("reason", "")).startswith("Document ID is not supported")


def _type_of(error: Any) -> str:
    info = error.args[2] if len(error.args) > 2 else None
    cause = info.get("error") if isinstance(info, Mapping) else None
    return str(cause.get("type")) if isinstance(cause, Mapping) else ""
