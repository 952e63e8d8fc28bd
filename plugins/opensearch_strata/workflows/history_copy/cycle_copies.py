"""The copies that a daily cycle owes: never in the way of a proof or a deletion, never silent when one fails."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from opensearch_strata.archive.store.objects import build_s3
from opensearch_strata.connections import decisive
from opensearch_strata.connections.expanded import STATE, expand
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import newest_expired
from opensearch_strata.errors import StrataError, TransientError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.judging import explain, is_transient
from opensearch_strata.history.copy.row_tables import arrow
from opensearch_strata.history.month.marks import Mark, marks_in
from opensearch_strata.history.month.rows_of_day import carried
from opensearch_strata.history.query.sources.carried import DayRows, days_of_month
from opensearch_strata.workflows.archiving import settings_of
from opensearch_strata.workflows.history_copy.export import CopiedDay, copy_day, copy_rows, made_of
from opensearch_strata.workflows.history_copy.parquet_files import HistoryFiles

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

    from opensearch_strata.history.verify.proof import Proof

_FAILURES = 3  # in a row, after which the other days are left to the next attempt: they would fail like these


@dataclass(frozen=True)
class Copies:
    """What became of the copies of a cycle.

    :param dataset: its name
    :param days: that were tried
    :param missing: that pyarrow is missing, so that no file is written; empty otherwise
    """

    dataset: str = ""
    days: Sequence[CopiedDay] = ()
    missing: str = ""

    @property
    def failed(self) -> list[CopiedDay]:
        """The days whose files are missing, or not of their rows."""
        return [one for one in self.days if one.outcome == "failed"]

    @property
    def passing(self) -> bool:
        """Whether another attempt at one of them may succeed."""
        return any(one.passing for one in self.failed)

    def with_days(self, copied: Iterable[CopiedDay | None]) -> Copies:
        """These and those of other days; if pyarrow is missing, that is stated once.

        :param copied: None for a day that has no copy
        """
        days = [one for one in copied if one]
        missing = self.missing or next((one.note for one in days if one.outcome == "left out"), "")
        kept = [one for one in days if one.outcome != "left out"]
        return replace(self, days=[*self.days, *kept], missing=missing)

    def worth_a_word(self, day: date) -> list[CopiedDay]:
        """The day of the cycle, and each other day whose file was not as it should be, in order.

        :param day: of the cycle
        """
        told = [one for one in self.days if one.day == day or one.outcome != "unchanged"]
        return sorted(told, key=lambda one: one.day)

    @property
    def problem(self) -> str:
        """What failed, what it means, and what to do; empty if nothing failed."""
        failed = sorted(self.failed, key=lambda one: one.day)
        if not failed:
            return ""
        first, last = failed[0], failed[-1]
        which = f"{first.day}" if len(failed) == 1 else f"{counted(len(failed), 'day')} ({first.day} to {last.day})"
        return (
            f"The history's second copy of {which} was not written: {first.note} Proofs and deletions do not depend on "
            f"it. Correct the cause and run this again, or: "
            f"strata history export {self.dataset} --from {first.day} --to {last.day}"
        )


def copy_window(
    client: OpenSearch,
    dataset: Dataset,
    day: date,
    leaving: Collection[date] = (),
    s3: Callable[[], BaseClient] | None = None,
) -> Copies:
    """Write the file of every day of the window whose rows are proven, unless it is made of these very rows.

    So a file that an earlier run could not write, and that of a day that was condensed again by whatever means, is
    written by the next cycle. Rows are proven by their marks; no document is read. The newest day comes first.

    :param day: of the cycle, the newest one of its window
    :param leaving: days beyond the window that this cycle proved; their raw days may be gone
    :param s3: gives the client of the archive's bucket; by default that of the environment's credentials
    """
    if dataset.archive is None:
        return Copies(dataset.name)
    try:
        arrow()
    except StrataError as error:
        return Copies(dataset.name, missing=explain(error))
    oldest = newest_expired(day, dataset.raw.window_days)
    try:
        marks = _marks(client, dataset, lambda each: oldest < each <= day or each in leaving)
        done = [*_each(client, dataset, (s3 or build_s3)(), marks)]
    except Exception as error:  # noqa: BLE001 - a copy never ends a cycle
        done = [_failed(day, error)]
    return Copies(dataset.name, done)


_Marks = Mapping[tuple[str, str], Mapping[date, Mark]]
"""Name and UUID of a month -> day -> mark, the newest first."""


def _marks(client: OpenSearch, dataset: Dataset, wanted: Callable[[date], bool]) -> _Marks:
    names = dataset.history.names
    found = expand(client, names.expression, f"{STATE},*.mappings._meta.strata.verified").indices
    dated = {month: name for name in found if (month := names.date_in(name))}
    months = {}
    for _, name in sorted(dated.items(), reverse=True):
        meta = found[name].get("mappings", {}).get("_meta", {}).get("strata", {})
        marks = {day: mark for day, mark in sorted(marks_in(meta).items(), reverse=True) if wanted(day)}
        if marks:
            months[name, found[name]["settings"]["index"]["uuid"]] = marks
    return months


def _each(client: OpenSearch, dataset: Dataset, s3: BaseClient, months: _Marks) -> Iterator[CopiedDay]:
    failures = 0
    for (index, uuid), marks in months.items():
        try:
            decisive.refresh(client, index)
            rows = days_of_month(client, dataset, index, uuid, known=()).rows
        except Exception as error:  # noqa: BLE001 - a month that cannot be read keeps no other from its files
            yield _failed(max(marks), error)
            continue
        for day, mark in marks.items():
            if day not in rows or not mark.is_of(rows[day].documents, rows[day].version):
                continue  # not proven as they are; the proof to come brings them here again
            try:
                done = _copied(client, s3, dataset, day, rows[day], mark)
            except Exception as error:  # noqa: BLE001 - nor does a day
                done = _failed(day, error)
            yield done
            failures = failures + 1 if done.outcome == "failed" else 0
            if failures == _FAILURES:
                return


def _copied(client: OpenSearch, s3: BaseClient, dataset: Dataset, day: date, rows: DayRows, mark: Mark) -> CopiedDay:
    known = HistoryFiles(s3, settings_of(dataset)).find(day)
    if known and known.contents.made_of == made_of(dataset, rows.version, mark):
        return CopiedDay(day, "unchanged", rows.number, rows.documents, known.size, str(known.place))
    there = carried(client, dataset, day)
    if not mark.is_of(there.documents, there.rows_version):
        raise TransientError(f"Rows of {day} were written or deleted since they were proven. Run again.")
    return copy_rows(client, s3, dataset, day, there, mark)


def _failed(day: date, error: Exception) -> CopiedDay:
    return CopiedDay(day, "failed", note=explain(error), passing=is_transient(error))


def copy_proven(
    client: OpenSearch, dataset: Dataset, proof: Proof, s3: Callable[[], BaseClient] | None = None
) -> CopiedDay | None:
    """See :func:`opensearch_strata.workflows.history_copy.export.copy_day`; a failure is an outcome, whatever it is.

    :param proof: of the day's rows, just made
    :param s3: gives the client of the archive's bucket; by default that of the environment's credentials
    :returns: None if the dataset has no archive, or the proof does not hold
    """
    if dataset.archive is None or proof.state not in ("verified", "held"):
        return None
    try:
        return copy_day(client, (s3 or build_s3)(), dataset, proof)
    except Exception as error:  # noqa: BLE001 - whatever it is, it keeps no raw day
        return _failed(proof.day, error)
