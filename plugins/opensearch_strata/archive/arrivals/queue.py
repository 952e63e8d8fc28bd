"""An SQS queue: receives messages, keeps them from other consumers, deletes them, and tells how it stands.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

from opensearch_strata.archive.arrivals.messages import Told, read_message
from opensearch_strata.connections.sigv4 import default_session
from opensearch_strata.definition.notation.queue_address import QueueAddress, queue_address
from opensearch_strata.errors import DefinitionError, Refused, TransientError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.aws import error_code
from opensearch_strata.errors.judging import explain, is_transient
from opensearch_strata.errors.printable import brief

if TYPE_CHECKING:
    from botocore.client import BaseClient

_log = logging.getLogger(__name__)

AT_ONCE = 10
"""Messages in one request; the service takes no more."""

LONGEST_HELD = 12 * 3600.0
"""Seconds from its receipt for which a message can be kept from others; the service allows no more."""

_POLL = 20  # seconds for which the service waits for a message; its longest
_LEAST_VISIBILITY = 10  # seconds; a queue may have 0, and one lost request must not give a message to others
_PAUSES = (0.2, 0.4, 0.8)  # seconds until messages that the service failed to change are tried again

# Codes of a single message that is no longer ours: API_ChangeMessageVisibility.html and API_DeleteMessage.html there.
_NOT_OURS = frozenset({"ReceiptHandleIsInvalid", "InvalidReceiptHandle", "MessageNotInflight"})
_GONE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_DEPTHS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


@dataclass(frozen=True, eq=False)
class Message:
    """A message that was received.

    :param receipt: what the service wants to be told about it; only the latest receipt of a message counts
    :param sent: when it was sent, epoch milliseconds; 0 if that is not known
    :param receives: how often it was received, this time included
    :param received: when it was, by the monotonic clock of this process, seconds
    """

    id: str
    receipt: str
    body: str
    sent: int
    receives: int
    received: float = field(default_factory=time.monotonic)

    @cached_property
    def told(self) -> Told:
        """What it says."""
        return read_message(self.body)

    @property
    def size(self) -> int:
        """Bytes of the objects that it tells of, as far as it says them."""
        return sum(max(0, new.size) for new in self.told.new)

    @property
    def left(self) -> float:
        """Seconds for which it can still be kept from others; a second less, for the way to the service."""
        return LONGEST_HELD - 1 - (time.monotonic() - self.received)


@dataclass(frozen=True)
class QueueState:
    """How a queue stands; the service counts approximately.

    :param waiting: messages that nobody has received yet, or that came back
    :param in_flight: messages that consumers have received and not deleted
    :param delayed: messages that nobody may receive yet
    :param visibility: seconds for which a received message is kept from others
    :param most_receives: receives after which a message goes to the dead-letter queue; None without such a queue
    :param dead_letters: messages in the dead-letter queue; None if there is none, or it cannot be looked at
    """

    waiting: int
    in_flight: int
    delayed: int
    visibility: float
    most_receives: int | None
    dead_letters: int | None


def build_sqs(queue: str) -> BaseClient:
    """Create a client for a queue from the AWS CLI's chain of settings; ``AWS_ENDPOINT_URL`` is used.

    :param queue: its URL or ARN
    :raises Refused: the settings cannot be used; the message says which
    """
    from botocore.exceptions import BotoCoreError

    try:
        region = queue_address(queue).region or None
        return default_session().client("sqs", region_name=region, config=sqs_config())
    except (BotoCoreError, DefinitionError, ValueError) as error:
        raise Refused(f"The SQS client could not be created. {explain(error)}") from error


def sqs_config() -> Any:
    """The configuration of a client for queues, for both the shell and Airflow's hook."""
    from botocore.config import Config

    # Requests of the receiver, the heartbeat and the loader; a request that polls is answered after 20 s.
    return Config(retries={"mode": "standard", "total_max_attempts": 4}, read_timeout=_POLL + 20, connect_timeout=10)


