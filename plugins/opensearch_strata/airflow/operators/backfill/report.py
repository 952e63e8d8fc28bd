"""The task that sums up a whole backfill: one table, and its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from opensearch_strata.airflow.alarms import tell
from opensearch_strata.airflow.operators.backfill.base import DRY, WOULD_BE_REFUSED, PlannedOperator
from opensearch_strata.errors.amounts import counted, size
from opensearch_strata.presentation.tables import Table

if TYPE_CHECKING:
    from airflow.sdk import Context

_FAILURES = ("failed", "upstream_failed")
_COUNTS = {
    "read": "events read",
    "created": "documents created",
    "existed": "already there",
    "filtered": "of other days, not events, or unwanted",
    "unwanted": "left out by the rules of intake",
    "dead": "dead letters",
}


@dataclass(frozen=True)
class _Steps:
    """What the steps of the run returned; None for a step that did not get that far.

    :param states: task id, with ``_n`` if mapped -> state
    """

    states: Mapping[str, str]
    planned: dict[str, Any] | None
    proof: dict[str, Any] | None
    settled: list[dict[str, Any]]
    redriven: dict[str, Any] | None

    @property
    def failed(self) -> list[str]:
        """Tasks that failed themselves, not because of others."""
        return sorted(task for task, state in self.states.items() if state == "failed")

    @property
    def is_sound(self) -> bool:
        """Whether no task failed, and none was kept from running by one that failed."""
        return not any(state in _FAILURES for state in self.states.values())

    @property
    def batches_loaded(self) -> int:
        """Number of batches whose objects are all loaded."""
        return sum(task.startswith("load_") and state == "success" for task, state in self.states.items())

    @property
    def outcomes(self) -> dict[str, int]:
        """How many days had which outcome."""
        return Counter(day["outcome"] for day in self.settled)


class ReportBackfillOperator(PlannedOperator):
    """Sum up the run, whatever became of it. Fails if a step failed, so that the run fails too.

    Returns ``{"verdict", "planned", "proof", "settled", "redriven"}``.
    """

    purpose = "table and verdict"

    def execute(self, context: Context) -> dict[str, Any]:
        """Report.

        :raises AirflowFailException: a step of the run failed
        """

        if not self.form:
            raise AirflowFailException("Nothing was done, because the form does not fit; see the log of read_form.")
        steps = _steps(context["ti"])
        self.log.info("%s", _table(self.asked.dataset, steps))
        if steps.proof and (dead := steps.proof["counts"]["dead"]):
            why = steps.proof["dead_letters"]
            self.log.warning("%s could not be loaded, see %s. %s", counted(dead, "record"), self.ref.dead_letters, why)
            self._tell(context, steps.proof)
        if steps.planned and steps.planned["warning"]:
            self.log.warning("%s", steps.planned["warning"])
        verdict = self._verdict(steps)
        if not steps.is_sound:
            raise AirflowFailException(verdict)
        if self.plan:
            self.backfill.forget(self.ref)
        self.log.info("%s", verdict)
        return {
            "verdict": verdict,
            "planned": steps.planned,
            "proof": steps.proof,
            "settled": steps.outcomes,
            "redriven": steps.redriven,
        }

    def _tell(self, context: Context, proof: dict[str, Any]) -> None:
        """Tell whom the dataset names if there are more dead letters than usual."""
        from opensearch_strata.workflows.alarms.of_loads import dead_letters

        if notify := self.dataset.cycle.notify:
            counts, causes = proof["counts"], proof["dead_letters"]
            share = notify.dead_letter_share
            alarms = dead_letters(self.dataset, read=counts["read"], dead=counts["dead"], share=share, causes=causes)
            tell(context, self.dataset, alarms)

    def _verdict(self, steps: _Steps) -> str:
        if not steps.is_sound:
            failed = ", ".join(steps.failed)
            return f"The backfill FAILED in {failed}. Nothing was lost; look at the log of the first failed task."
        if steps.redriven:
            return str(steps.redriven["verdict"])
        if steps.planned and self.asked.dry_run:
            refusal = steps.planned["refusal"]
            told = [steps.planned["verdict"], *([WOULD_BE_REFUSED, refusal] if refusal else [])]
            told += [DRY] if steps.planned["batches"] else []
        elif steps.proof:
            told = [steps.proof["verdict"]]
        else:
            told = ["Nothing is proven: steps of the run were marked or skipped by hand. Clear the task prove."]
        if steps.planned and steps.planned["warning"]:
            told.append(steps.planned["warning"])
        return " ".join([*told, *(f"Days {outcome}: {count:,}." for outcome, count in sorted(steps.outcomes.items()))])


def _steps(ti: Any) -> _Steps:
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
    days = ti.xcom_pull(task_ids="prove") or []
    return _Steps(
        states={task: state for task, state in states.items() if task != ti.task_id},
        planned=ti.xcom_pull(task_ids="plan", key="planned"),
        proof=ti.xcom_pull(task_ids="prove", key="proof"),
        settled=[day for day in ti.xcom_pull(task_ids="settle", map_indexes=range(len(days))) or [] if day],
        redriven=ti.xcom_pull(task_ids="redrive", key="redriven"),
    )


def _table(dataset: str, steps: _Steps) -> Table:
    rows: list[tuple[str, Any]] = []
    if planned := steps.planned:
        rows.append(("planned", f"{counted(planned['objects'], 'object')}, {size(planned['bytes'])}"))
        rows.append(("batches loaded", f"{steps.batches_loaded:,} of {planned['batches']:,}"))
    if steps.proof:
        counts = steps.proof["counts"]
        rows += [(name, counts[count]) for count, name in _COUNTS.items() if counts[count] or count != "unwanted"]
        rows.append(("proven", steps.proof["holds"]))
    rows += [(f"days {outcome}", count) for outcome, count in sorted(steps.outcomes.items())]
    if steps.redriven:
        rows.append(("dead letters", steps.redriven["verdict"]))
    rows += [("failed", task) for task in steps.failed]
    return Table(f"Backfill of {dataset}", ("", "found"), rows)
