"""Results as tables: the same rows in a task's log, on a terminal and in a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.causes import told_causes
from opensearch_strata.archive.store.keys import REASONS
from opensearch_strata.errors.amounts import counted, size
from opensearch_strata.errors.printable import printable

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text

    from opensearch_strata.archive.backfill_proof import BackfillProof
    from opensearch_strata.archive.ledger.rows import ObjectRow
    from opensearch_strata.archive.planning.load_estimate import Estimate
    from opensearch_strata.archive.planning.plan import Plan
    from opensearch_strata.archive.redrive import Redriven
    from opensearch_strata.history.condense.engines.base import EngineRun
    from opensearch_strata.history.reaggregate import Rebuilt
    from opensearch_strata.history.verify.coverage import DayCoverage
    from opensearch_strata.history.verify.proof import Proof
    from opensearch_strata.workflows.backfill.settle import DayOutcome
    from opensearch_strata.workflows.cycle import Retirement
    from opensearch_strata.workflows.cycle_report import CycleReport


LOG_WIDTH = 140
"""Width of a table in a task's log, in characters."""

_SHORT = 40  # a value of at most this many characters is never wrapped
_ENDLESS = 1_000_000


@dataclass(frozen=True)
class Table:
    """A titled table; numbers are shown with thousands separators."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def _rich(self) -> RichTable:
        """Build the rich table; a column is never narrower than its longest word, or value if all values are short."""
        from rich import box
        from rich.table import Table as RichTable

        table = RichTable(box=box.ASCII_DOUBLE_HEAD)
        for position, column in enumerate(self.columns):
            values = [row[position] for row in self.rows if row[position] is not None]
            numeric = bool(values) and all(isinstance(value, int | float) for value in values)
            texts = [printable(text) for text in (column, *map(shown, values))]
            is_short = max(map(len, texts)) <= _SHORT
            unbroken = texts if is_short else [word for text in texts for word in text.split()]
            table.add_column(
                _text(column),
                justify="right" if numeric else "left",
                overflow="fold",
                no_wrap=is_short,
                min_width=max(map(len, unbroken), default=0),  # rich truncates unwrapped values: a time has two words
            )
        for row in self.rows:
            table.add_row(*(_text(shown(value)) for value in row))
        return table

    def text(self, width: int | None = LOG_WIDTH) -> str:
        """Return title and rows as plain text.

        :param width: characters in a line; long values are wrapped between words to fit. Words and short values are
            never broken, so a table may be wider. None: no value is wrapped, and each row is one line
        """
        from rich.console import Console

        out, table = StringIO(), self._rich()
        least = Console(file=out, width=_ENDLESS, color_system=None).measure(table).minimum
        console = Console(file=out, width=max(width or _ENDLESS, least), color_system=None)
        console.print(table, crop=False)
        return f"{printable(self.title)}\n{out.getvalue().rstrip()}"

    def __str__(self) -> str:
        return self.text()


def _text(text: str) -> Text:
    """Make a text safe to show; not a str, because rich would take [brackets] in a value for markup."""
    from rich.text import Text

    return Text(printable(text))


def shown(value: Any) -> str:
    """Format a value for a person to read."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.12g}"  # two sums that differ must look different
    return str(value)


def some_names(names: Sequence[str], most: int = 10) -> str:
    """Join names for a sentence; of a long list, only the first names and the last one are shown.

    :param names: in the order in which they are to appear
    :param most: the largest number of names that is listed in full
    """
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 1])}, … ({len(names) - most} more), {names[-1]}"


def proof_table(proof: Proof) -> Table:
    """Tabulate every line of a proof."""
    rows = [(c.name, c.raw, c.history, "yes" if c.holds else "NO") for c in proof.checks]
    found = f"{proof.state}, {counted(proof.rows, 'row')}, {proof.null_rows:,} without a group value or a time"
    return Table(f"Proof of {proof.index}: {found}", ("check", "raw", "history", "holds"), rows)


