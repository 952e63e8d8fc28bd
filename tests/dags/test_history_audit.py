"""The weekly audit as Airflow runs it: one task for each dataset, and a run that fails only for what would be lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from opensearch_strata.archive.store.manifest import NAME, Manifest
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.workflows.archiving import archive_day
from opensearch_strata.workflows.history_copy.export import copy_day
from tests.dags.conftest import Run, run_in_process
from tests.faults.proxy import FaultyProxy
from tests.faults.rules import refused
from tests.servers.sns import Topic
from tests.streams import DAY, Stream, StreamFactory

RunAudit = Callable[..., Run]


@pytest.fixture
def run_audit(airflow_database: None, connection: Callable[[str], None], aws_connection: None) -> RunAudit:
    """Run ``history_audit`` in-process with the given params."""
    return lambda **conf: run_in_process("history_audit.py", "history_audit", lambda _: None, conf)


@pytest.fixture
def archived(
    make_stream: StreamFactory, define: Callable[[Dataset], None], s3: Any, bucket: str, notify: dict[str, Any]
) -> Stream:
    """A dataset with two archived days whose raw days are gone, and whose alarms the topic receives."""
    archive = {"bucket": bucket, "prefix": "a/"}
    stream = make_stream(archive=archive, engine="search", cycle={"notify": notify})
    define(stream.dataset)
    for day in (DAY, DAY + timedelta(days=1)):
        stream.fill(day)
        proof = prove(stream.client, stream.dataset, day)
        archive_day(stream.client, s3, stream.dataset, proof)
        copy_day(stream.client, s3, stream.dataset, proof)
        stream.client.indices.delete(index=stream.dataset.raw_index(day))
    return stream


@pytest.fixture
def plain(make_stream: StreamFactory, define: Callable[[Dataset], None]) -> Stream:
    """A dataset without an archive, with a raw day to which documents came late."""
    stream = make_stream(engine="search", raw={"window_days": 30_000})
    define(stream.dataset)
    stream.condensed()
    prove(stream.client, stream.dataset, DAY)
    stream.fill(count=5, seed=1)
    return stream


def test_every_dataset_is_audited_and_late_documents_are_condensed(
    archived: Stream, plain: Stream, run_audit: RunAudit, topic: Topic
) -> None:
    run = run_audit()
    assert run.state == "success"
    assert topic.received() == []
    assert set(run.tasks.values()) == {"success"}
    names = sorted([archived.dataset.name, plain.dataset.name])
    assert sorted(run.label(f"look[{place}]") for place in range(2)) == names
    sums = run.result("report")["datasets"]
    assert sums[archived.dataset.name] == {"lost": 0, "would be lost": 0, "look": 0, "fine": 3}
    assert sums[plain.dataset.name]["look"] == 0
    assert sum(row["transform._doc_count"] for row in plain.rows().values()) == 245
    place = names.index(archived.dataset.name)
    restored = run.result(f"restore[{place}]", key="audited")
    assert restored["spent"]["documents"] == restored["planned"]["documents"] == 240
    assert [one["kind"] for one in restored["findings"]] == ["copy", "restored"]


def test_a_loss_fails_its_dataset_and_the_run_and_is_told(
    archived: Stream, plain: Stream, run_audit: RunAudit, s3: Any, bucket: str, topic: Topic
) -> None:
    body = s3.get_object(Bucket=bucket, Key=f"a/dt={DAY}/{NAME}")["Body"].read()
    s3.delete_object(Bucket=bucket, Key=Manifest.model_validate_json(body).objects[0].key)
    run = run_audit(restore=0)
    place = sorted([archived.dataset.name, plain.dataset.name]).index(archived.dataset.name)
    assert run.state == "failed"
    assert run.tasks[f"look[{place}]"] == "failed"
    assert run.tasks[f"look[{1 - place}]"] == "success"
    assert run.tasks["report"] == "failed"
    assert run.tries(f"look[{place}]") == 1
    left = run.result(f"look[{place}]", key="audited")
    assert left["failed"]
    worst = left["findings"][0]
    assert (worst["severity"], worst["day"]) == ("lost", str(DAY))
    (told,) = topic.received()
    assert told.subject == f"Strata: {archived.dataset.name}: an audit found something lost"
    sentence, cure, link = told.paragraphs
    assert sentence.startswith(f"{DAY}: {worst['finding'].rstrip('.')}.")
    assert worst["cure"] in cure
    assert "/dags/history_audit/runs/" in link


def test_an_audit_that_cannot_look_is_told_once_for_each_dataset(
    archived: Stream, run_audit: RunAudit, proxy: FaultyProxy, connection: Callable[[str], None], topic: Topic
) -> None:
    connection(proxy.url)
    proxy.add(refused(403, "security_exception", "no permissions"), path="")
    assert run_audit().state == "failed"
    (told,) = topic.received()
    assert told.subject == f"Strata: {archived.dataset.name}: an audit could not look"
    assert "403" in told.paragraphs[0]


def test_one_dataset_and_some_days(archived: Stream, plain: Stream, run_audit: RunAudit) -> None:
    run = run_audit(dataset=plain.dataset.name, from_day=str(DAY), to_day=str(DAY), restore=0, apply=False)
    assert run.state == "success"
    assert [task for task in run.tasks if task.startswith("look")] == ["look[0]"]
    (late,) = [one for one in run.result("look[0]", key="audited")["findings"] if one["kind"] == "late"]
    assert (late["severity"], late["day"]) == ("look", str(DAY))
    assert sum(row["transform._doc_count"] for row in plain.rows().values()) == 240


@pytest.mark.parametrize("conf", [{"restroe": 1}, {"from_day": "2024-05-07", "to_day": str(DAY)}])
def test_a_form_that_does_not_fit_is_refused(plain: Stream, run_audit: RunAudit, conf: dict[str, Any]) -> None:
    run = run_audit(**conf)
    assert run.tasks["choose"] == "failed"
    assert run.state == "failed"
