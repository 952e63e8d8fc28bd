"""The panels of a dataset's dashboard, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from opensearch_strata.presentation.tables import Table

if TYPE_CHECKING:
    from opensearch_strata.dashboards.panels import Panel


def panels_table(dataset: str, panels: Iterable[Panel]) -> Table:
    """Tabulate what a dashboard shows and what each panel reads.

    :param dataset: its name
    :param panels: one row of the table each, in this order
    """
    rows = [
        (panel.title, panel.state.get("type", "search"), panel.reads or None, panel.level.name if panel.level else None)
        for panel in panels
    ]
    return Table(f"Dashboard of {dataset}", ("panel", "kind", "reads", "level"), rows)
