"""Answers of SQS about single messages: what is lost, what failed, and what is tried again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from opensearch_strata.archive.arrivals import queue
from opensearch_strata.archive.arrivals.inbox import Inbox, InboxLimits
from opensearch_strata.archive.arrivals.queue import Message, Queue

LOST = [
    ("ReceiptHandleIsInvalid", "The input receipt handle is invalid."),
    ("AWS.SimpleQueueService.ReceiptHandleIsInvalid", ""),
    ("AWS.SimpleQueueService.MessageNotInflight", ""),
    ("MessageNotInflight", ""),
    (
        "InvalidParameterValue",
        "Value x for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
    ),
]
FAULTS = [
    ("InternalError", "We encountered an internal error. Please try again."),
    ("RequestThrottled", ""),
    ("AWS.SimpleQueueService.InternalFailure", ""),
    ("InvalidParameterValue", "Value 99999 for parameter VisibilityTimeout is invalid."),
    ("AccessDenied", ""),
    ("", ""),
]


class Answering:
    """Stands for the client: answers with a fault for some receipts, a number of times."""

    def __init__(self, faults: Mapping[str, tuple[str, str]], times: int = 1000) -> None:
        self.faults, self.times = faults, times
        self.asked: list[list[str]] = []

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """One answer for each message."""
        receipts = {entry["Id"]: entry["ReceiptHandle"] for entry in Entries}
        self.asked.append(list(receipts.values()))
        is_sick = len(self.asked) <= self.times
        failed = [
            {"Id": at, "SenderFault": False, "Code": self.faults[one][0], "Message": self.faults[one][1]}
            for at, one in receipts.items()
            if is_sick and one in self.faults
        ]
        bad = {one["Id"] for one in failed}
        return {"Successful": [{"Id": at} for at in receipts if at not in bad], "Failed": failed}

    delete_message_batch = change_message_visibility_batch

    def receive_message(self, **_: Any) -> dict[str, Any]:
        """No more messages."""
        return {"Messages": []}


@pytest.fixture(autouse=True)
def brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow one another at once."""
    monkeypatch.setattr(queue, "_PAUSES", (0.001,) * 3)


def messages(number: int) -> list[Message]:
    """Messages with the receipts 0, 1, …"""
    return [Message(f"m{at}", f"{at}", "", 0, 1) for at in range(number)]


def asked(client: Any) -> Queue:
    """The queue of a client."""
    return Queue(client, "https://sqs.eu-west-1.amazonaws.com/123456789012/logs")


@pytest.mark.parametrize("fault", LOST)
def test_a_receipt_that_counts_no_more_means_that_the_message_is_lost(fault: tuple[str, str]) -> None:
    client = Answering({"3": fault, "12": fault})
    assert [one.receipt for one in asked(client).keep(messages(15), 30)] == ["3", "12"]
    assert len(client.asked) == 2, "nothing is tried again"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_service_does_not(fault: tuple[str, str], caplog: pytest.LogCaptureFixture) -> None:
    client = Answering({"3": fault, "12": LOST[0]})
    assert [one.receipt for one in asked(client).keep(messages(15), 30)] == ["12"]
    assert client.asked[2:] == [["3"]] * 3
    assert "failed to change 1 message (" in caplog.text


def test_what_failed_is_changed_and_deleted_at_a_later_try(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("keep", "delete"):
        client = Answering({"1": FAULTS[0], "2": FAULTS[1]}, times=2)
        queue_ = asked(client)
        assert (queue_.keep(messages(4), 30) if name == "keep" else queue_.delete(messages(4))) == []
        assert client.asked == [["0", "1", "2", "3"], ["1", "2"], ["1", "2"]]
    assert caplog.text == ""


def test_what_is_lost_or_fails_each_time_is_not_deleted() -> None:
    left = asked(Answering({"1": FAULTS[0], "2": LOST[0]})).delete(messages(4))
    assert {one.receipt for one in left} == {"1", "2"}


def test_an_entry_without_an_answer_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    class Silent:
        def delete_message_batch(self, **_: Any) -> dict[str, Any]:
            return {}

    assert len(asked(Silent()).delete(messages(2))) == 2
    assert "failed to change 2 messages (no answer)." in caplog.text


def test_the_heartbeat_goes_on_for_messages_that_failed(caplog: pytest.LogCaptureFixture) -> None:
    """They stay in hand, and nobody says that others took them."""
    client = Answering({"0": FAULTS[0]})
    inbox = Inbox(asked(client), 0.3, InboxLimits(poll=1))
    (held,) = messages(1)
    inbox._held = {held.receipt: held}
    inbox._is_receiving = False
    with inbox:
        inbox._over.wait(0.5)
        assert (inbox.lost, list(inbox._held)) == (0, ["0"])
    assert len(client.asked) > 4
    assert "no longer ours" not in caplog.text
