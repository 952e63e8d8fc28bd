"""The whole path: put_log_events -> subscription -> Firehose -> function -> S3 -> notification -> SQS -> OpenSearch.

The emulator makes every hop but one: tests/servers/firehose.py says what its Firehose lacks.
"""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
import yaml
from opensearchpy import OpenSearch
from opensearchpy.helpers import scan

from local.samples.cloudwatch import control_record, data_record, log_event
from opensearch_strata.archive.arrivals.drain import DrainLimits
from opensearch_strata.archive.arrivals.drained import Drained
from opensearch_strata.archive.dead_letters.file import read_dead_letters
from opensearch_strata.archive.dead_letters.letter import DeadLetter, dead_letters_url
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.aws_lambda.firehose import handler
from opensearch_strata.aws_lambda.resend import connected
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.workflows.arrivals.arrivals import Arrivals, Clients
from opensearch_strata.workflows.arrivals.sweep import prove_day
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.backfill.verdict import verdict
from opensearch_strata.workflows.cycle import run_cycle
from tests.archives import forget_ledger, s3_environment
from tests.deployed import Stack
from tests.servers.cloudformation import Account, without_policy
from tests.servers.firehose import Delivered, Firehose
from tests.streams import Stream, StreamFactory, assert_verified

NOW = datetime.now(UTC)
DAY = (NOW - timedelta(days=1)).date()
"""CloudWatch accepts events of the last days only; this one is over."""
BEFORE = DAY - timedelta(days=1)

FIELDS = {
    "@timestamp": "date", "type": "keyword", "perform": "keyword", "level": "keyword", "request_id": "keyword",
    "duration_ms": "float", "statement": "text", "message": "text",
}  # fmt: skip
DEFINITION: dict[str, Any] = {
    "raw": {"fields": FIELDS},
    "history": {"group_by": ["type", "perform"]},
    "metrics": {
        "duration_ms": {
            "field": "duration_ms",
            "stats": ["min", "max", "sum", "count", "avg"],
            "distribution": {"relative_error": 0.01},
            "sparse": True,
        },
        "perform": {"field": "perform", "stats": ["count"], "distribution": {"top_values": 5}, "sparse": True},
    },
}
PER_REQUEST = 250


@dataclass
class Sent:
    """What was given to CloudWatch.

    :param marks: (day, mark) -> how many events; a mark is a text that the document has in one of its fields
    :param failed: those of them that the function failed to transform
    """

    marks: Counter[tuple[date, str]] = field(default_factory=Counter)
    failed: Counter[tuple[date, str]] = field(default_factory=Counter)
    unreadable: set[str] = field(default_factory=set)
    events: int = 0


