"""Messages that two receive, and an outage in the middle of a pass."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.arrivals import drain
from opensearch_strata.archive.arrivals.drained import Drained
from opensearch_strata.archive.arrivals.inbox import InboxLimits
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.workflows.arrivals.follow import follow
from tests.arrivals import Inflow
from tests.faults.archives import cloudwatch, events, ndjson
from tests.faults.proxy import FaultyProxy
from tests.faults.rules import late, of_sqs, refused


def test_a_message_whose_visibility_runs_out_is_loaded_by_two_and_is_there_once(
    sqs: Any, inflow: Inflow, between: FaultyProxy, sqs_between: Any, proxy: FaultyProxy, through: OpenSearch
) -> None:
    inflow.queues.set_visibility(1)
    inflow.put(cloudwatch(events(range(3000))))
    proxy.add(late(0.1))
    between.add(of_sqs("ChangeMessageVisibilityBatch", refused(503, "ServiceUnavailable")), path="/")
    with ThreadPoolExecutor(2) as pool:
        alone = InboxLimits(messages=1, poll=1)  # otherwise it would receive the message again itself
        first = pool.submit(inflow.drain, through, None, sqs_between, inbox=alone)
        while inflow.queues.depth()[1] == 0:
            time.sleep(0.01)
        time.sleep(1.2)
        second = pool.submit(inflow.drain, None, None, None, empty=3)
        results = [run.result(timeout=60) for run in (first, second)]
    assert [result.messages for result in results] == [1, 1]
    assert sum(result.done for result in results) == 1
    inflow.assert_done()
    inflow.assert_loaded(range(3000))
    assert inflow.queues.depth() == (0, 0)


@pytest.mark.usefixtures("brief_patience")
def test_an_outage_in_the_middle_costs_a_message_one_receive(
    inflow: Inflow, proxy: FaultyProxy, through: OpenSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`follow` over an outage that is far longer than its patience: an hour, at this pace. Its leases run out."""
    monkeypatch.setattr(drain, "_AFTER_LEASE", 2)
    for start in range(0, 1000, 100):
        inflow.put(cloudwatch(events(range(start, start + 100))))
    proxy.add(late(0.05))
    stop, passes = Event(), list[Drained]()
    arrivals = inflow.arrivals(through)
    settings = LoadSettings(in_flight=2, body_bytes=5_000, patience=0.3, renew_every=0.2)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(follow, arrivals, "tests", stop, passes.append, seconds=5, settings=settings)
        while not proxy.bulks:
            time.sleep(0.01)
        with proxy.away():
            time.sleep(6)
            inflow.put(ndjson(range(1000, 1100)))
        time.sleep(1)
        inflow.queues.hurry()  # what was in hand when it went away comes back after a minute
        deadline = time.monotonic() + 60
        while inflow.queues.depth() != (0, 0) and time.monotonic() < deadline:
            time.sleep(0.2)
        stop.set()
        run.result(timeout=60)
    assert inflow.queues.depth() == (0, 0)
    assert inflow.queues.depth(inflow.queues.letters) == (0, 0)
    inflow.assert_loaded(range(1100))
    inflow.assert_done()
