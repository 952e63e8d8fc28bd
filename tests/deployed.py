"""Stacks of deploy/cloudformation.yaml on the emulator."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any
from uuid import uuid4

from local.places import PROJECT
from tests.servers.cloudformation import Account, listed

TEMPLATE = (PROJECT / "deploy" / "cloudformation.yaml").read_text()
GROUP = "/aws/lambda/orders"


class Stack:
    """A deployed stack.

    :param parameters: of the template, beside those that it demands
    """

    def __init__(self, account: Account, **parameters: str) -> None:
        self.account = account
        self.name = f"t{uuid4().hex[:10]}"
        self.bucket = f"{self.name}-archive"
        self.group = f"{GROUP}-{self.name}"
        account.client("logs").create_log_group(logGroupName=self.group)
        self.outputs = account.deploy(self.name, TEMPLATE, **self.demanded(), **parameters)
        self.resources = account.resources(self.name)

    def demanded(self) -> dict[str, str]:
        code = f"{self.name}-code"
        self.account.client("s3").create_bucket(Bucket=code)
        self.account.client("s3").put_object(Bucket=code, Key="transform.zip", Body=empty_zip())
        return {
            "LogGroupName": self.group,
            "ArchiveBucketName": self.bucket,
            "Prefix": "orders/",
            "TransformBucket": code,
            "TransformKey": "transform.zip",
        }

    def actions(self, role: str) -> set[str]:
        statements = self.account.statements(self.resources[role])
        return {action for statement in statements for action in listed(statement["Action"])}

    def stream(self) -> Any:
        found = self.account.client("firehose").describe_delivery_stream(DeliveryStreamName=self.name)
        return found["DeliveryStreamDescription"]

    def queue(self, name: str) -> dict[str, str]:
        url = self.resources[name]
        found: dict[str, str] = self.account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
            "Attributes"
        ]
        return found

    def depths(self) -> dict[str, tuple[int, int]]:
        """Messages that wait, and those in flight, of both queues."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        found = {name: self.queue(name) for name in ("Arrivals", "DeadArrivals")}
        return {name: (int(queue[names[0]]), int(queue[names[1]])) for name, queue in found.items()}

    def bodies(self) -> list[Any]:
        """Messages that wait in the queue; they are gone then."""
        sqs, url, found = self.account.client("sqs"), self.resources["Arrivals"], []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found


def empty_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("empty.py", "")
    return file.getvalue()