class Path:
    """A deployed stack and the dataset that reads from it.

    :param parameters: of the template
    """

    def __init__(self, account: Account, client: OpenSearch, make_stream: StreamFactory, **parameters: str) -> None:
        self.stack = Stack(account, BufferMegabytes="1", **parameters)
        self.account, self.client = account, client
        self.s3 = account.client("s3")
        self.firehose = Firehose(account, self.stack.name, handler)
        self.mysql = f"/aws/rds/instance/{self.stack.name}/general"
        self._subscribe(self.mysql)
        intake = yaml.safe_load(self.stack.outputs["Intake"])["intake"]
        self.stream: Stream = make_stream(**DEFINITION, intake=intake)
        self.dataset = self.stream.dataset
        self.sent = Sent()

    def _subscribe(self, group: str) -> None:
        """A further log group, as docs/pipeline.md says."""
        logs = self.account.client("logs")
        logs.create_log_group(logGroupName=group)
        logs.put_subscription_filter(
            logGroupName=group,
            filterName=self.stack.name,
            filterPattern="",
            destinationArn=self.stack.outputs["DestinationArn"],
            roleArn=self.stack.outputs["SubscriptionRoleArn"],
        )

    def log(self, group: str, stream: str, at: datetime, messages: list[tuple[str, str]]) -> None:
        """Give messages to CloudWatch, a millisecond apart: each with its mark, which is empty if it is unreadable."""
        logs, start = self.account.client("logs"), int(at.timestamp() * 1000)
        if stream not in {
            found["logStreamName"] for found in logs.describe_log_streams(logGroupName=group)["logStreams"]
        }:
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        events = [{"timestamp": start + number, "message": message} for number, (message, _) in enumerate(messages)]
        answer = logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
        assert not answer.get("rejectedLogEventsInfo")
        self.sent.events += len(events)
        for message, mark in messages:
            if mark:
                self.sent.marks[at.date(), mark] += 1
            else:
                self.sent.unreadable.add(message)

    def drain(self) -> Drained:
        """What `archive_arrivals` does in one run."""
        clients = Clients(
            opensearch=lambda _: self.client, s3=lambda _: self.s3, sqs=lambda _: self.account.client("sqs")
        )
        arrivals = Arrivals(self.dataset, [self.dataset], clients)
        return arrivals.drain("tests/path", DrainLimits(120, empty=1))

    def backfill(self) -> Backfill:
        return Backfill(self.client, self.dataset, lambda: self.s3)

    def found(self) -> Counter[tuple[date, str]]:
        """The marks of all documents."""
        marks: Counter[tuple[date, str]] = Counter()
        for day in (BEFORE, DAY):
            index = self.dataset.raw_index(day)
            self.client.indices.refresh(index=index, params={"ignore_unavailable": "true"})
            for hit in scan(self.client, index=index, ignore_unavailable=True):
                document = hit["_source"]
                marks[day, document.get("statement") or document.get("request_id") or document["message"]] += 1
        return marks

    def letters(self) -> list[DeadLetter]:
        url = dead_letters_url(self.dataset.intake, "")
        return [letter for file in read_dead_letters(self.s3, url, self.dataset.name) for letter in file]


@pytest.fixture(scope="module")
def account(s3_url: str) -> Account:
    return Account(s3_url)


@pytest.fixture
def until_the_end() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def opened(path: Path, until_the_end: ExitStack) -> Path:
    until_the_end.enter_context(path.firehose.taking())
    until_the_end.enter_context(without_policy(path.s3, path.stack.bucket))
    until_the_end.enter_context(patch.dict(os.environ, s3_environment(path.account.url)))  # for what is put back
    until_the_end.callback(connected.cache_clear)
    until_the_end.callback(forget_ledger, path.client, path.dataset.name)
    connected.cache_clear()
    return path


def entries(first: int, count: int, at: datetime) -> list[tuple[str, str]]:
    """Entries of a MySQL general log."""
    commands = ["Query", "Execute", "Init DB", "Connect"]
    return [
        (f"{at:%Y-%m-%dT%H:%M:%S}.{number:06d}Z\t   {number % 40} {commands[number % 4]}\t{text}", text)
        for number in range(first, first + count)
        if (text := f"SELECT * FROM orders WHERE id = {number}")
    ]


def lines(first: int, count: int) -> list[tuple[str, str]]:
    """What a Lambda function logs: three lines of text for an invocation, and one of JSON."""
    found = []
    for number in range(first, first + count):
        request = f"00000000-0000-4000-8000-{number // 4:012d}"
        taken = f"order {number} is taken"
        report = (
            f"Duration: {number % 90 + 0.25} ms\tBilled Duration: 91 ms\tMemory Size: 512 MB\tMax Memory Used: 80 MB"
        )
        kinds = [
            (f"START RequestId: {request} Version: $LATEST\n", request),
            (json.dumps({"level": "INFO", "message": taken, "amount": number}), taken),
            (f"END RequestId: {request}\n", request),
            (f"REPORT RequestId: {request}\t{report}\t\n", request),
        ]
        found.append(kinds[number % 4])
    return found


def at(hour: int, day: date = DAY) -> datetime:
    return datetime.combine(day, time(hour), UTC)


