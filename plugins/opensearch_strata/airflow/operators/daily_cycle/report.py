"""The task that sums up a whole run: one table, and its verdict."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from opensearch_strata.airflow.alarms import WHY_FAILED, tell
from opensearch_strata.airflow.metrics import add_counts, set_gauges
from opensearch_strata.airflow.operators.base import DatasetOperator
from opensearch_strata.airflow.operators.daily_cycle.retention import WAITING, WANTED, WHY_KEPT, every_xcom
from opensearch_strata.definition.days import day_bounds
from opensearch_strata.presentation.tables import report_table, some_names

if TYPE_CHECKING:
    from airflow.sdk import Context

    from opensearch_strata.workflows.alarms.alarm import Alarm
    from opensearch_strata.workflows.cycle_report import CycleReport

_FAILURES = ("failed", "upstream_failed")


class ReportOperator(DatasetOperator):
    """Sum up the run, whatever became of it. Fails if a step failed, so that the run fails too.

    Returns a :class:`CycleReport` as a dict.
    """

    purpose = "table and verdict"

    def execute(self, context: Context) -> dict[str, Any]:
        """Report.

        :raises AirflowFailException: a step of the run failed
        """
        from opensearch_strata.workflows.cycle_report import report_cycle

        ti = context["ti"]
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
        failed = sorted(task for task, state in states.items() if state == "failed")
        if not self.cycle:
            if context["dag_run"].run_type == "scheduled":  # anybody else who started it sees the run
                tell(context, self.dataset, self._failures(context, failed), "history")
            raise AirflowFailException("The run has no day; see the log of resolve_day.")
        report = report_cycle(
            self.client,
            self.dataset,
            self.day,
            verified=ti.xcom_pull(task_ids="condense_day.verify") is not None,
            retired=_retired(ti, states),
            wanted=ti.xcom_pull(task_ids="retention.list_expired", key=WANTED) or {},
            waiting=ti.xcom_pull(task_ids="retention.list_expired", key=WAITING) or 0,
            failed=failed,
        )
        self._measure(report, states)
        self._tell(context, report, failed)
        if report.uncondensed:
            self.log.warning(
                "Raw days in the window that are not fully condensed: %s. Run them with Trigger → Backfill.",
                some_names(report.uncondensed),
            )
        self.log.info("%s", report_table(report))
        if report.asks:
            self.log.warning("%s", report.asks)
        if any(state in _FAILURES for state in states.values()):
            raise AirflowFailException(report.verdict)
        self.log.info("%s", report.verdict)
        return report.as_json()

    def _tell(self, context: Context, report: CycleReport, failed: list[str]) -> None:
        """Tell whom the dataset names what does not pass by itself."""
        from opensearch_strata.errors.judging import explain
        from opensearch_strata.workflows.alarms.disk import forecast
        from opensearch_strata.workflows.alarms.of_cycle import overdue, too_small

        dataset, notify = self.dataset, self.dataset.cycle.notify
        if notify is None:
            return
        alarms = self._failures(context, failed)
        if not report.overtaken:
            unproven = [day for index in report.uncondensed if (day := dataset.raw.names.date_in(index))]
            if report.raw_documents and not report.verified and not failed:  # else its alarm says why
                unproven.append(report.day)
            alarms += overdue(dataset, unproven, notify.unproven_hours, datetime.now(UTC))
            try:
                seen = forecast(self.client, dataset, report.day, raw_bytes=report.raw_bytes, raw_days=report.raw_days)
                alarms += too_small(dataset, seen)
            except Exception as error:  # noqa: BLE001 - secondary to the report
                self.log.warning("Whether the disks have room for the window is not known: %s", explain(error))
        tell(context, dataset, alarms, "history")

    def _failures(self, context: Context, failed: list[str]) -> list[Alarm]:
        """The alarms of tasks that failed, whether the run has a day or not."""
        from opensearch_strata.workflows.alarms.of_cycle import failures

        said = [one for task in _ids(failed) for one in every_xcom(context["ti"], task, WHY_FAILED)]
        day = self.day if self.cycle else context["dag_run"].partition_key or "an unknown day"
        return failures(self.dataset, day, failed, {one["task"]: one["why"] for one in said})

    def _measure(self, report: CycleReport, states: dict[str, str]) -> None:
        """Send what the run deleted and, unless it is about an older day, how the dataset stands."""
        name = self.dataset.name
        is_unproven = report.raw_documents > 0 and not report.verified
        refused = {day for task, day in _retiring(states) if states[task] == "failed"}
        add_counts("cycle", name, {"days_deleted": len(report.deleted), "refused_deletions": len(refused)})
        if report.overtaken:
            return
        ended = day_bounds(report.day, self.dataset.zone)[1]
        gauges = {
            "unproven_days": len(report.uncondensed) + is_unproven,
            "days_beyond_window": len(report.kept) + len(report.would_delete) + report.waiting,
            "raw_bytes": report.raw_bytes,
            "history_bytes": report.history_bytes,
            "lag": round((datetime.now(UTC) - ended).total_seconds()) if report.verified else None,
        }
        set_gauges("cycle", name, gauges)


def _ids(tasks: list[str]) -> list[str]:
    """Ids of tasks, each once, without the number of a mapped one."""
    return sorted({task.rpartition("_")[0] if task.rpartition("_")[2].isdigit() else task for task in tasks})


def _retiring(states: dict[str, str]) -> list[tuple[str, str]]:
    """The tasks that retire raw days, each with the number of its day.

    :param states: task id, with ``_n`` if mapped -> state
    """
    return [(task, task.rpartition("_")[2]) for task in states if task.startswith("retention.retire.")]


def _retired(ti: Any, states: dict[str, str]) -> dict[str, str]:
    """Return what became of each raw day that has left the window."""
    expired = ti.xcom_pull(task_ids="retention.list_expired") or []
    deletions = {done["index"]: _lot(done) for done in every_xcom(ti, "retention.retire.delete")}
    tasks = ("retention.retire.prove", "retention.retire.archive")
    kept = {told["index"]: told["why"] for task in tasks for told in every_xcom(ti, task, WHY_KEPT)}
    lots = {}
    for number, index in enumerate(day["index"] for day in expired):
        state = states.get(f"retention.retire.delete_{number}") or states.get(f"retention.retire.prove_{number}")
        lots[index] = deletions.get(index) or kept.get(index) or f"not proven ({state})"
    return lots


def _lot(done: dict[str, Any]) -> str:
    """Put into words what :class:`DeleteOperator` returned for a day."""
    from opensearch_strata.workflows.cycle_report import WOULD_GO

    if done["outcome"] != "dry_run":
        return str(done["outcome"])
    return f"{WOULD_GO}: {done['mend'] or 'it is proven'}"
