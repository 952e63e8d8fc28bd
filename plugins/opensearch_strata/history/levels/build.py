"""The levels of a day or a month: looked at, compared with the base rows, or built from them and noted.

Rows of levels are merged only from base rows that their mark says are proven. A level that is to be built is taken out
of the note of its day before the first of its rows is written, and noted with the version of its rows after all of them
were compared. So whoever is killed in between leaves base rows as they were, and a level that no reader takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.levels import Level
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.history.levels.index import ensure_levels_index, is_of
from opensearch_strata.history.levels.merge.definitions import as_stored
from opensearch_strata.history.levels.merge.merging import Days, RowsOfUnit, days_of
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
from opensearch_strata.history.levels.unit import Unit, sound_levels, unit_of_day, unit_of_month
from opensearch_strata.history.month.level_notes import (
    LEVEL,
    Contents,
    LevelNote,
    contents_of,
    marks_version,
    note_levels,
    quantiles_of,
)
from opensearch_strata.history.month.marks import marks_in

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Versions = Mapping[str, str]
"""Level -> version of its rows."""


def levels_of_day(client: OpenSearch, dataset: Dataset, day: date, mode: Mode) -> UnitLevels:
    """The levels of a day; those of its month are left to :func:`levels_of_month`.

    :raises Refused: the index of levels is not of this definition
    :raises TransientError: base rows or the index of levels were written, deleted or recreated meanwhile
    """
    levels = [level for level in dataset.levels if not level.is_of_months]
    if not levels:
        return UnitLevels(f"{day}")
    unit = unit_of_day(client, dataset, day)

    def note(versions: Versions, contents: Contents) -> None:
        of = unit.found[unit.id].version
        is_lost = unit.noted is not None and not unit.noted.versions.items() <= versions.items()
        # Levels of the month may have been merged from rows that are not what they were.
        month = LevelNote("") if is_lost else None
        note_levels(client, unit.base.index, {day: LevelNote(of, versions, quantiles_of(dataset), contents)}, month)

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
    unit = unit_of_month(client, dataset, first)

    def note(versions: Versions, contents: Contents) -> None:
        if marks_in(strata_in(mapping_of(client, unit.base.index))) != unit.marks:
            raise TransientError(unit.moved)
        whole = LevelNote(marks_version(unit.marks), versions, quantiles_of(dataset), contents)
        note_levels(client, unit.base.index, {}, whole)

    return _done(client, dataset, unit, levels, mode, note)


def _done(
    client: OpenSearch,
    dataset: Dataset,
    unit: Unit,
    levels: Sequence[Level],
    mode: Mode,
    note: Callable[[Versions, Contents], None],
) -> UnitLevels:
    if why := unit.why_not(dataset):
        return UnitLevels(unit.name, unit.documents, note=why)
    some = _Levels(client, dataset, unit, levels, note)
    if mode == "look" or (mode == "build" and some.are_complete):
        found = some.seen()
    elif mode == "compare":
        found = some.compared()
    else:
        found = some.built()
    return UnitLevels(unit.name, unit.documents, found)


class _Levels:
    """The levels of a unit, as they are noted and as their index holds them.

    :param note: notes these levels of the unit as complete, and no others
    """

    def __init__(
        self,
        client: OpenSearch,
        dataset: Dataset,
        unit: Unit,
        levels: Sequence[Level],
        note: Callable[[Versions, Contents], None],
    ) -> None:
        self._client = client
        self._dataset = dataset
        self._unit = unit
        self._levels = levels
        self._note = note
        self._index = dataset.levels_index(unit.base.unit)
        self._uuid, self._stored = self._found()
        self._there = unit.noted.versions if unit.noted else {}
        noted = self._there if unit.noted and self._has_all(unit.noted) else {}
        self._current = {
            level.name: self._stored[level.name].version
            for level in levels
            if level.name in self._stored and noted.get(level.name) == self._stored[level.name].version
        }
        self._merged_from: set[Level] = set()
        self._has_strangers = bool(self._stored.keys() - {level.name for level in levels})

    def _has_all(self, note: LevelNote) -> bool:
        """Whether rows have what those would have that were merged now."""
        if note.quantiles != quantiles_of(self._dataset):
            return False
        return note.contents == contents_of(self._dataset) or note.contents == self._contents

    @cached_property
    def _contents(self) -> Contents:
        """What rows carry that are merged now; nothing if none can be."""
        try:
            return contents_of(self._as_stored)
        except Refused:
            return {}

    def _found(self) -> tuple[str, dict[str, StoredLevel]]:
        """UUID of the index of levels, and what it holds of the unit; empty if there is none."""
        params = {"ignore_unavailable": "true", "flat_settings": "true"}
        found = self._client.indices.get(index=self._index, params=params)
        if self._index not in found or not is_of(self._dataset, strata_in(found[self._index]["mappings"])):
            return "", {}
        uuid = str(found[self._index]["settings"]["index.uuid"])
        stored = stored_levels(self._client, self._index, [self._unit.id], uuid)
        return uuid, stored.get(self._unit.id, {})

    @property
    def are_complete(self) -> bool:
        """Whether each level is noted with the rows that are there, and there are no others."""
        return len(self._current) == len(self._levels) and not self._has_strangers

    def seen(self) -> list[LevelOfUnit]:
        """The levels by their notes and versions."""
        return [self._seen(level) for level in self._levels]

    def _seen(self, level: Level) -> LevelOfUnit:
        rows = self._stored.get(level.name, StoredLevel(0, 0, ""))
        return LevelOfUnit(level.name, self._state(level), rows.rows, rows.documents)

    def _state(self, level: Level) -> State:
        return "complete" if level.name in self._current else "missing"

    def compared(self) -> list[LevelOfUnit]:
        """The levels whose rows are compared with base rows, whatever is noted of them."""
        if not self._stored:
            return self.seen()
        target = Target(self._index, self._uuid, self._unit.id)
        sources = dict.fromkeys(self._levels, self._unit.base)
        found = self._proven(self._as_stored, sources, target, write=False)
        finished(self._client, _proven(found), target, write=False)
        return [_told(level, found[level], self._state(level)) for level in self._levels]

    def built(self) -> list[LevelOfUnit]:
        """Build each level that is not complete, and note them.

        :raises TransientError: base rows were written or proven anew meanwhile
        """
        client, unit = self._client, self._unit
        target = Target(self._index, ensure_levels_index(client, self._dataset, unit.base.unit, unit.month), unit.id)
        if self._uuid != target.uuid:
            self._stored, self._current = {}, {}
        if self._there.keys() != self._current.keys():
            self._note(self._current, self._contents)  # nobody takes another one until it is noted again
        if self._has_strangers:  # of a level that the definition no longer has
            known = {"terms": {LEVEL: [level.name for level in self._levels]}}
            self._delete(target, {"bool": {"must_not": [known]}})
        done = self._written(target)
        stored = {name: level.version for name, level in self._stored.items()}
        is_base_same = base_rows(client, unit.base.index, unit.base.ids) == unit.found
        if not is_base_same or self._current.items() - stored.items() or self._merged_from - self._sound():
            raise TransientError(unit.moved)
        self._note(self._current, self._contents)
        return done

    def _written(self, target: Target) -> list[LevelOfUnit]:
        """Write each level that is not complete, and add it to those that are.

        Those that are merged from base rows come first, together; then those that are merged from them.
        """
        try:
            merged = self._as_stored
        except Refused as error:
            return [LevelOfUnit(level.name, "left out", note=str(error)) for level in self._levels]
        found: dict[Level, ProvenLevel | Refused] = {}
        pending = [level for level in self._levels if level.name not in self._current]
        ready = [level for level in self._levels if level.name in self._current]
        while pending:
            first = [level for level in pending if not any(map(level.can_be_merged_from, pending))]
            some = self._proven(
                merged, {level: self._source(level, ready, target) for level in first}, target, write=True
            )
            found |= some
            # Rows of groups that are gone must be, too, before the next levels are merged from what the index holds.
            self._stored = finished(self._client, _proven(some), target, write=True)
            ready += [level for level, one in _proven(some).items() if one.holds]
            pending = [level for level in pending if level not in first]
        proven = _proven(found)
        for level in found.keys() - proven.keys():
            if level.name in self._stored:  # nobody must chart what was written before it turned out to be impossible
                self._delete(target, {"term": {LEVEL: level.name}})
        self._current |= {level.name: one.version for level, one in proven.items() if one.holds}
        return [_told(level, found[level], "built") if level in found else self._seen(level) for level in self._levels]

    @cached_property
    def _as_stored(self) -> Dataset:
        unit = self._unit
        return as_stored(self._client, self._dataset, unit.base, unit.marks.values(), strata_in(unit.month))

    def _proven(
        self, merged: Dataset, sources: Mapping[Level, RowsOfUnit], target: Target, *, write: bool
    ) -> dict[Level, ProvenLevel | Refused]:
        """See :func:`prove_levels`.

        :param merged: the definition by which rows can be merged
        """
        return prove_levels(self._client, merged, sources, self._days, target, self._unit.documents, write=write)

    @cached_property
    def _days(self) -> Days:
        return days_of(self._client, self._dataset, self._unit.base, self._unit.rows)

    def _delete(self, target: Target, rows: Mapping[str, object]) -> None:
        """Delete rows of the unit.

        :param rows: the query that they match
        """
        gone = identities_of(self._client, target.index, target.unit_id, [rows])
        send(self._client, target, [(identity, None) for identity in gone])

    def _source(self, level: Level, ready: Sequence[Level], target: Target) -> RowsOfUnit:
        """The coarsest rows that a level can be merged from: those of a level that is ready, or base rows.

        Each row cuts its top values, so these are always merged from base rows.
        """
        base = self._unit.base
        if self._dataset.top_values:
            return base
        if finer := [one for one in ready if level.can_be_merged_from(one)]:
            return RowsOfUnit(target.index, [target.unit_id], base.unit, _coarsest(finer))
        if of_days := [one for one in self._of_days if level.can_be_merged_from(one)]:
            self._merged_from.add(coarsest := _coarsest(of_days))
            return RowsOfUnit(target.index, base.ids, base.unit, coarsest)
        return base

    @cached_property
    def _of_days(self) -> list[Level]:
        """Levels of days that those of the month can be merged from, in the order of the definition."""
        sound = self._sound()
        return [level for level in self._dataset.levels if level in sound]

    def _sound(self) -> set[Level]:
        return sound_levels(self._client, self._dataset, self._unit, self._contents)


def _told(level: Level, found: ProvenLevel | Refused, state: State) -> LevelOfUnit:
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


def _coarsest(levels: Sequence[Level]) -> Level:
    """The level of the fewest groups, and among these of the longest buckets: that with the fewest rows."""
    return min(reversed(levels), key=lambda level: len(level.group_by))
