"""The steps of a backfill: plan, write the plan, prepare, load each batch, end, prove, forget.

Each step is safe to repeat. A run may be killed after any of them; the next run resumes where it stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from opensearch_strata.archive.backfill_proof import BackfillProof
from opensearch_strata.archive.documents.reading import reading_of, restoring_of
from opensearch_strata.archive.ledger.plans import Plans
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.batch import LoadSettings, load_batch
from opensearch_strata.archive.load.batch_result import BatchResult
from opensearch_strata.archive.load.progress import Progress
from opensearch_strata.archive.planning.archived_days import day_of_key
from opensearch_strata.archive.planning.batches import PlanLimits
from opensearch_strata.archive.planning.held_days import days_held, ranges_of
from opensearch_strata.archive.planning.plan import Plan, make_plan
from opensearch_strata.archive.planning.restore_plan import RestorePlan, make_restore_plan
from opensearch_strata.archive.redrive import Redriven, load_letters
from opensearch_strata.archive.store.listing import listed_pages
from opensearch_strata.archive.store.objects import build_s3
from opensearch_strata.archive.targets import loading_settings, under_load
from opensearch_strata.archive.targets.made_days import uuids
from opensearch_strata.archive.targets.raw_indices import patient, writable_days
from opensearch_strata.archive.targets.ready_days import ReadyDays
from opensearch_strata.archive.targets.wanted_days import Wanted, want
from opensearch_strata.connections.processes import this_process
from opensearch_strata.definition.days import days_between
from opensearch_strata.definition.loading.intake import split_s3_url
from opensearch_strata.definition.loading.restore_request import ARCHIVE_SOURCE
from opensearch_strata.errors import DefinitionError, Refused
from opensearch_strata.workflows.archiving import settings_of
from opensearch_strata.workflows.backfill.empty_days import end_load
from opensearch_strata.workflows.backfill.losses import (
    created_in,
    is_beyond_raw,
    is_retired,
    poorer_than_loaded,
    states_now,
)
from opensearch_strata.workflows.backfill.plan_ref import PlanRef
from opensearch_strata.workflows.backfill.proving import listing_of, prove_plan
from opensearch_strata.workflows.backfill.restored_days import RestoredDays, restored_days, wanted_for

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

    from opensearch_strata.connections.removals import Removals
    from opensearch_strata.definition.dataset import Dataset

_log = logging.getLogger(__name__)

_PLANS_KEPT = timedelta(days=30)  # plans of failed runs are kept, as somebody may clear their tasks


class Backfill:
    """Loads the archives and the dead letters of a dataset back into its raw days.

    :param s3: returns the client for the archives. Only the steps that read archives call it, so the others need none.
        The default client uses the credentials of the environment
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
        self._plans = Plans(self._ledger)

    @cached_property
    def _s3(self) -> BaseClient:
        return self._give_s3()

    def plan(self, source: str | None, first: date, last: date, *, max_batches: int = 1024) -> Plan:
        """Find the objects that may hold events of some days and are not loaded yet.

        This changes nothing, except that it puts in order what killed loads left behind: it restores the settings of
        raw days, and deletes days that the loads created and left empty. Objects whose documents are gone, because
        their raw day has been deleted, are loaded again.

        :param source: s3://bucket/prefix/; None means the dataset's own source; ``archive`` means its archive, as its
            ``archive:`` settings say
        :param first: in the dataset's time zone
        :param last: inclusive
        :param max_batches: maximum number of batches
        :raises DefinitionError: there is no source, or the days or the URL cannot be used
        :raises Refused: S3 does not allow it, or there are too many objects
        :raises TransientError: S3 or OpenSearch does not answer
        """
        if source == ARCHIVE_SOURCE:
            return self._restore_plan(first, last, max_batches)
        url = source or self._dataset.intake.source
        if url is None:
            raise DefinitionError(
                f"Dataset {self._dataset.name!r} does not name an archive. Give one, s3://bucket/prefix/, or set "
                f"intake.source."
            )
        poorer, now, retired = self._loaded_before(first, last)
        return make_plan(
            self._s3, self._client, self._dataset, url, first, last, self._ledger, PlanLimits(batches=max_batches),
            poorer, now, retired,
        )  # fmt: skip

    def _restore_plan(self, first: date, last: date, max_batches: int) -> RestorePlan:
        settings = settings_of(self._dataset)
        if self._serverless:
            raise Refused(
                f"{settings.url} cannot be restored to OpenSearch Serverless, which has neither the settings nor the "
                f"mapping notes of a raw index. Nothing was loaded. Restore it to a domain or cluster."
            )
        poorer, now, retired = self._loaded_before(first, last)
        return make_restore_plan(
            self._s3, self._client, self._dataset, settings, first, last, self._ledger,
            PlanLimits(batches=max_batches), poorer, now, retired,
        )  # fmt: skip

    def _loaded_before(
        self, first: date, last: date
    ) -> tuple[list[str], dict[str, Removals | None], Callable[[str, str], bool]]:
        """What earlier loads left in the raw days: those with fewer documents than were created, how they are now, and
        whether history carries one."""
        try:
            self.end(f"plan/{uuid4().hex[:8]}", process=this_process())
        except Refused as error:  # it is about days of another run, perhaps far from these
            _log.warning("%s", error)
        created = created_in(self._ledger, self._dataset, days_between(first, last))
        poorer = poorer_than_loaded(self._client, self._ledger, created)
        now = {} if self._serverless else states_now(self._client, self._ledger, created, poorer)
        return poorer, now, partial(is_retired, self._client, self._dataset)

    def write(self, plan: Plan, wanted: Wanted | None = None) -> PlanRef:
        """Write the batches of a plan to the ledger, where the tasks that load them find them.

        :param wanted: until when a restore wants its days; without it, for the usual number of days
        :raises Refused: objects must be restored first, the documents would not fit on the disks, a raw day that lost
            documents accepts none, or the ledger cannot be set up
        :raises TransientError: a disk is full
        """
        if plan.refusal:
            raise Refused(plan.refusal)
        writable_days(self._client, sorted(plan.again))  # before its loads are forgotten
        self._ledger.ensure()
        self._plans.forget_before(f"{datetime.now(UTC) - _PLANS_KEPT:%Y%m%d}")
        reading = (restoring_of if isinstance(plan, RestorePlan) else reading_of)(self._dataset)
        self._ledger.forget_days(plan.again, plan.days_now, reading)
        self._plans.write(plan.plan_id, [batch.objects for batch in plan.batches])
        return PlanRef(
            plan_id=plan.plan_id,
            source=plan.source_url,
            first=plan.first,
            last=plan.last,
            span=plan.span,
            dead_letters=plan.dead_letters_url,
            batches=len(plan.batches),
            held=tuple(ranges_of(plan.held)),
            **(self._kept(plan, wanted) if isinstance(plan, RestorePlan) else {}),
        )

    @staticmethod
    def _kept(plan: RestorePlan, wanted: Wanted | None) -> dict[str, Any]:
        wanted = wanted or wanted_for(None, "keep", datetime.now(UTC))
        archived = tuple(ranges_of(plan.archived))
        return {"archived": archived, "keep_until": wanted.text, "keep_exactly": wanted.exactly}

    def prepare(self, ref: PlanRef, owner: str, *, process: str = "") -> list[str]:
        """Register for the raw days that objects of the plan may hold, create the missing ones and set those up.

        Call :meth:`end` afterwards in any case.

        :param owner: of the run, the same for all its steps; no other run may have it
        :param process: name of the process if a single one runs all steps: once it is dead, nobody waits for the run
        :returns: the raw days that were created
        :raises Refused: a raw day accepts no documents or has another mapping than the archived one, or the cluster
            has no room for the shards; nothing was set up
        """
        restored = self._restored(ref, ref.held_days)
        client, ledger, dataset = self._client, self._ledger, self._dataset
        created = loading_settings.prepare(
            client, ledger, dataset, ref.held_days, owner, process, restored and restored.forms
        )
        if restored:
            names = [dataset.raw_index(day) for day in ref.archived_days]
            there = list(patient(lambda: uuids(client, names)))
            under_load.register(ledger, there, owner, process)  # also those of which nothing is left to load
            want(client, there, Wanted(datetime.fromisoformat(ref.keep_until), ref.keep_exactly))
        return created

    def _restored(self, ref: PlanRef, days: Iterable[date]) -> RestoredDays | None:
        """What days were archived with; None if the plan is not one of a restore."""
        return restored_days(self._s3, self._dataset, days, ref.keep_until) if ref.archived else None

    def load(
        self,
        ref: PlanRef,
        number: int,
        owner: str,
        *,
        settings: LoadSettings,
        on_progress: Callable[[Progress], None] = lambda _: None,
        process: str = "",
        live: bool = False,
    ) -> BatchResult:
        """Load one batch. Objects that are loaded already are left out; one that fails does not stop the others.

        Raw days that were deleted since they were prepared are prepared again.

        :param number: of the batch, counted from 0
        :param owner: of the run
        :param on_progress: see :func:`load_batch`; any exception but a StrataError ends the load immediately
        :param process: see :meth:`prepare`
        :param live: people read the days while they are loaded, so those that are created keep their refresh and
            replicas
        :raises TransientError: OpenSearch, S3 or the ledger could not be used for too long
        :raises Refused: OpenSearch forbids it, the plan was forgotten, or a raw day was deleted during the load
        """
        objects = self._plans.batch(ref.plan_id, number)
        if ref.archived:
            held = sorted({day_of_key(listed.place.key) for listed in objects})
        else:
            held = days_held(listing_of(self._s3, self._dataset, ref), self._dataset, objects, ref.span)
        restored = self._restored(ref, held)
        forms = restored and restored.forms
        days = ReadyDays(self._client, self._ledger, self._dataset, owner, process, forms, live=live)
        days.prepare(self._dataset.raw_index(day) for day in held)
        with days.held():
            result = load_batch(
                self._client, self._s3, self._dataset, objects, self._ledger, f"{owner}/{number}", ref.span,
                ref.dead_letters, on_progress, settings, days.make_ready, restored and restored.restore,
            )  # fmt: skip
        days.require_kept()
        return result

    def end(self, owner: str, *, process: str = "") -> list[str]:
        """Restore the settings of the raw days that nobody loads into any more, and refresh them for searches.

        Raw days that the run created and that stayed empty are deleted again, unless others are registered for them.
        The same applies to those of dead runs.

        :param owner: of the run
        :param process: see :meth:`prepare`
        :returns: the raw days that were deleted because they received no events
        :raises Refused: the settings of a day cannot be restored now; the next run does it
        """
        return end_load(self._client, self._ledger, self._dataset, owner, process)

    def prove(self, ref: PlanRef) -> BackfillProof:
        """Prove, from the ledger and the raw days, that everything the source has for the days is loaded.

        :raises Refused: S3 does not allow it
        :raises TransientError: S3, the ledger or the raw days cannot be read right now
        """
        return prove_plan(self._client, self._s3, self._dataset, self._ledger, self._plans, ref)

    def forget(self, ref: PlanRef) -> None:
        """Delete the batches of a plan from the ledger, once nobody will need them any more."""
        self._plans.forget(ref.plan_id)

    def redrive(
        self,
        dead_letters_url: str,
        *,
        apply: bool,
        settings: LoadSettings,
        on_progress: Callable[[Redriven], None] = lambda _: None,
    ) -> Redriven:
        """Load dead letters again, into raw days that are registered, created and restored like those of a plan.

        :param dead_letters_url: s3://bucket/prefix/ of all dead letters
        :param apply: load them; otherwise, they are only checked
        :param on_progress: called from time to time with the results so far
        :raises Refused: see :func:`~opensearch_strata.archive.redrive.load_letters`
        :raises TransientError: see there as well
        """

        def lacks_rest(day: date) -> bool:
            return not self._serverless and is_beyond_raw(self._client, self._dataset, day)

        loaded = partial(
            load_letters, self._s3, self._client, self._dataset, dead_letters_url,
            apply=apply, settings=settings, lacks_rest=lacks_rest, serverless=self._serverless, on_progress=on_progress,
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

    def is_there_any(self, source: str) -> bool:
        """Whether a source has any object, whatever it is.

        :param source: s3://bucket/prefix/
        :raises Refused: S3 does not allow it, or the bucket does not exist
        :raises TransientError: S3 does not answer
        """
        limits = {"MaxItems": 1, "PageSize": 1}
        pages = listed_pages(self._s3, *split_s3_url(source), PaginationConfig=limits)
        return any(page.get("Contents") for page in pages)
