"""What a load will do: the objects that may hold events of some days and are not loaded yet, cut into batches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import uuid4

from opensearch_strata.archive.causes import Causes
from opensearch_strata.archive.dead_letters.letter import dead_letters_url
from opensearch_strata.archive.documents.reading import reading_of
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.planning.batches import USUAL_LIMITS, Batch, PlanLimits, batches_of
from opensearch_strata.archive.planning.held_days import days_held
from opensearch_strata.archive.planning.load_estimate import DiskRoom, Estimate, estimate
from opensearch_strata.archive.planning.not_loaded import NotLoaded, lost_elsewhere, not_loaded
from opensearch_strata.archive.planning.sampling import Sample, sample
from opensearch_strata.archive.spans import Span, span_of_days
from opensearch_strata.archive.store.keys import REASONS, Reason
from opensearch_strata.archive.store.listing import Amount, Listing, amount_of
from opensearch_strata.archive.store.objects import ListedObject, object_now
from opensearch_strata.archive.targets.disk import copies, free_below_watermark
from opensearch_strata.definition.loading.intake import split_s3_url
from opensearch_strata.errors import DefinitionError
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

    from opensearch_strata.archive.ledger.store import Ledger
    from opensearch_strata.connections.removals import Removals
    from opensearch_strata.definition.dataset import Dataset

_COPIED = (
    " Objects that were written long after their events, by an export task, a copy or a replication, are found only if "
    "intake.max_lateness is long enough, such as 700d."
)
_DAY = 86_400_000  # milliseconds
_NAMED = 5


@dataclass(frozen=True)
class Plan:
    """What a load will do.

    :param plan_id: later plans have greater ids
    :param span: event times to load
    :param held: days of the range that the objects to load may hold events of; see :func:`days_held`
    :param prefixes: the prefixes that were listed
    :param left_out: objects that are loaded already, according to the ledger
    :param again: raw day -> why objects that were loaded into it are loaded again
    :param days_now: present state of the raw days that the ledger knows
    :param lacking: objects to load that were loaded before, by other rules of ``intake.keep`` and ``intake.skip``,
        which left out events that are wanted now
    :param moved: objects to load that were loaded before, into raw indices of other names
    :param retimed: objects that are not loaded although their loads do not count any more, because their events may
        have other times now
    :param retimed_in: raw days that hold documents of these
    :param dead: dead letters of the objects when they were last loaded, by cause
    :param set_apart: objects that were listed but are not to be loaded, by reason
    :param error_prefixes: prefixes of the records that Firehose could not deliver
    :param sample: what a few of the objects hold; None if there are none to load
    :param too_late: sentences saying that objects which were set apart hold events of the days; empty if they do not
    :param estimate: None if there are no objects to load
    """

    plan_id: str
    dataset_name: str
    source_url: str
    first: date
    last: date
    span: Span
    dead_letters_url: str
    held: Sequence[date]
    prefixes: Sequence[str]
    batches: Sequence[Batch]
    left_out: Amount
    again: Mapping[str, str]
    days_now: Mapping[str, Removals | None]
    lacking: Amount
    moved: Amount
    retimed: Amount
    retimed_in: Collection[str]
    dead: Causes
    set_apart: dict[Reason, Amount]
    error_prefixes: Sequence[str]
    sample: Sample | None
    too_late: str
    estimate: Estimate | None

    @property
    def amount(self) -> Amount:
        """The objects to load."""
        return Amount(sum(len(batch.objects) for batch in self.batches), sum(batch.size for batch in self.batches))

    @property
    def found_any(self) -> bool:
        """Whether there are objects, to be loaded or loaded already; if there are none, the source is likely wrong."""
        return bool(self.batches or self.left_out.objects or self.retimed.objects)

    @property
    def refusal(self) -> str | None:
        """Why this must not be loaded as it is, in sentences; None if it may be loaded."""
        if frozen := self.set_apart.get("in_glacier"):
            return (
                f"{counted(frozen.objects, 'object')} of the range in an archive tier of S3 cannot be loaded, so its "
                f"days would be incomplete. Nothing was loaded. Restore what is archived (`aws s3api restore-object`) "
                f"and plan again, or use a range that does not need it."
            )
        return self.too_late or (self.estimate.refusal if self.estimate else None)

    @property
    def warning(self) -> str | None:
        """What the plan leaves out although it may hold events of the days; None if there is no such thing."""
        told = []
        if self.retimed.objects:
            named = list(self.retimed_in)
            more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
            told.append(
                f"Not loaded: {counted(self.retimed.objects, 'object')} that were loaded while the dataset read times "
                f"otherwise (raw.timestamp, time_zone, intake.timestamp_format, intake.log_time_zone, or intake.rename "
                f"of the time). Events that have another time now would exist twice. Either set these keys as they "
                f"were, or delete the raw days that hold the documents and plan again: "
                f"{', '.join(named[:_NAMED]) or 'none'}{more}."
            )
        if errors := self.set_apart.get("errors"):
            told.append(
                f"Not loaded: {counted(errors.objects, 'object')} under error prefixes, with records that Firehose "
                f"could not deliver. To load them, run a backfill with their prefix as the source: "
                f"{_listed(self.source_url, self.error_prefixes)}."
            )
        return " ".join(told) or None

    @property
    def verdict(self) -> str:
        """What there is to do, in one or more sentences."""
        days = f"{self.first}" if self.first == self.last else f"{self.first} .. {self.last}"
        if self.batches:
            return f"To load for {days}: {self.amount}, in {counted(len(self.batches), 'batch', 'batches')}."
        if self.retimed.objects:
            return f"There is nothing to load for {days}, but the times of {self.retimed} are read otherwise now."
        if self.left_out.objects == 1:
            return f"The only object that may hold events of {days} is loaded already."
        if self.left_out.objects:
            return f"All {self.left_out.objects:,} objects that may hold events of {days} are loaded already."
        if self.too_late:
            return f"There are no objects to load for {days}. {self.too_late}"
        apart = "; ".join(f"{REASONS[reason]}: {amount.objects:,}" for reason, amount in self.set_apart.items())
        return (
            f"There are no objects to load for {days}. Listed: {_listed(self.source_url, self.prefixes)}. Set apart: "
            f"{apart or 'none'}. Check the source (a folder must end with a slash) and the dataset's intake.layout."
            f"{_COPIED if 'other_time' in self.set_apart else ''}"
        )


def make_plan(
    s3: BaseClient,
    client: OpenSearch,
    dataset: Dataset,
    source_url: str,
    first: date,
    last: date,
    ledger: Ledger,
    limits: PlanLimits = USUAL_LIMITS,
    poorer_days: Collection[str] = (),
    days_now: Mapping[str, Removals | None] = MappingProxyType({}),
    is_retired: Callable[[str, str], bool] = lambda *_: False,
) -> Plan:
    """Make a plan: list the objects, leave out loaded ones, look into a few, and check the disks of the cluster.

    This changes nothing.

    :param source_url: s3://bucket/prefix/ of the objects
    :param first: first day of the events, in the dataset's zone
    :param last: last day, inclusive
    :param poorer_days: raw days that hold fewer documents than were created in them
    :param days_now: present state of the raw days that the ledger knows; what may have changed is loaded again
    :param is_retired: whether history carries a raw day, by index and UUID
    :raises DefinitionError: the source or the days cannot be used
    :raises Refused: S3 does not allow it, or there are too many objects for one plan
    :raises TransientError: S3 or OpenSearch does not answer
    """
    if last < first:
        raise DefinitionError(f"The last day, {last}, is before the first day, {first}; swap them.")
    try:
        letters = dead_letters_url(dataset.intake, source_url)
    except ValueError as error:
        raise DefinitionError(f"{error}.") from None
    span = span_of_days(first, last, dataset.zone)
    listing = Listing(s3, source_url, dataset.intake, *span, letters)
    left = NotLoaded(span, reading_of(dataset), poorer_days, days_now)
    not_loaded(listing, ledger, left, limits.objects)
    beyond = lost_elsewhere(ledger, left, lambda place: _now(s3, place, source_url, letters))
    found = not_loaded(beyond, ledger, left, limits.objects)
    looked = sample(s3, dataset, found.objects, span) if found.objects else None
    return Plan(
        plan_id=new_plan_id(),
        dataset_name=dataset.name,
        source_url=source_url,
        first=first,
        last=last,
        span=span,
        dead_letters_url=letters,
        held=days_held(listing, dataset, found.objects, span),
        prefixes=listing.prefixes,
        batches=batches_of(
            found.objects, limits, lambda listed: listing.arrival(listed.place.key, listed.modified).start
        ),
        left_out=found.left_out,
        again=found.again_because(is_retired),
        days_now=days_now,
        lacking=found.lacking,
        moved=found.moved,
        retimed=found.retimed,
        retimed_in=sorted(found.retimed_in),
        dead=found.dead,
        set_apart={**listing.apart, **({"in_glacier": amount_of(found.frozen)} if found.frozen else {})},
        error_prefixes=listing.error_prefixes,
        sample=looked,
        too_late=_too_late(s3, dataset, listing.too_late, span),
        estimate=estimate(looked, found.size, found.rate, room_of(client, dataset, last)) if looked else None,
    )


def _now(s3: BaseClient, place: Place, source_url: str, letters: str) -> ListedObject | None:
    """An object of a source as it is now; None if it is gone or of another source.

    :param letters: URL below which the dead letters are
    """
    is_of_source = f"{place}".startswith(source_url) and not f"{place}".startswith(letters)
    return object_now(s3, place.bucket, place.key) if is_of_source else None


def new_plan_id() -> str:
    """An id that is greater than those of earlier plans."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex[:8]}"


