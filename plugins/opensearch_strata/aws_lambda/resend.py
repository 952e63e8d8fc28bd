"""Sends records to the stream that they came from, as long as there is time. Takes a client of boto3."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from opensearch_strata.aws_lambda.deadline import LONGEST
from opensearch_strata.aws_lambda.source import Source
from opensearch_strata.errors import aws
from opensearch_strata.errors.printable import brief

MOST_RECORDS = 500
"""Records in a request (PutRecordBatch and PutRecords alike)."""

MOST_REQUEST_BYTES = 4 * 2**20
"""Bytes of a request, of which Firehose takes 4 MiB and Kinesis more; counted as they are sent, in base64."""

_CONNECT, _READ = 3, 10  # seconds that a request waits
_RESERVE_MS = 1000 * (_CONNECT + _READ) + 2000  # what a request and the answer may need
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds
_OVERHEAD = 64  # bytes around the data of a record

# Answers for a whole request that pass, besides those of all of AWS.
_PASSING = frozenset({"ServiceUnavailableException", "ProvisionedThroughputExceededException", "InternalFailure"})


class Outgoing(NamedTuple):
    """A record to be sent.

    :param data: its data
    :param partition_key: chooses the shard of a Kinesis stream
    """

    data: bytes
    partition_key: str

    @property
    def size(self) -> int:
        """Bytes in a request."""
        return 4 * (-(-len(self.data) // 3)) + len(self.partition_key.encode()) + _OVERHEAD


class Resender:
    """Sends records, and those that were refused once more, until all are taken or the time is over.

    :param remaining_ms: milliseconds until AWS Lambda ends the function
    :param connect: creates the client: ``firehose`` or ``kinesis``, and the region
    :param pause: waits for some seconds
    """

    def __init__(
        self,
        source: Source,
        remaining_ms: Callable[[], int],
        connect: Callable[[str, str], Any],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = source
        self._remaining_ms = remaining_ms
        self._connect = connect
        self._pause = pause
        self._until = time.monotonic() + LONGEST
        self.requests = 0

    def sent(self, records: Sequence[Outgoing]) -> list[str]:
        """Send records.

        :param records: of at most 1,000,000 bytes each
        :returns: for each, an empty text if the stream has it, else a sentence that says why not
        """
        problems = ["There was no time left to send it to the stream again."] * len(records)
        if self._source.kind == "msk":
            return ["It cannot be sent again, because its source is a topic of Kafka."] * len(records)
        waiting, longest = list(range(len(records))), _FIRST_PAUSE
        while waiting:
            refused: list[int] = []
            for request in _requests(waiting, records):
                if not self._has_time(0):
                    return problems
                refused += self._send(request, records, problems)
            waiting = refused
            pause = random.uniform(0, longest)
            if waiting and not self._has_time(pause):
                return problems
            if waiting:
                self._pause(pause)
            longest = min(2 * longest, _LONGEST_PAUSE)
        return problems

    def _has_time(self, pause: float) -> bool:
        """Whether a request can be made after a pause, whose answer still comes in time."""
        return self._remaining_ms() - 1000 * pause > _RESERVE_MS and time.monotonic() + pause < self._until

    def _send(self, request: list[int], records: Sequence[Outgoing], problems: list[str]) -> list[int]:
        """Make a request, and note what became of each of its records; return those that are worth another one."""
        self.requests += 1
        try:
            codes = dict(zip(request, self._put([records[number] for number in request]), strict=True))
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost the records that were transformed
            told = _told(error)
            for number in request:
                problems[number] = told
            return request if _is_passing(error) else []
        for number, code in codes.items():
            problems[number] = f"The stream {self._source.name} did not take it: {brief(code)}." if code else ""
        return [number for number in request if problems[number]]

    def _put(self, records: Sequence[Outgoing]) -> list[str]:
        """Make a request; return the error code of each record, empty if it was taken."""
        kind, name, region, _ = self._source
        client = self._connect(kind, region)
        if kind == "kinesis":
            entries = [{"Data": record.data, "PartitionKey": record.partition_key} for record in records]
            answers = client.put_records(StreamName=name, Records=entries)["Records"]
        else:
            entries = [{"Data": record.data} for record in records]
            answers = client.put_record_batch(DeliveryStreamName=name, Records=entries)["RequestResponses"]
        return [str(answer.get("ErrorCode") or "") for answer in answers]


@cache
def connected(kind: str, region: str) -> Any:
    """A client that leaves retries to us; it is kept for the next batch.

    :param kind: ``firehose`` or ``kinesis``
    :param region: of AWS
    """
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=_CONNECT, read_timeout=_READ, retries={"total_max_attempts": 1})
    return boto3.client(kind, region_name=region or None, config=config)


def _requests(numbers: Sequence[int], records: Sequence[Outgoing]) -> Iterator[list[int]]:
    """The numbers of the records of each request."""
    some: list[int] = []
    size = 0
    for number in numbers:
        more = records[number].size
        if some and (len(some) == MOST_RECORDS or size + more > MOST_REQUEST_BYTES):
            yield some
            some, size = [], 0
        some.append(number)
        size += more
    if some:
        yield some


def _is_passing(error: Exception) -> bool:
    return aws.is_transient(error) or aws.error_code(error) in _PASSING


def _told(error: Exception) -> str:
    code = aws.error_code(error)
    return f"It could not be sent to the stream again ({code or type(error).__name__}: {brief(str(error))})."
