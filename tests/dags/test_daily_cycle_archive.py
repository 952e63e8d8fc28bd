"""The daily cycle of a dataset with an archive, as Airflow runs it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from opensearch_strata.archive.store.manifest import NAME, Manifest
from opensearch_strata.definition.dataset import Dataset
from tests.dags.conftest import RunDag
from tests.streams import DAY, Stream, StreamFactory

OLD = DAY - timedelta(days=2)


@pytest.fixture
def make(make_stream: StreamFactory, define: Callable[[Dataset], None], aws_connection: None, bucket: str) -> Any:
    """Make a dataset with a window of two days and an archive that Airflow knows."""

    def make(**archive: Any) -> Stream:
        where = {"bucket": bucket, "prefix": "a/", **archive}
        stream = make_stream(raw={"window_days": 2}, archive=where, engine="search")
        define(stream.dataset)
        return stream

    return make


def manifest(s3: Any, bucket: str, day: Any) -> Manifest:
    return Manifest.model_validate_json(s3.get_object(Bucket=bucket, Key=f"a/dt={day}/{NAME}")["Body"].read())


def test_an_expired_day_is_archived_between_its_proof_and_its_deletion(
    make: Any, run_dag: RunDag, s3: Any, bucket: str
) -> None:
    stream = make()
    stream.fill(OLD)
    stream.fill(DAY)
    run = run_dag(stream.dataset, day=str(DAY), dry_run=False)
    assert run.state == "success"
    assert run.tasks["retention.retire.archive[0]"] == "success"
    assert not stream.exists(OLD)
    assert manifest(s3, bucket, OLD).documents == 240
    assert run.result("report")["deleted"] == [stream.dataset.raw_index(OLD)]


def test_a_dry_run_archives_and_deletes_nothing(make: Any, run_dag: RunDag, s3: Any, bucket: str) -> None:
    stream = make()
    stream.condensed(OLD)
    stream.fill(DAY)
    run = run_dag(stream.dataset, day=str(DAY))
    assert run.state == "success"
    assert stream.exists(OLD)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_day_that_cannot_be_archived_is_kept_and_the_report_says_why(make: Any, run_dag: RunDag) -> None:
    stream = make(bucket="no-such-bucket-of-ours")
    stream.fill(OLD)
    stream.fill(DAY)
    run = run_dag(stream.dataset, day=str(DAY), dry_run=False)
    assert run.state == "failed"
    assert run.tasks["retention.retire.archive[0]"] == "failed"
    assert run.tasks["retention.retire.delete[0]"] == "upstream_failed"
    assert stream.exists(OLD)
    assert run.tasks["condense_day.verify"] == "success"


def test_days_in_the_window_are_archived_when_they_are_due(make: Any, run_dag: RunDag, s3: Any, bucket: str) -> None:
    stream = make(after_days=1)
    stream.fill(DAY)
    run = run_dag(stream.dataset, day=str(DAY))
    assert run.state == "success"
    assert run.result("condense_day.archive_due") == {"archived": [stream.dataset.raw_index(DAY)]}
    assert manifest(s3, bucket, DAY).documents == 240
    again = run_dag(stream.dataset, day=str(DAY))
    assert again.tasks["condense_day.archive_due"] == "skipped"
    assert again.state == "success"