def test_ten_thousand_events_are_there_once_and_what_is_broken_is_kept(
    account: Account, client: OpenSearch, make_stream: StreamFactory, until_the_end: ExitStack
) -> None:
    path = opened(Path(account, client, make_stream), until_the_end)
    deliveries = send_ten_thousand(path)
    assert path.sent.events == 10_000 + 20
    results = sum((Counter(delivery.results) for delivery in deliveries), Counter[str]())
    # Each put and one record again an hour; the health checks; three records that are broken, and an hour that failed.
    assert results == {"Ok": 31 + 3, "Dropped": 3, "ProcessingFailed": 3 + 12}
    copy_an_object(path, deliveries[0].objects[0])

    drained = path.drain()
    objects = sum(len(delivery.objects) for delivery in deliveries) + 1
    assert objects == 3 + 1
    assert (drained.done + drained.there, drained.quarantined, drained.failed) == (objects, 0, 0), str(drained)
    assert drained.messages == drained.deleted == objects + 1  # S3's test event, too
    assert path.stack.depths() == {"Arrivals": (0, 0), "DeadArrivals": (0, 0)}

    assert path.found() == path.sent.marks - path.sent.failed
    assert_letters_of_messages(path, path.letters())
    replay_what_was_not_transformed(path, deliveries)
    assert path.found() == path.sent.marks
    assert sum(path.sent.marks.values()) == 10_000
    assert_the_cycle_carries_it(path)


def send_ten_thousand(path: Path) -> list[Delivered]:
    """Four hours of events; the last events of the day before come with the first of them."""
    firehose, logs = path.account.client("firehose"), path.stack.group
    deliveries = []
    path.log(path.mysql, "writer", at(23, BEFORE), entries(100_000, PER_REQUEST, at(23, BEFORE)))
    path.log(logs, "2026/[$LATEST]a", at(22, BEFORE), lines(100_000, PER_REQUEST))
    numbers = iter(range(0, 10_000, PER_REQUEST))
    for hour in range(6, 10):
        before = Counter(path.sent.marks)
        firehose.put_record(DeliveryStreamName=path.stack.name, Record={"Data": control_record(0)})
        for number in range(5 if hour < 9 else 4):
            moment = at(hour) + timedelta(minutes=number)
            path.log(path.mysql, f"writer-{number % 2}", moment, entries(next(numbers), PER_REQUEST, moment))
            path.log(logs, f"2026/[$LATEST]{number}", moment, lines(next(numbers), PER_REQUEST))
        path.firehose.again()  # one record comes twice
        if hour == 7:
            cut = data_record(logs, "s", [log_event(1, 0, uuid4().hex * 9)])[:99]
            for data in (b"no log events", gzip.compress(b'{"messageType": "OTHER"}'), cut):
                firehose.put_record(DeliveryStreamName=path.stack.name, Record={"Data": data})
            unreadable = [(f"torn entry {number}", "") for number in range(20)]
            path.log(path.mysql, "writer-0", at(7) + timedelta(minutes=30), unreadable)
        if hour == 8:
            path.firehose.handler = failing
            path.sent.failed = path.sent.marks - before
        deliveries.append(path.firehose.deliver(at(hour) + timedelta(minutes=45)))
        path.firehose.handler = handler
    return deliveries


def failing(event: dict[str, Any], context: Any) -> dict[str, Any]:
    raise RuntimeError("There is no module of this name.")


def copy_an_object(path: Path, key: str) -> None:
    """As Firehose writes an object again if S3's answer was lost."""
    bucket = path.stack.bucket
    path.s3.copy_object(Bucket=bucket, Key=key.replace(".gz", "-again.gz"), CopySource={"Bucket": bucket, "Key": key})


