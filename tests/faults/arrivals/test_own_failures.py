"""What we cannot load costs a message as few receives as possible, and stops no other dataset of the queue."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ClientError
from opensearchpy import OpenSearch
from tenacity import wait_none

from opensearch_strata.archive.arrivals.drain import DrainLimits
from opensearch_strata.archive.arrivals.drained import Drained
from opensearch_strata.archive.arrivals.inbox import Inbox, InboxLimits
from opensearch_strata.archive.arrivals.queue import Queue, QueueState
from opensearch_strata.archive.store import objects
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.workflows.arrivals import follow as follow_module
from opensearch_strata.workflows.arrivals.arrivals import Arrivals, Clients
from opensearch_strata.workflows.arrivals.follow import follow
from opensearch_strata.workflows.arrivals.standing import standing
from tests.arrivals import ALL_DAYS, Inflow
from tests.faults.archives import INTAKE, QUICK, ndjson
from tests.faults.proxy import FaultyProxy
from tests.faults.rules import refused
from tests.streams import DAY, StreamFactory

NO_OBJECT = ("get_object", "head_object")


class Sick:
    """S3 that answers some operations with 503."""

    def __init__(self, s3: Any, operations: tuple[str, ...]) -> None:
        self._s3, self._operations = s3, operations

    def __getattr__(self, name: str) -> Any:
        return self._refused if name in self._operations else getattr(self._s3, name)

    def _refused(self, **_: Any) -> None:
        answer: Any = {"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
        raise ClientError(answer, "GetObject")


@pytest.fixture(autouse=True)
def brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between our own attempts are short."""
    monkeypatch.setattr(objects._RETRYING, "wait", wait_none())
    monkeypatch.setattr(follow_module, "_FIRST_PAUSE", 0.1)
    monkeypatch.setattr(follow_module, "_LONGEST_PAUSE", 0.2)


def put(inflow: Inflow, many: int = 40) -> None:
    """Objects of five events each."""
    for start in range(0, 5 * many, 5):
        inflow.put(ndjson(range(start, start + 5)))


@contextmanager
def following(arrivals: Arrivals) -> Iterator[list[Drained]]:
    """Follow a queue in passes of two seconds until the end of the block."""
    stop, passes = Event(), list[Drained]()
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(
            follow, arrivals, "tests", stop, passes.append, seconds=2, settings=replace(QUICK, patience=1)
        )
        try:
            yield passes
        finally:
            stop.set()
        run.result(timeout=60)


def finish(inflow: Inflow) -> None:
    """The cause is mended, and the messages come back: everything is loaded, and nothing was given up."""
    inflow.queues.hurry()
    inflow.drain()
    assert inflow.queues.depth() == (0, 0)
    assert inflow.queues.depth(inflow.queues.letters) == (0, 0)


def test_nothing_is_received_while_the_source_cannot_be_listed(inflow: Inflow) -> None:
    put(inflow)
    arrivals = inflow.arrivals(s3=Sick(inflow.s3, (*NO_OBJECT, "list_objects_v2")))
    with following(arrivals):
        time.sleep(3)
    assert inflow.queues.depth() == (40, 0)
    assert inflow.queues.receives() == {0}
    finish(inflow)
    inflow.assert_loaded(range(200))


def test_objects_that_nobody_can_read_cost_a_few_messages_one_receive_in_each_pass(inflow: Inflow) -> None:
    """More passes than the redrive policy allows receives, as by a service that is started again and again."""
    put(inflow, 100)
    for number in range(1, 8):
        with pytest.raises(TransientError, match=f"{inflow.dataset.name}: .*in a row could not be loaded"):
            inflow.drain(s3=Sick(inflow.s3, NO_OBJECT))
        waiting, in_flight = inflow.queues.depth()
        assert (waiting + in_flight, 5 <= in_flight <= 10 * number) == (100, True)
    assert inflow.queues.receives() == {0, 1}
    finish(inflow)
    inflow.assert_loaded(range(500))


