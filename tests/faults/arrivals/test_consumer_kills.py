"""Consumers that are killed at any request: every event is there once, and no message is lost or left."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from opensearch_strata.workflows.arrivals.sweep import sweep
from opensearch_strata.workflows.backfill.backfill import Backfill
from tests.archives import s3_environment
from tests.arrivals import Inflow, Queues
from tests.faults import consumer
from tests.faults.archives import QUICK, cloudwatch, events, ndjson

EVENTS = 400
VISIBILITY = 1
MANY = 1000  # receives that the redrive policy allows, as each kill is one


@pytest.fixture
def queues(sqs: Any) -> Iterator[Queues]:
    """A queue whose messages come back after a second, however often."""
    made = Queues(sqs, f"k{time.time_ns()}", VISIBILITY, MANY)
    yield made
    made.delete()


def run(inflow: Inflow, s3_url: str, last: int) -> int | None:
    """Start a consumer that sends so many requests; its exit code."""
    job = {
        "environment": s3_environment(s3_url),
        "dataset": inflow.dataset.model_dump(mode="json"),
        "url": inflow.url,
        "queue": inflow.queues.arn,
        "settings": {"in_flight": 2, "body_bytes": 15_000, "patience": 30, "renew_every": 0.2},
    }
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.faults.consumer", "boto3", "opensearchpy"])
    process = processes.Process(target=consumer.consume, args=(job, last), daemon=True)
    process.start()
    process.join(90)
    return process.exitcode


def fill(inflow: Inflow) -> None:
    """Objects of both kinds, with and without event ids."""
    half = EVENTS // 2
    inflow.put(cloudwatch(events(range(half))))
    for start in range(half, EVENTS, 40):
        inflow.put(ndjson(range(start, start + 40)))


@pytest.mark.parametrize("step", [pytest.param(11, id="some"), pytest.param(2, id="most", marks=pytest.mark.long)])
@pytest.mark.timeout(900)
def test_a_consumer_that_is_killed_at_every_nth_request(inflow: Inflow, s3_url: str, step: int) -> None:
    fill(inflow)
    kills, last = 0, 3
    while run(inflow, s3_url, last) == -9:
        kills += 1
        last += step
        assert last < 1000
        time.sleep(VISIBILITY + 0.2)
    assert kills >= 3
    time.sleep(VISIBILITY + 0.2)
    inflow.drain()  # what the last one killed had in hand
    # An object that two in a row were killed with is in quarantine; the sweep of the night tries it once more.
    backfill = Backfill(inflow.stream.client, inflow.dataset, lambda: inflow.s3)
    assert sweep(backfill, inflow.dataset, datetime(2024, 5, 7, tzinfo=UTC), "tests", QUICK).proof.holds
    inflow.assert_done()
    inflow.assert_loaded(range(EVENTS))
    assert inflow.queues.depth() == (0, 0)
    assert inflow.queues.depth(inflow.queues.letters) == (0, 0)
