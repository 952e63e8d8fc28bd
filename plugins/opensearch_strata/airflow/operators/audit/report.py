"""The task that sums up a whole audit: one table for all datasets, and its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from opensearch_strata.airflow.alarms import WHY_FAILED, tell
from opensearch_strata.airflow.metrics import set_gauges
from opensearch_strata.airflow.operators.audit.base import AUDITED
from opensearch_strata.airflow.operators.base import StrataOperator
from opensearch_strata.airflow.operators.daily_cycle.retention import every_xcom
from opensearch_strata.errors.amounts import counted
from opensearch_strata.presentation.tables import Table
from opensearch_strata.workflows.audit.findings import SEVERITIES

if TYPE_CHECKING:
    from airflow.sdk import Context

_PARTS = {"look": "every day", "restore": "restored days"}


class ReportAuditOperator(StrataOperator):
    """Sum up the run, whatever became of it. Fails if something is lost or would be, or if a step failed otherwise.

    Returns ``{"verdict", "datasets": {name: {"lost", "would be lost", "look", "fine"}}}``.
    """

    purpose = "table and verdict"
    ui_color = "#e5e7eb"

    def execute(self, context: Context) -> dict[str, Any]:
        """Report.

        :raises AirflowFailException: something is lost or would be, or a step of the run failed
        """
        ti = context["ti"]
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
        parts = {(found["dataset"], part): found for part in _PARTS for found in every_xcom(ti, part, AUDITED)}
        rows = [
            (name, _PARTS[part], *(found["counts"][severity] for severity in SEVERITIES))
            for (name, part), found in sorted(parts.items())
        ]
        self.log.info("%s", Table("Audit of all datasets", ("dataset", "what", *SEVERITIES), rows))
        sums = _sums(parts)
        for name, found in sums.items():
            set_gauges("audit", name, {severity.replace(" ", "_"): count for severity, count in found.items()})
        worst = [
            (found["dataset"], one["day"], one["finding"], one["severity"], one["cure"])
            for _, found in sorted(parts.items())
            for one in found["findings"]
            if one["severity"] in SEVERITIES[:2]
        ]
        if worst:
            columns = ("dataset", "day", "finding", "severity", "what to do")
            self.log.info("%s", Table("Lost, or would be", columns, worst))
        failed = sorted(task for task, state in states.items() if state == "failed")
        self._tell(context, parts, failed)
        verdict = _verdict(worst, parts, failed)
        if failed or worst:
            raise AirflowFailException(verdict)
        self.log.info("%s", verdict)
        return {"verdict": verdict, "datasets": sums}

    def _tell(self, context: Context, parts: dict[tuple[str, str], dict[str, Any]], failed: list[str]) -> None:
        """Tell whom each dataset names what is lost of it, or would be, and what could not be looked at."""
        from opensearch_strata.definition.files import datasets_dir, load_definitions
        from opensearch_strata.workflows.alarms.of_loads import findings, not_looked

        ti, known = context["ti"], load_definitions(datasets_dir()).datasets
        why = {one["task"]: one["why"] for part in _PARTS for one in every_xcom(ti, part, WHY_FAILED)}
        for number, name in enumerate(ti.xcom_pull(task_ids="choose") or []):
            if name in known:
                found = [one for (of, _), part in parts.items() if of == name for one in part["findings"]]
                tasks = {part: f"{part}_{number}" for part in _PARTS if (name, part) not in parts}
                reasons = [why.get(task, "") for task in tasks.values() if task in failed]
                tell(context, known[name], [*findings(name, found), *not_looked(name, reasons)])


def _sums(parts: dict[tuple[str, str], dict[str, Any]]) -> dict[str, dict[str, int]]:
    """How many findings of each severity each dataset has.

    :param parts: dataset and part of the audit -> what was found
    """
    return {
        name: {severity: sum(found["counts"][severity] for (one, _), found in parts.items() if one == name)
               for severity in SEVERITIES}
        for name in sorted({name for name, _ in parts})
    }  # fmt: skip


def _verdict(worst: list[Any], parts: dict[Any, Any], failed: list[str]) -> str:
    if worst:
        names = sorted({name for name, *_ in worst})
        return f"Something is lost or would be of {', '.join(names)}; the table says what, and what to do about it."
    if failed:
        return (
            f"The audit FAILED in {', '.join(failed)}. Nothing was changed; look at the log of the first failed task."
        )
    return f"Nothing is lost of {counted(len({name for name, _ in parts}), 'dataset')}."
