"""The steps of a backfill behind its plan: write it down, prepare, load each batch, end, prove, forget.

Each is safe to repeat, and after any of them a run may be killed: the next one goes on where it stood.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING

from opensearch_strata.amounts import counted
from opensearch_strata.archive import loading_settings
from opensearch_strata.archive.causes import told
from opensearch_strata.archive.ledger import Ledger
from opensearch_strata.archive.load import BatchResult, LoadSettings, load_batch
from opensearch_strata.archive.progress import Progress
from opensearch_strata.archive.prove import BackfillProof, Check, prove
from opensearch_strata.archive.raw_indices import made_by_us
from opensearch_strata.backfill.empty_days import delete_if_empty
from opensearch_strata.backfill.plans import PlanRef
from opensearch_strata.errors import Refused, StrataError

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

    from opensearch_strata.archive.plan import Plan
    from opensearch_strata.dataset import Dataset

_log = logging.getLogger(__name__)

_PLANS_KEPT = timedelta(days=30)  # of runs that failed, whose tasks somebody may clear
_NAMED = 3


def write_plan(client: OpenSearch, dataset: Dataset, plan: Plan, *, serverless: bool = False) -> PlanRef:
    """Put the batches of a plan into the ledger, where the tasks that load them find them.

    :raises Refused: objects must be restored first, it would not fit on the disks, or the ledger cannot be set up
    """
    if plan.refusal:
        raise Refused(plan.refusal)
    ledger = Ledger(client, dataset.name, serverless=serverless)
    ledger.ensure()
    ledger.forget_plans_before(f"{datetime.now(UTC) - _PLANS_KEPT:%Y%m%d}")
    ledger.forget_days(plan.poorer_days)
    ledger.write_plan(plan.plan_id, [batch.objects for batch in plan.batches])
    return PlanRef(
        plan_id=plan.plan_id,
        source=plan.source_url,
        first=plan.first,
        last=plan.last,
        span=plan.span,
        dead_letters=plan.dead_letters_url,
        batches=len(plan.batches),
    )


def prepare(client: OpenSearch, dataset: Dataset, ref: PlanRef, owner: str, *, serverless: bool = False) -> list[str]:
    """Create the raw days that are missing and set all of them up for loading; :func:`end` must follow in any case.

    :param owner: of the run, the same for all its steps; no other run may have it
    :returns: the raw days that were created
    :raises Refused: a raw day takes no documents; nothing was set
    """
    ledger = Ledger(client, dataset.name, serverless=serverless)
    return loading_settings.prepare(client, ledger, dataset, ref.days, owner)


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
    serverless: bool = False,
) -> BatchResult:
    """Load one batch. What is loaded already is left out; what fails keeps nothing else from being loaded.

    :param owner: of the run
    :param on_progress: see :func:`load_batch`; whatever it raises, but a StrataError, ends the load at once
    :raises TransientError: OpenSearch, S3 or the ledger could not be used for too long
    :raises Refused: OpenSearch forbids it, or the plan is forgotten
    """
    ledger = Ledger(client, dataset.name, serverless=serverless)
    objects = ledger.batch(ref.plan_id, number)
    with _in_use(ledger, dataset, ref, owner):
        return load_batch(
            client, s3, dataset, objects, ledger, f"{owner}/{number}", ref.span, ref.dead_letters, on_progress, settings
        )


def end(client: OpenSearch, dataset: Dataset, owner: str, *, serverless: bool = False) -> list[str]:
    """Give back the settings of the raw days, once nobody loads into them any more, and let searches see everything.

    Raw days that a backfill created, in whichever run or try, and that remained empty are deleted again.

    :param owner: of the run
    :returns: the raw days that were deleted, as no event came for them
    :raises Refused: the settings of a day cannot be given back now; the next run does it
    """
    free = loading_settings.restore(client, Ledger(client, dataset.name, serverless=serverless), owner)
    return [index for index in sorted(made_by_us(client, free)) if delete_if_empty(client, index)]


def prove_plan(client: OpenSearch, dataset: Dataset, ref: PlanRef, *, serverless: bool = False) -> BackfillProof:
    """Prove from ledger and raw days that everything planned is loaded. Changes nothing.

    :raises TransientError: ledger or raw days cannot be read right now
    """
    ledger = Ledger(client, dataset.name, serverless=serverless)
    places = (listed.place for number in range(ref.batches) for listed in ledger.batch(ref.plan_id, number))
    return prove(client, ledger, places, ref.span)


def forget(client: OpenSearch, dataset: Dataset, ref: PlanRef, *, serverless: bool = False) -> None:
    """Delete the batches of a plan from the ledger, when nobody will ask for them any more."""
    Ledger(client, dataset.name, serverless=serverless).forget_plan(ref.plan_id)


def verdict(proof: BackfillProof) -> str:
    """The proof in a sentence or two."""
    counts = proof.counts
    read = (
        f"{counts.read:,} events read = {counts.created:,} created + {counts.existed:,} already there + "
        f"{counts.filtered:,} of other days + {counted(counts.dead, 'dead letter')}"
    )
    why = f" Dead letters: {told(proof.causes)}" if proof.causes else ""
    if proof.holds:
        return f"Proven: {read}.{why}"
    lines = "; ".join(f"{check.name} ({check.found:,}): {_first(check)}".rstrip(": ") for check in proof.failed)
    return f"NOT proven: {lines}. What is loaded is kept; mend the cause and run it again, it loads the rest."


def _first(check: Check) -> str:
    more = f" and {len(check.named) - _NAMED} more" if len(check.named) > _NAMED else ""
    return f"{', '.join(name.rstrip('.') for name in check.named[:_NAMED])}{more}"


@contextmanager
def _in_use(ledger: Ledger, dataset: Dataset, ref: PlanRef, owner: str) -> Iterator[None]:
    """Keep others from taking the run for dead and giving back the settings, however long a bulk request waits."""
    over = Event()

    def renew() -> None:
        while not over.wait(ledger.lease / 4):
            try:
                loading_settings.renew(ledger, dataset, ref.days, owner)
            except StrataError as error:  # the load itself says what it comes to
                _log.warning("The raw days could not be marked as being loaded. %s", error)

    thread = Thread(target=renew, name="in-use", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
