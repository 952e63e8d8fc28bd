"""The one hop of the path that the emulator lacks: Firehose between a record and an object.

The emulator's Firehose writes each request to S3 as it came: it invokes no function, gathers nothing, compresses
nothing, does not evaluate prefixes and does not read Kinesis. All of that is done here as the deployed stream says it.
Everything before (log groups, subscriptions, Kinesis) and after it (S3, notifications, SQS) is the emulator's.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import orjson
from moto.firehose.models import FirehoseBackend

from local.samples.cloudwatch import failed_record, object_key
from tests.servers.cloudformation import REGION, Account

MEBIBYTE = 2**20
MOST_ANSWERED = 6 * 10**6
"""Bytes of an answer of a function (Lambda quotas: synchronous invocation, 6 MB)."""

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


@dataclass
class Delivered:
    """What became of the records of a delivery."""

    objects: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    results: dict[str, int] = field(default_factory=dict)


class Context:
    """As much of a function's context as handlers use."""

    aws_request_id = "11111111-2222-3333-4444-555555555555"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Firehose:
    """A deployed delivery stream, and the function that it invokes.

    :param account: the emulator
    :param name: of the stream
    :param handler: what the function runs
    """

    def __init__(self, account: Account, name: str, handler: Handler) -> None:
        self._account = account
        self.name = name
        self.handler = handler
        found = account.client("firehose").describe_delivery_stream(DeliveryStreamName=name)
        stream = found["DeliveryStreamDescription"]
        self.arn = stream["DeliveryStreamARN"]
        self._kinesis = stream.get("Source", {}).get("KinesisStreamSourceDescription", {}).get("KinesisStreamARN", "")
        self._to = stream["Destinations"][0]["ExtendedS3DestinationDescription"]
        (processor,) = self._to["ProcessingConfiguration"]["Processors"]
        self._invocation = {one["ParameterName"]: one["ParameterValue"] for one in processor["Parameters"]}
        self._waiting: list[bytes] = []
        self._read: dict[str, str] = {}
        self._records = 0

    @contextmanager
    def taking(self) -> Iterator[None]:
        """While this lasts, records wait for :meth:`deliver` instead of being written to S3 as they are."""
        plain = FirehoseBackend.put_s3_records

        def take(backend: Any, name: str, version: str, to: Any, records: list[dict[str, Any]]) -> list[dict[str, str]]:
            if name != self.name:
                answered: list[dict[str, str]] = plain(backend, name, version, to, records)
                return answered
            self._waiting += [_as_sent(record["Data"]) for record in records]
            return [{"RecordId": f"{len(self._waiting)}-{number}"} for number in range(len(records))]

        with patch.object(FirehoseBackend, "put_s3_records", take):
            yield

    def again(self) -> None:
        """Send the last record that waits once more: delivery is at least once."""
        self._waiting.append(self._waiting[-1])

    def deliver(self, arrived: datetime) -> Delivered:
        """Transform all records that wait, also those that the function puts back meanwhile, and write them to S3.

        :param arrived: the time at which the records arrived, for the keys
        """
        delivered = Delivered()
        kept: list[bytes] = []
        while waiting := self._waiting + self._from_kinesis():
            self._waiting = []
            for batch in _batches(waiting, float(self._invocation["BufferSizeInMBs"]) * MEBIBYTE):
                kept += self._transformed(batch, arrived, delivered)
        for number, body in enumerate(_objects(kept, self._to["BufferingHints"]["SizeInMBs"] * MEBIBYTE)):
            prefix = _evaluated(self._to["Prefix"], arrived)
            assert self._to["CompressionFormat"] == "GZIP"
            moment = arrived.replace(second=number)
            delivered.objects.append(self._put(prefix, moment, gzip.compress(body, mtime=0), ".gz"))
        return delivered

    def _transformed(self, batch: list[bytes], arrived: datetime, delivered: Delivered) -> list[bytes]:
        records = {f"{self._records + number:056d}": data for number, data in enumerate(batch)}
        self._records += len(batch)
        answer = self._invoked(records, arrived)
        kept, failed = [], []
        for record in answer["records"]:
            result = record["result"]
            delivered.results[result] = delivered.results.get(result, 0) + 1
            if result == "Ok":
                kept.append(base64.b64decode(record["data"], validate=True))
            elif result == "ProcessingFailed":
                failed.append(failed_record(records[record["recordId"]], self.name, arrived))
            else:
                assert result == "Dropped"
        if failed:
            prefix = _evaluated(self._to["ErrorOutputPrefix"], arrived, "processing-failed")
            moment = arrived.replace(second=len(delivered.errors))
            delivered.errors.append(self._put(prefix, moment, b"".join(failed)))
        return kept

    def _invoked(self, records: dict[str, bytes], arrived: datetime) -> dict[str, Any]:
        """The function's answer; if it raises, Firehose gives up the whole batch after some more attempts."""
        try:
            answer = self.handler(self._event(records, arrived), Context())
        except RuntimeError:
            return {"records": [{"recordId": identity, "result": "ProcessingFailed"} for identity in records]}
        assert len(json.dumps(answer)) <= MOST_ANSWERED
        assert [record["recordId"] for record in answer["records"]] == list(records)
        return answer

    def _event(self, records: dict[str, bytes], arrived: datetime) -> dict[str, Any]:
        moment = int(arrived.timestamp() * 1000)
        event: dict[str, Any] = {"invocationId": "invoked", "deliveryStreamArn": self.arn, "region": REGION}
        if self._kinesis:
            event["sourceKinesisStreamArn"] = self._kinesis
        event["records"] = [
            {
                "recordId": identity,
                "approximateArrivalTimestamp": moment,
                "data": base64.b64encode(data).decode(),
                **(_kinesis_metadata(number, moment) if self._kinesis else {}),
            }
            for number, (identity, data) in enumerate(records.items())
        ]
        return event

    def _from_kinesis(self) -> list[bytes]:
        """What is new in the source."""
        if not self._kinesis:
            return []
        kinesis, found = self._account.client("kinesis"), []
        for shard in kinesis.list_shards(StreamARN=self._kinesis)["Shards"]:
            identity = shard["ShardId"]
            start = {"ShardIteratorType": "TRIM_HORIZON"}
            if after := self._read.get(identity):
                start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after}
            iterator = kinesis.get_shard_iterator(StreamARN=self._kinesis, ShardId=identity, **start)["ShardIterator"]
            while records := (page := kinesis.get_records(StreamARN=self._kinesis, ShardIterator=iterator))["Records"]:
                found += [_as_sent(record["Data"]) for record in records]
                self._read[identity] = records[-1]["SequenceNumber"]
                iterator = page["NextShardIterator"]
        return found

    def _put(self, prefix: str, moment: datetime, body: bytes, suffix: str = "") -> str:
        """Write an object under a prefix that ends with the hour, and return its key."""
        hour = f"{moment:%Y/%m/%d/%H}/"
        assert prefix.endswith(hour)
        key = object_key(prefix.removesuffix(hour), self.name, moment, suffix)
        bucket = self._to["BucketARN"].rpartition(":")[2]
        self._account.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        return key


