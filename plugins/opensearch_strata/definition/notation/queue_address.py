"""The address of an SQS queue, as a person writes it. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html and
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html: names have up to 80 letters,
# digits, hyphens and underscores, and those of FIFO queues end with .fifo.
_NAME = r"(?P<account>\d{12})%s(?P<name>[A-Za-z0-9_-]{1,80}(?:\.fifo)?)"
_ARN = re.compile(rf"arn:aws(?:-[a-z]+)*:sqs:(?P<region>[a-z0-9-]+):{_NAME % ':'}")
_URL = re.compile(rf"https?://(?P<host>[^/?#@\s]+)/(?:[^?#\s]*/)?{_NAME % '/'}")
_AWS_HOST = re.compile(r"(?:sqs\.(?P<region>[a-z0-9-]+)|(?P<legacy>[a-z0-9-]+)\.queue)\.amazonaws\.com(?:\.cn)?")


class QueueAddress(NamedTuple):
    """Where a queue is.

    :param name: of the queue
    :param account: number of the AWS account that owns it
    :param region: empty if its URL is not one of AWS
    :param url: empty if its ARN was given
    """

    name: str
    account: str
    region: str
    url: str

    def is_same(self, other: QueueAddress) -> bool:
        """Whether both are addresses of one queue, as far as they show it."""
        regions = {self.region, other.region} - {""}
        return (self.account, self.name) == (other.account, other.name) and len(regions) <= 1


def queue_address(text: str) -> QueueAddress:
    """The address in a queue's URL or ARN.

    :param text: ``https://sqs.eu-west-1.amazonaws.com/123456789012/logs`` or
        ``arn:aws:sqs:eu-west-1:123456789012:logs``
    :raises ValueError: it is neither
    """
    if found := _ARN.fullmatch(text):
        return QueueAddress(found["name"], found["account"], found["region"], "")
    if found := _URL.fullmatch(text):
        aws = _AWS_HOST.fullmatch(found["host"])
        region = (aws["region"] or aws["legacy"]) if aws else ""
        return QueueAddress(found["name"], found["account"], region, text)
    raise ValueError(
        f"{text!r} is not the URL or the ARN of an SQS queue; write it like arn:aws:sqs:eu-west-1:123456789012:logs"
    )
