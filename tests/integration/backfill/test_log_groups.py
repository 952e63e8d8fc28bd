"""Log groups of several services, as CloudWatch Logs and Firehose leave them in S3: what OpenSearch makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from opensearchpy import OpenSearch

from local.samples.cloudwatch import data_record, log_event, object_key
from opensearch_strata.workflows.backfill.verdict import verdict
from tests.archives import PREFIX, Archive, backfilled, forget_ledger, held, intake_of
from tests.streams import DAY, Document, Stream, StreamFactory

pytestmark = pytest.mark.versions

NOON = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)


@pytest.fixture
def target(client: OpenSearch, make_stream: StreamFactory, archive: Archive) -> Iterator[Stream]:
    """The dataset that the archive belongs to, with everything left to ``auto``."""
    stream = make_stream(intake=intake_of(archive.bucket, parser="auto"))
    yield stream
    forget_ledger(client, stream.dataset.name)


def loaded(target: Stream, archive: Archive, group: str, messages: list[str]) -> list[Document]:
    """The documents of an object that holds these messages, an event a second from noon on, once all are proven."""
    start = int(NOON.timestamp() * 1000)
    events = [log_event(number, start + number * 1000, message) for number, message in enumerate(messages)]
    body = data_record(group, "i-0abc", events)
    archive.s3.put_object(Bucket=archive.bucket, Key=object_key(PREFIX, "logs", NOON), Body=body)
    proof = backfilled(target, archive)
    assert proof.holds, verdict(proof)
    assert (proof.counts.created, proof.counts.dead) == (len(messages), 0)
    return held(target, DAY)


CASES: list[tuple[str, list[str], dict[str, str]]] = [
    (
        "/var/log/messages",
        [
            "May  6 11:59:58 ip-10-0-0-36 sshd[2589]: Accepted publickey for ec2-user",
            '<165>1 2024-05-06T11:59:59.003Z host app abc ID47 [a.b@1 c.d="e"][a@1 c="f"] message',
            "not a line of syslog",
        ],
        {"timestamp": "date", "severity": "long", "procid": "text", "structured_data.a_b@1.c_d": "text"},
    ),
    (
        "/shop/journald",
        ['{"__REALTIME_TIMESTAMP":"1714996798000000","PRIORITY":"6","_PID":"7","MESSAGE":[104,105,255]}', "{}"],
        {"PRIORITY": "long", "_PID": "long", "MESSAGE": "text"},
    ),
    (
        "/aws/containerinsights/shop/application",
        [
            '{"log":"{\\"status\\":200}\\n","stream":"stdout","time":"2024-05-06T11:59:58.123456789Z",'
            '"kubernetes":{"labels":{"app":"web","app.kubernetes.io/name":"web"}}}',
            "2024-05-06T11:59:59.669794202Z stderr P first half",
        ],
        {"time": "date", "log_processed.status": "long", "kubernetes.labels.app_kubernetes_io/name": "text"},
    ),
    (
        "/aws/eks/shop/cluster",
        [
            '{"kind":"Event","apiVersion":"audit.k8s.io/v1","stageTimestamp":"2024-05-06T11:59:58.798812Z",'
            '"requestObject":{"metadata":{"labels":{"app":1,"app.b":2}}},"annotations":{"authorization.k8s.io/x":"y"}}',
            "I0506 11:59:59.888087      11 tagging_controller.go:152] Skip putting node",
        ],
        {"time": "date", "threadid": "long", "stageTimestamp": "date", "requestObject": "text"},
    ),
    (
        "/aws/rds/instance/shop/postgresql",
        [
            "2024-05-06 11:59:58 UTC:10.0.0.7(48808):app@shop:[18762]:LOG:  duration: 3668.685 ms  statement: a\n\tb",
            "2024-05-06 11:59:59 UTC::@:[1]:LOG:  checkpoint starting: time",
        ],
        {"timestamp": "date", "duration_ms": "float", "remote_port": "long", "dbname": "text"},
    ),
    (
        "/aws/lambda/resize",
        [
            "EXTENSION\tName: a\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n",
            "[INFO]\t2024-05-06T11:59:58.504Z\t9f294aed-ba7e-49fe-a1b9-9a7ad6313712\tmessage\n",
            '{"_aws":{"Timestamp":1714996798000,"CloudWatchMetrics":[{"Dimensions":[["a"],["a","b"]]}]},"a":"x","latency":1.5}',
        ],
        {"timestamp": "date", "events": "text", "latency": "float", "_aws.Timestamp": "long"},
    ),
    (
        "API-Gateway-Execution-Logs_a1b2c3/prod",
        ["(9f294aed-ba7e) Method completed with status: 200", "(9f294aed-ba7e) Endpoint request body: {\n}"],
        {"status": "long", "requestId": "text"},
    ),
]


def kind_of(mapping: dict[str, Any], path: str) -> str | None:
    """The type of the field at a path."""
    for name in path.split("."):
        mapping = mapping.get("properties", {}).get(name, {})
    return mapping.get("type")


@pytest.mark.parametrize(("group", "messages", "types"), [pytest.param(*case, id=case[0]) for case in CASES])
def test_a_log_group_is_loaded_with_typed_fields(
    target: Stream, archive: Archive, group: str, messages: list[str], types: dict[str, str]
) -> None:
    found = loaded(target, archive, group, messages)
    assert len(found) == len(messages)
    index = target.dataset.raw_index(DAY)
    mapping = target.client.indices.get_mapping(index=index)[index]["mappings"]
    assert {path: kind_of(mapping, path) for path in types} == types


def test_the_year_of_a_line_is_that_of_its_event(target: Stream, archive: Archive) -> None:
    line, other = loaded(target, archive, "/var/log/secure", ["May  6 11:59:58 h a: x", "May  6 11:59:58 h a: y"])
    assert line["timestamp"] == other["timestamp"] == "2024-05-06T11:59:58.000Z"
    query = {"range": {"timestamp": {"gte": "2024-05-06", "lt": "2024-05-07"}}}
    assert target.client.count(index=target.dataset.raw_index(DAY), body={"query": query})["count"] == 2