def _too_late(s3: BaseClient, dataset: Dataset, objects: Sequence[ListedObject], span: Span) -> str:
    """Sentences about objects that were set apart, if they hold events of the days."""
    if not objects or not (held := sample(s3, dataset, objects, span).documents):
        return ""
    days = (max(listed.modified for listed in objects) - span[0]) // _DAY + 1
    return (
        f"Objects that were last modified too late for these days do hold events of them: {held:,} in a few that were "
        f"sampled. If keys contain no time (intake.layout: null), the last modification of an object counts, and an "
        f"export, a copy or a replication changes it. Nothing was loaded. Set intake.max_lateness to {days}d or longer."
    )


def room_of(client: OpenSearch, dataset: Dataset, last: date) -> DiskRoom:
    """What the disks of the cluster have room for.

    :param last: a day whose raw index is or would be like the others
    """
    free = free_below_watermark(client)
    return DiskRoom(free, 1 if free is None else copies(client, dataset, dataset.raw_index(last)))


def _listed(source_url: str, prefixes: Sequence[str]) -> str:
    bucket, _ = split_s3_url(source_url)
    urls = [f"s3://{bucket}/{prefix}" for prefix in prefixes]
    return f"{urls[0]} .. {urls[-1]} ({len(urls)} prefixes)" if len(urls) > 2 else " and ".join(urls)
