"""What to say of a run that failed."""

from __future__ import annotations

from local.airflow_api import AirflowApi
from local.stack import Stack


def failure(stack: Stack, airflow: AirflowApi, dag_id: str, run_id: str) -> str:
    """The sentence for a failed run: the task that failed first, and where its log is."""
    failed = [task for task in airflow.task_instances(dag_id, run_id) if task["state"] == "failed"]
    if not failed:
        return f"Run {run_id} of {dag_id} failed without a failed task. The scheduler's log: {stack.logs}"
    first = min(failed, key=lambda task: task["end_date"] or "")
    folder = stack.folder / "airflow" / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={first['task_id']}"
    if first["map_index"] >= 0:
        folder /= f"map_index={first['map_index']}"
    log_file = folder / f"attempt={first['try_number']}.log"
    return f"Task {first['task_id']} failed in run {run_id}. Its log: {log_file}"
