"""What a restore will do: the archived days of a range, with the objects that are not loaded yet."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from opensearch_strata.archive.documents.reading import restoring_of
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.planning.archived_days import ArchivedDays, day_of_key
from opensearch_strata.archive.planning.batches import PlanLimits, batches_of
from opensearch_strata.archive.planning.held_days import ranges_of
from opensearch_strata.archive.planning.load_estimate import ASSUMED_RATE, DISK_SHARE, DiskRoom, Estimate
from opensearch_strata.archive.planning.not_loaded import NotLoaded, not_loaded
from opensearch_strata.archive.planning.plan import Plan, new_plan_id, room_of
from opensearch_strata.archive.spans import ALWAYS, span_of_days
from opensearch_strata.archive.store.listing import amount_of
from opensearch_strata.archive.store.objects import ListedObject
from opensearch_strata.definition.days import days_between
from opensearch_strata.errors import DefinitionError
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

    from opensearch_strata.archive.ledger.store import Ledger
    from opensearch_strata.connections.removals import Removals
    from opensearch_strata.definition.archive import ArchiveSettings
    from opensearch_strata.definition.dataset import Dataset

_NAMED = 3
_RESTORED_FOR = 7  # days for which the command keeps an object readable


@dataclass(frozen=True)
class RestorePlan(Plan):
    """What a restore will do.

    :param archived: days of the range that are archived
    :param unarchived: days of the range that are not
    :param missing: URLs of objects that manifests name but that do not exist
    :param frozen: objects to load that are in an archive tier of S3
    """

    archived: Sequence[date] = ()
    unarchived: Sequence[date] = ()
    missing: Sequence[str] = ()
    frozen: Sequence[Place] = ()

    @property
    def found_any(self) -> bool:
        """Whether any day of the range is archived."""
        return bool(self.archived)

    @property
    def refusal(self) -> str | None:
        """Why this must not be loaded as it is, in sentences; None if it may be loaded."""
        if self.missing:
            count = len(self.missing)
            return (
                f"{counted(count, 'object')} that the manifests name {'is' if count == 1 else 'are'} missing or empty: "
                f"{_some(self.missing)}. Nothing was loaded. Bring them back (an earlier version, or a copy of the "
                f"bucket) and run again, or use a range without their days."
            )
        if self.frozen:
            return f"{_frozen(self.frozen)} Nothing was loaded."
        return self.estimate.refusal if self.estimate else None

    @property
    def warning(self) -> str | None:
        """Which days of the range are not restored because they are not archived; None if there are none."""
        if not self.unarchived:
            return None
        count = len(self.unarchived)
        return (
            f"{counted(count, 'day')} of the range {'is' if count == 1 else 'are'} not archived (no manifest in "
            f"{self.source_url}dt=YYYY-MM-DD/), so nothing of {'it' if count == 1 else 'them'} is restored: "
            f"{_days(self.unarchived)}."
        )

    @property
    def verdict(self) -> str:
        """What there is to do, in one or more sentences."""
        days = f"{self.first}" if self.first == self.last else f"{self.first} .. {self.last}"
        if self.batches:
            return (
                f"To restore for {days}: {counted(len(self.held), 'archived day')}, {self.amount}, in "
                f"{counted(len(self.batches), 'batch', 'batches')}."
            )
        if self.missing:
            return f"Not everything that is archived of {days} can be restored."
        if self.archived:
            return f"Everything that is archived of {days} is loaded already: {_days(self.archived)}."
        return (
            f"No day of {days} is archived in {self.source_url}. Check archive.bucket and archive.prefix of "
            f"{self.dataset_name!r}, and what is archived: `strata archives {self.dataset_name}`."
        )


def make_restore_plan(
    s3: BaseClient,
    client: OpenSearch,
    dataset: Dataset,
    settings: ArchiveSettings,
    first: date,
    last: date,
    ledger: Ledger,
    limits: PlanLimits,
    poorer_days: Collection[str],
    days_now: Mapping[str, Removals | None],
    is_retired: Callable[[str, str], bool],
) -> RestorePlan:
    """Make a plan: read the manifests, list their objects, leave out loaded ones, and check the disks of the cluster.

    This changes nothing. No object is read: the manifests say what is in them.

    :param s3: client of the archive's bucket
    :param settings: where the archive is
    :param first: first raw day, in the dataset's zone
    :param last: last day, inclusive
    :param poorer_days: raw days that hold fewer documents than were created in them
    :param days_now: present state of the raw days that the ledger knows; what may have changed is loaded again
    :param is_retired: whether history carries a raw day, by index and UUID
    :raises DefinitionError: the days cannot be used, or a manifest is not valid
    :raises Refused: S3 does not allow it, a manifest is of another dataset, or there are too many objects for one plan
    :raises TransientError: S3 or OpenSearch does not answer
    """
    if last < first:
        raise DefinitionError(f"The last day, {last}, is before the first day, {first}; swap them.")
    days = ArchivedDays(s3, settings, dataset.name, days_between(first, last))
    found = not_loaded(days, ledger, NotLoaded(ALWAYS, restoring_of(dataset), poorer_days, days_now), limits.objects)

    def midnight(listed: ListedObject) -> int:
        day = day_of_key(listed.place.key)
        return span_of_days(day, day, dataset.zone)[0]

    room = room_of(client, dataset, last) if found.objects else None
    return RestorePlan(
        plan_id=new_plan_id(),
        dataset_name=dataset.name,
        source_url=settings.url,
        first=first,
        last=last,
        span=ALWAYS,
        dead_letters_url=settings.url,
        held=sorted({day_of_key(listed.place.key) for listed in found.objects}),
        prefixes=[],
        batches=batches_of(found.objects, limits, midnight),
        left_out=found.left_out,
        again=found.again_because(is_retired),
        days_now=days_now,
        lacking=found.lacking,
        moved=found.moved,
        retimed=found.retimed,
        retimed_in=sorted(found.retimed_in),
        dead=found.dead,
        set_apart={"in_glacier": amount_of(found.frozen)} if found.frozen else {},
        error_prefixes=[],
        sample=None,
        too_late="",
        estimate=_estimate(days, found, room) if room else None,
        archived=days.archived,
        unarchived=days.unarchived,
        missing=[str(place) for place in days.missing],
        frozen=[listed.place for listed in found.frozen],
    )


def _estimate(days: ArchivedDays, found: NotLoaded, room: DiskRoom) -> Estimate:
    entries = [days.entries[listed.place] for listed in found.objects]
    size = sum(entry.bytes for entry in entries)
    return Estimate(
        documents=sum(entry.documents for entry in entries),
        document_bytes=size,
        filtered=0,
        unwanted=0,
        dead=0,
        rate=found.rate or ASSUMED_RATE,
        measured=found.rate is not None,
        disk_bytes=round(size * DISK_SHARE * room.copies),
        free_bytes=room.free,
    )


def _frozen(objects: Sequence[Place]) -> str:
    """Sentences about objects that S3 must restore first, with the command."""
    first, days = objects[0], sorted({day_of_key(place.key) for place in objects})
    named = f"--bucket {shlex.quote(first.bucket)} --key {shlex.quote(first.key)}"
    request = f"'Days={_RESTORED_FOR},GlacierJobParameters={{Tier=Standard}}'"
    every = "" if len(objects) == 1 else f", and the same for each of them (the objects `part-*` of {_days(days)})"
    return (
        f"{counted(len(objects), 'object')} of the archive must first be restored from an archive tier of S3. Run `aws "
        f"s3api restore-object {named} --restore-request {request}`{every}. That takes minutes to hours, see "
        f"`aws s3api head-object {named} --query Restore`; then run this again."
    )


def _days(days: Sequence[date]) -> str:
    runs = [f"{first}" if first == last else f"{first} .. {last}" for first, last in ranges_of(days)]
    return _some(runs)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
