"""Batches as Firehose gives them to the function, a stream that takes or refuses, and where each event ends up."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

from botocore.exceptions import ClientError

from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.events import Event
from opensearch_strata.aws_lambda.batch import Batch, Report
from opensearch_strata.aws_lambda.resend import Resender
from opensearch_strata.aws_lambda.settings import Settings
from opensearch_strata.aws_lambda.source import source_of
from tests.envelopes import CONTROL, GROUP, envelope, packed

FIREHOSE = "arn:aws:firehose:us-east-1:123456789012:deliverystream/logs"
KINESIS = "arn:aws:kinesis:us-east-1:123456789012:stream/logs"


MESSAGES: dict[str, list[str]] = {
    GROUP: [
        "2023-11-14T22:13:20.123456Z\t   42 Init DB\tshop",
        "2023-11-14T22:13:20.123456+08:00\t    7 Query\tSELECT '\u00fc\u2028\U0001f600',\n\t2",
        "231114  9:13:20\t    7 Quit\t",
        "/usr/sbin/mysqld, Version: 8.0.35 (Source distribution). started with:",
        "nothing that MySQL writes",
    ],
    "/aws/rds/instance/shop/slowquery": [
        "# Time: 2023-11-14T22:13:20.123456Z\n# User@Host: app[app] @  [10.0.0.1]  Id:    42\n"
        "# Query_time: 2.500000  Lock_time: 0.000010 Rows_sent: 1  Rows_examined: 9\n"
        "SET timestamp=1700000000;\nSELECT 1;"
    ],
    "/aws/rds/instance/shop/error": ["2023-11-14T22:13:20.123456Z 0 [System] [MY-010116] [Server] ready"],
    "/aws/rds/instance/shop/audit": ["20231114 22:13:20,db,app,10.0.0.1,42,7,QUERY,shop,'SELECT \\'a\\', 1',0"],
    "/aws/lambda/shop": [
        "REPORT RequestId: 8f507cfc\tDuration: 26.73 ms\tBilled Duration: 27 ms\tMemory Size: 128 MB\t\n",
        '{"timestamp":"2023-11-14T22:13:20.1Z","level":"INFO","message":"x","n":NaN,"long":123456789012345678901234567890}',
        '{"half":"\\ud83d","whole":"\\ud83d\\ude00","float":1.10,"tiny":1e-7}',
        "text",
    ],
    "vpcflowlogs": ["2 123456789012 eni-1 10.0.0.1 10.0.0.2 443 49152 6 10 840 1700000000 1700000060 ACCEPT OK"],
    "/aws/apigateway/shop": [
        '{"requestId":"a","ip":"10.0.0.1","requestTime":"14/Nov/2023:22:13:20 +0000","status":"200"}'
    ],
    "app": ['{"nested":' + '{"a":' * 40 + "1" + "}" * 40 + "}", "\x00\x1b[31m", '{"cloudwatch":1}', "{", ""],
    "shop/orders": [
        '{"level":"info","messageType":"OrderCreated","order":7}',
        '{"level":"info","messageType":"CONTROL_MESSAGE","order":8}',
        '{"messageType":"DATA_MESSAGE","logEvents":[]}',
        '{"rawData":"e30=","errorCode":"Lambda.FunctionError"}',
    ],
}
"""Log group -> messages, among them what a line cannot carry, and one that is no event: the head of a log file."""


def zipped(value: Any) -> bytes:
    """A value as CloudWatch Logs sends it."""
    return gzip.compress(packed(value), 6, mtime=0)


def data_message(messages: list[str], first: int = 0, **more: Any) -> bytes:
    """A record with events; see :func:`tests.envelopes.envelope`."""
    return zipped(envelope(messages, first, **more))


CONTROL_RECORD = zipped(CONTROL)


def invocation(records: Iterable[bytes], source: str = FIREHOSE, data: str = "data") -> dict[str, Any]:
    """What the function is called with.

    :param source: ARN of the stream; of Kafka's topic if ``data`` is the key of its records
    """
    called: dict[str, Any] = {"invocationId": "one", "deliveryStreamArn": FIREHOSE, "region": "us-east-1"}
    if source == KINESIS:
        called["sourceKinesisStreamArn"] = KINESIS
    entries = []
    for number, record in enumerate(records):
        entry: dict[str, Any] = {"recordId": f"4965{number:052d}", "approximateArrivalTimestamp": 1_700_000_000_000}
        entry[data] = base64.b64encode(record).decode()
        if source == KINESIS:
            entry["kinesisRecordMetadata"] = {"shardId": "shardId-000000000000", "partitionKey": f"key-{number}"}
        entries.append(entry)
    return {**called, "records": entries}


class Taking:
    """A client of Firehose and Kinesis, whose answers a test decides.

    :param answer: is given the number of the request and of its records, and returns the error code of each, or of the
        whole request
    """

    def __init__(self, answer: Callable[[int, int], Sequence[str] | str] = lambda _, size: [""] * size) -> None:
        self._answer = answer
        self.requests: list[list[bytes]] = []
        self.keys: list[str] = []
        self.taken: list[bytes] = []

    def put_record_batch(self, **request: Any) -> dict[str, Any]:
        """As Firehose answers."""
        answers = self._put("PutRecordBatch", request["Records"])
        return {"FailedPutCount": sum(map(len, answers)), "RequestResponses": answers}

    def put_records(self, **request: Any) -> dict[str, Any]:
        """As Kinesis answers."""
        self.keys += [record["PartitionKey"] for record in request["Records"]]
        answers = self._put("PutRecords", request["Records"])
        return {"FailedRecordCount": sum(map(len, answers)), "Records": answers}

    def _put(self, operation: str, records: list[dict[str, Any]]) -> list[dict[str, str]]:
        data = [record["Data"] for record in records]
        self.requests.append(data)
        codes = self._answer(len(self.requests) - 1, len(data))
        if isinstance(codes, str):
            raise ClientError({"Error": {"Code": codes, "Message": f"Rate exceeded for {data[0]!r:.10}"}}, operation)
        self.taken += [one for one, code in zip(data, codes, strict=False) if not code]
        return [{"ErrorCode": code, "ErrorMessage": "Slow down."} if code else {} for code in codes]


def transform(
    called: dict[str, Any],
    stream: Taking | None = None,
    settings: Settings | None = None,
    remaining: Callable[[], int] = lambda: 60_000,
    has_time: Callable[[], bool] = lambda: True,
) -> tuple[dict[str, Any], Report]:
    """What the function answers and reports; pauses take no time.

    :param remaining: milliseconds that are left to send records again
    :param has_time: whether there is time left to transform records
    """
    source = source_of(called)
    batch = Batch(source, called["records"], settings or Settings(), has_time)
    taking = stream or Taking()
    answer = batch.answered(Resender(source, remaining, lambda *_: taking, lambda _: None))
    return answer, batch.report


def running_out(requests: int) -> Callable[[], int]:
    """A clock by which there is time for some requests and no more; it is asked before each request and pause."""
    asked = count()
    return lambda: 60_000 if next(asked) < 2 * requests else 100


def asked_at_most(times: int) -> Callable[[], bool]:
    """A deadline that is over when it has been asked so often."""
    asked = count()
    return lambda: next(asked) < times


def lines_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """All lines in the answer."""
    return [json.loads(line) for record in answer["records"] for line in data_in(record).splitlines()]


def data_in(record: dict[str, Any]) -> bytes:
    """Data of a record of an answer or of an invocation."""
    return base64.b64decode(record.get("data") or record.get("kafkaRecordValue") or "")


def ids_in(data: bytes) -> list[str]:
    """Ids of the events in lines or envelopes, as a backfill reads them."""
    return [item.event_id for item in Reading([data]) if isinstance(item, Event) and item.event_id]


def places_of(called: dict[str, Any], answer: dict[str, Any], stream: Taking) -> tuple[Counter[str], ...]:
    """How often each event is in the answer, in the stream, and in records that failed."""
    failed = [
        data_in(given)
        for given, record in zip(called["records"], answer["records"], strict=True)
        if record["result"] == "ProcessingFailed"
    ]
    contents = ([data_in(record) for record in answer["records"]], stream.taken, failed)
    return tuple(Counter(id for data in some for id in ids_in(data)) for some in contents)
