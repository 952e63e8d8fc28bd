"""The history's second copy as tables. Values in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from opensearch_strata.errors.amounts import size
from opensearch_strata.presentation.tables import Table, some_names

if TYPE_CHECKING:
    from opensearch_strata.history.copy.rewrite import RewrittenMonth
    from opensearch_strata.workflows.history_copy.export import CopiedDay
    from opensearch_strata.workflows.history_copy.importing import ImportedMonth


def copied_table(dataset: str, days: Sequence[CopiedDay]) -> Table:
    """What became of the copy of each day.

    :param dataset: its name
    :param days: in order
    """
    rows = [
        (
            str(one.day),
            one.outcome,
            one.rows or None,
            one.documents or None,
            size(one.size) if one.size else "",
            one.url or one.note,
        )
        for one in days
    ]
    columns = ("day", "outcome", "rows", "documents", "size", "file, or why not")
    return Table(f"Copies of the history of {dataset}", columns, rows)


def imported_table(dataset: str, months: Sequence[ImportedMonth]) -> Table:
    """What became of each month.

    :param dataset: its name
    :param months: in order
    """
    rows = [
        (
            one.index,
            one.outcome,
            len(one.days) or None,
            sum(taken != "same" for taken in one.days.values()) or None,
            one.rows or None,
            one.documents or None,
            some_names([str(day) for day in one.absent], 3),
        )
        for one in months
    ]
    columns = ("month", "outcome", "files", "days written", "rows", "documents", "days without a file")
    return Table(f"History of {dataset} from its copies", columns, rows)


def rewritten_table(done: RewrittenMonth) -> Table:
    """A month before it was rewritten, and afterwards if it was."""
    sides = {name: index for name, index in (("before", done.before), ("after", done.after)) if index}
    parts = {"primary shards": "shards", "codec": "codec", "index format": "release"}
    rows = [(name, *(str(getattr(index, part)) for index in sides.values())) for name, part in parts.items()]
    return Table(f"{done.index}: {done.outcome}, {done.rows:,} rows", ("", *sides), rows)
