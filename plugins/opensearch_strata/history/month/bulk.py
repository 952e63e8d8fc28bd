"""Bulk requests of rows, each written under a condition of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from opensearch_strata.errors import Refused
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.judging import explain, is_transient

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Action = tuple[str, Mapping[str, Any] | None, Mapping[str, Any]]
"""``_id`` and document of a row, None to delete it; and the condition under which it is written."""

_CONFLICT = 409


def send_rows(client: OpenSearch, month: str, actions: Sequence[Action]) -> set[str]:
    """Send rows, each with a condition. Returns the ids of those whose condition did not hold.

    :param month: name of the index
    :param actions: rows of one request
    :raises Refused: the month does not accept a row
    """
    from opensearchpy.helpers.errors import BulkIndexError

    lines = []
    for identity, source, condition in actions:
        verb = "delete" if source is None else condition.get("op_type", "index")
        rest = {key: value for key, value in condition.items() if key != "op_type"}
        lines.append(orjson.dumps({verb: {"_id": identity, **rest}}))
        if source is not None:
            lines.append(orjson.dumps(source))
    kept = {"filter_path": "errors,items.*.error,items.*.status,items.*._id,items.*._index"}
    answer = client.bulk(body=b"\n".join([*lines, b""]), index=month, params=kept)
    if not answer["errors"]:
        return set()
    results = [next(iter(item.values())) for item in answer["items"]]
    conflicts = {result["_id"] for result in results if result["status"] == _CONFLICT}
    refused = [{"index": result} for result in results if "error" in result and result["status"] != _CONFLICT]
    if refused:
        error = BulkIndexError(f"{counted(len(refused), 'row')} refused", refused)
        if is_transient(error):
            raise error
        raise Refused(f"{explain(error)} Rows written so far were kept; the next run overwrites them.")
    return conflicts