def _as_sent(record: bytes) -> bytes:
    """A record as CloudWatch Logs sends it: the emulator writes event ids as short numbers."""
    try:
        envelope = orjson.loads(gzip.decompress(record))
        for event in envelope["logEvents"]:
            if isinstance(event["id"], int):
                event["id"] = f"{event['id']:056d}"
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return record
    return gzip.compress(orjson.dumps(envelope), mtime=0)


def _batches(records: list[bytes], most: float) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for record in records:
        if batch and sum(map(len, batch)) + len(record) > most:
            yield batch
            batch = []
        batch.append(record)
    if batch:
        yield batch


def _objects(parts: list[bytes], most: int) -> Iterator[bytes]:
    for batch in _batches(parts, most):
        yield b"".join(batch)


def _kinesis_metadata(number: int, moment: int) -> dict[str, Any]:
    return {
        "kinesisRecordMetadata": {
            "shardId": "shardId-000000000000",
            "partitionKey": f"key-{number}",
            "approximateArrivalTimestamp": moment,
            "sequenceNumber": f"{number:056d}",
            "subsequenceNumber": 0,
        }
    }


def _evaluated(prefix: str, arrived: datetime, problem: str = "") -> str:
    """A prefix with its expressions evaluated (docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html)."""
    values = {
        "timestamp:yyyy/MM/dd/HH": f"{arrived.astimezone(UTC):%Y/%m/%d/%H}",
        "firehose:error-output-type": problem,
    }
    return re.sub(r"!\{([^}]*)\}", lambda found: values[found[1]], prefix)
