"""A topic of SNS for tests, and the queue that receives what it is told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3


@dataclass(frozen=True)
class Told:
    """One message as subscribers receive it."""

    subject: str
    text: str

    @property
    def paragraphs(self) -> list[str]:
        """Sentence, cure and link."""
        return self.text.split("\n\n")


class Topic:
    """A topic and its one subscriber.

    :param url: of the emulator
    :param sqs: a client of its queues
    """

    def __init__(self, url: str, sqs: Any) -> None:
        login = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        self._sns = boto3.client("sns", endpoint_url=url, region_name="us-east-1", **login)
        self._sqs, name = sqs, f"alarms-{uuid4().hex}"
        self._queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        self.arn: str = self._sns.create_topic(Name=name)["TopicArn"]
        self._sns.subscribe(TopicArn=self.arn, Protocol="sqs", Endpoint=found["Attributes"]["QueueArn"])

    def received(self) -> list[Told]:
        """What came since it was asked last."""
        answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
        bodies = [json.loads(message["Body"]) for message in answer.get("Messages", [])]
        return [Told(body["Subject"], body["Message"]) for body in bodies]

    def delete(self) -> None:
        """Delete the topic and the queue."""
        self._sns.delete_topic(TopicArn=self.arn)
        self._sqs.delete_queue(QueueUrl=self._queue)
        self._sns.close()
