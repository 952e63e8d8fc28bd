"""The tables that `make run` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Comparison:
    """Quantiles of one day: carrier -> (value from the history, exact value) for each quantile, in order."""

    day: date
    carriers: Mapping[str, Sequence[tuple[float, float]]]

    @property
    def worst(self) -> float:
        """The largest relative error of the day."""
        return max(relative_error(found, exact) for pairs in self.carriers.values() for found, exact in pairs)


@dataclass(frozen=True)
class ArchivedDay:
    """A raw day and its proven archive.

    :param raw_bytes: of the primary shards of its index
    :param stored_bytes: of its objects in S3
    """

    day: date
    documents: int
    raw_bytes: int
    stored_bytes: int


def relative_error(found: float, exact: float) -> float:
    """|found - exact| / |exact|; if the exact value is zero, only zero is right."""
    if exact == 0:
        return 0.0 if found == 0 else float("inf")
    return abs(found - exact) / abs(exact)


def print_cycles(console: Console, reports: Sequence[Mapping[str, Any]]) -> None:
    """Print one line per cycle, from what its task `report` returned."""
    table = Table(title="The daily cycle, day by day", title_justify="left")
    table.add_column("day")
    for heading in ("raw documents", "rows", "raw bytes", "bytes of its rows"):
        table.add_column(heading, justify="right")
    table.add_column("verified")
    table.add_column("deleted")
    for report in reports:
        numbers = (report[key] for key in ("raw_documents", "rows", "raw_bytes", "history_bytes"))
        verified = "yes" if report["verified"] else "no"
        table.add_row(report["day"], *(f"{n:,}" for n in numbers), verified, ", ".join(report["deleted"]))
    console.print(table)


def print_comparisons(console: Console, metric: str, quantiles: Sequence[str], days: Sequence[Comparison]) -> None:
    """Print the value from the history, the exact value and the relative error, per day and carrier."""
    title = f"{metric} of the days whose raw index is gone: from the history / exact from the CSV / relative error"
    table = Table(title=title, title_justify="left")
    table.add_column("day")
    table.add_column("carrier")
    for quantile in quantiles:
        table.add_column(quantile, justify="right")
    for comparison in days:
        for number, (carrier, pairs) in enumerate(comparison.carriers.items()):
            cells = (f"{found:8.2f} / {exact:4g} / {relative_error(found, exact):6.2%}" for found, exact in pairs)
            table.add_row(str(comparison.day) if number == 0 else "", carrier, *cells)
        table.add_section()
    console.print(table)
    console.print(f"Largest relative error: {max(day.worst for day in days):.2%}")


def print_archives(console: Console, url: str, days: Sequence[ArchivedDay], restored: date) -> None:
    """Print one line per archived day; `restored` came back the same."""
    table = Table(title=f"Archived and deleted: {url}", title_justify="left")
    table.add_column("day")
    for heading in ("documents", "raw bytes", "bytes in S3"):
        table.add_column(heading, justify="right")
    table.add_column("proven")
    table.add_column("restored")
    for archived in days:
        numbers = (archived.documents, archived.raw_bytes, archived.stored_bytes)
        back = "the same" if archived.day == restored else ""
        table.add_row(str(archived.day), *(f"{n:,}" for n in numbers), "yes", back)
    console.print(table)
