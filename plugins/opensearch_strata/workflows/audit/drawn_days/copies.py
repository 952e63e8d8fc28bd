"""One file of the history's second copy, drawn by chance, read whole, and compared with the rows of its day."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensearch_strata.archive.store.objects import ObjectChanged, ObjectGone
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import DefinitionError, Refused, StrataError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.history.copy.day_file import read_file
from opensearch_strata.history.copy.proven_day import read_day
from opensearch_strata.history.copy.row_tables import arrow, difference
from opensearch_strata.history.month.rows_of_day import carried
from opensearch_strata.workflows.archiving import settings_of
from opensearch_strata.workflows.audit.copy_findings import copied_states, damaged
from opensearch_strata.workflows.audit.cost import Cost, Meter
from opensearch_strata.workflows.audit.findings import Finding
from opensearch_strata.workflows.audit.inventory import DayState, Inventory
from opensearch_strata.workflows.audit.looking import moving
from opensearch_strata.workflows.history_copy.export import made_of
from opensearch_strata.workflows.history_copy.parquet_files import HistoryFiles, KnownFile

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch


@dataclass(frozen=True)
class DrawnCopy:
    """A file that is to be read whole.

    :param known: the file as it was when it was drawn
    """

    state: DayState
    known: KnownFile

    @property
    def cost(self) -> Cost:
        """What reading it will take."""
        return Cost(bytes=self.known.size, requests=1)


def draw_copy(s3: BaseClient, dataset: Dataset, inventory: Inventory, seed: str) -> DrawnCopy | None:
    """Choose the file of a day by chance; None if there is none, or pyarrow, which reads it, is missing.

    :param seed: the same text chooses the same file
    :raises Refused: S3 may not be read
    :raises TransientError: S3 did not answer
    """
    try:
        arrow()
    except StrataError:
        return None
    states = copied_states(inventory)
    if not states:
        return None
    state = min(states, key=lambda one: hashlib.sha256(f"{seed}\0{dataset.name}\0{one.day}".encode()).digest())
    known = HistoryFiles(s3, settings_of(dataset)).find(state.day)
    return DrawnCopy(state, known) if known else None


def read_drawn(
    client: OpenSearch, s3: BaseClient, dataset: Dataset, drawn: DrawnCopy, meter: Meter
) -> Iterator[Finding]:
    """Read a file, and compare its rows with those of history, bit for bit, if it was made of them.

    :raises TransientError: OpenSearch or S3 did not answer, or rows were written meanwhile
    """
    state, known = drawn.state, drawn.known
    files = HistoryFiles(s3, settings_of(dataset))
    try:
        content = files.read(known)
        meter.add(bytes=known.size)
        copy = read_file(content, str(known.place))
    except (ObjectGone, ObjectChanged):
        yield moving(state.day, "The copy of its rows was drawn, but was written again or removed before it was read.")
        return
    except (Refused, DefinitionError) as error:
        yield damaged(dataset, state, str(error))
        return
    there = carried(client, dataset, state.day)
    read = f"The copy of its rows was drawn and read: its {counted(copy.rows.num_rows, 'row')}"
    if known.contents.made_of != made_of(dataset, there.rows_version, state.mark):
        yield Finding("copy", state.day, f"{read} can be read, and are older than those of history.", "fine")
        return
    rows = read_day(client, dataset, state.day, there, state.mark)
    if found := difference(rows.layout, rows.rows, copy.rows):
        yield damaged(dataset, state, f"{read} are not those that history has: {found}.")
        return
    yield Finding("copy", state.day, f"{read} are those that history has.", "fine")
