"""Sends what a dashboard needs: scripts to OpenSearch, saved objects to OpenSearch Dashboards.

The import is that of ``src/core/server/saved_objects/routes/import.ts`` of OpenSearch Dashboards 3.x: a form with a
file whose name ends with ``.ndjson``, and the header ``osd-xsrf``, without which Dashboards refuses to change anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opensearch_strata.dashboards.stored_scripts import stored_scripts
from opensearch_strata.errors import Refused
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.judging import explain
from opensearch_strata.errors.printable import printable

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_MOST_NAMED = 3


def store_scripts(client: OpenSearch) -> list[str]:
    """Store the scripts that merge rows for charts; returns their ids. Those that are there are replaced by the same.

    The server compiles each before it stores it.
    """
    stored = []
    for part, (identity, text) in stored_scripts().items():
        body = {"script": {"lang": "painless", "source": text}}
        client.put_script(id=identity, body=body, context=f"aggs_{part}")
        stored.append(identity)
    return stored


def import_objects(dashboards: OpenSearch, ndjson: str) -> int:
    """Import saved objects; those with the same ids are replaced. Returns how many there are.

    :param dashboards: a client whose URL is that of OpenSearch Dashboards, with its base path; it must not compress
    :param ndjson: one JSON object a line
    :raises Refused: Dashboards cannot be reached or did not take all of them; the message says why
    """
    from opensearchpy.exceptions import OpenSearchException

    content_type, body = _form(ndjson)
    headers = {"osd-xsrf": "true", "content-type": content_type}
    try:
        answer = dashboards.transport.perform_request(
            "POST", "/api/saved_objects/_import", params={"overwrite": "true"}, headers=headers, body=body
        )
    except OpenSearchException as error:
        reason = explain(error).replace("OpenSearch", "OpenSearch Dashboards", 1)
        raise Refused(
            f"The saved objects were not imported. {reason} Run the command again when it is mended."
        ) from error
    wanted = ndjson.count("\n")
    if not isinstance(answer, Mapping) or answer.get("success") is not True or answer.get("successCount") != wanted:
        raise Refused(_sentence(answer, wanted))
    return wanted


def _form(ndjson: str) -> tuple[str, bytes]:
    """A form with one file, and its type (RFC 7578)."""
    content = ndjson.encode()
    boundary = f"strata-{hashlib.sha256(content).hexdigest()}"
    head = (
        f"--{boundary}\r\n"
        'Content-Disposition: form-data; name="file"; filename="strata.ndjson"\r\n'
        "Content-Type: application/x-ndjson\r\n\r\n"
    )
    return f"multipart/form-data; boundary={boundary}", head.encode() + content + f"\r\n--{boundary}--\r\n".encode()


def _sentence(answer: Any, wanted: int) -> str:
    """What became of objects that were not all imported.

    :param answer: what Dashboards said
    :param wanted: how many objects there are
    """
    if not isinstance(answer, Mapping) or "success" not in answer:
        return (
            "What answered is not the import of OpenSearch Dashboards, so nothing is known of the saved objects. Check "
            "the URL and its base path: for Amazon OpenSearch Service it ends with /_dashboards."
        )
    errors = [one for one in answer.get("errors") or [] if isinstance(one, Mapping)]
    reasons = [f"{one.get('type')} {one.get('id')}: {_reason(one.get('error'))}" for one in errors[:_MOST_NAMED]]
    more = f" And {counted(len(errors) - _MOST_NAMED, 'more')}." if len(errors) > _MOST_NAMED else ""
    told = f" {printable('; '.join(reasons))}.{more}" if reasons else ""
    return (
        f"OpenSearch Dashboards imported {answer.get('successCount')} of {counted(wanted, 'saved object')}.{told} "
        "Those that it took are kept; run the command again when the cause is mended."
    )


def _reason(error: Any) -> str:
    found = error if isinstance(error, Mapping) else {}
    return str(found.get("message") or found.get("type") or "no reason given")
