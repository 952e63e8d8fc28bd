"""What happens to the queue, to clocks and to raw days while a consumer is at work."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.arrivals.drained import Drained
from opensearch_strata.archive.arrivals.inbox import InboxLimits
from opensearch_strata.archive.ledger import store
from opensearch_strata.errors import Refused
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.verify.verify import verify
from tests.arrivals import Inflow
from tests.faults.archives import cloudwatch, events, ndjson
from tests.faults.proxy import FaultyProxy
from tests.faults.rules import denied, late, of_sqs
from tests.streams import DAY


def at_work(pool: ThreadPoolExecutor, inflow: Inflow, *clients: Any, **more: Any) -> Future[Drained]:
    """A pass that has received everything and has not loaded it yet."""
    run = pool.submit(inflow.drain, *clients, **more)
    while inflow.queues.depth()[0] or not inflow.queues.depth()[1]:
        time.sleep(0.01)
    return run


def test_a_queue_that_is_deleted_meanwhile_costs_nothing_that_is_in_hand(
    inflow: Inflow, proxy: FaultyProxy, through: OpenSearch
) -> None:
    for start in range(0, 3000, 1000):
        inflow.put(cloudwatch(events(range(start, start + 1000))))
    proxy.add(late(0.05))
    with ThreadPoolExecutor(1) as pool:
        run = at_work(pool, inflow, through)
        inflow.queues.delete()
        with pytest.raises(Refused, match=r"does not exist\..* its messages are gone, but no object is"):
            run.result(timeout=60)
    proxy.clear()
    inflow.load().require_success()  # the backfill that the sentence asks for
    inflow.assert_loaded(range(3000))
    inflow.assert_done()


def test_a_queue_that_is_forbidden_meanwhile_keeps_its_messages(
    inflow: Inflow, proxy: FaultyProxy, through: OpenSearch, between: FaultyProxy, sqs_between: Any
) -> None:
    inflow.queues.set_visibility(2)
    for start in range(0, 1000, 100):
        inflow.put(cloudwatch(events(range(start, start + 100))))
    proxy.add(late(0.05))
    with ThreadPoolExecutor(1) as pool:
        run = at_work(pool, inflow, through, None, sqs_between)
        for operation in ("ReceiveMessage", "ChangeMessageVisibilityBatch", "DeleteMessageBatch"):
            between.add(of_sqs(operation, denied), path="/")
        with pytest.raises(Refused, match="Allow sqs:"):
            run.result(timeout=60)
    assert inflow.queues.receives() == {1}
    time.sleep(2.2)
    inflow.drain(empty=1)
    inflow.assert_loaded(range(1000))
    inflow.assert_done()
    assert inflow.queues.depth() == (0, 0)


def test_a_consumer_whose_clock_is_ahead_takes_over_and_nothing_is_there_twice(
    inflow: Inflow, proxy: FaultyProxy, through: OpenSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By ten minutes, so that every lease of others looks as if it were over."""
    now = store.now_ms
    monkeypatch.setattr(store, "now_ms", lambda: now() + 600_000 * threading.current_thread().name.startswith("ahead"))
    listed = inflow.put(cloudwatch(events(range(2000))))
    proxy.add(late(0.1))
    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1, thread_name_prefix="ahead") as ahead:
        slow = at_work(pool, inflow, through, inbox=InboxLimits(messages=1, poll=1), in_flight=1)
        while not proxy.bulks:
            time.sleep(0.01)
        inflow.queues.send({"Records": [inflow.notified(*listed.place[1:], listed.size)]})
        fast = ahead.submit(inflow.drain, empty=1)
        results = [run.result(timeout=60) for run in (slow, fast)]
    assert inflow.rows()[0].attempt == 2  # it was taken over
    deadline = time.monotonic() + 30
    while inflow.queues.depth() != (0, 0) and time.monotonic() < deadline:
        inflow.queues.hurry()
        results.append(inflow.drain())
    assert sum(one.deleted for one in results) == 2
    inflow.assert_loaded(range(2000))
    inflow.assert_done()


def test_an_object_for_a_day_that_is_condensed_is_loaded_and_the_day_is_not_verified_any_more(inflow: Inflow) -> None:
    inflow.put(ndjson(range(100)))
    inflow.drain()
    client, dataset = inflow.stream.client, inflow.dataset
    condense(client, dataset, DAY, engine="search")
    assert verify(client, dataset, DAY).state == "verified"
    inflow.put(ndjson(range(100, 120)))
    assert inflow.drain().counts.created == 20
    assert verify(client, dataset, DAY).state == "differs"
    condense(client, dataset, DAY, engine="search")
    assert verify(client, dataset, DAY).state == "verified"
    inflow.assert_loaded(range(120))
