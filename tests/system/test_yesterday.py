"""The clock starts a run: about yesterday, and not dry. Last of its folder, so that the other tests fill the wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.system.conftest import Running


def test_a_scheduled_run_is_about_yesterday_and_deletes_what_is_proven(running: Running) -> None:
    dag_id = "ticking_daily_cycle"
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    run_id = running.run_of(dag_id, str(yesterday))
    assert running.airflow.wait_for_run(dag_id, run_id) == "success"
    assert running.airflow.call("GET", f"dags/{dag_id}/dagRuns/{run_id}").json()["run_type"] == "scheduled"
    stream = running.ticking
    left = [stream.exists(yesterday - timedelta(days=ago)) for ago in range(3)]
    assert left == [True, False, False]
    report = running.airflow.return_value(dag_id, run_id, "report")
    assert report["day"] == str(yesterday)
    assert report["verified"]
