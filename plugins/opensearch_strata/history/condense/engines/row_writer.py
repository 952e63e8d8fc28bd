"""Writes rows under a condition: a run that read an older state of a raw day never overwrites rows of a newer state.

A row's external version encodes which state of which raw index it came from: the time of the index's creation, then the
number of operations that its primaries had performed before the first search of the pass. The month refuses a lower
version (409), even if the row was deleted within ``index.gc_deletes``. A row that a transform job wrote has an internal
version, which says nothing about the raw day. For such a row the sequence number decides, which is read before the raw
day is inspected again.
https://docs.opensearch.org/latest/api-reference/document-apis/index-document/ (``version_type``, ``if_seq_no``)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.buckets.bucket_pages import PATIENTLY
from opensearch_strata.history.month.bulk import Action, send_rows
from opensearch_strata.history.raw_day.inspection import RawDay

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Row = tuple[str, Mapping[str, Any] | None]
"""``_id`` and document; a document of None deletes the row."""

_EPOCH = 1_577_836_800
"""2020-01-01 in epoch seconds: with 31 bits of seconds from then on, versions are positive until 2088."""


def version_of(raw: RawDay) -> int:
    """The state of a raw day as one number, which grows with every write and is higher for indices created later.

    :param raw: the raw day, inspected before the first search of the pass
    """
    seconds = max(0, raw.created // 1000 - _EPOCH)
    operations = min(sum(number + 1 for number in raw.sequence), 2**32 - 1)
    return seconds << 32 | operations


def write_rows(client: OpenSearch, month: str, raw: RawDay, rows: Sequence[Row]) -> None:
    """Write and delete rows of a raw day. A row that is refused with 429 or 503 is sent again, as rows are idempotent.

    :param month: name of the month index
    :param raw: the raw day, inspected before the rows were read from it
    :raises Refused: the month does not accept a row, the raw day is gone, or another index has its name
    :raises TransientError: another run condensed a newer state of the day; nothing newer was overwritten
    """
    _require_both(client, month, raw)
    version = {"version": version_of(raw), "version_type": "external_gte"}
    actions: list[Action] = [(identity, source, version) for identity, source in rows]
    conflicts = _send(client, month, actions)
    if conflicts:
        _overwrite(client, month, raw, [row for row in rows if row[0] in conflicts])


def _require_both(client: OpenSearch, month: str, raw: RawDay) -> None:
    """Make sure that the raw day is still the index that was read, and that the month exists.

    A bulk request would create a missing month.
    """
    from opensearchpy import NotFoundError

    try:
        uuids = PATIENTLY(decisive.uuids_of, client, [raw.index, month])
    except NotFoundError as error:
        raise TransientError(
            f"{raw.index} or {month} was deleted while the day was condensed. {explain(error)} Rows written so far "
            f"were kept as they are; run again."
        ) from None
    if uuids[raw.index] != raw.uuid:
        raise Refused(gone_or_recreated(raw))


def gone_or_recreated(raw: RawDay) -> str:
    """Sentence for a raw day that is no longer the index that was condensed."""
    return (
        f"{raw.index} was deleted or recreated while it was condensed. Its rows were kept as they are; the next run "
        f"reads what exists then."
    )


def _overwrite(client: OpenSearch, month: str, raw: RawDay, rows: Sequence[Row]) -> None:
    """Overwrite rows whose stored version is not lower, if the raw day is still as it was when they were made.

    The order makes this safe: first the rows' sequence numbers are read, then the raw day. If the raw day did not
    change, nobody can have written a newer row before, and a later write changes the sequence numbers.
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
    """Make sure that nothing was written to a raw day or deleted from it since it was inspected.

    :raises Refused: it is gone, or another index has its name
    :raises TransientError: it has changed
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
    """Sentence for a pass that another run or a producer has overtaken."""
    return (
        f"{raw.index} changed while it was condensed, and its rows may come from a newer state than this run has read. "
        f"Nothing newer was overwritten; run it again."
    )


def _send(client: OpenSearch, month: str, actions: Sequence[Action]) -> set[str]:
    found: set[str] = PATIENTLY(send_rows, client, month, actions)
    return found
