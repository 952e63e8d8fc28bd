"""What must hold before a raw day is deleted, and its deletion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal

from opensearch_strata.archive.targets.under_load import require_not_loading
from opensearch_strata.archive.targets.wanted_days import why_wanted
from opensearch_strata.connections import decisive
from opensearch_strata.connections.deleting import delete_index
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import newest_expired
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.history.month.durable import require_copies, require_durable
from opensearch_strata.history.month.rows_of_day import NOTHING, Carried, carried
from opensearch_strata.history.raw_day.full_disk import past_full_disk
from opensearch_strata.history.raw_day.hold import (
    Hold,
    OvertakenError,
    block_for,
    claim,
    hold_in,
    release,
    release_dead,
    taken_over,
)
from opensearch_strata.history.raw_day.inspection import RawDay, inspect_raw_day

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


_RACES = 2

Outcome = Literal["deleted", "dry_run", "gone"]

RequireArchive = Callable[[RawDay], None]
"""Raises Refused unless the archive of a raw day is proven for the day as it is, and still there."""


@dataclass(frozen=True)
class Proven:
    """What a proof found in a raw day, and what must still be so when the day is deleted.

    :param uuid: UUID of the raw index
    :param sequence: highest sequence number of each of its primary shards; every write raises one of them
    :param carried: what the rows carry, with their version and the UUID of their month
    :param history: history UUID of the raw index
    """

    index: str
    day: date
    uuid: str
    documents: int
    sequence: tuple[int, ...] = ()
    carried: Carried = NOTHING
    history: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return a small JSON object, for a task that deletes what another task has proven."""
        return {
            "index": self.index,
            "day": self.day.isoformat(),
            "uuid": self.uuid,
            "documents": self.documents,
            "rows": self.carried.rows,
            "sequence": list(self.sequence),
            "history": self.history,
            "carried": {**asdict(self.carried), "sources": sorted(self.carried.sources)},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Proven:
        """Read what :meth:`as_json` returned; an object of an older release lacks versions, so it never holds.

        :param value: a parsed JSON object
        """
        there = value.get("carried", {})
        known = {**there, "version": tuple(there["version"]), "sources": frozenset(there["sources"])} if there else {}
        return cls(
            value["index"],
            date.fromisoformat(value["day"]),
            value["uuid"],
            value["documents"],
            tuple(value.get("sequence", ())),
            Carried(**known) if known else NOTHING,
            value.get("history", ""),
        )


def retire(
    client: OpenSearch,
    dataset: Dataset,
    proven: Proven,
    window_end: date,
    *,
    dry_run: bool,
    archive: RequireArchive | None = None,
) -> Outcome:
    """Delete one proven raw day by its exact name.

    The day is held and writes to it are blocked. Then it must still be what was proven, operation by operation. So must
    its rows, which must also be on the disks of enough nodes. If any check fails, the block is lifted and the day is
    kept.

    :param window_end: the newest day in the window; the day to delete is ``proven.day``
    :param dry_run: check what can be checked without changing anything; no archive is required then
    :param archive: raises unless the archive is proven for the day as it is now; None if there is no archive
    :raises Refused: a check failed; the raw day was kept
    :raises TransientError: an answer was missing or incomplete; the raw day was kept
    """
    raw = _still_the_same(client, dataset, proven, window_end, clear=not dry_run)
    if raw and not dry_run:
        _require_archived(dataset, raw, archive)
    if raw is None:
        return "gone"
    if dry_run:
        require_copies(client, dataset, raw)
        return "dry_run"
    with past_full_disk(client, raw):
        for _ in range(_RACES):
            try:
                return _retire_held(client, dataset, proven, window_end, archive)
            except OvertakenError:  # two runs at once: the other one has the day and is waited for
                continue
        return _retire_held(client, dataset, proven, window_end, archive)


def _retire_held(
    client: OpenSearch, dataset: Dataset, proven: Proven, window_end: date, archive: RequireArchive | None
) -> Outcome:
    from opensearchpy import NotFoundError

    hold = None
    try:
        hold = claim(client, proven.index)
        block_for(client, proven.index, hold)
        raw = _still_the_same(client, dataset, proven, window_end, hold)
        if raw is None:
            return "gone"
        _contents_still_hold(client, dataset, proven, raw)
        _require_archived(dataset, raw, archive)
        _rows_still_hold(client, dataset, proven)
        require_durable(client, dataset, raw)
        _rows_still_hold(client, dataset, proven)
        if _still_the_same(client, dataset, proven, window_end, hold) is None:
            return "gone"
        delete_index(client, proven.index)
    except NotFoundError:
        if hold:
            release(client, proven.index, hold)
        if _still_the_same(client, dataset, proven, window_end) is None:  # another run, with the same proof, was faster
            return "gone"
        raise
    except BaseException:
        if hold:
            release(client, proven.index, hold)
        raise
    return "deleted"


def _still_the_same(
    client: OpenSearch,
    dataset: Dataset,
    proven: Proven,
    window_end: date,
    hold: Hold | None = None,
    *,
    clear: bool = False,
) -> RawDay | None:
    """Return the raw day if it is the index that was proven and may be deleted, and None if it is gone.

    :param hold: the hold of this run, once it has one
    :param clear: release what a killed run held, whatever is decided afterwards
    """
    if dataset.raw.names.date_in(proven.index) != proven.day or proven.index != dataset.raw_index(proven.day):
        raise Refused(f"{proven.index!r} is not the raw day {proven.day} of {dataset.name!r}; nothing was deleted.")
    raw = inspect_raw_day(client, dataset, proven.day)
    if raw and clear:
        release_dead(client, raw)
    if proven.day > newest_expired(window_end, dataset.raw.window_days):
        raise Refused(
            f"{proven.index} is inside the window of {counted(dataset.raw.window_days, 'day')} that ends with "
            f"{window_end}; it was kept."
        )
    if raw and (why := why_wanted(raw.meta, datetime.now(UTC))):
        raise Refused(f"{proven.index} was kept: {why}.")
    require_not_loading(client, dataset.name, proven.index)
    if raw and raw.uuid != proven.uuid:
        raise Refused(
            f"{proven.index} was kept: it was recreated after it was proven (its UUID was {proven.uuid} and is now "
            f"{raw.uuid}). The next run proves the new index."
        )
    if raw and "read_only" in raw.blocked:
        raise Refused(
            f"{proven.index} was kept: it is read-only, so somebody holds it. If nobody does, set its "
            f"index.blocks.read_only to null and run again."
        )
    if raw and hold and (hold_in(raw.meta) != hold or hold.over):
        raise OvertakenError(taken_over(proven.index))
    if raw and hold and "write" not in raw.blocked:
        raise Refused(
            f"{proven.index} was kept: its write block was lifted in the meantime. The next run proves it again."
        )
    return raw


def _require_archived(dataset: Dataset, raw: RawDay, archive: RequireArchive | None) -> None:
    if not dataset.archive or not dataset.archive.before_delete:
        return
    if archive is None:
        raise Refused(
            f"{raw.index} was kept: {dataset.name!r} requires that raw days are archived before they are deleted "
            f"(archive.before_delete), but this day has no proven archive."
        )
    archive(raw)


def _contents_still_hold(client: OpenSearch, dataset: Dataset, proven: Proven, raw: RawDay) -> None:
    """Require that the raw day under the block is, operation by operation, the one that was proven."""
    now = decisive.primaries(client, raw.index)
    if raw.documents != proven.documents:
        rows = carried(client, dataset, proven.day)
        raise Refused(
            f"{proven.index} was kept: it was proven with {counted(proven.documents, 'document')}, but now it holds "
            f"{raw.documents:,} and its rows carry {rows.documents:,}. The next run proves it again."
        )
    if not now.settled:
        raise TransientError(f"{proven.index} was kept: a write to it is still under way. Try again.")
    same = now.uuid == proven.uuid and raw.history == proven.history
    if not same or not now.sequence == raw.sequence == proven.sequence:
        raise Refused(
            f"{proven.index} was kept: some of its documents were written or deleted after it was proven, although it "
            f"holds the same number. The next run proves it again."
        )


def _rows_still_hold(client: OpenSearch, dataset: Dataset, proven: Proven) -> None:
    """Require that every row is the one that was proven."""
    rows = carried(client, dataset, proven.day)
    if rows.documents != proven.documents:
        raise Refused(
            f"{proven.index} was kept: it was proven with {counted(proven.documents, 'document')} and still holds "
            f"them, but its rows carry {rows.documents:,}. The next run proves it again."
        )
    if rows != proven.carried:
        raise Refused(
            f"{proven.index} was kept: some of its rows in {dataset.month_index(proven.day)} were written or deleted "
            f"after it was proven, although they carry the same number of documents. The next run proves it again."
        )
    if others := rows.sources - {proven.uuid}:
        raise Refused(
            f"{proven.index} was kept: some of its rows came from another index ({', '.join(sorted(others))}). The "
            f"next run condenses it again if it holds everything that they carry."
        )
