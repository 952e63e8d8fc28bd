"""The task that condenses a raw day into rows; it waits without a worker where the cluster does the work."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, NoReturn

from opensearch_strata.airflow.links import (
    DayPageLink,
    MonthIndexLink,
    RawIndexLink,
    TransformJobLink,
    link_indices,
    transform_url,
)
from opensearch_strata.airflow.metrics import add_counts
from opensearch_strata.airflow.operators.base import DatasetOperator
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.presentation.tables import run_table

if TYPE_CHECKING:
    from airflow.sdk import Context

    from opensearch_strata.definition.dataset import EngineName
    from opensearch_strata.history.condense.engines.base import EngineRun
    from opensearch_strata.history.condense.engines.job_state import Patience
    from opensearch_strata.history.raw_day.inspection import RawDay


class CondenseOperator(DatasetOperator):
    """Condense the raw day into its month. Safe to repeat: a re-run overwrites its own rows.

    Returns ``{"index", "month", "engine", "documents", "rows"}``.

    :param deferrable: release the worker while a transform job runs
    :param engine: overrides the dataset's engine
    :param patience: how long a job may be silent
    """

    purpose = "raw day to rows"
    reads = ("raw",)
    writes = ("history",)
    operator_extra_links = (DayPageLink(), RawIndexLink(), MonthIndexLink(), TransformJobLink())

    def __init__(
        self,
        *,
        deferrable: bool = True,
        engine: EngineName | None = None,
        patience: Patience | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self.engine = engine
        self._patience = patience

    @property
    def patience(self) -> Patience:
        """How long a job may be silent."""
        from opensearch_strata.history.condense.engines.job_state import Patience

        return self._patience or Patience()

    def execute(self, context: Context) -> dict[str, Any]:
        """Condense, or submit the job and defer.

        :raises Refused: history would become poorer, or the job failed for good
        :raises TransientError: worth a retry
        """
        from opensearch_strata.history.condense.condense import admit, condense_admitted
        from opensearch_strata.history.condense.engines.base import choose_engine

        dataset, day = self.dataset, self.day
        link_indices(context, self.hook.settings.url, dataset, day)
        raw = admit(self.client, dataset, day, self.cycle["allow_poorer"], redefine=self.cycle["redefine"])
        if raw is None or raw.documents == 0:
            raise Refused(f"{dataset.raw_index(day)} was deleted or emptied during this run; nothing was condensed.")
        engine = choose_engine(self.client, dataset, raw, self.engine)
        by_job = engine == "transform_job"
        if by_job:
            TransformJobLink.persist(context, transform_url(self.hook.settings.url, dataset.transform_id(day)))
        if by_job and self.deferrable:
            self._submit_and_defer(raw, restarts=0, passes=1)
        tell = self.telling("condensing", raw.index)
        return self._done(context, condense_admitted(self.client, dataset, raw, engine, tell))

    def _submit_and_defer(self, raw: RawDay, restarts: int, passes: int) -> NoReturn:
        from opensearch_strata.history.condense.engines.transform_job import submit

        due_ms = submit(self.client, self.dataset, raw)
        self._defer(raw, due_ms, restarts, passes)

    def _defer(self, raw: RawDay, due_ms: int, restarts: int, passes: int) -> NoReturn:
        from opensearch_strata.airflow.triggers.transform_job import TransformJobTrigger

        job_id = self.dataset.transform_id(self.day)
        self.log.info("waiting for transform", transform_id=job_id, index=raw.index, documents=raw.documents)
        # All state travels with the trigger and its event, because dag.test() loses `defer(kwargs=...)`.
        self.defer(
            trigger=TransformJobTrigger(
                opensearch_conn_id=self.dataset.cycle.opensearch_conn_id,
                job_id=job_id,
                due_ms=due_ms,
                patience=asdict(self.patience),
                progress={
                    "uuid": raw.uuid,
                    "documents": raw.documents,
                    "sequence": list(raw.sequence),
                    "restarts": restarts,
                    "passes": passes,
                },
            ),
            method_name="execute_complete",
        )
        raise AssertionError("defer() does not return")

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Resume the work when the job has ended: finish it, start it again, or condense a raw day that changed.

        :param event: what the trigger found, as JSON: ``error`` and ``transient``, or ``progress`` and ``state``
        :raises Refused: the job cannot do it, or the raw day was deleted or recreated in the meantime
        :raises TransientError: worth a retry
        """
        import time

        from opensearch_strata.history.condense.condense import MAX_PASSES, moved_since, still_moving
        from opensearch_strata.history.condense.engines.job_state import JobState
        from opensearch_strata.history.condense.engines.transform_job import finish_job, remove_job
        from opensearch_strata.history.raw_day.inspection import inspect_raw_day

        if "error" in event:
            raise (TransientError if event["transient"] else Refused)(event["error"])
        progress = event["progress"]
        now = inspect_raw_day(self.client, self.dataset, self.day)
        if now is None or now.uuid != progress["uuid"]:
            remove_job(self.client, self.dataset, self.day)
            raise Refused(f"{self.dataset.raw_index(self.day)} was deleted or recreated while it was being condensed.")
        raw = replace(now, documents=progress["documents"], sequence=tuple(progress["sequence"]))
        state = JobState(**event["state"])
        run = finish_job(self.client, self.dataset, raw, state, progress["restarts"], self.patience)
        if run is None:
            self._defer(raw, int(time.time() * 1000), progress["restarts"] + 1, progress["passes"])
        moved = moved_since(self.client, self.dataset, raw, run)
        if moved is None:
            return self._done(context, run)
        if progress["passes"] >= MAX_PASSES:
            raise TransientError(still_moving(moved))
        self.log.info("raw day changed, condensing again", index=raw.index, was=raw.documents, now=moved.documents)
        return self._submit_and_defer(moved, restarts=0, passes=progress["passes"] + 1)

    def on_kill(self) -> None:
        """Stop the job of a task that is killed while it waits in a worker."""
        from opensearch_strata.history.condense.engines.transform_job import stop

        if isinstance(self.cycle, dict):
            stop(self.client, self.dataset.transform_id(self.day))

    def _done(self, context: Context, run: EngineRun) -> dict[str, Any]:
        if run.engine == "transform_job":
            TransformJobLink.persist(context, "")  # the job is done and removed
        index = self.dataset.raw_index(self.day)
        self.log.info("%s", run_table(index, run))
        self.log.info("condensed", index=index, documents=run.documents, rows=run.rows, engine=run.engine)
        add_counts("cycle", self.dataset.name, {"documents": run.documents, "rows": run.rows})
        month = self.dataset.month_index(self.day)
        return {"index": index, "month": month, "engine": run.engine, "documents": run.documents, "rows": run.rows}
