"""The daily cycle brings the history's second copy up to date, and no copy ever keeps a raw day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest

from opensearch_strata.errors import TransientError
from opensearch_strata.history.copy.day_file import read_file
from opensearch_strata.history.query.sources.carried import days_of_month
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.workflows.backfill.settle import settle_day
from opensearch_strata.workflows.cycle import CycleRun, run_cycle
from opensearch_strata.workflows.history_copy.cycle_copies import copy_window
from opensearch_strata.workflows.history_copy.export import copy_rows
from tests.archives import s3_environment
from tests.copies import Refusing, keys
from tests.shell import Shell
from tests.streams import DAY, Stream, StreamFactory

CYCLE_COPIES = "opensearch_strata.workflows.history_copy.cycle_copies"
NEXT = DAY + timedelta(days=1)
NOW = datetime(2024, 5, 14, 5, tzinfo=UTC)


@pytest.fixture
def stream(make_stream: StreamFactory, bucket: str) -> Stream:
    """A window of one day, and an archive that no deletion waits for."""
    return of_window(make_stream, bucket, 1)


def of_window(make_stream: StreamFactory, bucket: str, days: int) -> Stream:
    archive = {"bucket": bucket, "prefix": "a/", "before_delete": False}
    return make_stream(archive=archive, raw={"window_days": days})


def cycle(stream: Stream, s3: Any, day: date = DAY, *, apply: bool = True) -> CycleRun:
    return run_cycle(stream.client, stream.dataset, day, NOW, apply=apply, s3=lambda: s3, engine="search")


def outcomes(run: CycleRun) -> dict[date, str]:
    return {one.day: one.outcome for one in run.copies.days}


def file_of(day: date) -> str:
    return f"a/history/month=2024-05/day={day}.parquet"


def documents(s3: Any, bucket: str, day: date = DAY) -> int:
    """Documents that the file of a day stands for, as its rows say."""
    return read_file(s3.get_object(Bucket=bucket, Key=file_of(day))["Body"].read(), "the file").documents


def test_a_cycle_writes_the_file_of_its_day_once_and_again_after_late_documents(
    stream: Stream, s3: Any, bucket: str
) -> None:
    stream.fill(DAY)
    run = cycle(stream, s3)
    assert (outcomes(run), run.failed, documents(s3, bucket)) == ({DAY: "written"}, False, 240)
    (again,) = copy_window(stream.client, stream.dataset, DAY, s3=lambda: s3).days
    assert (again.outcome, again.rows, again.size) == ("unchanged", run.report.rows, run.copies.days[0].size)
    stream.fill(DAY, count=5, seed=1)
    assert outcomes(cycle(stream, s3)) == {DAY: "written"}
    assert documents(s3, bucket) == 245
    assert keys(s3, bucket) == [file_of(DAY)]


def test_an_expired_day_is_copied_with_its_late_documents_before_it_goes(stream: Stream, s3: Any, bucket: str) -> None:
    stream.fill(DAY)
    cycle(stream, s3)
    stream.fill(DAY, count=5, seed=1)
    stream.fill(NEXT)
    run = cycle(stream, s3, NEXT)
    assert outcomes(run) == {NEXT: "written", DAY: "written"}
    assert [one.outcome for one in run.retirements] == ["deleted"]
    assert documents(s3, bucket) == 245


def test_a_dry_run_copies_its_day_and_no_expired_one(stream: Stream, s3: Any, bucket: str) -> None:
    stream.fill(DAY)
    prove(stream.client, stream.dataset, DAY, engine="search")
    stream.fill(NEXT)
    assert outcomes(cycle(stream, s3, NEXT, apply=False)) == {NEXT: "written"}
    assert keys(s3, bucket) == [file_of(NEXT)]


def test_files_that_earlier_runs_owe_are_written(make_stream: StreamFactory, s3: Any, bucket: str) -> None:
    """Of a day that was proven by hand; not of one whose rows were written since, nor of one that is not proven."""
    stream = of_window(make_stream, bucket, 5)
    last = DAY + timedelta(days=3)
    for number in range(4):
        stream.fill(DAY + timedelta(days=number))
    prove(stream.client, stream.dataset, DAY, engine="search")
    prove(stream.client, stream.dataset, NEXT, engine="search")
    stream.condense(DAY + timedelta(days=2))
    identity = next(i for i, row in stream.rows(NEXT).items() if row["transform._id"].endswith(f"{NEXT:%Y.%m.%d}"))
    stream.put_row(identity, stream.rows(NEXT)[identity], NEXT)
    assert outcomes(cycle(stream, s3, last)) == {DAY: "written", last: "written"}
    assert keys(s3, bucket) == [file_of(DAY), file_of(last)]


@pytest.mark.parametrize("operation", ["head_object", "put_object"])
def test_a_bucket_that_refuses_is_a_problem_and_keeps_no_raw_day(stream: Stream, s3: Any, operation: str) -> None:
    stream.fill(DAY)
    stream.fill(NEXT)
    run = cycle(stream, Refusing(s3, "AccessDenied", operation), NEXT)
    assert [one.outcome for one in run.retirements] == ["deleted"]
    assert (run.report.verified, run.problem, run.failed) == (True, "", True)
    assert outcomes(run) == {NEXT: "failed", DAY: "failed"}
    assert run.copies.problem.startswith(
        f"The history's second copy of 2 days ({DAY} to {NEXT}) was not written: s3://"
    )
    assert f"strata history export {stream.dataset.name} --from {DAY} --to {NEXT}" in run.copies.problem
    assert not run.copies.passing
    assert stream.rows(DAY)
    later = cycle(stream, s3, NEXT)
    assert (outcomes(later), later.failed) == ({NEXT: "written"}, False)


def test_without_pyarrow_that_is_stated_once_and_nothing_fails(stream: Stream, s3: Any, bucket: str) -> None:
    stream.fill(DAY)
    stream.fill(NEXT)
    with patch.dict("sys.modules", {"pyarrow": None}):
        run = cycle(stream, s3, NEXT)
    assert (run.copies.days, run.failed, stream.exists(DAY)) == ([], False, False)
    assert "pip install 'opensearch-strata[parquet]'" in run.copies.missing
    assert keys(s3, bucket) == []


def test_rows_that_are_condensed_again_meanwhile_are_left_to_another_attempt(stream: Stream, s3: Any) -> None:
    stream.fill(DAY)
    prove(stream.client, stream.dataset, DAY, engine="search")

    def then_written(*arguments: Any, **options: Any) -> Any:
        found = days_of_month(*arguments, **options)
        identity, row = next(iter(stream.rows().items()))
        stream.put_row(identity, row)
        return found

    with patch(f"{CYCLE_COPIES}.days_of_month", then_written):
        copies = copy_window(stream.client, stream.dataset, DAY, s3=lambda: s3)
    assert (len(copies.failed), copies.passing) == (1, True)
    assert "were written or deleted since they were proven" in copies.problem


def test_a_file_that_stands_for_more_documents_is_kept_and_named(stream: Stream, s3: Any, bucket: str) -> None:
    """The month was lost, and its day was condensed again from what was left."""
    stream.fill(DAY)
    cycle(stream, s3)
    stream.client.indices.delete(index=f"{stream.dataset.raw_index(DAY)},{stream.dataset.month_index(DAY)}")
    stream.fill(DAY, count=7)
    run = cycle(stream, s3)
    assert "holds rows of 240 documents, history of 7. It was kept" in run.copies.problem
    assert documents(s3, bucket) == 240


def test_days_that_all_fail_are_not_all_tried(make_stream: StreamFactory, s3: Any, bucket: str) -> None:
    stream = of_window(make_stream, bucket, 9)
    last = DAY + timedelta(days=4)
    for number in range(5):
        stream.fill(DAY + timedelta(days=number), count=5)
        prove(stream.client, stream.dataset, DAY + timedelta(days=number), engine="search")
    refusing = Refusing(s3, "SlowDown", "put_object")
    copies = copy_window(stream.client, stream.dataset, last, s3=lambda: refusing)
    assert [one.day for one in copies.days] == [last - timedelta(days=back) for back in range(3)]
    assert copies.passing
    with patch(f"{CYCLE_COPIES}.copy_rows", side_effect=[MemoryError(), *([TransientError("Later.")] * 4)]):
        assert len(copy_window(stream.client, stream.dataset, last, s3=lambda: s3).days) == 3
    failing = iter([TransientError("Later."), TransientError("Later."), None, TransientError("Later."), None])

    def sometimes(*arguments: Any) -> Any:
        if error := next(failing):
            raise error
        return copy_rows(*arguments)

    with patch(f"{CYCLE_COPIES}.copy_rows", sometimes):
        copies = copy_window(stream.client, stream.dataset, last, s3=lambda: s3)
    assert [one.outcome for one in copies.days] == ["failed", "failed", "written", "failed", "written"]


def test_a_month_that_cannot_be_read_keeps_no_other_from_its_files(
    make_stream: StreamFactory, s3: Any, bucket: str
) -> None:
    stream = of_window(make_stream, bucket, 60)
    april = date(2024, 4, 30)
    for day in (april, DAY):
        stream.fill(day, count=5)
        prove(stream.client, stream.dataset, day, engine="search")
    stream.client.indices.close(index=stream.dataset.month_index(april))
    copies = copy_window(stream.client, stream.dataset, DAY, s3=lambda: s3)
    stream.client.indices.open(index=stream.dataset.month_index(april))
    assert [(one.day, one.outcome) for one in copies.days] == [(DAY, "written"), (april, "failed")]


def test_a_client_that_cannot_be_built_is_a_failure_like_any_other(stream: Stream) -> None:
    def broken() -> Any:
        raise ValueError("no such profile")

    stream.fill(DAY)
    run = run_cycle(stream.client, stream.dataset, DAY, NOW, apply=True, s3=broken, engine="search")
    assert run.report.verified
    assert "no such profile" in run.copies.problem


def test_a_loaded_day_is_copied_before_it_is_dropped(stream: Stream, s3: Any, bucket: str) -> None:
    stream.fill(DAY)
    done = settle_day(stream.client, stream.dataset, DAY, "condense_and_drop", NOW, lambda: s3)
    assert (done.outcome, done.note, documents(s3, bucket)) == ("dropped", "", 240)
    stream.fill(NEXT)
    done = settle_day(
        stream.client,
        stream.dataset,
        NEXT,
        "condense_and_drop",
        NOW,
        lambda: Refusing(s3, "AccessDenied", "head_object"),
    )
    assert done.outcome == "dropped"
    assert f"strata history export {stream.dataset.name} --from {NEXT} --to {NEXT}" in done.note


def test_the_shell_copies_and_says_what_failed(
    shell: Shell, s3: Any, s3_url: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_environment(s3_url).items():
        monkeypatch.setenv(name, value)
    archive = {"bucket": bucket, "prefix": "a/", "before_delete": False}
    stream = shell.stream(archive=archive, raw={"window_days": 1}, engine="search")
    name = stream.dataset.name
    stream.fill(DAY)
    (copied,) = shell.json(f"cycle {name} {DAY}")["copies"]
    assert (copied["outcome"], copied["rows"] > 0, copied["url"]) == ("written", True, f"s3://{bucket}/{file_of(DAY)}")
    stream.fill(DAY, count=5, seed=1)
    (copied,) = shell.json(f"archive {name} --day {DAY} --apply")["copies"]
    assert (copied["outcome"], copied["documents"]) == ("written", 245)
    shown = shell.run(f"cycle {name} {DAY}").stdout
    assert "written" in shown
    assert f"s3://{bucket}/{file_of(DAY)}" in shown
    s3.put_object(Bucket=bucket, Key=file_of(DAY), Body=b"x", Metadata={"strata-dataset": "x", "strata-documents": "9"})
    for line in (f"archive {name} --day {DAY} --apply", f"cycle {name} {DAY}", f"expire {name} --day {NEXT} --apply"):
        failed = shell.run(line, 1)
        assert "cannot be read as the file of a day" in failed.stderr
        assert "It was kept" in failed.stderr
        assert f"strata history export {name} --from {DAY} --to {DAY}" in failed.stderr
    assert not stream.exists(DAY)
