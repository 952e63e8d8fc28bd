"""What is wrong with a dataset reaches people: a mail server and a topic of SNS receive it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest

from opensearch_strata.definition.dataset import Dataset
from tests.arrivals import Queues
from tests.dags.conftest import RunDag
from tests.servers.smtp import MailServer
from tests.streams import DAY, Stream, StreamFactory

OLD = DAY - timedelta(days=2)


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """A mail server, and Airflow's connection to it."""
    with MailServer() as server:
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "strata@example.com"}
        fields = {"conn_type": "smtp", "host": "127.0.0.1", "port": server.port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps(fields))
        yield server


@pytest.fixture
def topic(s3_url: str, queues: Queues) -> Iterator[str]:
    """A topic of SNS that hands its messages to a queue."""
    login = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    sns = boto3.client("sns", endpoint_url=s3_url, region_name="us-east-1", **login)
    arn: str = sns.create_topic(Name="alarms")["TopicArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queues.arn)
    yield arn
    sns.delete_topic(TopicArn=arn)


@pytest.fixture
def stream(make_stream: StreamFactory, define: Callable[[Dataset], None], mail: MailServer, topic: str) -> Stream:
    """A dataset that tells of proofs by mail, and of everything by SNS."""
    by_mail = {
        "notifier": "smtp", "connection": "mail", "arguments": {"to": "night@example.com"}, "about": ["proof"]
    }  # fmt: skip
    by_sns = {"notifier": "sns", "arguments": {"target_arn": topic}}
    stream = make_stream(raw={"window_days": 2}, cycle={"notify": {"to": [by_mail, by_sns]}}, engine="search")
    define(stream.dataset)
    return stream


def received(queues: Queues) -> list[dict[str, Any]]:
    """What the topic handed to the queue; taken from it."""
    answer = queues.sqs.receive_message(QueueUrl=queues.url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_a_failed_proof_is_told_once_and_what_is_overdue_as_well(
    stream: Stream, mail: MailServer, queues: Queues, run_dag: RunDag, aws_connection: None
) -> None:
    stream.condensed(OLD)
    identity, row = next(iter(stream.rows(OLD).items()))
    stream.put_row(identity, {**row, "transform._doc_count": row["transform._doc_count"] + 1}, OLD)
    stream.fill(DAY - timedelta(days=1))
    stream.fill(DAY)
    assert run_dag(stream.dataset, day=str(DAY), dry_run=False).tasks["retention.retire.prove[0]"] == "failed"
    (sent,) = mail.mails
    assert sent.receivers == ("night@example.com",)
    assert sent.message["Subject"] == f"Strata: {stream.dataset.name}: a proof failed in the cycle of {DAY}"
    assert f"{stream.dataset.raw_index(OLD)}" in sent.html
    assert "rows are not rebuilt from fewer documents" in sent.html
    assert "/dags/" in sent.html  # the link
    by_title = {message["Subject"].rpartition(": ")[2]: message["Message"] for message in received(queues)}
    assert by_title.keys() == {f"a proof failed in the cycle of {DAY}", "1 day not proven after 36 hours"}
    assert (
        f"Not proven 36 hours after their end: {DAY - timedelta(days=1)}."
        in by_title["1 day not proven after 36 hours"]
    )
    assert run_dag(stream.dataset, day=str(DAY), dry_run=False).state == "failed"
    assert len(mail.mails) == 1  # told before
    assert received(queues) == []


def test_a_run_in_which_all_is_well_tells_nobody(
    stream: Stream, mail: MailServer, queues: Queues, run_dag: RunDag, aws_connection: None
) -> None:
    stream.fill(DAY)
    assert run_dag(stream.dataset, day=str(DAY)).state == "success"
    assert (mail.mails, received(queues)) == ([], [])