def assert_letters_of_messages(path: Path, letters: list[DeadLetter]) -> None:
    """Every message that no parser reads is kept once, and its place is where it is."""
    assert len(letters) == 20
    kept = set()
    for letter in letters:
        body = path.s3.get_object(Bucket=letter.place.bucket, Key=letter.place.key)["Body"].read()
        line = gzip.decompress(body).splitlines()[letter.record]
        (message,) = path.sent.unreadable & {event["message"] for event in json.loads(line)["logEvents"]}
        assert message.encode() in letter.raw
        assert letter.reason == "unparsed"
        kept.add(message)
    assert kept == path.sent.unreadable


def replay_what_was_not_transformed(path: Path, deliveries: list[Delivered]) -> None:
    """A backfill of the error prefix: events are loaded, what never was one becomes a dead letter with its place."""
    assert [len(delivery.errors) for delivery in deliveries] == [0, 1, 1, 0]
    # An object of nothing but broken records is quarantined unless this is allowed.
    definition = path.dataset.model_dump(mode="json")
    definition["intake"]["max_dead_share"] = 1
    backfill = Backfill(path.client, Dataset.model_validate(definition), lambda: path.s3)
    ref = backfill.write(backfill.plan(path.stack.outputs["Errors"], DAY, DAY))
    backfill.prepare(ref, "tests/errors")
    for number in range(ref.batches):
        backfill.load(ref, number, "tests/errors", settings=LoadSettings()).require_success()
    backfill.end("tests/errors")
    proof = backfill.prove(ref)
    backfill.forget(ref)
    assert (proof.holds, proof.counts.created, proof.counts.dead) == (True, path.sent.failed.total(), 3), verdict(proof)
    assert proof.counts.existed == PER_REQUEST  # the record that was sent again
    letters = [letter for letter in path.letters() if letter.place.key in deliveries[1].errors]
    assert sorted((letter.record, letter.reason) for letter in letters) == [
        (0, "no_time"),
        (1, "no_time"),
        (2, "broken"),
    ]


def assert_the_cycle_carries_it(path: Path) -> None:
    """Each day is proven against its objects, then condensed and proven against its documents."""
    for day in (BEFORE, DAY):
        proof = prove_day(path.backfill(), path.dataset, day)
        assert proof.holds, verdict(proof)
        run = run_cycle(path.client, path.dataset, day, NOW, apply=True, engine="search")
        assert run.problem == ""
        assert_verified(path.stream, day)


def test_through_kinesis_the_same_events_are_there(
    account: Account, client: OpenSearch, make_stream: StreamFactory, until_the_end: ExitStack
) -> None:
    path = opened(Path(account, client, make_stream, ThroughKinesis="true"), until_the_end)
    path.log(path.mysql, "writer", at(6), entries(0, PER_REQUEST, at(6)))
    path.log(path.stack.group, "2026/[$LATEST]a", at(6), lines(0, PER_REQUEST))
    delivered = path.firehose.deliver(at(6) + timedelta(minutes=45))
    assert delivered.results == {"Ok": 2}
    path.log(path.mysql, "writer", at(7), entries(PER_REQUEST, PER_REQUEST, at(7)))
    assert path.firehose.deliver(at(7)).results == {"Ok": 1}  # what was read is not read again
    assert path.drain().done == 2
    assert path.found() == path.sent.marks


def test_a_record_beyond_the_answer_is_put_back_and_arrives(
    account: Account, client: OpenSearch, make_stream: StreamFactory, until_the_end: ExitStack
) -> None:
    path = opened(Path(account, client, make_stream), until_the_end)
    note = "as long as a stack trace " * 1000  # packs well: a small record with a large answer
    texts = [f"order {number} failed" for number in range(100)]
    messages = [(json.dumps({"level": "ERROR", "message": text, "trace": note}), text) for text in texts]
    for minute in range(4):
        path.log(path.stack.group, f"s{uuid4().hex}", at(6) + timedelta(minutes=minute), messages)
    delivered = path.firehose.deliver(at(6) + timedelta(minutes=45))
    assert delivered.results["Dropped"] >= 1
    path.drain()
    assert path.found() == path.sent.marks
