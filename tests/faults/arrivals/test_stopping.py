"""Whoever is stopped while requests hang ends soon: nothing is lost, nothing is loaded twice, messages come back."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from threading import Event, Thread, main_thread
from typing import Any

import pytest
from opensearchpy import OpenSearch

from tests.arrivals import Inflow
from tests.faults.archives import cloudwatch, events
from tests.faults.proxy import Answer, FaultyProxy, Forward, Request
from tests.faults.rules import hangs, of_sqs
from tests.streams import DAY

SOON = 8.0
"""Seconds that `strata follow` has for handing back."""


class Hanging:
    """A rule by which some requests hang until the end of the test.

    :param which: those that do
    """

    def __init__(self, which: Callable[[Request], bool]) -> None:
        self.over = Event()
        self.times = 0
        self._which, self._hang = which, hangs(self.over)

    def __call__(self, request: Request, forward: Forward) -> Answer:
        if not self._which(request):
            return forward(request)
        self.times += 1
        return self._hang(request, forward)


@pytest.fixture
def hanging() -> Iterator[Callable[[Callable[[Request], bool]], Hanging]]:
    """Makes rules whose requests are let go at the end."""
    made: list[Hanging] = []

    def make(which: Callable[[Request], bool]) -> Hanging:
        made.append(Hanging(which))
        return made[-1]

    yield make
    for one in made:
        one.over.set()


MakeHanging = Callable[[Callable[[Request], bool]], Hanging]


def stopped(run: Callable[[], object], when: Callable[[], object]) -> float:
    """Run something and interrupt it, as SIGTERM does in the end, once something is true; the seconds that it takes."""
    began = list[float]()

    def interrupt() -> None:
        while not when():
            time.sleep(0.02)
        time.sleep(0.5)
        began.append(time.monotonic())
        signal.pthread_kill(main_thread().ident or 0, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in the background
    try:
        Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            run()
    finally:
        signal.signal(signal.SIGINT, before)
    return time.monotonic() - began[0]


def put(inflow: Inflow) -> None:
    """Three objects of a hundred events each."""
    for start in range(0, 300, 100):
        inflow.put(cloudwatch(events(range(start, start + 100))))


def are_back(inflow: Inflow) -> bool:
    """Whether all messages can be received, at the latest when a request for messages that nobody awaits is over."""
    deadline = time.monotonic() + 5
    while inflow.queues.depth() != (3, 0) and time.monotonic() < deadline:
        time.sleep(0.05)
    return inflow.queues.depth() == (3, 0)


def finish(inflow: Inflow) -> None:
    """The next consumer finds everything, once, and no message is used up."""
    inflow.drain(empty=1)
    inflow.assert_loaded(range(300))
    inflow.assert_done()
    assert inflow.queues.depth() == (0, 0)
    assert inflow.queues.depth(inflow.queues.letters) == (0, 0)


def test_an_object_that_hangs(inflow: Inflow, between: FaultyProxy, s3_between: Any, hanging: MakeHanging) -> None:
    put(inflow)
    rule = hanging(lambda request: request.method == "GET")
    between.add(rule, path=inflow.objects[-1].place.key)
    assert stopped(lambda: inflow.drain(s3=s3_between), lambda: rule.times) < SOON
    assert are_back(inflow)
    assert {row.state for row in inflow.rows()} <= {"done", "failed"}
    finish(inflow)


@pytest.mark.parametrize("is_bulk", [True, False], ids=["bulk", "raw day"])
def test_a_request_to_a_raw_day_that_hangs(
    inflow: Inflow, proxy: FaultyProxy, through: OpenSearch, hanging: MakeHanging, is_bulk: bool
) -> None:
    put(inflow)
    index = inflow.dataset.raw_index(DAY)
    rule = hanging(lambda request: request.path == "/_bulk" if is_bulk else index in request.path)
    proxy.add(rule, path="")
    assert stopped(lambda: inflow.drain(through), lambda: rule.times) < SOON
    assert are_back(inflow)
    assert {row.state for row in inflow.rows()} == {"failed"}  # their leases are given up, and no loader died
    finish(inflow)


@pytest.mark.usefixtures("brief_patience")
def test_opensearch_that_hangs_keeps_no_message_from_others(
    inflow: Inflow, proxy: FaultyProxy, through: OpenSearch, hanging: MakeHanging, caplog: pytest.LogCaptureFixture
) -> None:
    put(inflow)
    rule = hanging(lambda request: bool(proxy.bulks))
    proxy.add(rule, path="")
    assert stopped(lambda: inflow.drain(through), lambda: rule.times) < SOON
    assert "OpenSearch or S3 does not answer, so the leases" in caplog.text
    assert are_back(inflow)
    assert {row.state for row in inflow.rows()} == {"running"}
    time.sleep(2.2)  # the lease
    finish(inflow)


def test_a_queue_that_hangs_keeps_nobody(
    inflow: Inflow,
    proxy: FaultyProxy,
    through: OpenSearch,
    between: FaultyProxy,
    sqs_between: Any,
    hanging: MakeHanging,
    caplog: pytest.LogCaptureFixture,
) -> None:
    put(inflow)
    inflow.queues.set_visibility(2)
    rule = hanging(lambda request: request.path == "/_bulk")
    proxy.add(rule, path="")
    away = hanging(lambda request: bool(rule.times))
    for operation in ("ReceiveMessage", "ChangeMessageVisibilityBatch", "DeleteMessageBatch"):
        between.add(of_sqs(operation, away), path="/")
    assert stopped(lambda: inflow.drain(through, None, sqs_between), lambda: away.times) < SOON
    assert "SQS does not answer: messages in hand come back" in caplog.text
    assert {row.state for row in inflow.rows()} == {"failed"}
    time.sleep(2.2)
    finish(inflow)
