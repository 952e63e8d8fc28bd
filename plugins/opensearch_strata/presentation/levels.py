"""What was found or built of levels, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opensearch_strata.presentation.tables import Table

if TYPE_CHECKING:
    from opensearch_strata.history.levels.outcome import UnitLevels


def levels_table(dataset: str, units: Sequence[UnitLevels]) -> Table:
    """Tabulate the levels of days and months.

    :param dataset: its name
    :param units: one row of the table for each of their levels, in this order
    """
    rows: list[tuple[Any, ...]] = []
    for unit in units:
        rows += [
            (unit.unit, one.name, one.state, one.rows or None, one.documents or None, one.note) for one in unit.levels
        ]
        if not unit.levels:
            rows.append((unit.unit, None, "none", None, unit.documents or None, unit.note))
    columns = ("day", "level", "state", "rows", "documents", "note")
    return Table(f"Levels of {dataset}", columns, [(*row[:-1], row[-1] or None) for row in rows])
