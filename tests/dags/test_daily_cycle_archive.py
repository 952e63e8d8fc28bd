"""The daily cycle of a dataset with an archive, as Airflow runs it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from opensearch_strata.archive.store.manifest import NAME, Manifest
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import TransientError
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.workflows.history_copy.parquet_files import HistoryFiles
from tests.copies import keys
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


def copies(s3: Any, bucket: str) -> dict[str, int]:
    """Day -> documents that the Parquet file of its rows stands for."""
    folder = f"a/history/month={DAY:%Y-%m}/day="
    found = s3.list_objects_v2(Bucket=bucket, Prefix="a/history/").get("Contents", [])
    heads = {one["Key"]: s3.head_object(Bucket=bucket, Key=one["Key"]) for one in found}
    return {
        key.removeprefix(folder).removesuffix(".parquet"): int(head["Metadata"]["strata-documents"])
        for key, head in heads.items()
    }


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
    assert copies(s3, bucket) == {f"{OLD}": 240, f"{DAY}": 240}
    assert run.result("copy_history") == {"written": [f"{DAY}"], "unchanged": 1}  # the other one before it was deleted


def test_a_dry_run_archives_and_deletes_nothing(make: Any, run_dag: RunDag, s3: Any, bucket: str) -> None:
    """It condenses and proves its day, whose rows are copied; those of expired days are not."""
    stream = make()
    stream.condensed(OLD)
    prove(stream.client, stream.dataset, OLD, engine="search")
    stream.fill(DAY)
    run = run_dag(stream.dataset, day=str(DAY))
    assert run.state == "success"
    assert stream.exists(OLD)
    assert keys(s3, bucket) == [f"a/history/month={DAY:%Y-%m}/day={DAY}.parquet"]


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
    assert again.result("copy_history")["written"] == [f"{DAY}"]  # it was condensed again


def test_a_day_that_is_due_and_cannot_be_archived_keeps_no_other(
    make: Any, run_dag: RunDag, s3: Any, bucket: str
) -> None:
    stream = make(after_days=1)
    before = DAY - timedelta(days=1)
    for day in (OLD, before, DAY):
        stream.fill(day)
    s3.put_object(Bucket=bucket, Key=f"a/dt={before}/{NAME}", Body=b"{")
    run = run_dag(stream.dataset, day=str(DAY), dry_run=False)
    assert run.tasks["condense_day.archive_due"] == "failed"
    assert manifest(s3, bucket, DAY).documents == 240
    assert not stream.exists(OLD)
    assert stream.exists(before)


def test_a_dry_run_says_what_it_could_not_archive(make: Any, run_dag: RunDag, s3: Any, bucket: str) -> None:
    stream = make()
    for day in (OLD, DAY):
        stream.condensed(day)
    prove(stream.client, stream.dataset, OLD, engine="search")
    other = Manifest(dataset="others", day=OLD, objects=())
    s3.put_object(Bucket=bucket, Key=f"a/dt={OLD}/{NAME}", Body=other.written())
    run = run_dag(stream.dataset, day=str(DAY))
    assert run.tasks["retention.retire.archive[0]"] == "failed"
    assert stream.exists(OLD)


def test_late_documents_replace_the_file_of_their_day(make: Any, run_dag: RunDag, s3: Any, bucket: str) -> None:
    """Those of the day itself, and those of a day that is archived because it is due."""
    stream = make(after_days=1)
    before = DAY - timedelta(days=1)
    stream.fill(before)
    assert run_dag(stream.dataset, day=str(before)).result("copy_history")["written"] == [f"{before}"]
    stream.fill(before, count=5, seed=1)
    stream.fill(DAY)
    run = run_dag(stream.dataset, day=str(DAY))
    assert run.result("copy_history") == {"written": [f"{DAY}", f"{before}"], "unchanged": 0}
    assert copies(s3, bucket) == {f"{before}": 245, f"{DAY}": 240}


def test_a_copy_that_fails_keeps_no_raw_day_and_fails_the_run(make: Any, run_dag: RunDag) -> None:
    stream = make(bucket="no-such-bucket-of-ours", before_delete=False)
    stream.fill(OLD)
    stream.fill(DAY)
    run = run_dag(stream.dataset, day=str(DAY), dry_run=False)
    assert run.state == "failed"
    assert (run.tasks["copy_history"], run.tries("copy_history")) == ("failed", 1)
    assert [task for task, state in run.tasks.items() if state != "success"] == ["copy_history", "report"]
    assert not stream.exists(OLD)
    assert stream.rows(OLD)


def test_a_copy_that_may_succeed_later_is_tried_again(
    make: Any, run_dag: RunDag, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = make()
    stream.fill(DAY)
    find, asked = HistoryFiles.find, []

    def slow(files: HistoryFiles, day: Any) -> Any:
        asked.append(day)
        if len(asked) == 1:
            raise TransientError("S3 is slow.")
        return find(files, day)

    monkeypatch.setattr(HistoryFiles, "find", slow)
    run = run_dag(stream.dataset, day=str(DAY))
    assert (run.state, run.tries("copy_history")) == ("success", 2)
    assert copies(s3, bucket) == {f"{DAY}": 240}


def test_without_pyarrow_no_file_is_written_and_nothing_fails(make: Any, run_dag: RunDag, s3: Any, bucket: str) -> None:
    stream = make()
    stream.fill(OLD)
    stream.fill(DAY)
    with patch.dict("sys.modules", {"pyarrow": None}):
        run = run_dag(stream.dataset, day=str(DAY), dry_run=False)
    assert (run.state, run.tasks["copy_history"]) == ("success", "skipped")
    assert copies(s3, bucket) == {}
    assert not stream.exists(OLD)


def test_a_run_without_a_day_copies_nothing(make: Any, run_dag: RunDag) -> None:
    run = run_dag(make().dataset)
    assert (run.tasks["resolve_day"], run.tasks["copy_history"]) == ("failed", "skipped")