class Queue:
    """A queue. Safe to use from several threads.

    Every method raises TransientError if the service does not answer, and Refused if it forbids the request or the
    queue does not exist.

    :param sqs: a client for its region
    :param named: its URL or ARN
    """

    def __init__(self, sqs: BaseClient, named: str) -> None:
        self.named = named
        self._sqs = sqs
        self._address: QueueAddress = queue_address(named)
        self._url = self._address.url

    def state(self) -> QueueState:
        """How the queue stands now."""
        wanted = [*_DEPTHS, "VisibilityTimeout", "RedrivePolicy"]
        found = self._attributes(self._where(), wanted)
        waiting, in_flight, delayed = (int(found.get(name, 0)) for name in _DEPTHS)
        target, most = _redrive(found.get("RedrivePolicy"))
        return QueueState(
            waiting,
            in_flight,
            delayed,
            max(float(found.get("VisibilityTimeout", 30)), _LEAST_VISIBILITY),
            most,
            self._depth_of(target) if target else None,
        )

    def receive(self, most: int, visibility: float, wait: int = _POLL) -> list[Message]:
        """Receive messages; an empty list if none came.

        :param most: maximum number of messages
        :param visibility: seconds for which they are kept from others
        :param wait: seconds to wait for a message, at most 20
        """
        with self._told("be read"):
            answer = self._sqs.receive_message(
                QueueUrl=self._where(),
                MaxNumberOfMessages=min(most, AT_ONCE),
                WaitTimeSeconds=wait,
                VisibilityTimeout=int(visibility),
                MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            )
        return [_message(found) for found in answer.get("Messages", [])]

    def keep(self, messages: Sequence[Message], seconds: float) -> list[Message]:
        """Keep messages from others for some time from now on, or give them back with 0.

        :param messages: as they were received
        :param seconds: as long, but no longer than the service allows since their receipt
        :returns: the messages that are no longer ours: deleted, or received by somebody else. Those that the service
            failed to change are not among them: it may do so the next time
        """
        entries = [
            {"ReceiptHandle": one.receipt, "VisibilityTimeout": int(max(0, min(seconds, one.left)))} for one in messages
        ]
        with self._told("keep its messages"):
            return self._each(self._sqs.change_message_visibility_batch, messages, entries)[0]

    def delete(self, messages: Sequence[Message]) -> list[Message]:
        """Delete messages.

        :param messages: as they were received
        :returns: those that were not deleted, by the answer for each of them; they will be received again
        """
        with self._told("delete messages"):
            not_ours, failed = self._each(
                self._sqs.delete_message_batch, messages, [{"ReceiptHandle": one.receipt} for one in messages]
            )
            return not_ours + failed

    def _each(
        self, request: Any, messages: Sequence[Message], entries: Sequence[Mapping[str, Any]]
    ) -> tuple[list[Message], list[Message]]:
        """Send a request for many messages in parts; messages that the service fails to change are tried again.

        :returns: the messages that are no longer ours, and those that failed each time
        """
        failed, not_ours = list(range(len(messages))), list[int]()
        for pause in (0, *_PAUSES):
            time.sleep(random.uniform(0.5, 1) * pause)
            tried, failed, why = failed, [], set[str]()
            for start in range(0, len(tried), AT_ONCE):
                part = tried[start : start + AT_ONCE]
                answer = request(QueueUrl=self._where(), Entries=[{"Id": str(at), **entries[at]} for at in part])
                done = {found["Id"] for found in answer.get("Successful", [])}
                faults = {found["Id"]: found for found in answer.get("Failed", [])}
                for at in part:
                    fault = faults.get(str(at), {"Code": "no answer"})
                    if _is_not_ours(fault):
                        not_ours.append(at)
                    elif str(at) not in done:
                        failed.append(at)
                        why.add(brief(str(fault.get("Code"))))
            if not failed:
                break
        else:
            said = ", ".join(sorted(why))
            _log.warning("The queue %s failed to change %s (%s).", self.named, counted(len(failed), "message"), said)
        return [messages[at] for at in not_ours], [messages[at] for at in failed]

    def _where(self) -> str:
        self._url = self._url or self._url_of(self._address)
        return self._url

    def _url_of(self, address: QueueAddress) -> str:
        with self._told("be asked for its URL"):
            found = self._sqs.get_queue_url(QueueName=address.name, QueueOwnerAWSAccountId=address.account)
        return str(found["QueueUrl"])

    def _attributes(self, url: str, names: Sequence[str]) -> dict[str, Any]:
        with self._told("be looked at"):
            found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names))
        attributes: dict[str, Any] = found.get("Attributes", {})
        return attributes

    def _depth_of(self, arn: str) -> int | None:
        """Messages in another queue; None if we may not look at it, which stops nothing."""
        try:
            url = self._url_of(queue_address(arn))
            return int(self._attributes(url, _DEPTHS[:1]).get(_DEPTHS[0], 0))
        except (ValueError, Refused):
            return None

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Requests whose failure becomes a sentence.

        :raises Refused: the service does not allow it, or there is no such queue
        :raises TransientError: the service did not answer, or its fault may pass
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            if error_code(error) in _GONE:
                raise Refused(
                    f"The queue {self.named} does not exist. If intake.queue names it wrongly (its name, region or "
                    f"account), correct it. If it was deleted, its messages are gone, but no object is: create the "
                    f"queue and the notifications of the bucket again, and run a backfill of the days in between."
                ) from error
            kind = TransientError if is_transient(error) else Refused
            raise kind(f"The queue {self.named} cannot {what}. {explain(error)} Its messages are kept.") from error


def _is_not_ours(fault: Mapping[str, Any]) -> bool:
    """Whether a message was deleted, or received by somebody else, as the service says of it in an answer."""
    code, says = str(fault.get("Code", "")).rpartition(".")[2], str(fault.get("Message", "")).lower()
    return code in _NOT_OURS or (
        code == "InvalidParameterValue" and ("receipthandle" in says or "receipt handle" in says)
    )


def _message(found: dict[str, Any]) -> Message:
    about = found.get("Attributes", {})
    return Message(
        id=str(found.get("MessageId", "")),
        receipt=str(found["ReceiptHandle"]),
        body=str(found.get("Body", "")),
        sent=int(about.get("SentTimestamp", 0)),
        receives=int(about.get("ApproximateReceiveCount", 1)),
    )


def _redrive(policy: Any) -> tuple[str, int | None]:
    """ARN of the dead-letter queue, and the receives after which a message goes there; empty and None without one."""
    try:
        said = orjson.loads(policy)
        return str(said["deadLetterTargetArn"]), int(said["maxReceiveCount"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return "", None
