"""Faults of the queue: no event is lost or there twice, and no message is burnt by our own tries."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.arrivals import inbox, queue
from opensearch_strata.archive.arrivals.inbox import InboxLimits
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.workflows.backfill.backfill import Backfill
from tests.archives import s3_environment
from tests.arrivals import Inflow, Queues
from tests.faults.archives import QUICK, START, cloudwatch, events, message, ndjson
from tests.faults.proxy import Answer, FaultyProxy, Forward, Request, Rule
from tests.faults.rules import cut_after, cut_before, denied, late, of_sqs, refused
from tests.streams import DAY


def test_every_message_is_kept_while_it_waits(inflow: Inflow, proxy: FaultyProxy, through: OpenSearch) -> None:
    """The load takes several times as long as the queue's own visibility timeout."""
    inflow.queues.set_visibility(1)
    for start in range(0, 3000, 500):
        inflow.put(cloudwatch(events(range(start, start + 500))))
    proxy.add(late(0.2))
    drained = inflow.drain(through, in_flight=1, empty=2)
    assert drained.seconds > 4
    assert (drained.messages, drained.deleted, drained.lost) == (6, 6, 0)
    inflow.assert_loaded(range(3000))


def test_a_purged_queue_costs_no_document_that_is_in_hand(
    inflow: Inflow, proxy: FaultyProxy, through: OpenSearch, caplog: pytest.LogCaptureFixture
) -> None:
    inflow.queues.set_visibility(1)
    inflow.put(cloudwatch(events(range(3000))))
    proxy.add(late(0.1))
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(inflow.drain, through, in_flight=1)
        while inflow.queues.depth()[1] == 0:
            time.sleep(0.01)
        inflow.queues.empty()
        drained = run.result(timeout=60)
    assert (drained.messages, drained.deleted, drained.done) == (1, 0, 1)
    assert "no longer ours" in caplog.text or drained.deleted == 0
    inflow.assert_loaded(range(3000))
    inflow.assert_done()


def test_a_deleted_queue_is_said_and_what_is_in_hand_is_handed_back(inflow: Inflow) -> None:
    inflow.put(ndjson(range(10)))
    inflow.drain()
    inflow.queues.delete()
    with pytest.raises(Refused, match=r"does not exist\..* its messages are gone, but no object is"):
        inflow.drain()
    inflow.assert_loaded(range(10))


def test_a_queue_that_is_forbidden_is_said_with_the_permission(
    inflow: Inflow, between: FaultyProxy, sqs_between: Any
) -> None:
    inflow.put(ndjson(range(10)))
    for operation, action in {
        "ReceiveMessage": "sqs:ReceiveMessage",
        "ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
        "GetQueueAttributes": "sqs:GetQueueAttributes",
    }.items():
        between.clear()
        between.add(of_sqs(operation, denied), path="/")
        if operation == "ChangeMessageVisibilityBatch":
            continue  # it is asked for only when a message is in hand for long
        with pytest.raises(Refused, match=f"Allow {action} for the identity in use: in its own policy, in the queue's"):
            inflow.drain(None, None, sqs_between)
    between.clear()
    assert inflow.drain(None, None, sqs_between).deleted == 1
    inflow.assert_loaded(range(10))


def test_a_consumer_that_may_not_delete_stops_before_it_uses_up_the_tries(
    inflow: Inflow, between: FaultyProxy, sqs_between: Any
) -> None:
    for start in range(0, 200, 10):
        inflow.put(ndjson(range(start, start + 10)))
    between.add(of_sqs("DeleteMessageBatch", denied), path="/")
    with pytest.raises(Refused, match="Allow sqs:DeleteMessage"):
        inflow.drain(None, None, sqs_between, seconds=20, empty=5)
    assert inflow.queues.depth(inflow.queues.letters) == (0, 0)
    between.clear()
    inflow.queues.hurry()
    inflow.drain(None, None, sqs_between)
    inflow.assert_loaded(range(200))
    assert inflow.queues.depth() == (0, 0)


@pytest.mark.parametrize("rule", [cut_before, cut_after, refused(503, "ServiceUnavailable")])
@pytest.mark.parametrize("operation", ["ReceiveMessage", "DeleteMessageBatch"])
def test_lost_requests_and_answers_of_the_queue_are_waited_out(
    inflow: Inflow, between: FaultyProxy, sqs_between: Any, operation: str, rule: Rule
) -> None:
    """A message that was received without an answer comes back when its visibility timeout is over."""
    inflow.queues.set_visibility(2)
    for start in range(0, 100, 10):
        inflow.put(ndjson(range(start, start + 10)))
    between.add(of_sqs(operation, rule), path="/", times=6)
    drained = inflow.drain(None, None, sqs_between, empty=3)
    assert drained.counts.created == 100
    inflow.assert_loaded(range(100))
    time.sleep(2.2)
    inflow.drain()
    assert inflow.queues.depth() == (0, 0)
    assert inflow.queues.depth(inflow.queues.letters) == (0, 0)


def test_answers_to_deletions_are_read_one_by_one(inflow: Inflow, between: FaultyProxy, sqs_between: Any) -> None:
    for start in range(0, 50, 10):
        inflow.put(ndjson(range(start, start + 10)))

    def one_fails(request: Request, forward: Forward) -> Answer:
        answer = forward(Request(request.method, request.target, request.headers, _without_first(request.body)))
        failed = {"Id": "0", "SenderFault": False, "Code": "InternalError", "Message": "as the test wants it"}
        return Answer.of_json(200, {**answer.json, "Failed": [failed]})

    inflow.queues.set_visibility(1)
    between.add(of_sqs("DeleteMessageBatch", one_fails), path="/", times=1)
    drained = inflow.drain(None, None, sqs_between, empty=0)
    assert drained.deleted >= 4
    time.sleep(1.2)
    again = inflow.drain(None, None, sqs_between)
    assert drained.deleted + again.deleted == 5 + (again.deleted - again.there)
    assert inflow.queues.depth() == (0, 0)
    inflow.assert_loaded(range(50))


