"""Which errors are worth another attempt, and one sentence for any answer of OpenSearch or AWS.

DAG files import this through :mod:`opensearch_strata.airflow.retry`, so opensearch-py and botocore are imported only
when an error is judged.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from opensearch_strata.errors import StrataError, TransientError, aws
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.printable import brief, printable

if TYPE_CHECKING:
    from opensearchpy.exceptions import TransportError
    from opensearchpy.helpers.errors import BulkIndexError

TRANSIENT_STATUSES = frozenset({429, 502, 503, 504})
"""HTTP statuses that mean "not now" rather than "no"."""

_PASSING = frozenset({"snapshot_in_progress_exception"})
"""Error types that pass by themselves, whatever their status (400): an index being snapshotted cannot be deleted."""

_BLOCK = re.compile(r"index \[([^\[\]]+)\] blocked by: \[\w+/(\d+)/")
_SETTINGS = {"5": "read_only", "7": "read", "8": "write", "9": "metadata"}
"""Number of an index block -> the setting below ``index.blocks`` that sets it.
https://github.com/opensearch-project/OpenSearch/blob/main/server/src/main/java/org/opensearch/cluster/metadata/IndexMetadata.java
"""
_CLOSED, _FULL_DISK = "4", "12"


def is_transient(error: BaseException) -> bool:
    """Whether another attempt may succeed although nobody changes anything.

    True for :class:`TransientError`, no connection, no answer in time, an answer that cannot be read, 429, 502, 503 and
    504, a running snapshot, and a bulk request whose items were all refused with one of these statuses; for AWS see
    :func:`aws.is_transient`. False for certificates, authentication, permissions, bad requests, missing indices and
    everything unknown.
    """
    from opensearchpy.exceptions import ConnectionError as NoConnection
    from opensearchpy.exceptions import SerializationError, TransportError
    from opensearchpy.helpers.errors import BulkIndexError

    match error:
        case TransientError() | SerializationError():
            return True
        case BulkIndexError():
            return all(item.get("status") in TRANSIENT_STATUSES for item in _bulk_items(error))
        case NoConnection():
            return not _is_tls_fault(error)
        case TransportError():
            return error.status_code in TRANSIENT_STATUSES or error.error in _PASSING
    return aws.is_transient(error)


def is_known(error: BaseException) -> bool:
    """Whether the sentence of :func:`explain` is all that there is to say: it is ours, or an answer of OpenSearch or
    AWS. Anything else is a fault of the program, whose trace is worth more.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from opensearchpy import OpenSearchException
    from opensearchpy.helpers.errors import BulkIndexError

    return isinstance(error, StrataError | OpenSearchException | BulkIndexError | BotoCoreError | ClientError)


def explain(error: BaseException) -> str:
    """One sentence about any exception, with its status, type, reason, causes and script line as far as they are known.

    Never contains headers or credentials, even if the server repeats them, nor control characters for a terminal.
    """
    return printable(_explained(error))


def _explained(error: BaseException) -> str:
    from opensearchpy.exceptions import ConnectionError as NoConnection
    from opensearchpy.exceptions import ConnectionTimeout, SerializationError, TransportError
    from opensearchpy.helpers.errors import BulkIndexError

    match error:
        case StrataError():
            return str(error)
        case SerializationError():
            return f"OpenSearch or a proxy in between sent an answer that is not JSON ({brief(str(error.args[0]))})."
        case BulkIndexError():
            return _explain_bulk(error)
        case ConnectionTimeout():
            return f"OpenSearch did not answer in time ({_reason(error)})."
        case NoConnection() if _is_tls_fault(error):
            return f"No trusted TLS connection to OpenSearch could be established ({_reason(error)})."
        case NoConnection():
            return f"OpenSearch cannot be reached ({_reason(error)})."
        case TransportError():
            answer = _explain_answer(error)
            return f"OpenSearch answered {error.status_code}: {answer}.{_cure_of_block(answer)}"
    return aws.explain(error) or f"{type(error).__name__}: {brief(str(error)) or 'no message'}."


