"""What is wrong with a daily cycle reaches people: a mail server and a topic of SNS receive it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from opensearch_strata.definition.dataset import Dataset
from tests.dags.conftest import RunDag
from tests.faults.proxy import Answer, FaultyProxy, Forward, Request
from tests.faults.rules import refused
from tests.servers.smtp import MailServer
from tests.servers.sns import Topic
from tests.streams import DAY, Stream, StreamFactory

OLD = DAY - timedelta(days=2)


@pytest.fixture
def stream(make_stream: StreamFactory, define: Callable[[Dataset], None], notify: dict[str, Any]) -> Stream:
    """A dataset that tells of proofs by mail, and of everything by SNS."""
    stream = make_stream(raw={"window_days": 2}, cycle={"notify": notify}, engine="search")
    define(stream.dataset)
    return stream


def almost_full(request: Request, forward: Forward) -> Answer:
    """The disks of the nodes, with a thousand bytes left."""
    told = forward(request).json
    for node in told["nodes"].values():
        node["fs"]["total"]["available_in_bytes"] = 1000
    return Answer.of_json(200, told)


def test_a_failed_proof_is_told_once_and_what_is_overdue_as_well(
    stream: Stream, mail: MailServer, topic: Topic, run_dag: RunDag
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
    by_title = {told.subject.rpartition(": ")[2]: told for told in topic.received()}
    assert by_title.keys() == {f"a proof failed in the cycle of {DAY}", "1 day not proven after 36 hours"}
    sentence, cure, link = by_title["1 day not proven after 36 hours"].paragraphs
    assert sentence == f"Not proven 36 hours after their end: {DAY - timedelta(days=1)}."
    assert cure.startswith(f"Run them with Trigger, Backfill in {stream.dataset.name}_daily_cycle, from ")
    assert f"/dags/{stream.dataset.name}_daily_cycle/runs/" in link
    assert run_dag(stream.dataset, day=str(DAY), dry_run=False).state == "failed"
    assert len(mail.mails) == 1  # told before
    assert topic.received() == []


def test_a_disk_that_will_be_full_before_the_window_is_is_told_once(
    stream: Stream, mail: MailServer, topic: Topic, run_dag: RunDag, proxy: FaultyProxy, connection: Any
) -> None:
    connection(proxy.url)
    proxy.add(almost_full, path="/_nodes/stats/fs")
    stream.fill(DAY)
    assert run_dag(stream.dataset, day=str(DAY)).state == "success"
    (told,) = topic.received()
    assert told.subject == f"Strata: {stream.dataset.name}: disks full in about 0 days"
    sentence, cure, link = told.paragraphs
    assert sentence.startswith("The window of 2 days is not full yet and still needs about ")
    assert "but only 1,000 B is free below the high watermark" in sentence
    assert cure == "Enlarge the disks, lower raw.window_days, or reduce the replicas of raw days."
    assert link.startswith("http")
    run_dag(stream.dataset, day=str(DAY))
    assert (mail.mails, topic.received()) == ([], [])


def test_one_reason_that_fails_many_tasks_and_days_is_one_message_without_secrets(
    stream: Stream, topic: Topic, run_dag: RunDag, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.condensed(OLD)
    stream.fill(DAY)
    at = urlsplit(proxy.url)
    login = {"login": "strata", "password": "hunter2", "extra": {"use_ssl": False}}
    fields = {"conn_type": "opensearch", "host": at.hostname, "port": at.port, **login}
    monkeypatch.setenv("AIRFLOW_CONN_OPENSEARCH_DEFAULT", json.dumps(fields))
    repeated = "no permissions; Authorization: Basic c3RyYXRhOmh1bnRlcjI=\r\nBcc: everybody@example.com"
    proxy.add(refused(403, "security_exception", repeated), path="")
    for day in (DAY, DAY + timedelta(days=1)):
        assert run_dag(stream.dataset, day=str(day)).state == "failed"
    (told,) = topic.received()
    assert told.paragraphs[0].startswith("OpenSearch answered 403: security_exception (no permissions")
    assert not {"hunter2", "c3RyYXRhOmh1bnRlcjI", "everybody"} & set(told.text.replace("=", " ").split())
    assert "then clear " in told.paragraphs[1]


def test_what_becomes_right_by_itself_and_a_run_in_which_all_is_well_tell_nobody(
    stream: Stream, mail: MailServer, topic: Topic, run_dag: RunDag, proxy: FaultyProxy, connection: Any
) -> None:
    connection(proxy.url)
    proxy.add(refused(503, "cluster_block_exception"), path="", times=8)
    stream.fill(DAY)
    assert run_dag(stream.dataset, day=str(DAY)).state == "success"
    assert (mail.mails, topic.received()) == ([], [])


def test_a_report_that_cannot_be_made_is_told(
    stream: Stream, topic: Topic, run_dag: RunDag, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_OPENSEARCH_DEFAULT")
    assert run_dag(stream.dataset, day=str(DAY)).tasks["report"] == "failed"
    (told,) = topic.received()
    assert told.subject.endswith(": the daily cycle could not be reported")
    assert "opensearch_default" in told.text
