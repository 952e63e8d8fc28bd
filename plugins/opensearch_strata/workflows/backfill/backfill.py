"""A backfill, step by step: plan, write the plan down, prepare, load each batch, end, prove, forget.

Each step is safe to repeat, and after any of them a run may be killed: the next one goes on where it stood.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING
from uuid import uuid4

from opensearch_strata.archive.documents.event_times import EventTimes, reading_of
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.batch import BatchResult, LoadSettings, load_batch
from opensearch_strata.archive.load.progress import Progress
from opensearch_strata.archive.planning.held_days import days_held, ranges_of
from opensearch_strata.archive.planning.plan import Plan, PlanLimits, make_plan
from opensearch_strata.archive.reconcile import BackfillProof, prove_range
from opensearch_strata.archive.redrive import Redriven, load_letters
from opensearch_strata.archive.store.listing import Listing
from opensearch_strata.archive.store.objects import build_s3
from opensearch_strata.archive.targets import loading_settings
from opensearch_strata.archive.targets.ready_days import ReadyDays
from opensearch_strata.archive.targets.standing import standings
from opensearch_strata.connections.processes import this_process
from opensearch_strata.definition.days import days_between
from opensearch_strata.errors import DefinitionError, Refused
from opensearch_strata.workflows.backfill.empty_days import end_load
from opensearch_strata.workflows.backfill.losses import created_in, is_beyond_raw, is_retired, poorer_than_loaded
from opensearch_strata.workflows.backfill.plan_ref import PlanRef

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset

_log = logging.getLogger(__name__)

_PLANS_KEPT = timedelta(days=30)  # of runs that failed, whose tasks somebody may clear


class Backfill:
    """Brings archives of a dataset back into its raw days, and its dead letters.

    :param s3: gives the client of the archives; asked by the steps that read them alone, so that the others need none.
        By default that of the environment's credentials
    :param serverless: whether the cluster is a collection of OpenSearch Serverless, which has no history
    """

    def __init__(
        self,
        client: OpenSearch,
        dataset: Dataset,
        s3: Callable[[], BaseClient] | None = None,
        *,
        serverless: bool = False,
    ) -> None:
        self._client = client
        self._dataset = dataset
        self._give_s3 = s3 or partial(build_s3, request_payer=dataset.intake.request_payer)
        self._serverless = serverless
        self._ledger = Ledger(client, dataset.name, serverless=serverless)

    @cached_property
    def _s3(self) -> BaseClient:
        return self._give_s3()

    def plan(self, source: str | None, first: date, last: date, *, max_batches: int = 1024) -> Plan:
        """Find the objects that may hold events of some days and are not loaded yet. Changes nothing, but that what a
        killed load left behind is put in order: settings are given back, days that it made and left empty are deleted.

        Objects whose documents are gone, because their raw day was deleted meanwhile, are loaded again.

        :param source: s3://bucket/prefix/; None: the dataset's own
        :param first: in the dataset's time zone
        :param last: inclusive
        :param max_batches: at most so many
        :raises DefinitionError: there is no source, or the days or the URL cannot be used
        :raises Refused: S3 does not allow it, or there are too many objects
        :raises TransientError: S3 or OpenSearch does not answer
        """
        url = source or self._dataset.intake.source
        if url is None:
            raise DefinitionError(
                f"Dataset {self._dataset.name!r} names no archive. Name one, s3://bucket/prefix/, or state it as "
                f"intake.source."
            )
        try:
            self.end(f"plan/{uuid4().hex[:8]}", process=this_process())
        except Refused as error:  # of another run's days, maybe far from these
            _log.warning("%s", error)
        created = created_in(self._ledger, self._dataset, days_between(first, last))
        poorer = poorer_than_loaded(self._client, self._ledger, created)
        found = {} if self._serverless else standings(self._client, [*created])
        now = {name: one.mark if one else None for name, one in found.items()}
        return make_plan(
            self._s3, self._client, self._dataset, url, first, last, self._ledger, PlanLimits(batches=max_batches),
            poorer, now, partial(is_retired, self._client, self._dataset),
        )  # fmt: skip

    def write(self, plan: Plan) -> PlanRef:
        """Put the batches of a plan into the ledger, where the tasks that load them find them.

        :raises Refused: objects must be restored first, it would not fit on the disks, or the ledger cannot be set up
        """
        if plan.refusal:
            raise Refused(plan.refusal)
        self._ledger.ensure()
        self._ledger.forget_plans_before(f"{datetime.now(UTC) - _PLANS_KEPT:%Y%m%d}")
        self._ledger.forget_days(plan.again, plan.days_now)
        self._ledger.write_plan(plan.plan_id, [batch.objects for batch in plan.batches])
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

    def prepare(self, ref: PlanRef, owner: str, *, process: str = "") -> list[str]:
        """Register for the raw days that objects of the plan may hold, create those that are missing and set these up
        for loading; :meth:`end` must follow in any case.

        :param owner: of the run, the same for all its steps; no other run may have it
        :param process: where one process takes all steps, its name: once it is dead, nobody waits for the run
        :returns: the raw days that were created
        :raises Refused: a raw day takes no documents, or the cluster takes no more shards; nothing was set
        """
        return loading_settings.prepare(self._client, self._ledger, self._dataset, ref.held_days, owner, process)

    def load(
        self,
        ref: PlanRef,
        number: int,
        owner: str,
        *,
        settings: LoadSettings,
        on_progress: Callable[[Progress], None] = lambda _: None,
        process: str = "",
    ) -> BatchResult:
        """Load one batch. What is loaded already is left out; what fails keeps nothing else from being loaded.

        Raw days that are gone since they were prepared are prepared again.

        :param number: of the batch, from 0 on
        :param owner: of the run
        :param on_progress: see :func:`load_batch`; whatever it raises, but a StrataError, ends the load at once
        :param process: see :meth:`prepare`
        :raises TransientError: OpenSearch, S3 or the ledger could not be used for too long
        :raises Refused: OpenSearch forbids it, the plan is forgotten, or a raw day was deleted while it was loaded
        """
        objects = self._ledger.batch(ref.plan_id, number)
        days = ReadyDays(self._client, self._ledger, self._dataset, owner, process)
        held = days_held(self._listing(ref), self._dataset, objects, ref.span)
        days.prepare(self._dataset.raw_index(day) for day in held)
        with days.held():
            result = load_batch(
                self._client, self._s3, self._dataset, objects, self._ledger, f"{owner}/{number}", ref.span,
                ref.dead_letters, on_progress, settings, days.make_ready,
            )  # fmt: skip
        days.require_kept()
        return result

    def end(self, owner: str, *, process: str = "") -> list[str]:
        """Give back the settings of the raw days, once nobody loads into them any more, and let searches see all.

        Raw days that the run made and that remained empty are deleted again, unless others are registered for them; so
        are those of dead runs.

        :param owner: of the run
        :param process: see :meth:`prepare`
        :returns: the raw days that were deleted, as no event came for them
        :raises Refused: the settings of a day cannot be given back now; the next run does it
        """
        return end_load(self._client, self._ledger, self._dataset, owner, process)

    def prove(self, ref: PlanRef) -> BackfillProof:
        """Prove from ledger and raw days that everything is loaded which the source has for the days: what was
        planned, and what was loaded before. Changes nothing.

        The source is listed once more; of objects that came since the plan it is told how many are not loaded.

        :raises Refused: S3 does not allow it
        :raises TransientError: S3, ledger or raw days cannot be read right now
        """
        planned_at = ref.planned_at
        seen: set[int] = set()  # hashes of the places, as there may be many
        later: list[Place] = []

        def planned() -> Iterator[Place]:
            for number in range(ref.batches):
                for listed in self._ledger.batch(ref.plan_id, number):
                    seen.add(hash(listed.place))
                    yield listed.place
            for listed, _ in self._listing(ref):
                if hash(listed.place) in seen:
                    continue
                if listed.modified > planned_at:
                    later.append(listed.place)
                else:
                    yield listed.place

        def latest_of(place: Place) -> int:
            return EventTimes(self._dataset, place.key, None, None).latest

        retired = partial(is_retired, self._client, self._dataset)
        reading = reading_of(self._dataset)
        return prove_range(self._client, self._ledger, planned(), ref.span, later, retired, latest_of, reading)

    def forget(self, ref: PlanRef) -> None:
        """Delete the batches of a plan from the ledger, when nobody will ask for them any more."""
        self._ledger.forget_plan(ref.plan_id)

    def redrive(
        self,
        dead_letters_url: str,
        *,
        apply: bool,
        settings: LoadSettings,
        on_progress: Callable[[Redriven], None] = lambda _: None,
    ) -> Redriven:
        """Load dead letters again, into raw days that are registered, made and put in order as those of a plan.

        :param dead_letters_url: s3://bucket/prefix/ of all dead letters
        :param apply: load them; else they are only looked at
        :param on_progress: called now and then with what was done so far
        :raises Refused: see :func:`~opensearch_strata.archive.redrive.load_letters`
        :raises TransientError: likewise
        """

        def lacks_rest(day: date) -> bool:
            return not self._serverless and is_beyond_raw(self._client, self._dataset, day)

        loaded = partial(
            load_letters, self._s3, self._client, self._dataset, dead_letters_url,
            apply=apply, settings=settings, lacks_rest=lacks_rest, on_progress=on_progress,
        )  # fmt: skip
        if not apply:
            return loaded(make_ready=lambda _: None)
        self._ledger.ensure()
        owner, process = f"redrive/{uuid4().hex[:8]}", this_process()
        days = ReadyDays(self._client, self._ledger, self._dataset, owner, process)
        try:
            with days.held():
                return loaded(make_ready=days.make_ready)
        finally:
            self.end(owner, process=process)

    def _listing(self, ref: PlanRef) -> Listing:
        return Listing(self._s3, ref.source, self._dataset.intake, *ref.span, ref.dead_letters)
