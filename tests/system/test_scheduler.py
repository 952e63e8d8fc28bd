"""The daily cycle through Airflow's scheduler and REST API, as people and the clock start it."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from tests.system.conftest import EXAMPLE, FLIGHTS, INFLOW, Running


def test_nothing_is_broken_but_what_is_meant_to_be(running: Running) -> None:
    errors = running.airflow.call("GET", "importErrors").json()["import_errors"]
    assert [error["filename"] for error in errors] == ["dataset_definitions.py"], errors
    assert "broken.yaml: speed: unknown key" in errors[0]["stack_trace"]
    dags = running.airflow.call("GET", "dags").json()["dags"]
    of_inflow = {f"{INFLOW}_{name}" for name in ("daily_cycle", "archive_arrivals", "arrivals_sweep")}
    of_all = {"archive_backfill", "history_audit", EXAMPLE}
    assert {dag["dag_id"] for dag in dags} == {FLIGHTS, "ticking_daily_cycle", *of_inflow, *of_all}
    assert running.airflow.call("GET", "plugins/importErrors").json()["import_errors"] == []
    assert "strata" in {plugin["name"] for plugin in running.airflow.call("GET", "plugins").json()["plugins"]}


def test_a_backfilled_day_is_condensed_and_the_oldest_day_deleted(running: Running) -> None:
    body = {
        "dag_id": FLIGHTS,
        "from_date": "2013-03-02T00:00:00Z",
        "to_date": "2013-03-02T23:59:59Z",
        "dag_run_conf": {"dry_run": False},
    }
    running.airflow.call("POST", "backfills", json=body)
    run_id = running.run_of(FLIGHTS, "2013-03-02")
    assert running.airflow.wait_for_run(FLIGHTS, run_id) == "success"
    report = running.airflow.return_value(FLIGHTS, run_id, "report")
    assert report["verified"]
    assert report["deleted"] == ["flights-2013.01.01"]
    assert date(2013, 1, 1) not in running.raw_days()
    assert date(2013, 1, 2) in running.raw_days()


def test_a_run_by_hand_condenses_its_day_and_deletes_nothing(running: Running) -> None:
    before = running.raw_days()
    run_id, state = running.run(FLIGHTS, day="2013-03-03")
    assert state == "success"
    assert running.airflow.return_value(FLIGHTS, run_id, "report")["deleted"] == []
    assert running.raw_days() == before
    assert running.rows(date(2013, 3, 3))


def test_the_example_starts_when_a_day_is_proven(running: Running) -> None:
    day = "2013-03-04"
    before = running.airflow.call("GET", f"dags/{EXAMPLE}/dagRuns").json()["dag_runs"]
    assert day not in {run["partition_key"] for run in before}
    run_id, state = running.run(FLIGHTS, day=day)
    assert state == "success"
    proven = running.airflow.return_value(FLIGHTS, run_id, "condense_day.verify")
    started = running.run_of(EXAMPLE, day)
    assert running.airflow.wait_for_run(EXAMPLE, started) == "success"
    told = running.airflow.return_value(EXAMPLE, started, "tell")
    assert told == {"day": day, "documents": proven["documents"], "rows": proven["rows"]}


@pytest.mark.long
def test_a_cleared_run_does_its_work_again(running: Running) -> None:
    day = date(2013, 3, 1)
    run_id, state = running.run(FLIGHTS, day=str(day))
    assert state == "success"
    rows = running.rows(day)
    lost = next(iter(rows))
    running.client.delete(index=running.flights.month_index(day), id=lost, params={"refresh": "true"})
    clear = {"dag_run_id": run_id, "dry_run": False, "only_failed": False, "reset_dag_runs": True}
    running.airflow.call("POST", f"dags/{FLIGHTS}/clearTaskInstances", json=clear)
    assert running.airflow.wait_for_run(FLIGHTS, run_id) == "success"
    assert running.rows(day) == rows
    tries = {task["task_id"]: task["try_number"] for task in running.airflow.task_instances(FLIGHTS, run_id)}
    assert tries["condense_day.condense"] == 2


@pytest.mark.long
def test_cycles_started_at_once_leave_one_truth(running: Running) -> None:
    day = date(2013, 3, 4)
    strata = Path(sys.executable).parent / "strata"
    command = [str(strata), "cycle", "flights", str(day), "--apply", "--url", running.stack.opensearch_url]
    with ThreadPoolExecutor() as pool:
        shell = pool.submit(lambda: subprocess.run(command, capture_output=True, text=True))
        runs = list(pool.map(lambda _: running.run(FLIGHTS, day=str(day), dry_run=False), range(2)))
        assert shell.result().returncode == 0, shell.result().stderr
    assert [state for _, state in runs] == ["success", "success"]
    spans = sorted(
        (found["start_date"], found["end_date"])
        for run_id, _ in runs
        if (found := running.airflow.call("GET", f"dags/{FLIGHTS}/dagRuns/{run_id}").json())
    )
    assert spans[0][1] <= spans[1][0], "two runs of one DAG overlapped"
    assert running.raw_days() == {date(2013, 3, number) for number in range(1, 5)}
    assert sum(row["transform._doc_count"] for row in running.rows(date(2013, 1, 2)).values()) == 943
    documents = running.client.count(index=running.flights.raw_index(day))["count"]
    assert sum(row["transform._doc_count"] for row in running.rows(day).values()) == documents


def test_a_task_links_to_its_indices_and_tells_its_verdict_last(running: Running) -> None:
    run_id, _ = running.run(FLIGHTS, day="2013-03-03")
    task = f"dags/{FLIGHTS}/dagRuns/{run_id}/taskInstances/condense_day.verify"
    links = running.airflow.call("GET", f"{task}/links").json()["extra_links"]
    assert links["Raw index"].startswith(f"{running.stack.opensearch_url}/flights-2013.03.03")
    assert "flights-history-2013.03" in links["History month"]
    content = running.airflow.call("GET", f"{task}/logs/1", params={"full_content": True}).json()["content"]
    events = [line["event"] for line in content if "VerifyOperator" in str(line.get("logger", ""))]
    assert "Proof of flights-2013.03.03: verified" in events[-2]
    assert "rows that are missing" in events[-2]
    assert events[-1] == "verified"
