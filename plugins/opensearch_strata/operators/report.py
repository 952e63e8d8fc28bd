"""One table for the whole run, and its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from opensearch_strata.operators.base import DatasetOperator
from opensearch_strata.tables import report_table

if TYPE_CHECKING:
    from airflow.sdk import Context

_FAILURES = ("failed", "upstream_failed")


class ReportOperator(DatasetOperator):
    """Sum up the run, whatever became of it; fails if a step failed, so that the run fails too.

    Returns a :class:`CycleReport` as a dict.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Report.

        :raises AirflowFailException: a step of the run failed
        """
        from opensearch_strata.cycle import report_cycle

        ti = context["ti"]
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
        failed = sorted(task for task, state in states.items() if state == "failed")
        if not self.cycle:
            raise AirflowFailException("The run has no day; see the log of resolve_day.")
        verified = ti.xcom_pull(task_ids="condense_day.verify") is not None
        report = report_cycle(
            self.client, self.dataset, self.day, verified=verified, retired=self._retired(ti, states), failed=failed
        )
        if report.uncondensed:
            self.log.warning(
                "Raw days in the window that no rows carry: %s. Run them: Trigger, Backfill.", report.uncondensed
            )
        self.log.info("%s", report_table(report))
        if any(state in _FAILURES for state in states.values()):
            raise AirflowFailException(report.verdict)
        self.log.info("%s", report.verdict)
        return report.as_json()

    def _retired(self, ti: Any, states: dict[str, str]) -> dict[str, str]:
        """Raw day that has left the window -> what became of it."""
        expired = ti.xcom_pull(task_ids="retention.list_expired") or []
        outcomes = ti.xcom_pull(task_ids="retention.retire.delete", map_indexes=range(len(expired))) or []
        deleted = {done["index"]: done["outcome"] for done in outcomes if done}
        return {
            day["index"]: deleted.get(day["index"]) or f"not proven ({states.get(f'retention.retire.prove_{number}')})"
            for number, day in enumerate(expired)
        }
