"""The history's second copy: whether each proven day has a Parquet file, and whether it is made of the rows of now."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.workflows.archiving import settings_of
from opensearch_strata.workflows.audit.findings import Finding
from opensearch_strata.workflows.audit.inventory import DayState, Inventory
from opensearch_strata.workflows.history_copy.export import made_of
from opensearch_strata.workflows.history_copy.parquet_files import HistoryFiles

if TYPE_CHECKING:
    from botocore.client import BaseClient

_AT_ONCE = 4  # files that are looked at simultaneously; each is one request to S3


def proven_states(inventory: Inventory) -> list[DayState]:
    """Days whose rows are those of their last proof. The daily cycle owes a file to each of them."""
    return [
        state
        for state in inventory.days
        if state.rows and state.mark and state.mark.is_of(state.rows.documents, state.rows.version)
    ]


def see_copies(s3: BaseClient, dataset: Dataset, inventory: Inventory) -> Iterator[Finding]:
    """Days without a file, and those whose file is not made of their rows. One request for each day that has a file.

    :raises Refused: S3 may not be read
    :raises TransientError: S3 did not answer
    """
    files = HistoryFiles(s3, settings_of(dataset))
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="strata-audit") as pool:
        found = pool.map(lambda state: _see(files, dataset, state), proven_states(inventory))
        yield from (finding for finding in found if finding)


def _see(files: HistoryFiles, dataset: Dataset, state: DayState) -> Finding | None:
    known = files.find(state.day) if state.copied else None
    export = f"strata history export {dataset.name} --from {{first}} --to {{last}}"
    if known is None:
        told = "Its rows have no second copy in S3, although the dataset has an archive."
        return Finding("copy", state.day, told, "look", f"Make sure that pyarrow is installed, then: {export}")
    documents = state.rows.documents if state.rows else 0
    noted = known.contents.documents
    if noted.isdecimal() and int(noted) > documents:
        told = f"The copy of its rows stands for {int(noted):,} documents, but its rows carry {documents:,}."
        cure = (
            f"If rows were lost, delete what is left of the day and import it: strata history import {dataset.name} "
            f"--from {{first}} --to {{last}} --apply. If the rows are right, move the file elsewhere, then: {export}"
        )
        return Finding("copy", state.day, told, "would be lost", cure)
    if state.mark and known.contents.made_of != made_of(dataset, state.rows.version if state.rows else "", state.mark):
        told = "The copy of its rows is older than its rows, or was written with other archive.percentiles or units."
        return Finding("copy", state.day, told, "look", export)
    return None