def run_table(index: str, run: EngineRun) -> Table:
    """Tabulate what an engine did.

    :param index: the raw day
    """
    columns = ("engine", "documents", "rows", "search (s)", "indexing (s)")
    row = (run.engine, run.documents, run.rows, round(run.search_seconds, 2), round(run.index_seconds, 2))
    return Table(f"Condensed {index}", columns, [row])


def coverage_table(dataset: str, days: Sequence[DayCoverage]) -> Table:
    """Tabulate where each day of a dataset is.

    :param dataset: its name
    :param days: one row of the table each, in this order
    """
    rows = [
        (f"{d.day}", d.place, d.raw_documents, None if d.raw_bytes == 0 else size(d.raw_bytes), d.rows, d.carried,
         None if d.history_bytes == 0 else size(d.history_bytes))
        for d in days
    ]  # fmt: skip
    columns = ("day", "where", "raw documents", "raw size", "rows", "documents in rows", "history size")
    return Table(f"Days of {dataset}", columns, rows)


def expiry_table(dataset: str, retirements: Sequence[Retirement]) -> Table:
    """Tabulate what became of each raw day that has left the window.

    :param dataset: its name
    :param retirements: one row of the table each, in this order
    """
    rows = [(r.index, f"{r.day}", r.documents, r.rows, r.outcome, r.note or None) for r in retirements]
    return Table(
        f"Expired raw days of {dataset}: {len(rows)}", ("index", "day", "documents", "rows", "outcome", "note"), rows
    )


def rebuilt_table(dataset: str, days: Sequence[Rebuilt]) -> Table:
    """Tabulate what became of each day that was to be rebuilt.

    :param dataset: its name
    :param days: one row of the table each, in this order
    """
    rows = [(f"{d.day}", d.outcome, d.documents or None, d.rows or None, d.note or None) for d in days]
    return Table(f"Reaggregation of {dataset}", ("day", "outcome", "documents", "rows", "note"), rows)


def report_table(report: CycleReport) -> Table:
    """Tabulate what a cycle found, did and left."""
    rows: list[tuple[str, Any]] = [
        ("raw documents", report.raw_documents),
        ("rows", report.rows),
        ("raw bytes", size(report.raw_bytes)),
        ("history bytes", size(report.history_bytes)),
        ("verified", report.verified),
        ("deleted", some_names(report.deleted) or None),
        *([("would be deleted", some_names(report.would_delete))] if report.would_delete else []),
        *((f"kept {index}", reason) for index, reason in report.kept.items()),
        *([("waiting for another run", report.waiting)] if report.waiting else []),
        *([("in the window, not fully condensed", some_names(report.uncondensed))] if report.uncondensed else []),
    ]
    return Table(f"Cycle of {report.day}", ("", "found"), rows)


def plan_table(plan: Plan) -> Table:
    """Tabulate what a load will do, and what it will take."""
    amount, estimate, sample = plan.amount, plan.estimate, plan.sample
    rows: list[tuple[str, Any]] = [
        ("source", plan.source_url),
        ("to load", str(amount)),
        ("already loaded", str(plan.left_out)),
        *((f"{index} is loaded again", f"because it {why}") for index, why in plan.again.items()),
        *([("loaded before by other rules, lacking events", str(plan.lacking))] if plan.lacking.objects else []),
        *([("loaded before into indices of other names", str(plan.moved))] if plan.moved.objects else []),
        *([("not loaded: times are read otherwise now", str(plan.retimed))] if plan.retimed.objects else []),
        *([("dead letters when last loaded", told_causes(plan.dead))] if plan.dead else []),
        *((f"not loaded: {REASONS[reason]}", str(apart)) for reason, apart in plan.set_apart.items()),
        ("batches", len(plan.batches)),
    ]
    if estimate and not sample:  # a restore, whose manifests say what the objects hold
        rows += [
            ("documents", estimate.documents),
            ("size of documents", size(estimate.document_bytes)),
            *_effort(estimate),
        ]
    if estimate and sample:
        rows += [
            ("sampled", f"{counted(sample.objects, 'object')}: {', '.join(sorted(sample.kinds))}"),
            ("estimated documents", estimate.documents),
            ("estimated size of documents", size(estimate.document_bytes)),
            ("estimated events of other days", estimate.filtered - estimate.unwanted),
            *([("estimated events left out by the rules", estimate.unwanted)] if estimate.unwanted else []),
            ("estimated dead letters", estimate.dead),
            *([("first problem", sample.problem)] if sample.problem else []),
            *_effort(estimate),
        ]
    return Table(f"Plan {plan.plan_id} for {plan.dataset_name}, {plan.first} .. {plan.last}", ("", "found"), rows)


