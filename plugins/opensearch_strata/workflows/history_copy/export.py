"""Proven days of history written to S3, each as a file that any tool reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import days_between
from opensearch_strata.errors import Refused, StrataError
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.copy.day_file import file_of, read_file
from opensearch_strata.history.copy.footer import FORMAT
from opensearch_strata.history.copy.proven_day import NoRowsError, by_proof, proven_rows, read_day
from opensearch_strata.history.copy.row_tables import arrow, difference
from opensearch_strata.history.month.marks import Mark
from opensearch_strata.history.month.rows_of_day import Carried
from opensearch_strata.history.verify.proof import Proof
from opensearch_strata.workflows.archiving import installed_version, settings_of
from opensearch_strata.workflows.history_copy.parquet_files import Contents, HistoryFiles, KnownFile

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

CopyOutcome = Literal["written", "unchanged", "no rows", "left out", "failed"]


@dataclass(frozen=True)
class CopiedDay:
    """What became of the copy of one day.

    :param outcome: ``unchanged``: the file is already made of the very rows; ``left out``, ``failed``: see ``note``
    :param rows: of the day
    :param documents: raw documents that they stand for
    :param size: bytes of the file
    :param url: of the file
    :param passing: whether another attempt at a day that failed may succeed
    """

    day: date
    outcome: CopyOutcome
    rows: int = 0
    documents: int = 0
    size: int = 0
    url: str = ""
    note: str = ""
    passing: bool = False


def copy_day(client: OpenSearch, s3: BaseClient, dataset: Dataset, proof: Proof) -> CopiedDay:
    """Write the file of a day whose rows are proven, unless it is there, made of the very rows.

    A day that was condensed again replaces its file. Where pyarrow is missing, the day is left out with a sentence.

    :param proof: of the day's rows, just made
    :raises Refused: the rows are not proven, or S3 does not allow it
    :raises TransientError: rows were written meanwhile, or S3 does not answer
    """
    try:
        arrow()
    except StrataError as error:
        return CopiedDay(proof.day, "left out", note=explain(error))
    return copy_rows(client, s3, dataset, proof.day, *by_proof(dataset, proof))


def export_days(client: OpenSearch, s3: BaseClient, dataset: Dataset, first: date, last: date) -> Iterator[CopiedDay]:
    """Write the file of every day of a span whose rows are proven. A day that cannot be copied never keeps the others.

    :param first: inclusive
    :param last: inclusive
    :raises DefinitionError: the dataset has no archive, or pyarrow is missing
    :raises Refused: the span is empty
    """
    from opensearchpy import OpenSearchException

    arrow()
    settings_of(dataset)
    if last < first:
        raise Refused(f"The span from {first} to {last} is empty; let it end on the day on which it starts, or later.")
    for day in days_between(first, last):
        try:
            yield copy_rows(client, s3, dataset, day, *proven_rows(client, dataset, day))
        except NoRowsError:
            yield CopiedDay(day, "no rows")
        except (StrataError, OpenSearchException) as error:
            yield CopiedDay(day, "left out", note=explain(error))


def copy_rows(
    client: OpenSearch, s3: BaseClient, dataset: Dataset, day: date, proven: Carried, mark: Mark | None
) -> CopiedDay:
    """Write the file of a day, unless it is there, made of the very rows.

    :param proven: what its rows carried when they were proven
    :param mark: of that proof; None for a day that is held
    :raises Refused: what is there is not an older copy of this day, or stands for more documents; or S3 does not allow
        it
    :raises TransientError: rows were written meanwhile, or S3 does not answer
    """
    files = HistoryFiles(s3, settings_of(dataset))
    content_id = made_of(dataset, proven.rows_version, mark)
    there = files.find(day)
    if there:
        if there.contents.made_of == content_id:
            return CopiedDay(day, "unchanged", proven.rows, proven.documents, there.size, str(there.place))
        _require_replaceable(files, there, dataset, day, proven)
    copy = read_day(client, dataset, day, proven, mark)
    content = file_of(copy, _percentiles(dataset), {**_about(dataset), "version": installed_version() or ""})
    if found := difference(copy.layout, copy.rows, read_file(content, f"the file of {day}").rows):
        raise Refused(f"The file of {day} would not hold its rows: {found}. Nothing was written.")
    about = Contents(dataset.name, f"{day}", f"{FORMAT}", f"{copy.documents}", content_id)
    written = files.write(day, content, about, there)
    if files.read(written) != content:
        raise Refused(f"{written.place} is not what was written. Export the day again.")
    return CopiedDay(day, "written", copy.rows.num_rows, copy.documents, written.size, str(written.place))


def _require_replaceable(files: HistoryFiles, there: KnownFile, dataset: Dataset, day: date, proven: Carried) -> None:
    """Make sure that what is there is a copy of this day which holds no more than the rows that are to replace it.

    A month that was lost, and condensed again from what was left of its days, must not take its copy with it. Nor must
    anything else be overwritten that somebody put there, or that cannot be read.
    """
    said = there.contents
    name, of, documents = said.dataset, said.day, said.documents
    if (name, of, said.format) != (dataset.name, f"{day}", f"{FORMAT}") or not documents.isdecimal():
        try:
            found = read_file(files.read(there), str(there.place))
        except Refused as error:
            raise Refused(
                f"{error} It was kept, and the rows of {day} were not copied. If nobody needs it, delete it, else move "
                f"it elsewhere; then export the day again."
            ) from None
        name, of, documents = found.dataset, f"{found.day}", f"{found.documents}"
    if name != dataset.name:
        raise Refused(
            f"{there.place} is of dataset {name!r}. It was kept; give {dataset.name!r} another archive.prefix."
        )
    if of != f"{day}":
        raise Refused(
            f"{there.place} holds the rows of {of}. It was kept; move it to where it belongs, then export {day} again."
        )
    if int(documents) > proven.documents:
        raise Refused(
            f"{there.place} holds rows of {int(documents):,} documents, history of {proven.documents:,}. It was kept. "
            f"If the rows were lost, import it; if they are right, move it elsewhere and export the day again."
        )


def made_of(dataset: Dataset, rows_version: str, mark: Mark | None) -> str:
    """What decides what a file holds, in one word: rows, mark, percentiles, units and zone. Pure.

    :param rows_version: of the day's rows, see :func:`opensearch_strata.history.month.marks.rows_version`
    :param mark: of their proof; None for a day that is held
    """
    said = [FORMAT, rows_version, mark and asdict(mark), _percentiles(dataset), _about(dataset)]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def _percentiles(dataset: Dataset) -> dict[str, float]:
    """Name -> share of the values below it."""
    return {name: float(name[1:]) / 100 for name in settings_of(dataset).percentiles}


def _about(dataset: Dataset) -> dict[str, Any]:
    """What the footer says of the definition beside the rows."""
    units = {name: metric.unit for name, metric in dataset.metrics.items() if metric.unit}
    return {"units": units, "time_zone": dataset.time_zone}
