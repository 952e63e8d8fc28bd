"""The history's second copy as tables. Values in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from opensearch_strata.errors.amounts import size
from opensearch_strata.presentation.tables import Table, some_names

if TYPE_CHECKING:
    from opensearch_strata.history.copy.rewrite import MonthIndex, RewrittenMonth
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
    """A month before and after it was rewritten."""
    rows = [
        ("primary shards", _part(done.before, "shards"), _part(done.after, "shards")),
        ("codec", _part(done.before, "codec"), _part(done.after, "codec")),
        ("index format", _part(done.before, "release"), _part(done.after, "release")),
    ]
    return Table(f"{done.index}: {done.outcome}, {done.rows:,} rows", ("", "before", "after"), rows)


def _part(index: MonthIndex | None, name: str) -> str:
    return "" if index is None else str(getattr(index, name))