def _effort(estimate: Estimate) -> list[tuple[str, Any]]:
    rate = "measured in earlier loads" if estimate.measured else "assumed, as there is no earlier load to measure"
    free = "unknown" if estimate.free_bytes is None else size(estimate.free_bytes)
    return [
        ("estimated minutes", f"{estimate.minutes:,.1f} at {estimate.rate:,.0f} events a second ({rate})"),
        ("estimated disk in OpenSearch", f"{size(estimate.disk_bytes)}; free below the watermark: {free}"),
    ]


def settled_table(dataset: str, days: Sequence[DayOutcome]) -> Table:
    """Tabulate what became of each day after a backfill.

    :param dataset: its name
    :param days: one row of the table each, in this order
    """
    rows = [(f"{d.day}", d.outcome, d.documents or None, d.rows or None, d.note or None) for d in days]
    return Table(f"Settled days of {dataset}", ("day", "outcome", "documents", "rows", "note"), rows)


def redriven_table(dataset: str, sums: Redriven) -> Table:
    """Tabulate what became of dead letters.

    :param dataset: its name
    """
    rows: list[tuple[str, Any]] = [
        ("files", sums.files),
        ("dead letters", sums.letters),
        ("can be sent now", sums.documents),
        *((f"of these, {reason} before", cause.records) for reason, cause in sums.refused_before.items()),
        ("created", sums.created),
        ("already there", sums.existed),
        ("not events", sums.dropped),
        *([("left out by the rules of intake", sums.unwanted)] if sums.unwanted else []),
        *((f"still dead, {reason}", count) for reason, count in sums.still_dead.items()),
        *((f"first one {reason} before", cause.first) for reason, cause in sums.refused_before.items()),
        *((f"first one still dead, {reason}", sentence) for reason, sentence in sums.first.items()),
        *(("damaged", sentence) for sentence in sums.damage),
    ]
    return Table(f"Dead letters of {dataset}", ("", "found"), rows)


def backfill_days_table(proof: BackfillProof) -> Table:
    """Compare every raw day that a proof is about with the ledger."""
    columns = ("index", "created", "already there", "created by all loads", "documents", "from others", "verdict")
    rows = [(d.index, d.created, d.existed, d.by_all, d.documents, d.others, d.verdict) for d in proof.days]
    return Table(f"Raw days that were loaded: {len(rows)}", columns, rows)


def backfill_proof_table(proof: BackfillProof) -> Table:
    """Tabulate every line of the proof that objects are loaded."""
    rows = [(c.name, c.wanted, c.found, "yes" if c.holds else "NO") for c in proof.checks]
    verdict = "holds" if proof.holds else "does not hold"
    return Table(f"Proof of the load: {verdict}", ("check", "expected", "found", "holds"), rows)


def backfill_problems_table(proof: BackfillProof) -> Table:
    """List the first problems that the proof found for each failed check, one in a row."""
    rows = [(check.name, named) for check in proof.failed for named in check.named]
    return Table("Problems that the proof found", ("check", "problem"), rows)


def quarantine_table(rows: Sequence[ObjectRow], *, is_all: bool) -> Table:
    """List objects in quarantine, and why.

    :param rows: one row of the table each, in this order
    :param is_all: whether there are no more
    """
    more = "" if is_all else " or more"
    return Table(
        f"Objects in quarantine: {len(rows)}{more}", ("object", "why"), [(f"{r.place}", r.error) for r in rows]
    )