def _without_first(body: bytes) -> bytes:
    asked = orjson.loads(body)
    rest = [entry for entry in asked["Entries"] if entry["Id"] != "0"]
    if not rest:
        rest = [{"Id": "x", "ReceiptHandle": "none"}]
    return orjson.dumps({**asked, "Entries": rest})


@pytest.mark.usefixtures("brief_patience")
def test_nothing_is_received_while_opensearch_is_away(inflow: Inflow, proxy: FaultyProxy, through: OpenSearch) -> None:
    """However often it is tried: the queue grows, and its messages are as they were."""
    inflow.put(ndjson(range(10)))
    with proxy.away():
        for number in range(8):
            inflow.put(ndjson(range(10 * number + 10, 10 * number + 20)))
            with pytest.raises(TransientError, match="could not be used"):
                inflow.drain(through)
    assert inflow.queues.depth() == (9, 0)
    assert inflow.queues.receives() == {0}
    drained = inflow.drain(through)
    assert drained.deleted == 9
    inflow.assert_loaded(range(90))


def test_an_outage_of_s3_stops_the_pass_before_it_uses_up_the_tries(inflow: Inflow, between: FaultyProxy) -> None:
    from opensearch_strata.archive.store.objects import build_s3

    for start in range(0, 400, 10):
        inflow.put(ndjson(range(start, start + 10)))
    with patch.dict("os.environ", s3_environment(between.url)):
        s3 = build_s3()
    with (
        patch("opensearch_strata.archive.load.loading.open_object", side_effect=_away),
        pytest.raises(TransientError, match=r"objects of .* in a row could not be loaded"),
    ):
        inflow.drain(None, s3)
    assert inflow.queues.depth(inflow.queues.letters) == (0, 0)
    with patch.object(inbox, "_FIRST_RETRY", 0):
        inflow.queues.hurry()
        deadline = time.monotonic() + 90
        while inflow.queues.depth() != (0, 0) and time.monotonic() < deadline:
            inflow.drain(empty=1)
            inflow.queues.hurry()
    inflow.assert_loaded(range(400))


def _away(*_: Any) -> Iterator[bytes]:
    raise TransientError("S3 is away, as the test wants it.")
    yield b""


def test_three_consumers_and_a_backfill_at_once(inflow: Inflow, s3: Any) -> None:
    for start in range(0, 2000, 50):
        body = cloudwatch(events(range(start, start + 50))) if start % 100 else ndjson(range(start, start + 50))
        inflow.put(body, f"logs/2024/05/06/{start // 100:02d}/{start:05d}")
    backfill = Backfill(inflow.stream.client, inflow.dataset, lambda: s3)

    def fill() -> int:
        ref = backfill.write(backfill.plan(None, DAY, DAY))
        backfill.prepare(ref, "backfill")
        for number in range(ref.batches):
            backfill.load(ref, number, "backfill", settings=QUICK).require_success()
        backfill.end("backfill")
        proof = backfill.prove(ref)
        assert proof.holds, proof.failed
        return proof.counts.read

    with ThreadPoolExecutor(4) as pool:
        consumers = [pool.submit(inflow.drain, empty=2) for _ in range(3)]
        filled = pool.submit(fill)
        results = [run.result(timeout=120) for run in consumers]
        assert filled.result(timeout=120) >= 2000
    deadline = time.monotonic() + 30
    while inflow.queues.depth() != (0, 0) and time.monotonic() < deadline:
        inflow.queues.hurry()
        results.append(inflow.drain())
    assert inflow.queues.depth() == (0, 0)
    assert sum(result.messages for result in results) >= 40
    inflow.assert_loaded(range(2000))
    inflow.assert_done()


def test_clocks_that_differ_cost_nothing(inflow: Inflow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices whose clocks are ahead and behind by more than the dataset allows, and a consumer with a wrong one."""
    hours = [-30, -2, 0, 2, 30]
    lines = []
    for number, offset in enumerate(hours * 10):
        at = START + 43_200_000 + offset * int(timedelta(hours=1).total_seconds()) * 1000 + number
        lines.append(orjson.dumps({"@timestamp": at, **message(number)}))
    inflow.put(b"\n".join([*lines, b""]), "logs/2024/05/06/12/x")
    monkeypatch.setattr("opensearch_strata.archive.arrivals.drain.time.time", lambda: 0.0)
    drained = inflow.drain()
    assert drained.oldest == 0
    assert drained.counts.created + drained.counts.dead == 50
    client = inflow.stream.client
    index = inflow.dataset.raw.names.expression
    client.indices.refresh(index=index)
    assert client.count(index=index)["count"] == drained.counts.created == 50


def test_more_is_not_received_than_is_worked_on(inflow: Inflow, proxy: FaultyProxy, through: OpenSearch) -> None:
    for start in range(0, 180, 10):
        inflow.put(ndjson(range(start, start + 10)))
    most = 0
    proxy.add(late(0.3))
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(inflow.drain, through, inbox=InboxLimits(messages=6, poll=1), body_bytes=1_500, in_flight=1)
        while not run.done():
            most = max(most, inflow.queues.depth()[1])
            time.sleep(0.02)
    assert run.result().deleted == 18
    assert 5 <= most <= 6
    inflow.assert_loaded(range(180))


def test_a_long_lasting_queue_of_another_account_is_found_by_its_arn(queues: Queues) -> None:
    state = queue.Queue(queues.sqs, queues.arn).state()
    assert state.waiting == 0
