"""What levels are merged from: the base rows of a day or a month, and what is noted of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.levels import Level
from opensearch_strata.history.levels.merge.merging import RowsOfUnit
from opensearch_strata.history.levels.stored import StoredLevel, base_rows, mapping_of, stored_levels, strata_in
from opensearch_strata.history.month.level_notes import Contents, LevelNote, complete_levels, complete_month
from opensearch_strata.history.month.marks import Mark, marks_in

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


@dataclass(frozen=True)
class Unit:
    """A day or a month.

    :param name: the day or the month, in words
    :param id: what rows of its levels have as ``transform._id``
    :param base: the base rows
    :param marks: of its days
    :param found: the base rows of each day, as they are
    :param month: mapping of the month index
    :param noted: what is noted as complete; None if nothing is
    :param days: of a month, what is noted as complete of its days
    """

    name: str
    id: str
    base: RowsOfUnit
    marks: Mapping[date, Mark]
    found: Mapping[str, StoredLevel]
    month: Mapping[str, Any]
    noted: LevelNote | None
    days: Mapping[date, LevelNote] = field(default_factory=dict)

    @property
    def documents(self) -> int:
        """For how many raw documents the base rows stand."""
        return sum(rows.documents for rows in self.found.values())

    @property
    def rows(self) -> int:
        """How many base rows there are."""
        return sum(rows.rows for rows in self.found.values())

    @property
    def moved(self) -> str:
        """That it is not what it was, as sentences."""
        return (
            f"The rows of {self.name} were written or proven anew while levels were merged from them. Base rows are "
            f"read instead; run it again."
        )

    def why_not(self, dataset: Dataset) -> str:
        """Why nothing can be merged from the base rows, a sentence; empty if it can."""
        if not self.marks:
            return f"No rows of {self.name} are noted as proven, so no level is merged from them."
        for day, mark in sorted(self.marks.items()):
            rows = self.found.get(dataset.transform_id(day))
            if rows is None or rows.documents != mark.documents or mark.rows_version not in ("", rows.version):
                return f"The rows of {day} are not those that were proven, so no level is merged from them."
        return ""


def unit_of_day(client: OpenSearch, dataset: Dataset, day: date) -> Unit:
    """A day, as it is now."""
    month = mapping_of(client, dataset.month_index(day))
    strata = strata_in(month)
    marks = {one: mark for one, mark in marks_in(strata).items() if one == day}
    base, found = _base(client, dataset, marks, day)
    return Unit(f"{day}", dataset.transform_id(day), base, marks, found, month, complete_levels(strata).get(day))


def unit_of_month(client: OpenSearch, dataset: Dataset, first: date) -> Unit:
    """All proven days of a month, as they are now.

    :param first: its first day
    """
    month = mapping_of(client, dataset.month_index(first))
    strata = strata_in(month)
    marks = marks_in(strata)
    base, found = _base(client, dataset, marks, first)
    id_ = next(dataset.unit_id(level, first) for level in dataset.levels if level.is_of_months)
    return Unit(f"{first:%Y-%m}", id_, base, marks, found, month, complete_month(strata), complete_levels(strata))


def sound_levels(client: OpenSearch, dataset: Dataset, unit: Unit, contents: Contents) -> set[Level]:
    """Levels of days that levels of a month can be merged from: the rows of each day are those that were compared.

    Rows that somebody changed since stand for as many documents as before, so that nothing else would tell.

    :param unit: the month
    :param contents: what the rows must carry
    """
    if not unit.days:
        return set()
    stored = stored_levels(client, dataset.levels_index(unit.base.unit), unit.base.ids)

    def is_sound(level: Level, day: date) -> bool:
        note, rows = unit.days.get(day), stored.get(dataset.unit_id(level, day), {}).get(level.name)
        return bool(note and rows and note.contents == contents and note.versions.get(level.name) == rows.version)

    of_days = [level for level in dataset.levels if not level.is_of_months]
    return {level for level in of_days if all(is_sound(level, day) for day in unit.marks)}


def _base(
    client: OpenSearch, dataset: Dataset, marks: Mapping[date, Mark], first: date
) -> tuple[RowsOfUnit, dict[str, StoredLevel]]:
    ids = [dataset.transform_id(day) for day in sorted(marks)]
    base = RowsOfUnit(dataset.month_index(first), ids, first)
    return base, base_rows(client, base.index, ids) if ids else {}
