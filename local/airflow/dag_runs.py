"""Runs of a DAG through the stack's scheduler, from the trigger to the report."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from local.airflow.api import AirflowApi
from local.errors import StackError
from local.stack import Stack

log = logging.getLogger(__name__)


def run_dag(
    stack: Stack, airflow: AirflowApi, dag_id: str, partition_key: str | None, conf: Mapping[str, Any]
) -> dict[str, Any]:
    """Run the DAG once, for a partition such as "2013-03-02" or for none; return what its task `report` returned.

    Logs the report's verdict. Raises StackError if the run fails.
    """
    airflow.wait_for_dag(dag_id)
    airflow.unpause(dag_id)
    began = time.monotonic()
    run_id = airflow.trigger(dag_id, partition_key, conf)
    if airflow.wait_for_run(dag_id, run_id, within=1800) != "success":
        raise StackError(_failure(stack, airflow, dag_id, run_id))
    report: dict[str, Any] = airflow.return_value(dag_id, run_id, "report")
    log.info("%s (%.0f s)", report["verdict"], time.monotonic() - began)
    return report


def _failure(stack: Stack, airflow: AirflowApi, dag_id: str, run_id: str) -> str:
    """The sentence for a failed run: which task failed first, and where its log is."""
    failed = [task for task in airflow.task_instances(dag_id, run_id) if task["state"] == "failed"]
    if not failed:
        return f"Run {run_id} of {dag_id} failed without a failed task. The scheduler's log: {stack.logs}"
    first = min(failed, key=lambda task: task["end_date"] or "")
    folder = stack.folder / "airflow" / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={first['task_id']}"
    if first["map_index"] >= 0:
        folder /= f"map_index={first['map_index']}"
    log_file = folder / f"attempt={first['try_number']}.log"
    return f"Task {first['task_id']} failed in run {run_id}. Its log: {log_file}"
