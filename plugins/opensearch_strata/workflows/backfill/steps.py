"""The steps of a backfill behind its plan: write it down, prepare, load each batch, end, prove, forget.

Each is safe to repeat, and after any of them a run may be killed: the next one goes on where it stood.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from opensearch_strata.archive.causes import told
from opensearch_strata.archive.documents.event_times import EventTimes, reading_of
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.batch import BatchResult, LoadSettings, load_batch
from opensearch_strata.archive.load.progress import Progress
from opensearch_strata.archive.planning.held_days import days_held, ranges_of
from opensearch_strata.archive.reconcile import BackfillProof, Check, prove
from opensearch_strata.archive.redrive import Redriven, load_letters
from opensearch_strata.archive.store.listing import Listing
from opensearch_strata.archive.targets import loading_settings
from opensearch_strata.archive.targets.ready_days import ReadyDays
from opensearch_strata.connections.processes import this_process
from opensearch_strata.errors import Refused
from opensearch_strata.errors.amounts import counted
from opensearch_strata.workflows.backfill.empty_days import end_load
from opensearch_strata.workflows.backfill.plan import PlanRef, is_beyond_raw, is_retired

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

    from opensearch_strata.archive.planning.plan import Plan
    from opensearch_strata.definition.dataset import Dataset

_log = logging.getLogger(__name__)

_PLANS_KEPT = timedelta(days=30)  # of runs that failed, whose tasks somebody may clear
_NAMED = 3


def write_plan(client: OpenSearch, dataset: Dataset, plan: Plan, *, serverless: bool = False) -> PlanRef:
    """Put the batches of a plan into the ledger, where the tasks that load them find them.

    :param serverless: the client leads to OpenSearch Serverless
    :raises Refused: objects must be restored first, it would not fit on the disks, or the ledger cannot be set up
    """
    if plan.refusal:
        raise Refused(plan.refusal)
    ledger = Ledger(client, dataset.name, serverless=serverless)
    ledger.ensure()
    ledger.forget_plans_before(f"{datetime.now(UTC) - _PLANS_KEPT:%Y%m%d}")
    ledger.forget_days(plan.again, plan.days_now)
    ledger.write_plan(plan.plan_id, [batch.objects for batch in plan.batches])
    return PlanRef(
        plan_id=plan.plan_id,
        source=plan.source_url,
        first=plan.first,
        last=plan.last,
        span=plan.span,
        dead_letters=plan.dead_letters_url,
        batches=len(plan.batches),
        held=tuple(ranges_of(plan.held)),
    )


def prepare(
    client: OpenSearch, dataset: Dataset, ref: PlanRef, owner: str, *, process: str = "", serverless: bool = False
) -> list[str]:
    """Register for the raw days that objects of the plan may hold, create those that are missing and set these up for
    loading; :func:`end` must follow in any case.

    :param owner: of the run, the same for all its steps; no other run may have it
    :param process: where one process takes all steps, its name: once it is dead, nobody waits for the run
    :param serverless: the client leads to OpenSearch Serverless
    :returns: the raw days that were created
    :raises Refused: a raw day takes no documents, or the cluster takes no more shards; nothing was set
    """
    ledger = Ledger(client, dataset.name, serverless=serverless)
    return loading_settings.prepare(client, ledger, dataset, ref.held_days, owner, process)


def load(
    s3: BaseClient,
    client: OpenSearch,
    dataset: Dataset,
    ref: PlanRef,
    number: int,
    owner: str,
    *,
    settings: LoadSettings,
    on_progress: Callable[[Progress], None] = lambda _: None,
    process: str = "",
    serverless: bool = False,
) -> BatchResult:
    """Load one batch. What is loaded already is left out; what fails keeps nothing else from being loaded.

    Raw days that are gone since they were prepared are prepared again.

    :param number: of the batch, from 0
    :param owner: of the run
    :param process: see :func:`prepare`
    :param on_progress: see :func:`load_batch`; whatever it raises, but a StrataError, ends the load at once
    :param serverless: the client leads to OpenSearch Serverless
    :raises TransientError: OpenSearch, S3 or the ledger could not be used for too long
    :raises Refused: OpenSearch forbids it, the plan is forgotten, or a raw day was deleted while it was loaded
    """
    ledger = Ledger(client, dataset.name, serverless=serverless)
    objects = ledger.batch(ref.plan_id, number)
    days = ReadyDays(client, ledger, dataset, owner, process)
    listing = Listing(s3, ref.source, dataset.intake, *ref.span, ref.dead_letters)
    days.prepare(dataset.raw_index(day) for day in days_held(listing, dataset, objects, ref.span))
    with days.held():
        result = load_batch(
            client, s3, dataset, objects, ledger, f"{owner}/{number}", ref.span, ref.dead_letters, on_progress,
            settings, days.make_ready,
        )  # fmt: skip
    days.require_kept()
    return result


def end(client: OpenSearch, dataset: Dataset, owner: str, *, process: str = "", serverless: bool = False) -> list[str]:
    """Give back the settings of the raw days, once nobody loads into them any more, and let searches see everything.

    Raw days that the run made and that remained empty are deleted again, unless others are registered for them; so
    are those of dead runs.

    :param owner: of the run
    :param process: see :func:`prepare`
    :param serverless: the client leads to OpenSearch Serverless
    :returns: the raw days that were deleted, as no event came for them
    :raises Refused: the settings of a day cannot be given back now; the next run does it
    """
    return end_load(client, Ledger(client, dataset.name, serverless=serverless), dataset, owner, process)


def redrive(
    s3: BaseClient,
    client: OpenSearch,
    dataset: Dataset,
    dead_letters_url: str,
    *,
    apply: bool,
    settings: LoadSettings,
    on_progress: Callable[[Redriven], None] = lambda _: None,
    serverless: bool = False,
) -> Redriven:
    """Load dead letters again, into raw days that are registered, made and put in order as those of a backfill.

    :param dead_letters_url: s3://bucket/prefix/ of all dead letters
    :param apply: load them; else only say what would be done
    :param on_progress: called after each file with the sums so far
    :param serverless: the client leads to OpenSearch Serverless
    :raises Refused: see :func:`~opensearch_strata.archive.redrive.load_letters`
    :raises TransientError: likewise
    """

    def lacks_rest(day: date) -> bool:
        return not serverless and is_beyond_raw(client, dataset, day)  # Serverless has no history

    if not apply:
        return load_letters(
            s3, client, dataset, dead_letters_url, apply=False, settings=settings,
            make_ready=lambda _: None, lacks_rest=lacks_rest, on_progress=on_progress,
        )  # fmt: skip
    ledger = Ledger(client, dataset.name, serverless=serverless)
    ledger.ensure()
    owner, process = f"redrive/{uuid4().hex[:8]}", this_process()
    days = ReadyDays(client, ledger, dataset, owner, process)
    try:
        with days.held():
            return load_letters(
                s3, client, dataset, dead_letters_url, apply=True, settings=settings,
                make_ready=days.make_ready, lacks_rest=lacks_rest, on_progress=on_progress,
            )  # fmt: skip
    finally:
        end_load(client, ledger, dataset, owner, process)


def prove_plan(
    s3: BaseClient, client: OpenSearch, dataset: Dataset, ref: PlanRef, *, serverless: bool = False
) -> BackfillProof:
    """Prove from ledger and raw days that everything is loaded which the source has for the days: what was planned,
    and what was loaded before. Changes nothing.

    The source is listed once more; of objects that came since the plan it is told how many are not loaded.

    :param serverless: the client leads to OpenSearch Serverless
    :raises Refused: S3 does not allow it
    :raises TransientError: S3, ledger or raw days cannot be read right now
    """
    ledger = Ledger(client, dataset.name, serverless=serverless)
    listing = Listing(s3, ref.source, dataset.intake, *ref.span, ref.dead_letters)
    planned_at = _planned_at(ref.plan_id)
    seen: set[int] = set()  # hashes of the places, as there may be many

    later: list[Place] = []

    def planned() -> Iterator[Place]:
        for number in range(ref.batches):
            for listed in ledger.batch(ref.plan_id, number):
                seen.add(hash(listed.place))
                yield listed.place
        for listed, _ in listing:
            if hash(listed.place) in seen:
                continue
            if listed.modified > planned_at:
                later.append(listed.place)
            else:
                yield listed.place

    def latest_of(place: Place) -> int:
        return EventTimes(dataset, place.key, None, None).latest

    retired = partial(is_retired, client, dataset)
    return prove(client, ledger, planned(), ref.span, later, retired, latest_of, reading_of(dataset))


def _planned_at(plan_id: str) -> int:
    """When a plan was made, epoch milliseconds."""
    return int(datetime.strptime(plan_id.partition("-")[0], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC).timestamp() * 1000)


def forget(client: OpenSearch, dataset: Dataset, ref: PlanRef, *, serverless: bool = False) -> None:
    """Delete the batches of a plan from the ledger, when nobody will ask for them any more.

    :param serverless: the client leads to OpenSearch Serverless
    """
    Ledger(client, dataset.name, serverless=serverless).forget_plan(ref.plan_id)


def verdict(proof: BackfillProof) -> str:
    """The proof in a sentence or two."""
    counts = proof.counts
    read = (
        f"{counts.read:,} events read = {counts.created:,} created + {counts.existed:,} already there + "
        f"{counts.filtered:,} of other days + {counted(counts.dead, 'dead letter')}"
    )
    why = f" Dead letters: {told(proof.causes)}" if proof.causes else ""
    if proof.replaced:
        named = ", ".join(day.index for day in proof.replaced[:_NAMED])
        why += (
            f" Others deleted or replaced documents in {counted(len(proof.replaced), 'raw day')} since the load began "
            f"({named}{', …' if len(proof.replaced) > _NAMED else ''}): these are proven by number and by samples; "
            f"run it again to have each document looked up."
        )
    if proof.later:
        why += f" {counted(proof.later, 'object')} arrived since the plan and will be loaded by the next run."
    if proof.holds:
        return f"Proven: {read}.{why}"
    lines = "; ".join(f"{check.name} ({check.found:,}): {_first(check)}".rstrip(": ") for check in proof.failed)
    return f"NOT proven: {lines}. What is loaded is kept; mend the cause and run it again, it loads the rest."


def _first(check: Check) -> str:
    more = f" and {len(check.named) - _NAMED} more" if len(check.named) > _NAMED else ""
    return f"{', '.join(name.rstrip('.') for name in check.named[:_NAMED])}{more}"
