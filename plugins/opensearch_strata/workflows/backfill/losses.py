"""Finds out which raw days no longer hold what was loaded into them: they were retired, deleted or recreated."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from opensearch_strata.archive.targets.raw_indices import documents_in, refresh_days
from opensearch_strata.connections.decisive.states import DayCount, counts_of_days
from opensearch_strata.history.levels.stored import mapping_of, strata_in
from opensearch_strata.history.month.marks import marks_in, raw_states_in
from opensearch_strata.history.month.rows_of_day import carried
from opensearch_strata.history.raw_day.inspection import inspect_raw_day

if TYPE_CHECKING:
    from datetime import date

    from opensearchpy import OpenSearch

    from opensearch_strata.archive.ledger.store import Ledger
    from opensearch_strata.connections.removals import Removals
    from opensearch_strata.definition.dataset import Dataset


def is_retired(client: OpenSearch, dataset: Dataset, index: str, uuid: str, documents: int | None = None) -> bool:
    """Whether history carries a raw day that is gone, that is, whether its rows came from the index with that UUID.

    If it was deleted by somebody after late documents came, its rows carry fewer than were created in it. If rows were
    lost since, they carry fewer than were proven.

    :param index: name of the raw day
    :param uuid: of the index
    :param documents: how many it must carry at least; None: it need not carry all
    """
    day = dataset.raw.names.date_in(index)
    rows = carried(client, dataset, day) if day else None
    if day is None or rows is None or uuid not in rows.sources:
        return False
    if documents is None:
        return True
    mark = marks_in(strata_in(mapping_of(client, dataset.month_index(day)))).get(day)
    proven = mark.documents if mark and mark.uuid == uuid else 0
    return rows.documents >= max(documents, proven)


def retired_state(client: OpenSearch, dataset: Dataset, index: str, uuid: str) -> Removals | None:
    """The state of a raw day after the proof of the very rows that history has of it; None if it is not known.

    :param index: name of the raw day
    :param uuid: of the index
    """
    day = dataset.raw.names.date_in(index)
    rows = carried(client, dataset, day) if day else None
    if day is None or not rows:
        return None
    strata = strata_in(mapping_of(client, dataset.month_index(day)))
    mark, state = marks_in(strata).get(day), raw_states_in(strata).get(day)
    is_of_them = mark is not None and mark.uuid == uuid and mark.is_of(rows.documents, rows.rows_version)
    return state if is_of_them and state and state.uuid == uuid else None


def is_beyond_raw(client: OpenSearch, dataset: Dataset, day: date) -> bool:
    """Whether history carries documents of a day whose raw index is gone or is another one by now.

    :raises TransientError: OpenSearch does not answer completely
    """
    rows = carried(client, dataset, day)
    if not rows.rows:
        return False
    raw = inspect_raw_day(client, dataset, day)
    return raw is None or bool(rows.sources - {raw.uuid})


def created_in(ledger: Ledger, dataset: Dataset, days: Sequence[date]) -> dict[str, int]:
    """Raw index -> documents that loads created in it, for those of the days that the ledger knows."""
    names = {dataset.raw_index(day) for day in days}
    return {name: count for name, count in sorted(ledger.created_by_day().items()) if name in names}


def states_now(
    client: OpenSearch, ledger: Ledger, created: Iterable[str], poorer: Collection[str]
) -> dict[str, Removals | None]:
    """Raw index -> its present state; None if it is gone.

    The state is :meth:`~opensearch_strata.connections.removals.Removals.short` where the index holds fewer documents
    than were created in this very one.

    :param created: raw indices that loads created documents in
    :param poorer: those of them with fewer documents than were created in all indices of that name
    :raises Refused: a raw day is closed
    :raises TransientError: a raw day cannot be read right now
    """
    # The ledger is read first: documents that are created in the meantime can then only be too many, not too few.
    by_uuid = ledger.created_by_uuid(poorer) if poorer else {}
    found = counts_of_days(client, [*created])
    return {index: _state(there, by_uuid.get(index, {})) for index, there in found.items()}


def _state(there: DayCount | None, created: Mapping[str, int]) -> Removals | None:
    if there is None:
        return None
    return there.removals.short() if there.documents < created.get(there.uuid, 0) else there.removals


def poorer_than_loaded(client: OpenSearch, ledger: Ledger, created: Mapping[str, int]) -> list[str]:
    """Raw days that hold fewer documents than loads created in them, because they were deleted or recreated since.

    A raw day in which loads found all documents already there must hold at least one.

    :param created: raw index -> documents that loads created in it
    :raises TransientError: a raw day cannot be counted right now
    """
    if not ledger.index.serverless:
        refresh_days(client, list(created))
    held = documents_in(client, list(created), serverless=ledger.index.serverless)
    return [name for name, count in created.items() if (held[name] or 0) < max(count, 1)]