def test_a_dataset_that_is_forbidden_stops_no_other_of_its_queue(
    inflow: Inflow, make_stream: StreamFactory, proxy: FaultyProxy, through: OpenSearch
) -> None:
    intake = {**INTAKE, "source": f"s3://{inflow.bucket}/web/", "queue": inflow.queues.arn}
    other = make_stream(raw={"window_days": ALL_DAYS}, intake=intake)
    proxy.add(refused(403, "security_exception", "no permissions for [indices:data/write/bulk]"), path="_bulk")
    clients = Clients(
        opensearch=lambda dataset: through if dataset.name == other.dataset.name else inflow.stream.client,
        s3=lambda _: inflow.s3,
        sqs=lambda _: inflow.queues.sqs,
    )
    arrivals = Arrivals(inflow.dataset, [inflow.dataset, other.dataset], clients)

    def drain() -> Drained:
        limits, settings = DrainLimits(20, 0), replace(QUICK, body_bytes=1_000_000)
        return arrivals.drain("tests", limits, settings=settings, inbox=InboxLimits(poll=1))

    inflow.s3.put_object(Bucket=inflow.bucket, Key="web/2024/05/06/00/b", Body=ndjson(range(5)))
    put(inflow)
    with pytest.raises(Refused, match=rf"New objects could not be loaded\. {other.dataset.name}: .*no permissions"):
        drain()
    inflow.assert_loaded(range(200))
    assert inflow.queues.depth() == (0, 1)
    for start in (200, 300):  # the message that failed is not received again, whatever else comes
        inflow.put(ndjson(range(start, start + 5)))
        drain()
    assert inflow.queues.receives() == {1}
    proxy.clear()
    inflow.queues.hurry()
    assert drain().counts.created == 5
    assert inflow.queues.depth() == (0, 0)
    assert inflow.queues.depth(inflow.queues.letters) == (0, 0)


def test_follow_waits_until_a_raw_day_is_writable_again(inflow: Inflow, caplog: pytest.LogCaptureFixture) -> None:
    inflow.put(ndjson(range(1000, 1005)))
    inflow.drain()
    index, client = inflow.dataset.raw_index(DAY), inflow.stream.client
    client.indices.put_settings(index=index, body={"index.blocks.write": True})
    inflow.put(ndjson(range(5)))
    with following(inflow.arrivals()) as passes:
        deadline = time.monotonic() + 30
        while "The next attempt is in" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(2)
        assert index in caplog.text
        assert inflow.queues.receives() == {1}
        client.indices.put_settings(index=index, body={"index.blocks.write": None})
        inflow.queues.hurry()
        deadline = time.monotonic() + 30
        while inflow.queues.depth() != (0, 0) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert sum(one.done for one in passes) == 1
    inflow.assert_loaded([*range(5), *range(1000, 1005)])


@pytest.mark.parametrize(("end", "at_once"), [(KeyboardInterrupt, True), (SystemExit, True), (RuntimeError, False)])
def test_messages_in_hand_go_back_at_once_only_if_somebody_wanted_the_end(
    inflow: Inflow, end: type[BaseException], at_once: bool
) -> None:
    put(inflow, 5)
    held = list[Any]()
    with suppress(end), Inbox(Queue(inflow.queues.sqs, inflow.queues.arn), 30, InboxLimits(poll=1)) as inbox:
        while len(held) < 5:
            held += inbox.take(5)
        raise end
    if at_once:  # behind the request for messages that nobody awaits any more
        deadline = time.monotonic() + 6
        while inflow.queues.depth() != (5, 0) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert inflow.queues.depth() == ((5, 0) if at_once else (0, 5))


def test_a_careful_inbox_holds_a_requests_messages_until_it_is_told_that_they_can_be_done(inflow: Inflow) -> None:
    put(inflow, 30)
    queue = Queue(inflow.queues.sqs, inflow.queues.arn)
    with Inbox(queue, 30, InboxLimits(poll=1), is_careful=True) as inbox:
        time.sleep(1)
        assert inflow.queues.depth() == (20, 10)
        inbox.widen()
        time.sleep(1)
        assert inflow.queues.depth() == (0, 30)


def test_a_pass_that_cannot_be_told_of_does_not_end_follow(inflow: Inflow, caplog: pytest.LogCaptureFixture) -> None:
    """OpenSearch or SQS may be away at the end of a pass."""
    nobody = build_client(ClientSettings.from_url("http://127.0.0.1:9"))
    stop, told = Event(), list[Drained]()

    def tell(drained: Drained) -> None:
        told.append(drained)
        if len(told) == 2:
            stop.set()
        standing(nobody, inflow.dataset, QueueState(0, 0, 0, 30, 5, 0))

    inflow.put(ndjson(range(5)))
    follow(inflow.arrivals(), "tests", stop, tell, seconds=1, settings=QUICK)
    assert len(told) == 2
    assert "objects 1 loaded" in caplog.text
    assert "how the queue stands is not known. OpenSearch cannot be reached" in caplog.text
