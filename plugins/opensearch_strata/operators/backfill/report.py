"""One table for the whole backfill, and its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from opensearch_strata.operators.backfill.base import PlannedOperator
from opensearch_strata.tables import Table, size

if TYPE_CHECKING:
    from airflow.sdk import Context

_FAILURES = ("failed", "upstream_failed")
_COUNTS = {
    "read": "events read",
    "created": "documents created",
    "existed": "already there",
    "filtered": "events of other days, or none",
    "dead": "dead letters",
}


@dataclass(frozen=True)
class _Steps:
    """What the steps of the run left behind; None for a step that did not come to its end.

    :param states: task id, with ``_n`` when mapped -> state
    """

    states: Mapping[str, str]
    planned: dict[str, Any] | None
    proof: dict[str, Any] | None
    redriven: dict[str, Any] | None
    loads: list[dict[str, Any]]
    settled: list[dict[str, Any]]

    @property
    def failed(self) -> list[str]:
        """Tasks that failed by themselves."""
        return sorted(task for task, state in self.states.items() if state == "failed")

    @property
    def is_sound(self) -> bool:
        """Whether no task failed or was kept from running by one that did."""
        return not any(state in _FAILURES for state in self.states.values())

    @property
    def outcomes(self) -> dict[str, int]:
        """How many days came to what."""
        return Counter(day["outcome"] for day in self.settled)


class ReportOperator(PlannedOperator):
    """Sum up the run, whatever became of it; fails if a step failed, so that the run fails too.

    Returns ``{"verdict", "planned", "loaded", "proof", "settled", "redriven"}``.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Report.

        :raises AirflowFailException: a step of the run failed
        """
        from opensearch_strata.backfill.steps import forget

        steps = _steps(context["ti"])
        if not self.form:
            raise AirflowFailException("Nothing was done: the form does not fit; see the log of read_form.")
        self.log.info("%s", _table(self.asked.dataset, steps))
        loaded = _sums(steps)
        if loaded["dead"]:
            self.log.warning("Records that could not be loaded: %s, in %s.", loaded["dead"], self.ref.dead_letters)
        verdict = self._verdict(steps)
        if not steps.is_sound:
            raise AirflowFailException(verdict)
        if self.plan:
            forget(self.client, self.dataset, self.ref, serverless=self.serverless)
        self.log.info("%s", verdict)
        return {
            "verdict": verdict,
            "planned": steps.planned,
            "loaded": loaded,
            "proof": steps.proof,
            "settled": steps.outcomes,
            "redriven": steps.redriven,
        }

    def _verdict(self, steps: _Steps) -> str:
        if not steps.is_sound:
            failed = ", ".join(steps.failed)
            return f"The backfill FAILED in {failed}; nothing was lost. Look at the log of the first of them."
        if steps.redriven:
            return str(steps.redriven["verdict"])
        if steps.planned and self.asked.dry_run:
            return f"{steps.planned['verdict']} Dry run: nothing was loaded. Untick dry_run to load it."
        if steps.proof is None:
            return "Nothing was loaded: steps of the run were skipped by hand."
        settled = "".join(f" Days {outcome}: {count:,}." for outcome, count in sorted(steps.outcomes.items()))
        return f"{steps.proof['verdict']}{settled}"


def _steps(ti: Any) -> _Steps:
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
    states = {task: state for task, state in states.items() if task != ti.task_id}

    def of_all(task_id: str, count: int) -> list[dict[str, Any]]:
        return [done for done in ti.xcom_pull(task_ids=task_id, map_indexes=range(count)) or [] if done]

    return _Steps(
        states=states,
        planned=ti.xcom_pull(task_ids="plan", key="planned"),
        proof=ti.xcom_pull(task_ids="prove", key="proof"),
        redriven=ti.xcom_pull(task_ids="redrive"),
        loads=of_all("load", len(ti.xcom_pull(task_ids="plan") or [])),
        settled=of_all("settle", len(ti.xcom_pull(task_ids="prove") or [])),
    )


def _sums(steps: _Steps) -> dict[str, int]:
    return {count: sum(load[count] for load in steps.loads) for count in _COUNTS}


def _table(dataset: str, steps: _Steps) -> Table:
    rows: list[tuple[str, Any]] = []
    if planned := steps.planned:
        rows.append(("planned", f"{planned['objects']:,} objects, {size(planned['bytes'])}"))
        rows.append(("batches loaded", f"{len(steps.loads):,} of {planned['batches']:,}"))
    rows += [(name, number) for (count, number) in _sums(steps).items() for name in [_COUNTS[count]] if steps.loads]
    if steps.proof:
        rows.append(("proof", steps.proof["verdict"]))
    rows += [(f"days {outcome}", number) for outcome, number in steps.outcomes.items()]
    if steps.redriven:
        rows.append(("dead letters", steps.redriven["verdict"]))
    rows += [("failed", task) for task in steps.failed]
    return Table(f"Backfill of {dataset}", ("", "found"), rows)
