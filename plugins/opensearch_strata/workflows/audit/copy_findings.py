"""The history's second copy: whether each proven day has a Parquet file, and whether it is made of the rows of now."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused, StrataError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.history.copy.day_file import read_file
from opensearch_strata.workflows.archiving import settings_of
from opensearch_strata.workflows.audit.findings import Finding
from opensearch_strata.workflows.audit.inventory import DayState, Inventory
from opensearch_strata.workflows.audit.looking import Looks
from opensearch_strata.workflows.history_copy.export import made_of
from opensearch_strata.workflows.history_copy.parquet_files import HistoryFiles, KnownFile

if TYPE_CHECKING:
    from botocore.client import BaseClient

_AT_ONCE = 4  # files that are looked at simultaneously; each is one request to S3


_MOST_READ = 20  # files that are read in one audit because they say nothing about themselves
_SMALLEST = 12  # bytes of a Parquet file without any content


def proven_states(inventory: Inventory) -> list[DayState]:
    """Days whose rows are those of their last proof. The daily cycle owes a file to each of them."""
    return [state for state in inventory.days if state.has_proven_rows]


def copied_states(inventory: Inventory) -> list[DayState]:
    """Days that have both rows and a file."""
    return [state for state in inventory.days if state.rows and state.copied]


def see_copies(s3: BaseClient, dataset: Dataset, inventory: Inventory, looks: Looks) -> list[Finding]:
    """Proven days without a file, and files that are not of the rows of their day. One request for each day with a
    file; a file whose object says nothing about it is read.

    :param looks: what cannot be looked at is a finding
    """
    files = HistoryFiles(s3, settings_of(dataset))
    proven = proven_states(inventory)
    missing = [_missing(dataset, state) for state in proven if not state.copied]
    is_proven = {state.day for state in proven}
    silent: list[tuple[DayState, KnownFile]] = []

    def see(state: DayState) -> list[Finding]:
        def look() -> Iterator[Finding]:
            known = files.find(state.day)
            if known is None:
                yield from [_missing(dataset, state)] if state.day in is_proven else []
            elif known.size < _SMALLEST:
                yield damaged(dataset, state, f"{known.place} has only {counted(known.size, 'byte')}.")
            elif known.is_replaced:
                yield damaged(dataset, state, f"{known.place} is not what Strata wrote there.")
            elif not known.contents.made_of:
                silent.append((state, known))
            else:
                yield from _against_rows(dataset, state, known, is_proven=state.day in is_proven)

        return looks.at(state.day, look)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="strata-audit") as pool:
        found = [one for of_day in pool.map(see, copied_states(inventory)) for one in of_day]
    for number, (state, known) in enumerate(sorted(silent, key=lambda one: one[0].day)):

        def look(number: int = number, state: DayState = state, known: KnownFile = known) -> Iterator[Finding]:
            yield _silent(files, dataset, state, known, is_read=number < _MOST_READ)

        found += looks.at(state.day, look)
    return [*missing, *found]


def damaged(dataset: Dataset, state: DayState, told: str) -> Finding:
    """A file that is not what was written: bad if nothing else is left from which the rows could be made again.

    :param told: what is wrong, a sentence
    """
    has_other = state.documents is not None or state.has_manifest
    cure = f"Move the file elsewhere, then: {_export(dataset)}"
    return Finding("copy", state.day, told, "look" if has_other else "would be lost", cure)


def _export(dataset: Dataset) -> str:
    return f"strata history export {dataset.name} --from {{first}} --to {{last}}"


def _missing(dataset: Dataset, state: DayState) -> Finding:
    told = "Its rows have no second copy in S3, although the dataset has an archive."
    return Finding("copy", state.day, told, "look", f"Make sure that pyarrow is installed, then: {_export(dataset)}")


def _silent(files: HistoryFiles, dataset: Dataset, state: DayState, known: KnownFile, *, is_read: bool) -> Finding:
    """A file whose object does not say what it was made of."""
    told = "The object of the copy of its rows says nothing about it: another tool wrote or copied it."
    if is_read:
        content = files.read(known)
        try:
            read_file(content, str(known.place))
        except Refused as error:
            return damaged(dataset, state, str(error))
        except StrataError:  # pyarrow is missing
            pass
    return Finding("copy", state.day, told, "look", _export(dataset))


def _against_rows(dataset: Dataset, state: DayState, known: KnownFile, *, is_proven: bool) -> Iterator[Finding]:
    documents = state.rows.documents if state.rows else 0
    noted = known.contents.documents
    if noted.isdecimal() and int(noted) > documents:
        told = f"The copy of its rows stands for {int(noted):,} documents, but its rows carry {documents:,}."
        cure = (
            f"If rows were lost, import them: strata history import {dataset.name} --from {{first}} --to {{last}} "
            f"--apply. If the rows are right, move the file elsewhere, then: {_export(dataset)}"
        )
        yield Finding("copy", state.day, told, "would be lost", cure)
    elif is_proven and known.contents.made_of != made_of(dataset, state.rows.version if state.rows else "", state.mark):
        told = "The copy of its rows is older than its rows, or was written with other archive.percentiles or units."
        yield Finding("copy", state.day, told, "look", _export(dataset))
