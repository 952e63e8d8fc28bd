"""The levels of a day or a month: looked at, compared with the base rows, or built from them and noted.

Rows of levels are merged only from base rows that their mark says are proven. A level that is to be built is taken out
of the note of its day before the first of its rows is written, and noted with the version of its rows after all of them
were compared. So whoever is killed in between leaves base rows as they were, and a level that no reader takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.levels import Level
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.history.levels.index import ensure_levels_index, is_of
from opensearch_strata.history.levels.merge.definitions import as_stored
from opensearch_strata.history.levels.merge.merging import RowsOfUnit, days_of
from opensearch_strata.history.levels.outcome import LevelOfUnit, Mode, State, UnitLevels
from opensearch_strata.history.levels.proving import ProvenLevel, Target, finished, prove_levels, send
from opensearch_strata.history.levels.stored import (
    StoredLevel,
    base_rows,
    identities_of,
    mapping_of,
    stored_levels,
    strata_in,
)
from opensearch_strata.history.month.level_notes import (
    LEVEL,
    LevelNote,
    complete_levels,
    complete_month,
    marks_version,
    note_levels,
)
from opensearch_strata.history.month.marks import Mark, marks_in

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


@dataclass(frozen=True)
class _Unit:
    """What levels are merged from.

    :param name: the day or the month, in words
    :param id: what rows of its levels have as ``transform._id``
    :param base: the base rows
    :param marks: of its days
    :param found: the base rows of each day, as they are
    :param month: mapping of the month index
    :param noted: what is noted as complete; None if nothing is
    :param finer: complete levels of its days that levels of a month can be merged from
    """

    name: str
    id: str
    base: RowsOfUnit
    marks: Mapping[date, Mark]
    found: Mapping[str, StoredLevel]
    month: Mapping[str, Any]
    noted: LevelNote | None
    finer: Sequence[Level] = ()

    @property
    def documents(self) -> int:
        return sum(rows.documents for rows in self.found.values())

    @property
    def rows(self) -> int:
        return sum(rows.rows for rows in self.found.values())


def levels_of_day(client: OpenSearch, dataset: Dataset, day: date, mode: Mode) -> UnitLevels:
    """The levels of a day; those of its month are left to :func:`levels_of_month`.

    :raises Refused: the index of levels is not of this definition
    :raises TransientError: base rows or the index of levels were written, deleted or recreated meanwhile
    """
    levels = [level for level in dataset.levels if not level.is_of_months]
    if not levels:
        return UnitLevels(f"{day}")
    month = mapping_of(client, dataset.month_index(day))
    strata = strata_in(month)
    marks = {one: mark for one, mark in marks_in(strata).items() if one == day}
    noted = complete_levels(strata).get(day)
    unit = _unit(client, dataset, f"{day}", dataset.transform_id(day), day, marks, month, noted)
    if why := _why_not(dataset, unit):
        return UnitLevels(unit.name, unit.documents, note=why)

    def note(versions: Mapping[str, str]) -> None:
        of = unit.found[unit.id].version
        note_levels(client, unit.base.index, {day: LevelNote(of, versions, quantiles_of(dataset))})

    return _done(client, dataset, unit, levels, mode, note)


def levels_of_month(client: OpenSearch, dataset: Dataset, month: date, mode: Mode) -> UnitLevels:
    """The levels of a month, merged from all of its proven days.

    :param month: any day of it
    :raises Refused: see :func:`levels_of_day`
    :raises TransientError: see :func:`levels_of_day`
    """
    first = month.replace(day=1)
    levels = [level for level in dataset.levels if level.is_of_months]
    if not levels:
        return UnitLevels(f"{first:%Y-%m}")
    mapping = mapping_of(client, dataset.month_index(first))
    strata = strata_in(mapping)
    marks, days = marks_in(strata), complete_levels(strata)
    finer = [
        level
        for level in dataset.levels
        if not level.is_of_months and all(day in days and level.name in days[day].versions for day in marks)
    ]
    name, id_ = f"{first:%Y-%m}", dataset.unit_id(levels[0], first)
    unit = _unit(client, dataset, name, id_, first, marks, mapping, complete_month(strata), finer)
    if why := _why_not(dataset, unit):
        return UnitLevels(unit.name, unit.documents, note=why)

    def note(versions: Mapping[str, str]) -> None:
        if marks_in(strata_in(mapping_of(client, dataset.month_index(first)))) != marks:
            raise TransientError(_moved(unit))
        note = LevelNote(marks_version(marks), versions, quantiles_of(dataset))
        note_levels(client, unit.base.index, {}, note)

    return _done(client, dataset, unit, levels, mode, note)


def _unit(
    client: OpenSearch,
    dataset: Dataset,
    name: str,
    id_: str,
    first: date,
    marks: Mapping[date, Mark],
    month: Mapping[str, Any],
    noted: LevelNote | None,
    finer: Sequence[Level] = (),
) -> _Unit:
    ids = [dataset.transform_id(day) for day in sorted(marks)]
    base = RowsOfUnit(dataset.month_index(first), ids, first)
    found = base_rows(client, base.index, ids) if ids else {}
    return _Unit(name, id_, base, marks, found, month, noted, finer)


def quantiles_of(dataset: Dataset) -> tuple[float, ...]:
    """The quantiles that rows of levels are to carry, as notes name them."""
    return tuple(sorted(dataset.history.quantiles))


def _why_not(dataset: Dataset, unit: _Unit) -> str:
    """Why nothing can be merged from base rows, a sentence; empty if it can."""
    if not unit.marks:
        return f"No rows of {unit.name} are noted as proven, so no level is merged from them."
    for day, mark in sorted(unit.marks.items()):
        rows = unit.found.get(dataset.transform_id(day))
        if rows is None or rows.documents != mark.documents or mark.rows_version not in ("", rows.version):
            return f"The rows of {day} are not those that were proven, so no level is merged from them."
    return ""


def _moved(unit: _Unit) -> str:
    return (
        f"The rows of {unit.name} were written or proven anew while levels were merged from them. Base rows are read "
        f"instead; run it again."
    )


def _done(
    client: OpenSearch,
    dataset: Dataset,
    unit: _Unit,
    levels: Sequence[Level],
    mode: Mode,
    note: Callable[[Mapping[str, str]], None],
) -> UnitLevels:
    index = dataset.levels_index(unit.base.unit)
    uuid, stored = _stored(client, dataset, index, unit)
    there = unit.noted.versions if unit.noted else {}
    noted = there if unit.noted and unit.noted.quantiles == quantiles_of(dataset) else {}
    current = {
        level.name: stored[level.name].version
        for level in levels
        if level.name in stored and noted.get(level.name) == stored[level.name].version
    }
    strangers = stored.keys() - {level.name for level in levels}
    if mode == "look" or (mode == "build" and len(current) == len(levels) and not strangers):
        return _told(unit, [_seen(level, stored, current) for level in levels])
    if mode == "compare":
        return _told(unit, _compared(client, dataset, unit, levels, Target(index, uuid, unit.id), stored, current))
    target = Target(index, ensure_levels_index(client, dataset, unit.base.unit, unit.month), unit.id)
    if uuid != target.uuid:
        stored, current = {}, {}
    if there.keys() != current.keys():
        note(current)  # nobody takes a level from here on until it is noted again
    if strangers:  # of a level that the definition no longer has
        known = {"terms": {LEVEL: [level.name for level in levels]}}
        gone = identities_of(client, index, unit.id, [{"bool": {"must_not": [known]}}])
        send(client, target, [(identity, None) for identity in gone])
    done = _built(client, dataset, unit, levels, target, stored, current)
    if base_rows(client, unit.base.index, unit.base.ids) != unit.found:
        raise TransientError(_moved(unit))
    note(current)
    return _told(unit, done)


def _stored(client: OpenSearch, dataset: Dataset, index: str, unit: _Unit) -> tuple[str, dict[str, StoredLevel]]:
    """UUID of the index of levels, and what it holds of a unit; empty if there is none."""
    found = client.indices.get(index=index, params={"ignore_unavailable": "true", "flat_settings": "true"})
    if index not in found or not is_of(dataset, strata_in(found[index]["mappings"])):
        return "", {}
    uuid = str(found[index]["settings"]["index.uuid"])
    return uuid, stored_levels(client, index, [unit.id], uuid).get(unit.id, {})


def _seen(level: Level, stored: Mapping[str, StoredLevel], current: Mapping[str, str]) -> LevelOfUnit:
    rows = stored.get(level.name, StoredLevel(0, 0, ""))
    return LevelOfUnit(level.name, "complete" if level.name in current else "missing", rows.rows, rows.documents)


def _told(unit: _Unit, levels: Sequence[LevelOfUnit]) -> UnitLevels:
    return UnitLevels(unit.name, unit.documents, levels)


def _compared(
    client: OpenSearch,
    dataset: Dataset,
    unit: _Unit,
    levels: Sequence[Level],
    target: Target,
    stored: Mapping[str, StoredLevel],
    current: Mapping[str, str],
) -> list[LevelOfUnit]:
    """Levels whose rows are compared with base rows, whatever is noted of them."""
    if not stored:
        return [_seen(level, stored, current) for level in levels]
    merged = as_stored(client, dataset, unit.base, unit.marks.values(), strata_in(unit.month))
    days = days_of(client, dataset, unit.base, unit.rows)
    found = prove_levels(client, merged, dict.fromkeys(levels, unit.base), days, target, unit.documents, write=False)
    finished(client, _proven(found), target, write=False)
    return [_found(level, found[level], "complete" if level.name in current else "missing") for level in levels]


def _found(level: Level, found: ProvenLevel | Refused, state: State) -> LevelOfUnit:
    """What a comparison came to.

    :param state: of a level whose rows are those that it must have
    """
    if isinstance(found, Refused):
        return LevelOfUnit(level.name, "left out", note=str(found))
    if found.holds:
        return LevelOfUnit(level.name, state, found.rows, found.documents)
    return LevelOfUnit(level.name, "differs", found.rows, found.documents, f"{found.difference}.")


def _proven(found: Mapping[Level, ProvenLevel | Refused]) -> dict[Level, ProvenLevel]:
    return {level: one for level, one in found.items() if isinstance(one, ProvenLevel)}


def _built(
    client: OpenSearch,
    dataset: Dataset,
    unit: _Unit,
    levels: Sequence[Level],
    target: Target,
    stored: Mapping[str, StoredLevel],
    current: dict[str, str],
) -> list[LevelOfUnit]:
    """Build each level that is not complete, and add it to those that are.

    Those that are merged from base rows come first, together; then those that are merged from them.
    """
    try:
        merged = as_stored(client, dataset, unit.base, unit.marks.values(), strata_in(unit.month))
    except Refused as error:
        return [LevelOfUnit(level.name, "left out", note=str(error)) for level in levels]
    days = days_of(client, dataset, unit.base, unit.rows)
    found: dict[Level, ProvenLevel | Refused] = {}
    pending = [level for level in levels if level.name not in current]
    ready = [level for level in levels if level.name in current]
    while pending:
        first = [level for level in pending if not any(map(level.can_be_merged_from, pending))]
        sources = {level: _source(dataset, unit, level, ready, target) for level in first}
        some = prove_levels(client, merged, sources, days, target, unit.documents, write=True)
        found |= some
        # Rows of groups that are gone must be, too, before the next levels are merged from what the index holds.
        stored = finished(client, _proven(some), target, write=True)
        ready += [level for level, one in _proven(some).items() if one.holds]
        pending = [level for level in pending if level not in first]
    proven = _proven(found)
    for level in found.keys() - proven.keys():
        if level.name in stored:  # nobody must chart what was written before it turned out that it cannot be merged
            gone = identities_of(client, target.index, unit.id, [{"term": {LEVEL: level.name}}])
            send(client, target, [(identity, None) for identity in gone])
    current |= {level.name: one.version for level, one in proven.items() if one.holds}
    return [
        _found(level, found[level], "built") if level in found else _seen(level, stored, current) for level in levels
    ]


def _source(dataset: Dataset, unit: _Unit, level: Level, ready: Sequence[Level], target: Target) -> RowsOfUnit:
    """The coarsest rows that a level can be merged from: those of a level that is ready, or base rows.

    Each row cuts its top values, so these are always merged from base rows.
    """
    if dataset.top_values:
        return unit.base
    if finer := [one for one in ready if level.can_be_merged_from(one)]:
        return RowsOfUnit(target.index, [unit.id], unit.base.unit, _coarsest(finer))
    if of_days := [one for one in unit.finer if level.can_be_merged_from(one)]:
        return RowsOfUnit(target.index, unit.base.ids, unit.base.unit, _coarsest(of_days))
    return unit.base


def _coarsest(levels: Sequence[Level]) -> Level:
    """The level of the fewest groups, and among these of the longest buckets: that with the fewest rows."""
    return min(reversed(levels), key=lambda level: len(level.group_by))
