"""Months of history made from their files, or completed from them: the same rows, the same ids, the same marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Literal

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import last_of_month, months_between
from opensearch_strata.errors import Refused, StrataError
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.copy.day_file import DayCopy, read_file
from opensearch_strata.history.copy.month_of_files import MonthOfFiles, Taken
from opensearch_strata.history.copy.replacement import OnStep
from opensearch_strata.history.copy.row_tables import arrow
from opensearch_strata.history.levels.span import levels_of_span
from opensearch_strata.workflows.archiving import settings_of
from opensearch_strata.workflows.history_copy.parquet_files import HistoryFiles, KnownFile

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

ImportOutcome = Literal["imported", "unchanged", "would be imported", "no files", "refused"]


@dataclass(frozen=True)
class ImportedMonth:
    """What became of one month.

    :param outcome: ``imported``: rows were written, and proven against the files; ``unchanged``: all of them are there
    :param days: that have a file, and whether the rows of each were there already
    :param absent: days of the span without a file
    :param rows: of the files
    :param documents: raw documents that they stand for
    """

    index: str
    outcome: ImportOutcome
    days: Mapping[date, Taken]
    absent: Sequence[date] = ()
    rows: int = 0
    documents: int = 0
    note: str = ""


def import_months(
    client: OpenSearch,
    s3: BaseClient,
    dataset: Dataset,
    first: date,
    last: date,
    *,
    apply: bool,
    on_step: OnStep = lambda _: None,
) -> Iterator[ImportedMonth]:
    """Make every month of a span from its files. A month that is there must hold the rows of its files, or none.

    All files of a month are read and checked before anything is written. A month that cannot be imported never keeps
    the others.

    :param first: first day, inclusive
    :param last: last day, inclusive
    :param apply: write; else only look
    :param on_step: called with what is done next, in words
    :raises DefinitionError: the dataset has no archive, or pyarrow is missing
    :raises Refused: the span is empty
    """
    from opensearchpy import OpenSearchException

    arrow()
    files = HistoryFiles(s3, settings_of(dataset))
    if last < first:
        raise Refused(f"The span from {first} to {last} is empty; let it end on the day on which it starts, or later.")
    for month in months_between(first, last):
        index = dataset.month_index(month)
        span = max(first, month), min(last, last_of_month(month))
        try:
            yield _import_month(client, files, dataset, span, apply, on_step)
        except (StrataError, OpenSearchException) as error:
            yield ImportedMonth(index, "refused", {}, note=explain(error))


def _import_month(
    client: OpenSearch, files: HistoryFiles, dataset: Dataset, span: tuple[date, date], apply: bool, on_step: OnStep
) -> ImportedMonth:
    from opensearch_strata.definition.days import days_between

    index = dataset.month_index(span[0])
    known = {day: found for day in files.days(*span) if (found := files.find(day))}
    absent = [day for day in days_between(*span) if day not in known]
    if not known:
        return ImportedMonth(index, "no files", {}, absent)
    month = MonthOfFiles(client, dataset, span[0].replace(day=1), on_step)
    rows = documents = 0
    for day, found in known.items():
        copy = _copy(files, dataset, day, found)
        month.add(copy)
        rows += copy.rows.num_rows
        documents += copy.documents
    taken = month.take(lambda day: _copy(files, dataset, day, known[day]), apply=apply)
    said = ImportedMonth(index, "unchanged", taken, absent, rows, documents)
    if all(one == "same" for one in taken.values()):
        return said
    if not apply:
        return replace(said, outcome="would be imported")
    on_step(f"building levels of {index}")
    days = [*_built(client, dataset, [day for day, one in taken.items() if one != "same"])]
    return replace(said, outcome="imported", note=" ".join(days))


def _built(client: OpenSearch, dataset: Dataset, days: Sequence[date]) -> Iterator[str]:
    """Build the levels of imported days. Yields what keeps them from being complete."""
    if not dataset.levels:
        return
    for unit in levels_of_span(client, dataset, min(days), max(days), "build"):
        if unit.problem:
            yield unit.problem


def _copy(files: HistoryFiles, dataset: Dataset, day: date, known: KnownFile) -> DayCopy:
    """The rows of a file.

    :raises Refused: it is damaged, or of another dataset or day
    """
    copy = read_file(files.read(known), str(known.place))
    if (copy.dataset, copy.day) != (dataset.name, day):
        raise Refused(
            f"{known.place} holds the rows of dataset {copy.dataset!r}, day {copy.day}. Nothing of its month was "
            f"imported; put the file of {dataset.name!r}, day {day}, in its place."
        )
    return copy
