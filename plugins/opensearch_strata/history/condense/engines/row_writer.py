"""Rows written under a condition: whoever read an older state of a raw day never overwrites what a newer one gave.

A row's external version says which state of which raw index it came from: the index's creation, then the number of
operations that its primaries had done before the first search of the pass. The month refuses a lower one (409), also
where the row was deleted within ``index.gc_deletes``. A row that a transform job wrote has an internal version, which
says nothing; there the sequence number of the row decides, read before the raw day is looked at once more.
https://docs.opensearch.org/latest/api-reference/document-apis/index-document/ (``version_type``, ``if_seq_no``)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from opensearch_strata.connections import decisive
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.judging import explain, is_transient
from opensearch_strata.history.buckets.pages import PATIENTLY
from opensearch_strata.history.raw_day.inspection import RawDay

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Row = tuple[str, Mapping[str, Any] | None]
"""``_id`` and document; None deletes the row."""

Action = tuple[str, Mapping[str, Any] | None, Mapping[str, Any]]
"""A row, and the condition under which it is written."""

_EPOCH = 1_577_836_800
"""2020-01-01 in seconds: with 31 bits of seconds from here the version is positive until 2088."""

_CONFLICT = 409


def version_of(raw: RawDay) -> int:
    """The state of a raw day as one number, higher with every write to it and for every index that is created later.

    :param raw: inspected before the first search of the pass
    """
    seconds = max(0, raw.created // 1000 - _EPOCH)
    operations = min(sum(number + 1 for number in raw.sequence), 2**32 - 1)
    return seconds << 32 | operations


def write_rows(client: OpenSearch, month: str, raw: RawDay, rows: Sequence[Row]) -> None:
    """Write and delete rows of a raw day; what is refused with 429 or 503 is sent again, rows being idempotent.

    :param month: name of the month index
    :param raw: inspected before the rows were read from it
    :raises Refused: the month cannot take a row, or the raw day is gone or another index bears its name
    :raises TransientError: somebody else condensed a newer state of the day; nothing newer was overwritten
    """
    _require_both(client, month, raw)
    version = {"version": version_of(raw), "version_type": "external_gte"}
    actions: list[Action] = [(identity, source, version) for identity, source in rows]
    conflicts = _send(client, month, actions)
    if conflicts:
        _overwrite(client, month, raw, [row for row in rows if row[0] in conflicts])


def _require_both(client: OpenSearch, month: str, raw: RawDay) -> None:
    """The raw day is still the one that was read, and the month is there: a bulk request would create it."""
    from opensearchpy import NotFoundError

    try:
        uuids = PATIENTLY(decisive.uuids_of, client, [raw.index, month])
    except NotFoundError as error:
        raise TransientError(
            f"{raw.index} or {month} was deleted while the day was condensed ({explain(error)}) Rows written so far "
            f"were kept as they are; run again to see."
        ) from None
    if uuids[raw.index] != raw.uuid:
        raise Refused(gone_or_recreated(raw))


def gone_or_recreated(raw: RawDay) -> str:
    """Sentence for a raw day that is no longer the index that was condensed."""
    return (
        f"{raw.index} was deleted or recreated while it was condensed. Its rows stay as they are; the next run "
        f"looks at what is there now."
    )


def _overwrite(client: OpenSearch, month: str, raw: RawDay, rows: Sequence[Row]) -> None:
    """Write rows that bear no lower version, if the raw day is still as it was when they were made.

    The order is what makes it safe: first the rows' sequence numbers, then the raw day. If that did not move, nobody
    can have written anything newer before, and what is written after it changes the sequence numbers.
    """
    decisive.refresh(client, month)
    body = {
        "size": len(rows),
        "seq_no_primary_term": True,
        "_source": False,
        "query": {"ids": {"values": [identity for identity, _ in rows]}},
    }
    there = {hit["_id"]: hit for hit in PATIENTLY(decisive.search, client, month, body)["hits"]["hits"]}
    require_unmoved(client, raw)
    actions: list[Action] = []
    for identity, source in rows:
        if hit := there.get(identity):
            condition: dict[str, Any] = {"if_seq_no": hit["_seq_no"], "if_primary_term": hit["_primary_term"]}
        elif source is None:
            continue
        else:
            condition = {"op_type": "create"}
        actions.append((identity, source, condition))
    if actions and _send(client, month, actions):
        raise TransientError(overtaken(raw))


def require_unmoved(client: OpenSearch, raw: RawDay) -> None:
    """Make sure that nothing was written to a raw day, or deleted from it, since it was inspected.

    :raises Refused: it is gone, or another index bears its name
    :raises TransientError: it moved
    """
    from opensearchpy import NotFoundError

    try:
        now = decisive.primaries(client, raw.index)
    except NotFoundError:
        raise Refused(gone_or_recreated(raw)) from None
    if now.uuid != raw.uuid:
        raise Refused(gone_or_recreated(raw))
    if now.sequence != raw.sequence:
        raise TransientError(overtaken(raw))


def overtaken(raw: RawDay) -> str:
    """Sentence for a pass that somebody else was faster than."""
    return (
        f"{raw.index} moved while it was condensed, and its rows may be of a newer state than this run has read. "
        f"Nothing newer was overwritten; run it again."
    )


def _send(client: OpenSearch, month: str, actions: Sequence[Action]) -> set[str]:
    found: set[str] = PATIENTLY(_bulk, client, month, actions)
    return found


def _bulk(client: OpenSearch, month: str, actions: Sequence[Action]) -> set[str]:
    """Send rows with a condition each; the ids of those whose condition did not hold.

    :raises Refused: the month cannot take a row
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
        error = BulkIndexError(f"{len(refused)} rows were refused", refused)
        if is_transient(error):
            raise error
        raise Refused(f"{explain(error)} Rows written so far were kept; the next run overwrites them.")
    return conflicts
