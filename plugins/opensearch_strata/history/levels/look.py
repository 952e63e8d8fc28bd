"""Which levels of proven days are not complete, found with two requests for each month and two for each year."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.levels.index import is_of
from opensearch_strata.history.levels.stored import StoredLevel, mapping_of, stored_levels, strata_in
from opensearch_strata.history.month.level_notes import LevelNote, complete_levels, complete_month, quantiles_of
from opensearch_strata.history.month.marks import marks_in

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


@dataclass(frozen=True)
class Incomplete:
    """The levels of a day, or of a month, that readers do not take.

    :param missing: names of those that are not noted: they were never built, or base rows were written since
    :param touched: names of those whose rows were written or deleted after they were compared
    """

    missing: tuple[str, ...] = ()
    touched: tuple[str, ...] = ()


def incomplete_levels(client: OpenSearch, dataset: Dataset, days: Collection[date]) -> dict[date, Incomplete]:
    """Days whose levels are not all complete. Levels of a month are told of its last day.

    :param days: days whose rows are those of their mark
    :raises IncompleteAnswer: a shard did not answer
    """
    found: dict[date, Incomplete] = {}
    for month in sorted({day.replace(day=1) for day in days}):
        of_month = sorted(day for day in days if day.replace(day=1) == month)
        strata = strata_in(mapping_of(client, dataset.month_index(month)))
        stored = _stored(client, dataset, month, of_month)
        notes = complete_levels(strata)
        for day in of_month:
            names = [level.name for level in dataset.levels if not level.is_of_months]
            found[day] = _incomplete(dataset, names, notes.get(day), stored.get(dataset.transform_id(day), {}))
        of_months = [level for level in dataset.levels if level.is_of_months]
        if of_months and marks_in(strata).keys() <= set(of_month):
            there = stored.get(dataset.unit_id(of_months[0], month), {})
            whole = _incomplete(dataset, [level.name for level in of_months], complete_month(strata), there)
            last = found[of_month[-1]]
            found[of_month[-1]] = Incomplete(last.missing + whole.missing, last.touched + whole.touched)
    return {day: one for day, one in found.items() if one.missing or one.touched}


def _stored(
    client: OpenSearch, dataset: Dataset, month: date, days: Collection[date]
) -> dict[str, dict[str, StoredLevel]]:
    index = dataset.levels_index(month)
    if not is_of(dataset, strata_in(mapping_of(client, index))):
        return {}
    decisive.refresh(client, index)
    ids = {dataset.unit_id(level, day) for level in dataset.levels for day in days}
    return stored_levels(client, index, sorted(ids))


def _incomplete(
    dataset: Dataset, names: list[str], note: LevelNote | None, stored: Mapping[str, StoredLevel]
) -> Incomplete:
    versions = note.versions if note and note.quantiles == quantiles_of(dataset) else {}
    nothing = StoredLevel(0, 0, "")
    touched = [name for name in names if name in versions and stored.get(name, nothing).version != versions[name]]
    return Incomplete(tuple(name for name in names if name not in versions), tuple(touched))
