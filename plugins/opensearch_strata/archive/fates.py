"""What became of raw days since they were loaded: they are as they were, were changed, retired, or are gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from opensearch_strata.archive.backfill_proof import Fate
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.connections.decisive.states import DayCount
from opensearch_strata.connections.removals import Removals


class Judged(NamedTuple):
    """What became of a raw day since the loads noted its state.

    :param replaced: operations that removed documents
    :param by_state: whether that is known for the former indices of that name as well
    """

    fate: Fate = "same"
    replaced: int = 0
    by_state: bool = True


def fates_of_days(
    ledger: Ledger,
    removals: Mapping[str, Mapping[Removals | None, int]],
    now: Mapping[str, DayCount | None],
    is_retired: Callable[[str, str, int | None], bool],
    retired_state: Callable[[str, str], Removals | None],
) -> dict[str, Judged]:
    """What became of each raw day since the loads noted its state.

    A day may have been retired and begun again by late events: then each load is judged by the index that it noted.

    :param removals: raw index -> its state before each of the loads, and how many documents the loads with this state
        created in it; None in place of the state: a load did not note it
    :param now: raw index -> its present state; None if it is gone
    :param is_retired: see :func:`opensearch_strata.archive.reconcile.prove_range`
    :param retired_state: see there
    """
    former = {
        index: {mark.uuid for mark in marks if mark} - {there.uuid if (there := now[index]) else ""}
        for index, marks in removals.items()
    }
    gone = [index for index, uuids in former.items() if uuids]
    created = ledger.created_by_uuid(gone) if gone else {}
    fates: dict[str, Judged] = {}
    for index, there in now.items():
        marks = removals.get(index, {})
        noted = {mark for mark in marks if mark}
        uuids = former.get(index, set())
        if not all(is_retired(index, uuid, created[index][uuid]) for uuid in uuids):
            known = all(is_retired(index, uuid, None) for uuid in uuids)
            fates[index] = Judged("uncarried" if known else "anew")
            continue
        last = {uuid: retired_state(index, uuid) for uuid in uuids}
        if any((end := last.get(mark.uuid)) and end.is_before(mark, marks[mark]) for mark in noted):
            fates[index] = Judged("uncarried")  # it was deleted with documents that came after its proof
            continue
        if there:
            last[there.uuid] = there.removals
        broken = {mark: end for mark in noted if (end := last[mark.uuid]) and not end.is_unbroken_since(mark)}
        replaced = max((end.removed - mark.removed for mark, end in broken.items()), default=0)
        present = there.uuid if there else ""
        if None in marks:
            fate: Fate = "unknown"
        elif any(mark.uuid != present for mark in broken):
            fate = "altered"
        elif any(end.is_reset_since(mark) for mark, end in broken.items()):
            fate = "reset"
        else:
            fate = "retired" if uuids and not any(mark.uuid == present for mark in noted) else "same"
        fates[index] = Judged(fate, max(0, replaced), by_state=all(last.values()))
    return fates


def in_one_index(
    ledger: Ledger,
    by_all: Mapping[str, int],
    now: Mapping[str, DayCount | None],
    is_retired: Callable[[str, str, int | None], bool],
) -> dict[str, int]:
    """Of raw days with fewer documents than were created in them: how many were created in one and the same index.

    A day that was loaded, deleted and restored from another source had several of that name, each with all documents.
    What was created in one that history carries, and that is gone, need not be there. Whether history carries all of it
    is asked for the loads that are proven, see :func:`fates_of_days`: not for those of other objects.

    :param by_all: raw index -> documents that were created in all indices of that name
    :param now: raw index -> its present state; None if it is gone
    :param is_retired: see :func:`opensearch_strata.archive.reconcile.prove_range`
    """
    poorer = {index: there for index, there in now.items() if there and there.documents < by_all.get(index, 0)}
    found = {}
    for index, created in (ledger.created_by_uuid(poorer) if poorer else {}).items():
        unknown = created.pop("", 0)
        present = poorer[index].uuid
        most = max(
            (n for uuid, n in created.items() if uuid == present or not is_retired(index, uuid, None)), default=0
        )
        found[index] = min(by_all[index], most + unknown)  # more may have been created since the sum was read
    return found
