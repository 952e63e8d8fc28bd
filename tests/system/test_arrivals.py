"""New objects through Airflow's scheduler: a run waits for them without a worker, and loads them as they come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from local.samples.archived_flights import s3_client
from tests.arrivals import Inflow, Queues
from tests.faults.archives import cloudwatch, events, ndjson
from tests.streams import Stream
from tests.system.conftest import INFLOW, Running

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

BUCKET = "inflow"
ARRIVALS = f"{INFLOW}_archive_arrivals"


@pytest.fixture
def inflow(running: Running) -> Iterator[Inflow]:
    """A bucket of the stack that tells the dataset's queue of what is put into it."""
    s3 = s3_client(running.stack)
    login = {"aws_access_key_id": "embedded", "aws_secret_access_key": "embedded", "region_name": "us-east-1"}
    sqs: Any = boto3.client("sqs", endpoint_url=running.stack.aws_url, **login)
    queues = Queues(sqs, INFLOW)
    assert queues.arn == running.inflow.intake.queue
    s3.create_bucket(Bucket=BUCKET)
    told = {"QueueArn": queues.arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [told]}
    )  # its test event is the first message that a run finds
    running.airflow.wait_for_dag(ARRIVALS)
    running.airflow.unpause(ARRIVALS)
    yield Inflow(s3, BUCKET, Stream(running.client, running.inflow), queues)
    running.airflow.call("PATCH", f"dags/{ARRIVALS}", json={"is_paused": True})


def waiting_run(running: Running, within: float = 300) -> str:
    """Id of a run that waits for messages without a worker."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        for run in running.airflow.call("GET", f"dags/{ARRIVALS}/dagRuns").json()["dag_runs"]:
            run_id = str(run["dag_run_id"])
            if [one["state"] for one in running.airflow.task_instances(ARRIVALS, run_id)] == ["deferred"]:
                return run_id
        time.sleep(0.5)
    raise AssertionError(f"no run of {ARRIVALS} waits for messages within {within:.0f} s")


def test_a_run_waits_without_a_worker_and_loads_what_comes(running: Running, inflow: Inflow) -> None:
    run_id = waiting_run(running)
    inflow.put(cloudwatch(events(range(100))))
    inflow.put(ndjson(range(100, 150)))
    assert running.airflow.wait_for_run(ARRIVALS, run_id) == "success"
    inflow.assert_loaded(range(150))
    drained = running.airflow.return_value(ARRIVALS, run_id, "drain")
    assert drained["created"] == 150
    # The broken file beside it may be of a dataset that needs the messages too, so they are kept for it.
    assert (drained["held"], inflow.queues.depth()) == (2, (0, 2))
