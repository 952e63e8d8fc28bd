"""The indices with rows of levels that readers may use: those of this definition, whose rows are those of the notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.connections.expanded import STATE, expand
from opensearch_strata.connections.retrying import is_going
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import days_between, last_of_month
from opensearch_strata.definition.levels import Level
from opensearch_strata.history.levels.index import is_of
from opensearch_strata.history.levels.stored import stored_levels
from opensearch_strata.history.month.level_notes import complete_levels, complete_month
from opensearch_strata.history.month.marks import parts_of_version
from opensearch_strata.history.query.sources.all_rows import ALL_ROWS, NotedRows

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Metas = Mapping[date, Mapping[str, Any]]
"""First day of a month -> ``_meta.strata`` of its index."""


@dataclass(frozen=True)
class LevelIndex:
    """The index with the rows of levels of a year.

    :param noted: the rows that the notes of all months name
    :param stored: ``transform._id`` -> level -> version of the rows that it has; None if they are exactly as noted
    """

    name: str
    uuid: str
    noted: NotedRows
    stored: Mapping[str, Mapping[str, str]] | None = None

    def has(self, dataset: Dataset, level: Level, day: date, version: str) -> bool:
        """Whether it has the rows that a note names.

        :param day: the raw day, or any day of the month if the level is of months
        :param version: of the rows, as noted
        """
        parts = parts_of_version(version)
        if parts is None or parts.uuid != self.uuid:
            return False
        return self.stored is None or self.stored.get(dataset.unit_id(level, day), {}).get(level.name) == version


def level_indices(client: OpenSearch, dataset: Dataset, metas: Metas, touched: Iterable[date]) -> dict[int, LevelIndex]:
    """Year -> its index. One that cannot be read or has another calendar is left out, as base rows say the same.

    :param metas: of all months
    :param touched: months of which levels may be read
    """
    names = dataset.history.levels_names
    notes = {month: noted_versions(meta) for month, meta in metas.items()}
    wanted = sorted(month for month in touched if notes[month])
    if names is None or not wanted:
        return {}
    found = expand(client, names.expression, f"{STATE},*.mappings._meta")
    indices = {}
    for name, body in found.indices.items():
        first = names.date_in(name)
        meta = body.get("mappings", {}).get("_meta", {}).get("strata", {})
        if first is None or name in found.closed or not is_of(dataset, meta):
            continue
        uuid = body["settings"]["index"]["uuid"]
        parts = [parts_of_version(version) for versions in notes.values() for version in versions]
        ours = [part for part in parts if part and part.uuid == uuid]
        index = LevelIndex(name, uuid, NotedRows.of(ours))
        of_year = [month for month in wanted if month.year == first.year]
        if of_year and (looked := looked_at(client, dataset, index, of_year)):
            indices[first.year] = looked
    return indices


def looked_at(client: OpenSearch, dataset: Dataset, index: LevelIndex, months: Iterable[date]) -> LevelIndex | None:
    """An index of levels with what its rows are now; None if it cannot be read.

    If its rows are exactly those that the notes name, nothing more is asked. Otherwise the versions of the rows of some
    months are read.

    :param months: first days of the months whose levels may be read
    :raises Exception: the server refused for a reason that has nothing to do with the state of the index
    """
    try:
        (answer,) = decisive.multi_search(client, [(index.name, ALL_ROWS)])
        if answer and index.noted.are_all_of(answer) and answer["_shards"]["total"] == 1:
            return replace(index, stored=None)  # each shard would count its sequence numbers by itself
        days = [day for month in months for day in days_between(month, last_of_month(month))]
        units = {dataset.unit_id(level, day) for level in dataset.levels for day in days}
        found = stored_levels(client, index.name, sorted(units), index.uuid)
    except decisive.IncompleteAnswer:
        return None
    except Exception as error:
        if not is_going(error):
            raise
        return None
    stored = {unit: {name: level.version for name, level in levels.items()} for unit, levels in found.items()}
    return replace(index, stored=stored)


def noted_versions(meta: Mapping[str, Any]) -> list[str]:
    """The versions of the rows of all levels that a month notes as complete.

    :param meta: ``_meta.strata`` of the month
    """
    whole = complete_month(meta)
    notes = [*complete_levels(meta).values(), *([whole] if whole else [])]
    return [version for note in notes for version in note.versions.values()]
