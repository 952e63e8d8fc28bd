"""What a row of the ledger keeps when another attempt begins, or when raw days are gone. Pure.

A document is created once, however often it is loaded. So the documents that an attempt created stay known even if the
attempt failed: later loads of the same events find them already there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from opensearch_strata.archive.causes import summed
from opensearch_strata.archive.ledger.loads import Loaded, Reach
from opensearch_strata.archive.ledger.rows import ObjectRow
from opensearch_strata.archive.spans import Span, touch
from opensearch_strata.connections.removals import Removals

if TYPE_CHECKING:
    from opensearch_strata.archive.documents.reading import ReadAs

MOST_DEATHS = 3
"""Once this many loaders in a row have died on an object, the next attempt does not read it.

The first had other objects as well and may have died of any of them; those after it load such an object alone.
"""

_MOST_LOADS = 8


def is_deadly(row: ObjectRow) -> bool:
    """Whether so many loaders in a row died on an object that it is not read, though nobody knows what is wrong.

    :param row: as it was claimed, or finished after that
    """
    return row.deaths >= MOST_DEATHS


def taken_over(row: ObjectRow, span: Span) -> ObjectRow:
    """The row at the beginning of its next attempt.

    An interrupted attempt resumes where it stopped if the range is the same; otherwise counting starts over at record
    0. A finished load still counts for its range.
    """
    deaths = _deaths(row)
    if row.state not in ("running", "failed") or row.span != span:
        loads = _bounded(row.finished)
        row = replace(counted_anew(row), span=span, loads=loads)
    return replace(row, state="running", attempt=row.attempt + 1, error="", deaths=deaths, begun=row.resume)


def _deaths(row: ObjectRow) -> int:
    """How many loaders in a row died on the object, as far as is known when the next attempt begins.

    A loader that still recorded how its load ended did not die. One that got further than the loader before it was not
    killed by the same part of the object.
    """
    if row.state == "running":
        return row.deaths + 1 if row.resume <= row.begun else 1
    return min(row.deaths, MOST_DEATHS - 1) if row.state == "quarantined" else 0


def counted_anew(row: ObjectRow) -> ObjectRow:
    """The row with nothing read yet; the documents that were created stay known."""
    return ObjectRow(
        row.place,
        row.size,
        row.span,
        state=row.state,
        owner=row.owner,
        lease_until=row.lease_until,
        process=row.process,
        attempt=row.attempt,
        earlier=Counter(row.earlier) + Counter(row.days),
        loads=row.loads,
        seq_no=row.seq_no,
        primary_term=row.primary_term,
    )


def stale_days(row: ObjectRow, now: Mapping[str, Removals | None]) -> set[str]:
    """Raw days of a row that may have lost documents.

    Since a load of the object, they were deleted, recreated or restored, or documents in them were deleted or replaced;
    or the load did not record their state.

    :param now: raw index -> its present state; None if it is gone. Other indices are assumed to be unchanged
    """
    return {
        index
        for load in (row.current, *row.loads)
        for index in load.indices & now.keys()
        if not _is_as_it_was(load.removals.get(index), now[index])
    }


def _is_as_it_was(before: Removals | None, now: Removals | None) -> bool:
    return before is not None and now is not None and now.is_unbroken_since(before)


def lost_days(row: ObjectRow, poorer: Collection[str], now: Mapping[str, Removals | None]) -> set[str]:
    """Raw days of a row whose documents must be loaded again.

    These are the :func:`stale_days` and, where indices do not report their state, those that hold fewer documents than
    were created in them.

    :param poorer: the raw days that hold fewer documents than were created in them
    :param now: raw index -> its present state; None if it is gone
    """
    known = {index for load in (row.current, *row.loads) for index in load.removals}
    return stale_days(row, now) | (set(poorer) & row.indices - known)


def retimed_days(row: ObjectRow, reading: ReadAs, now: Mapping[str, Removals | None]) -> set[str]:
    """Raw days that hold documents of a row whose events may have other times now.

    As long as there are any, the object must not be loaded again: see
    :meth:`~opensearch_strata.archive.documents.reading.Landing.is_at_other_times`.

    :param reading: how the object would be read
    :param now: raw index -> its present state; None if it is gone. Other indices are assumed to be there
    """
    loads = [load for load in row.finished if load.is_at_other_times(reading)]
    return {index for load in loads for index in load.indices if not _is_another(load.removals.get(index), index, now)}


def _is_another(before: Removals | None, index: str, now: Mapping[str, Removals | None]) -> bool:
    there = now.get(index)
    return index in now and (there is None or (before is not None and before.uuid != there.uuid))


def without_days(row: ObjectRow, gone: Collection[str]) -> ObjectRow | None:
    """The row without raw days that are gone: it is no longer loaded for ranges that had documents in them.

    :param gone: raw indices
    :returns: None if nothing is left of the row
    """
    lost = set(gone)
    if lost.isdisjoint(row.indices):
        return row
    if named := sorted(lost & row.current.indices):
        error = f"Its documents in {', '.join(named)} are gone, so it is loaded again."
        # It gets no owner: a loader whose lease had expired must not continue after documents that are gone.
        row = replace(counted_anew(row), state="failed", owner="", lease_until=0, process="", error=error)
    loads = tuple(load for load in row.loads if lost.isdisjoint(load.indices))
    earlier = {index: created for index, created in row.earlier.items() if index not in lost}
    if row.state == "failed" and not (row.resume or loads or earlier):
        return None
    return replace(row, loads=loads, earlier=earlier)


def _bounded(loads: Sequence[Loaded]) -> tuple[Loaded, ...]:
    """A limited number of loads: while there are too many, the oldest is merged with one of a range that touches it and
    of the same landing.

    If there is none, it is left out, and its range is loaded again if somebody wants it.
    """
    while len(loads) > _MOST_LOADS:
        oldest, *rest = loads
        near = next((load for load in rest if load.landing == oldest.landing and touch(load.span, oldest.span)), None)
        loads = [_joined(oldest, load) if load is near else load for load in rest]
    return tuple(loads)


def _joined(one: Loaded, other: Loaded) -> Loaded:
    return Loaded(
        span=(min(one.span[0], other.span[0]), max(one.span[1], other.span[1])),
        counts=one.counts + other.counts,
        days=Counter(one.days) + Counter(other.days),
        there=Counter(one.there) + Counter(other.there),
        samples=other.samples or one.samples,
        causes=summed([one.causes, other.causes]),
        ahead=one.ahead + other.ahead,
        latest=max(one.latest, other.latest),
        removals={**other.removals, **one.removals},  # the older removals take precedence, so deletions since then show
        reach=_joined_reach(one.reach, other.reach),
        rules=one.rules.joined(other.rules),
        landing=one.landing,
    )


def _joined_reach(one: Reach | None, other: Reach | None) -> Reach | None:
    """The reach of two loads whose ranges touch; None if it is not known for both, or their definitions differ."""
    if one is None or other is None or one.definition != other.definition:
        return None
    return Reach(min(one.start, other.start), max(one.end, other.end), one.definition)