def _is_tls_fault(error: TransportError) -> bool:
    """Whether the certificates or the protocol do not match, which no retry cures.

    opensearch-py reports this as ``SSLError`` with urllib3 but as a plain ``ConnectionError`` with aiohttp, so the
    cause decides. A TLS connection that was cut off is not such a fault.
    """
    from opensearchpy.exceptions import SSLError

    cause = _info(error)
    while isinstance(cause, BaseException):
        if isinstance(cause, ssl.SSLError):
            return not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError)
        cause = cause.__cause__ or cause.__context__
    return isinstance(error, SSLError)


def _explain_answer(error: TransportError) -> str:
    body = _body(error)
    causes = list(_causes(body.get("error")))
    if not causes:  # the security plugin answers in plain text, AWS with {"message": ...}, proxies in HTML
        text = str(body.get("error") or body.get("message") or body.get("Message") or error.error)
        return "a web page, so the answer came from a proxy in between" if text.startswith("<") else brief(text)
    line = next((line for cause in causes if (line := _script_line(cause))), None)
    return _because(causes) + (f", at script line `{brief(line)}`" if line else "")


def _because(causes: list[Mapping[str, Any]]) -> str:
    return ", because ".join(f"{brief(str(cause['type']))} ({brief(str(cause.get('reason')))})" for cause in causes)


def _cure_of_block(answer: str) -> str:
    """What to do about the index block that an answer names; empty if it names none."""
    if not (found := _BLOCK.search(answer)):
        return ""
    index, block = found.groups()
    if block == _CLOSED:
        return f" {index} is closed: open it and run again."
    if block == _FULL_DISK:
        return f" The disk of a node of {index} is full: make room there, and the server lifts the block by itself."
    if block in _SETTINGS:
        return f" Somebody blocked {index}: set index.blocks.{_SETTINGS[block]} to null on it and run again."
    return ""


def _body(error: TransportError) -> Mapping[str, Any]:
    """The JSON body of the answer, which opensearch-py's signing async connection leaves undecoded."""
    info = _info(error)
    if isinstance(info, Mapping):
        return info
    try:
        body = json.loads(error.error)
    except (TypeError, ValueError):
        return {}
    return body if isinstance(body, Mapping) else {}


def _causes(error: Any) -> Iterator[Mapping[str, Any]]:
    """An error of the server and its causes, outermost first."""
    while isinstance(error, Mapping) and "type" in error:
        yield error
        shards = error.get("failed_shards") or [{}]
        roots = [root for root in error.get("root_cause") or [] if root.get("reason") != error.get("reason")]
        error = error.get("caused_by") or shards[0].get("reason") or (roots[0] if roots else None)


def _script_line(cause: Mapping[str, Any]) -> str | None:
    """The line of a Painless script that the server's ``^---- HERE`` points to in an excerpt of several lines."""
    stack = cause.get("script_stack") or []
    for excerpt, marker in pairwise(stack):
        if (column := marker.find("^---- HERE")) >= 0:
            return str(excerpt[excerpt.rfind("\n", 0, column) + 1 :])
    return None


def _explain_bulk(error: BulkIndexError) -> str:
    items = _bulk_items(error)
    first = items[0]
    cause = _because(list(_causes(first.get("error")))) or brief(str(first.get("error")))
    return (
        f"OpenSearch refused {counted(len(items), 'document')} of a bulk request; the first, {first.get('_id')!r} "
        f"for index {first.get('_index')!r}, with {first.get('status')}: {cause}."
        f"{_cure_of_block(cause)}"
    )


def _bulk_items(error: BulkIndexError) -> list[Mapping[str, Any]]:
    return [outcome for item in error.errors for outcome in item.values()]


def _reason(error: TransportError) -> str:
    return brief(str(error.error)) or type(_info(error)).__name__


def _info(error: TransportError) -> Any:
    """The answer, or the underlying exception; opensearch-py sometimes leaves it out."""
    return error.args[2] if len(error.args) > 2 else None
