"""``archive_backfill`` through Airflow's scheduler: a step that fails, and what a clear does."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from local.airflow.dag_runs import run_dag
from local.errors import StackError
from local.samples.archived_flights import archive_flights
from tests.system.conftest import Running

pytestmark = pytest.mark.long

BACKFILL = "archive_backfill"
DAY = date(2013, 7, 4)


def clear(running: Running, run_id: str, *tasks: str) -> None:
    """Clear tasks with all that comes after them, as the UI does."""
    body = {
        "dag_run_id": run_id,
        "dry_run": False,
        "only_failed": False,
        "reset_dag_runs": True,
        "include_downstream": True,
        **({"task_ids": list(tasks)} if tasks else {}),
    }
    running.airflow.call("POST", f"dags/{BACKFILL}/clearTaskInstances", json=body)


def test_a_day_comes_back_from_its_archive_whatever_is_cleared(running: Running) -> None:
    written = archive_flights(running.stack, DAY, DAY)
    running.airflow.wait_for_dag(BACKFILL)
    running.airflow.unpause(BACKFILL)
    index = running.flights.raw_index(DAY)

    def documents() -> int:
        return int(running.client.count(index=index)["count"])

    running.client.indices.create(index=index, body={"settings": {"index.refresh_interval": "17s"}})
    running.client.indices.put_settings(index=index, body={"index.blocks.write": True})
    asked = {"dataset": "flights", "from_day": str(DAY), "to_day": str(DAY), "dry_run": False}
    with pytest.raises(StackError) as told:
        run_dag(running.stack, running.airflow, BACKFILL, None, asked)
    sentence = re.match(r"Task prepare failed in run (\S+)\. Its log: (.+)$", str(told.value))
    assert sentence, told.value
    run_id, log_file = sentence.groups()
    assert index in Path(log_file).read_text()
    states = {task["task_id"]: task["state"] for task in running.airflow.task_instances(BACKFILL, run_id)}
    assert (states["prepare"], states["load"], states["restore"]) == ("failed", "upstream_failed", "upstream_failed")

    running.client.indices.put_settings(index=index, body={"index.blocks.write": None})
    clear(running, run_id, "prepare")
    assert running.airflow.wait_for_run(BACKFILL, run_id) == "success"
    assert documents() == written.events

    clear(running, run_id)
    assert running.airflow.wait_for_run(BACKFILL, run_id) == "success"
    assert documents() == written.events
    settings = running.client.indices.get_settings(index=index)[index]["settings"]["index"]
    assert settings["refresh_interval"] == "17s"
    [load] = [task for task in running.airflow.task_instances(BACKFILL, run_id) if task["task_id"] == "load"]
    assert load["state"] == "removed"  # all of it is loaded already, so the new plan has no batch
    running.client.indices.delete(index=index)
