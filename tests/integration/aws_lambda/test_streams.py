"""Records that are sent again arrive in a stream of Firehose or Kinesis, over the protocol of AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest

from opensearch_strata.aws_lambda import firehose, resend
from tests.envelopes import event_id
from tests.transformations import FIREHOSE, KINESIS, data_in, data_message, ids_in, invocation

LARGE = [data_message(["x" * 1_500_000] * 2, first=2 * number, logGroup="app") for number in range(4)]
"""Records of which an answer holds one."""


class Context:
    """Of AWS Lambda, as far as it is used."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture(autouse=True)
def emulator(aws: None) -> Iterator[None]:
    """The function has the variables that AWS Lambda sets, and the emulator instead of AWS."""
    resend.connected.cache_clear()
    yield
    resend.connected.cache_clear()


def handled(called: dict[str, Any], arn: str, name: str) -> dict[str, Any]:
    """What the handler answers for a stream of this name."""
    key = "sourceKinesisStreamArn" if arn == KINESIS else "deliveryStreamArn"
    return firehose.handler(called | {key: arn.replace("/logs", f"/{name}")}, Context())


def test_firehose_gets_what_the_answer_has_no_room_for(s3: Any, bucket: str) -> None:
    client, name = boto3.client("firehose"), f"logs-{uuid4().hex}"
    destination = {"RoleARN": "arn:aws:iam::123456789012:role/firehose", "BucketARN": f"arn:aws:s3:::{bucket}"}
    client.create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=destination)
    called = invocation(LARGE)
    answer = handled(called, FIREHOSE, name)
    assert [record["result"] for record in answer["records"]] == ["Ok", "Dropped", "Dropped", "Dropped"]
    written = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    delivered = [id for key in written for id in ids_in(s3.get_object(Bucket=bucket, Key=key)["Body"].read())]
    assert sorted(delivered) == [event_id(number) for number in range(2, 8)]
    assert ids_in(data_in(answer["records"][0])) == [event_id(0), event_id(1)]


def test_kinesis_gets_it_if_the_stream_reads_from_there() -> None:
    client, name = boto3.client("kinesis"), f"logs-{uuid4().hex}"
    client.create_stream(StreamName=name, ShardCount=1)
    answer = handled(invocation(LARGE, KINESIS), KINESIS, name)
    assert [record["result"] for record in answer["records"]] == ["Ok", "Dropped", "Dropped", "Dropped"]
    shard = client.describe_stream(StreamName=name)["StreamDescription"]["Shards"][0]["ShardId"]
    start = client.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    found = client.get_records(ShardIterator=start["ShardIterator"])["Records"]
    assert sorted(id for record in found for id in ids_in(record["Data"])) == [event_id(n) for n in range(2, 8)]
    assert {record["PartitionKey"] for record in found} == {"key-1", "key-2", "key-3"}


def test_a_stream_that_is_not_there_costs_only_what_it_was_to_take(capsys: pytest.CaptureFixture[str]) -> None:
    answer = handled(invocation(LARGE), FIREHOSE, "nowhere")
    assert [record["result"] for record in answer["records"]] == ["Ok", *["ProcessingFailed"] * 3]
    told = json.loads(capsys.readouterr().out)
    assert told["requests"] == 1
    assert "ResourceNotFoundException" in told["problems"][0]["problem"]
