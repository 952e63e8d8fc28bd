"""Consumers that are killed at any request: every event is there once, and no message is lost or left."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator
from typing import Any

import pytest

from opensearch_strata.archive.store.objects import ListedObject
from tests.archives import s3_environment
from tests.arrivals import MOST_RECEIVES, Inflow, Queues
from tests.faults import consumer
from tests.faults.archives import SPAN, cloudwatch, events, ndjson

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
    for _ in range(3):  # what the last one killed had in hand, and objects that several in a row were killed with
        inflow.queues.hurry()
        inflow.drain()
    inflow.assert_done()
    inflow.assert_loaded(range(EVENTS))
    assert inflow.queues.depth() == (0, 0)
    assert inflow.queues.depth(inflow.queues.letters) == (0, 0)


def kill(inflow: Inflow, listed: ListedObject, times: int) -> None:
    """So many loaders in a row claim an object, and are gone before they get any further."""
    inflow.lease = 0.01
    for number in range(times):
        inflow.ledger.claim([(listed.place, listed.size)], SPAN, f"killed {number}")
        time.sleep(0.02)


@pytest.mark.parametrize("times", [1, 2])
def test_an_object_that_was_in_hand_when_one_or_two_were_killed_is_loaded(inflow: Inflow, times: int) -> None:
    kill(inflow, inflow.put(ndjson(range(10))), times)
    drained = inflow.drain()
    assert (drained.done, drained.quarantined, drained.deleted) == (1, 0, 1)
    inflow.assert_loaded(range(10))


def test_a_message_is_kept_while_nobody_knows_why_the_loaders_of_its_object_died(
    inflow: Inflow, caplog: pytest.LogCaptureFixture
) -> None:
    """A rolling deploy, a node that goes away: the object is healthy, and is loaded without anybody's help."""
    listed = inflow.put(ndjson(range(10)))
    other = inflow.put(ndjson(range(10, 20)))
    kill(inflow, listed, 3)
    drained = inflow.drain()
    assert (drained.done, drained.quarantined, drained.deleted, drained.given_back) == (1, 1, 1, 1)
    assert inflow.queues.depth() == (0, 1)
    assert f"3 loaders in a row died while they were loading {listed.place}" in caplog.text
    assert inflow.ledger.rows([other.place])[other.place].state == "done"
    inflow.queues.hurry()
    drained = inflow.drain()
    assert (drained.done, drained.quarantined, drained.deleted) == (1, 0, 1)
    inflow.assert_loaded(range(20))
    inflow.assert_done()


def test_an_object_that_kills_everybody_ends_in_the_dead_letter_queue(inflow: Inflow) -> None:
    """It is read once between two receives that leave it alone, and its message does not stay for ever."""
    queues = inflow.queues
    policy = json.dumps({"deadLetterTargetArn": queues.arn_of(queues.letters), "maxReceiveCount": MOST_RECEIVES})
    queues.sqs.set_queue_attributes(QueueUrl=queues.url, Attributes={"RedrivePolicy": policy})
    listed = inflow.put(ndjson(range(10)))
    kill(inflow, listed, 2)
    for _ in range(MOST_RECEIVES + 1):
        if inflow.queues.depth(inflow.queues.letters) == (1, 0):
            break
        kill(inflow, listed, 1)
        inflow.queues.hurry()
        inflow.drain()
    assert inflow.queues.depth() == (0, 0)
    assert inflow.queues.depth(inflow.queues.letters) == (1, 0)
    assert inflow.rows()[0].counts.read == 0
