"""How one dataset stands: every day that is known of it, what loads into it, and what waits for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.targets.under_load import registrations, told_loading, users
from opensearch_strata.connections.expanded import expand
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import day_of, newest_expired
from opensearch_strata.errors.amounts import total_size
from opensearch_strata.errors.judging import explain, is_known
from opensearch_strata.history.month.stand_in import stand_in_names
from opensearch_strata.workflows.arrivals.standing import Standing, standing
from opensearch_strata.workflows.audit.inventory import Inventory, take_inventory
from opensearch_strata.workflows.overview.kinds import Cell, cell_of

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

    from opensearch_strata.archive.arrivals.queue import QueueState


@dataclass(frozen=True)
class Overview:
    """A dataset at a moment.

    :param at: when it was looked at, aware
    :param inventory: everything that is left of each day
    :param cells: what each of these days is, oldest first
    :param loading: raw days that somebody loads into -> who, a sentence
    :param dead: records that could not be loaded, over all objects in the ledger
    :param queue: how its queue stands; None if it has none, or it could not be asked
    :param unseen: what could not be looked at, and why, one sentence each
    """

    dataset: Dataset
    at: datetime
    inventory: Inventory
    cells: list[Cell]
    loading: Mapping[date, str] = field(default_factory=dict)
    dead: int = 0
    queue: Standing | None = None
    unseen: list[str] = field(default_factory=list)

    @cached_property
    def by_day(self) -> Mapping[date, Cell]:
        """The cells by their days."""
        return {cell.day: cell for cell in self.cells}

    @property
    def raw(self) -> list[Cell]:
        """The days that have a raw day, oldest first."""
        return [cell for cell in self.cells if cell.has_raw]

    @property
    def window_start(self) -> date:
        """The oldest day of the window."""
        newest = self.inventory.window_end
        return min(newest, newest_expired(newest, self.dataset.raw.window_days) + timedelta(days=1))

    @property
    def today(self) -> date:
        """The day that goes on, in the dataset's time zone."""
        return day_of(self.at, self.dataset.zone)

    def is_in_window(self, day: date) -> bool:
        """Whether a day is one of the newest complete ones, which stay raw."""
        return self.window_start <= day <= self.inventory.window_end

    @property
    def last_proven(self) -> date | None:
        """The newest day whose rows are those of their proof, as far as counts show it; None if there is none."""
        proven = (state.day for state in reversed(self.inventory.days) if state.has_proven_rows)
        return next(proven, None)

    @property
    def unproven_days(self) -> int | None:
        """How many days the newest proven day is behind the end of the window; None if no day is proven."""
        return None if self.last_proven is None else max(0, (self.inventory.window_end - self.last_proven).days)

    @property
    def history_since(self) -> date | None:
        """The first day that has rows; None without a history."""
        return next((cell.day for cell in self.cells if cell.rows), None)

    @property
    def rows(self) -> int:
        """Rows of all days."""
        return sum(cell.rows for cell in self.cells)

    @property
    def raw_size(self) -> str:
        """Size of all raw days, in primary shards."""
        return total_size(cell.raw_bytes for cell in self.cells)

    @property
    def rows_size(self) -> str:
        """Size of the base rows of all days, in primary shards."""
        return total_size(cell.rows_bytes for cell in self.cells)

    @property
    def stored_bytes(self) -> int | None:
        """Bytes of all archived objects; None if the archive was not looked at."""
        return sum(cell.stored_bytes for cell in self.cells) if self.inventory.archive_seen else None

    @property
    def times_smaller(self) -> float | None:
        """How many times smaller rows are than raw days that they stand for; None if no day is known to have both."""
        both = [
            (cell.raw_bytes, cell.rows_bytes)
            for cell in self.cells
            if cell.kind in ("proven", "archived") and cell.raw_bytes is not None and cell.rows_bytes
        ]
        rows = sum(rows for _, rows in both)
        return sum(raw for raw, _ in both) / rows if rows else None


def look_over(
    client: OpenSearch,
    s3: BaseClient | None,
    dataset: Dataset,
    now: datetime,
    queue: Callable[[], QueueState] | None = None,
) -> Overview:
    """Look at everything that a dataset has, and change nothing. What cannot be looked at is said and left out.

    :param s3: client of the archive's bucket; None if the dataset has no archive
    :param now: timezone-aware; days that have not ended by then are left out
    :param queue: asks how the dataset's queue stands; None if it has none
    :raises Refused: OpenSearch may not be read
    :raises TransientError: OpenSearch did not answer in full
    """
    unseen: list[str] = []
    inventory = _inventory(client, s3, dataset, now, unseen)
    ledger = Ledger(client, dataset.name, patience=0.0)
    loading = _loading(ledger, dataset)
    replaced = {
        month
        for name in expand(client, dataset.history.names.expression, "*.settings.index.uuid").indices
        if (month := stand_in_names(dataset).date_in(name))
    }
    cells = [
        cell_of(
            dataset,
            state,
            inventory,
            loading=loading.keys(),
            replaced=replaced,
        )
        for state in inventory.days
    ]
    stands = None
    if queue:
        try:
            stands = standing(client, dataset, queue())
        except Exception as error:
            if not is_known(error):
                raise
            unseen.append(f"Its queue was not looked at: {explain(error)}")
    return Overview(dataset, now, inventory, cells, loading, _dead(ledger), stands, unseen)


def _inventory(
    client: OpenSearch, s3: BaseClient | None, dataset: Dataset, now: datetime, unseen: list[str]
) -> Inventory:
    """The inventory; without the archive, if S3 is what does not answer."""
    try:
        return take_inventory(client, s3, dataset, now)
    except Exception as error:
        if s3 is None or not _is_of_s3(error):
            raise
        unseen.append(f"Its archive was not looked at, so it is not in the calendar: {explain(error)}")
        return take_inventory(client, None, dataset, now)


def _is_of_s3(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, comes from the client of S3."""
    from botocore.exceptions import BotoCoreError, ClientError

    while error is not None:
        if isinstance(error, BotoCoreError | ClientError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _loading(ledger: Ledger, dataset: Dataset) -> dict[date, str]:
    """Days that somebody loads into -> who."""
    found = {}
    for name, stored in registrations(ledger).items():
        day, loaders = dataset.raw.names.date_in(name), users(stored.source)
        if day and loaders:
            found[day] = told_loading(loaders)
    return found


def _dead(ledger: Ledger) -> int:
    """Records that could not be loaded, over all objects of the dataset."""
    body = {"size": 0, "query": ledger.query("object"), "aggs": {"dead": {"sum": {"field": "dead"}}}}
    found = ledger.index.search(body).get("aggregations", {}).get("dead", {}).get("value")
    return int(found or 0)
