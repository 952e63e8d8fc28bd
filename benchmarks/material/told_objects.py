"""Queues that tell of the objects of an archive, and the pass over them that is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any
from uuid import uuid4

import boto3
import orjson

from benchmarks.material.emulator import COUNTS_LAST
from benchmarks.material.log_archive import LogArchive
from benchmarks.material.site import Site
from opensearch_strata.archive.arrivals.drain import DrainLimits
from opensearch_strata.archive.arrivals.drained import Drained
from opensearch_strata.archive.arrivals.inbox import InboxLimits
from opensearch_strata.archive.arrivals.queue import sqs_config
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.store.objects import ListedObject
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.workflows.arrivals.arrivals import Arrivals, Clients

ALL_DAYS = 36_500
"""A window that the days of every archive are in."""
IN_REQUEST = 10
WAITING = 200
"""Messages that wait to be received at the least while objects are told of: enough for the consumer never to lack any,
and few, as the emulator goes through all messages of a queue for each that it hands out."""
_POLL = 2 * COUNTS_LAST  # so that what was sent is counted
FOR_EVER = DrainLimits(3600)


@dataclass(frozen=True)
class ToldObjects:
    """A queue of a site.

    :param sqs: client of the emulator
    :param url: of the queue
    """

    site: Site
    sqs: Any
    url: str

    @classmethod
    def at(cls, site: Site, aws_url: str) -> ToldObjects:
        """A new queue with the same client as a worker has."""
        login = {"aws_access_key_id": "bench", "aws_secret_access_key": "bench", "region_name": "us-east-1"}
        sqs = boto3.client("sqs", endpoint_url=aws_url, config=sqs_config(), **login)
        attributes = {"VisibilityTimeout": "300"}
        url = sqs.create_queue(QueueName=f"{site.prefix}-{uuid4().hex[:8]}", Attributes=attributes)["QueueUrl"]
        return cls(site, sqs, url)

    def tell(self, objects: list[ListedObject]) -> None:
        """Send a notification for each object, as S3 would."""
        for start in range(0, len(objects), IN_REQUEST):
            entries = [
                {"Id": str(number), "MessageBody": orjson.dumps({"Records": [notification(listed)]}).decode()}
                for number, listed in enumerate(objects[start : start + IN_REQUEST])
            ]
            self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries)

    def drain(self, archive: LogArchive, stop: Event) -> Drained:
        """Pass over the queue as `strata follow` does, until somebody stops it."""
        return _Arrivals(self, archive).drain(f"bench-{uuid4()}", FOR_EVER, stop, inbox=InboxLimits(poll=1))

    def feed(self, objects: Sequence[ListedObject], stop: Event) -> None:
        """Tell of objects, a few at a time, and stop the pass when all messages are deleted.

        :param stop: ends this, too, if somebody else sets it
        """
        left = list(objects)
        while not stop.is_set():
            waiting, in_flight = self._depth()
            if waiting < WAITING and left:
                self.tell(left[:WAITING])
                del left[:WAITING]
            elif not (waiting or in_flight):
                stop.set()
            stop.wait(_POLL)

    def _depth(self) -> list[int]:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return [int(found[name]) for name in names]

    def remove(self) -> None:
        """Delete the queue."""
        self.sqs.delete_queue(QueueUrl=self.url)


class _Arrivals(Arrivals):
    """A queue as a dataset has it, with the ledger of the site, which is separate from that of the cluster."""

    def __init__(self, told: ToldObjects, archive: LogArchive) -> None:
        definition = archive.dataset.model_dump(mode="json")
        definition["intake"]["queue"] = told.url
        definition["raw"]["window_days"] = ALL_DAYS
        dataset = Dataset.model_validate(definition)
        self._told, self._archive = told, archive
        super().__init__(
            dataset, [dataset], Clients(lambda _: told.site.client, lambda _: told.site.s3, lambda _: told.sqs)
        )

    def _ledger(self, dataset: Dataset) -> Ledger:  # noqa: ARG002 - the archive has one dataset
        return self._told.site.ledger(self._archive)


def notification(listed: ListedObject) -> dict[str, Any]:
    """The record of a notification, as S3 sends it."""
    about = {"key": listed.place.key, "size": listed.size, "eTag": listed.place.etag}
    told = {"bucket": {"name": listed.place.bucket}, "object": about}
    return {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": told}
