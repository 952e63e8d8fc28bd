"""What no notification told: a listing finds it. And the proof of a day, whoever loaded it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from opensearch_strata.archive.dead_letters.letter import dead_letters_url
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.planning.plan import new_plan_id
from opensearch_strata.archive.spans import span_of_days
from opensearch_strata.archive.store.listing import Amount
from opensearch_strata.connections.processes import this_process
from opensearch_strata.definition.days import day_bounds, day_of, newest_complete
from opensearch_strata.definition.loading.intake import length_of
from opensearch_strata.errors import DefinitionError, Refused
from opensearch_strata.errors.amounts import counted
from opensearch_strata.workflows.arrivals.arrivals import USUAL_LOAD, first_of_window
from opensearch_strata.workflows.backfill.plan_ref import PlanRef

if TYPE_CHECKING:
    from opensearch_strata.archive.backfill_proof import BackfillProof
    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.workflows.backfill.backfill import Backfill


@dataclass(frozen=True)
class Swept:
    """What a sweep found.

    :param first: first day whose objects were listed
    :param last: last day, inclusive
    :param found: objects that were to be loaded: no notification told them, or it was still in the queue; or those of
        ``again``
    :param quarantined: those of them that are in quarantine now
    :param again: raw day -> why objects that were loaded into it were loaded again, each document looked up by its id
    :param warning: what was not loaded; empty if there is nothing
    """

    first: date
    last: date
    found: Amount
    quarantined: int
    proof: BackfillProof
    again: Mapping[str, str] = field(default_factory=dict)
    warning: str = ""


def swept_days(dataset: Dataset, now: datetime) -> tuple[date, date]:
    """The days that a sweep looks at: all that objects which arrived yesterday or today may hold, inside the window.

    :param now: a time with its zone
    """
    yesterday, late = newest_complete(now, dataset.zone), length_of(dataset.intake.max_lateness)
    first = day_of(day_bounds(yesterday, dataset.zone)[0] - late, dataset.zone)
    return max(first, first_of_window(dataset, now)), day_of(now, dataset.zone)


def sweep(
    backfill: Backfill, dataset: Dataset, now: datetime, owner: str, settings: LoadSettings = USUAL_LOAD
) -> Swept:
    """Load the objects of yesterday and today that are not loaded yet, as a backfill does, and prove these days.

    If documents of these days were deleted or replaced, that loads their objects again.

    :param now: a time with its zone
    :param owner: for the ledger, who loads
    :raises DefinitionError: the dataset has no source
    :raises Refused: the source has no object at all, an object failed for good, OpenSearch or S3 forbids it, or the
        objects cannot be loaded as they are
    :raises TransientError: OpenSearch, S3 or the ledger could not be used for too long
    """
    first, last = swept_days(dataset, now)
    plan = backfill.plan(None, first, last)
    if not (plan.amount.objects or plan.left_out.objects or backfill.is_there_any(plan.source_url)):
        raise Refused(
            f"{plan.source_url} has no object at all, so there is nothing to look at. If something writes there, "
            f"intake.source is wrong: correct it. If nothing does yet, pause this DAG until then."
        )
    ref = backfill.write(plan)
    owner, process = f"{owner}/{uuid4().hex[:8]}", this_process()
    quarantined = 0
    try:
        for number in range(ref.batches):
            result = backfill.load(ref, number, owner, settings=settings, process=process, live=True)
            result.require_success()
            quarantined += len(result.in_state("quarantined"))
    finally:
        backfill.end(owner, process=process)
    proof = backfill.prove(ref)
    backfill.forget(ref)
    return Swept(first, last, plan.amount, quarantined, proof, plan.again, plan.warning or "")


def prove_day(backfill: Backfill, dataset: Dataset, day: date) -> BackfillProof:
    """Prove that everything the source has for a day is loaded, whether a queue or a backfill brought it.

    This looks no document up, so it takes seconds. If somebody deleted or replaced documents, it proves nothing, and
    says what to run, see :mod:`opensearch_strata.archive.reconcile`.

    :param day: in the dataset's zone
    :raises DefinitionError: the dataset has no source
    :raises Refused: the day is in the future, the source has no object for it, or S3 does not allow it
    :raises TransientError: S3, the ledger or the raw days cannot be read right now
    """
    source = dataset.intake.source
    if source is None:
        raise DefinitionError(f"Dataset {dataset.name!r} does not name an archive; set intake.source.")
    if day > (today := day_of(datetime.now(UTC), dataset.zone)):
        raise Refused(f"{day} is in the future; nothing can be proven. Today is {today}, in {dataset.time_zone}.")
    proof = backfill.prove(
        PlanRef(
            plan_id=new_plan_id(),
            source=source,
            first=day,
            last=day,
            span=span_of_days(day, day, dataset.zone),
            dead_letters=dead_letters_url(dataset.intake, source),
            batches=0,
            held=(),
        )
    )
    if not proof.objects:
        since = f" {counted(proof.later, 'object')} came a moment ago: ask again." if proof.later else ""
        raise Refused(
            f"0 objects of {day} in {source}: nothing to prove. If the day should have some, check intake.source and "
            f"what writes there.{since}"
        )
    return proof
