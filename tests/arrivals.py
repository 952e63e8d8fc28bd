"""Queues for tests: a bucket that notifies a queue of new objects, a dataset that has it, and passes over it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

from moto.sqs.models import sqs_backends
from opensearchpy import OpenSearch

from opensearch_strata.archive.arrivals.drain import DrainLimits
from opensearch_strata.archive.arrivals.drained import Drained
from opensearch_strata.archive.arrivals.inbox import InboxLimits
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.workflows.arrivals.arrivals import Arrivals, Clients
from tests.archives import forget_ledger
from tests.faults.archives import QUICK, Archive
from tests.streams import Stream

ALL_DAYS = 36_500
"""A window that the tests' days are in."""
MOST_RECEIVES = 5


class Queues:
    """A queue with its dead-letter queue.

    :param visibility: seconds
    :param receives: after which a message goes to the dead-letter queue
    """

    def __init__(self, sqs: Any, name: str, visibility: int = 30, receives: int = MOST_RECEIVES) -> None:
        self.sqs = sqs
        self.letters = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        policy = json.dumps({"deadLetterTargetArn": self.arn_of(self.letters), "maxReceiveCount": receives})
        attributes = {"VisibilityTimeout": f"{visibility}", "RedrivePolicy": policy}
        self.url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.arn = self.arn_of(self.url)

    def arn_of(self, url: str) -> str:
        """ARN of a queue."""
        found: str = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return found

    def send(self, body: Any) -> None:
        """Send a message, JSON unless it is text."""
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body if isinstance(body, str) else json.dumps(body))

    def depth(self, url: str = "") -> tuple[int, int]:
        """Messages that wait, and those in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url or self.url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def set_visibility(self, seconds: int) -> None:
        """Set the queue's own visibility timeout."""
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"VisibilityTimeout": f"{seconds}"})

    @property
    def _messages(self) -> list[Any]:
        """Those that the emulator, which is in this process, has."""
        _, _, _, region, account, name = self.arn.split(":")
        found: list[Any] = sqs_backends[account][region].queues[name]._messages
        return found

    def receives(self) -> set[int]:
        """How often the messages that are there were received."""
        return {one.approximate_receive_count for one in self._messages}

    def age(self, hours: float) -> None:
        """Let those that are there have been sent earlier."""
        for one in self._messages:
            one.sent_timestamp -= int(hours * 3_600_000)

    def hurry(self) -> None:
        """Let those that were given back for later come back at once."""
        for one in self._messages:
            one.change_visibility(0)

    def notify(self, s3: Any, bucket: str, prefix: str = "") -> None:
        """Let a bucket tell the queue of every new object; the test event of that is taken away."""
        rules = {"Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}}} if prefix else {}
        told = {"QueueArn": self.arn, "Events": ["s3:ObjectCreated:*"], **rules}
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [told]}
        )
        self.empty()

    def empty(self) -> None:
        """Take everything away, as a purge does, of which the service allows one a minute."""
        self._messages.clear()

    def delete(self) -> None:
        """Delete both queues; they may be gone."""
        for url in (self.url, self.letters):
            with suppress(self.sqs.exceptions.QueueDoesNotExist):
                self.sqs.delete_queue(QueueUrl=url)


class Inflow(Archive):
    """An archive whose bucket tells a queue of what is put into it; the ledger is the one of everybody."""

    def __init__(self, s3: Any, bucket: str, stream: Stream, queues: Queues) -> None:
        super().__init__(s3, bucket, stream)
        self.queues = queues
        self.others: list[Dataset] = []
        self.are_all_known = True

    def ledger_of(self, client: OpenSearch) -> Ledger:
        return Ledger(client, self.dataset.name, lease=self.lease, patience=self.patience)

    def forget_ledger(self) -> None:
        forget_ledger(self.stream.client, self.dataset.name)

    def arrivals(self, client: OpenSearch | None = None, s3: Any = None, sqs: Any = None) -> Arrivals:
        """The dataset's queue, through these clients."""
        clients = Clients(
            opensearch=lambda _: client or self.stream.client,
            s3=lambda _: s3 or self.s3,
            sqs=lambda _: sqs or self.queues.sqs,
        )
        known = [self.dataset, *self.others]
        return Arrivals(self.dataset, known, clients, are_all_known=self.are_all_known)

    def drain(
        self,
        client: OpenSearch | None = None,
        s3: Any = None,
        sqs: Any = None,
        *,
        seconds: float = 60,
        empty: float = 0,
        inbox: InboxLimits = InboxLimits(poll=1),  # noqa: B008
        **settings: Any,
    ) -> Drained:
        """Pass over the queue until it is empty."""
        return self.arrivals(client, s3, sqs).drain(
            "tests", DrainLimits(seconds, empty), settings=replace(QUICK, **settings), inbox=inbox
        )

    def notified(self, key: str, etag: str, size: int, **more: Any) -> dict[str, Any]:
        """A record of a notification, as S3 sends it."""
        about = {"bucket": {"name": self.bucket}, "object": {"key": key, "size": size, "eTag": etag, **more}}
        return {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": about}
