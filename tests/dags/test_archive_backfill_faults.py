"""``archive_backfill`` when something goes wrong on the way: what of it fails, what is kept, what the next run does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from opensearch_strata.airflow.operators.backfill.load import LoadOperator
from opensearch_strata.airflow.operators.backfill.plan import PlanOperator
from opensearch_strata.archive.load import batch, loading
from opensearch_strata.archive.store.objects import open_object
from opensearch_strata.archive.targets import loading_settings
from opensearch_strata.archive.targets.made_days import create
from tests.archives import ledger_of
from tests.dags.archives import Archive, small_batches
from tests.dags.conftest import RunDag
from tests.streams import DAY, measurements

pytestmark = pytest.mark.long

NEXT = DAY + timedelta(days=1)
LOADED = {"from_day": str(DAY), "to_day": str(NEXT), "dry_run": False}


def after_plan(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Let something happen between the plan and the load."""
    execute = PlanOperator.execute

    def execute_then(self: PlanOperator, context: Any) -> Any:
        planned = execute(self, context)
        happens()
        return planned

    monkeypatch.setattr(PlanOperator, "execute", execute_then)


def test_a_batch_that_fails_fails_the_run_after_the_others_are_loaded(
    archive: Archive, run_backfill: RunDag, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small_batches(monkeypatch)
    after_plan(monkeypatch, lambda: archive.drop(archive.key(DAY, 1)))
    run = run_backfill(archive.dataset, **LOADED)
    assert run.state == "failed"
    assert [run.tasks[f"load[{number}]"] for number in range(4)] == ["failed", "success", "success", "success"]
    assert (run.tasks["restore"], run.tasks["prove"], run.tasks["report"]) == ("success", "failed", "failed")
    assert run.tasks["settle"] == "upstream_failed"
    assert run.tries("load[0]") == 1  # an object that is gone does not come back by itself
    assert [archive.documents(day) for day in (DAY, NEXT)] == [60, 80]
    assert archive.refresh_interval() is None
    assert "The backfill FAILED in load_0, prove. Nothing was lost;" in capsys.readouterr().out
    assert len(archive.batch_of(run, 0)) == 2  # for those who clear the load


def test_an_object_that_was_rewritten_since_the_plan_is_loaded_by_the_next_run(
    archive: Archive, run_backfill: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewritten = [*measurements(DAY, count=80)[20:40], *measurements(DAY, count=5, seed=7)]
    with monkeypatch.context() as once:
        after_plan(once, lambda: archive.put(archive.key(DAY, 1), rewritten))
        assert run_backfill(archive.dataset, **LOADED).state == "failed"
    assert run_backfill(archive.dataset, **LOADED).state == "success"
    assert [archive.documents(day) for day in (DAY, NEXT)] == [85, 80]


def test_days_are_put_in_order_even_if_no_batch_is_loaded(
    archive: Archive, run_backfill: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = archive.stream.create(DAY)
    archive.stream.client.indices.put_settings(index=index, body={"index.refresh_interval": "7s"})
    meanwhile: list[str | None] = []

    def fail(self: LoadOperator, context: Any) -> None:
        meanwhile[:] = [archive.refresh_interval(day) for day in (DAY, NEXT)]
        raise ValueError("a bug of ours")

    monkeypatch.setattr(LoadOperator, "execute", fail)
    run = run_backfill(archive.dataset, **LOADED)
    assert (run.state, run.tasks["restore"]) == ("failed", "success")
    assert meanwhile == ["7s", "-1"]  # what was there stays as it is
    assert archive.refresh_interval() == "7s"
    assert not archive.stream.exists(NEXT)  # created for the load, and no event came


def test_a_preparation_that_fails_half_way_gives_everything_back(
    archive: Archive, run_backfill: RunDag, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client, held = archive.stream.client, archive.stream.create(NEXT)
    real = create

    def then_one_is_held(*args: Any, **more: Any) -> bool:
        created = real(*args, **more)
        client.indices.put_settings(index=held, body={"index.blocks.read_only": True})
        return created

    monkeypatch.setattr(loading_settings, "create", then_one_is_held)
    run = run_backfill(archive.dataset, **LOADED)
    client.indices.put_settings(index=held, body={"index.blocks.read_only": None})
    assert (run.tasks["prepare"], run.tasks["restore"], run.tasks["report"]) == ("failed", "upstream_failed", "failed")
    assert not archive.stream.exists(DAY)  # made for the load, and empty
    assert f"cannot be mapped in {held}: " in capsys.readouterr().out
    assert ledger_of(client, archive.dataset.name, "settings") == []


@pytest.fixture
def sigterm() -> Iterator[None]:
    """Airflow's handler of a task, which stays behind in-process, goes with the test."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_load_that_is_killed_hands_its_objects_back_and_the_next_try_loads_the_rest(
    archive: Archive, run_backfill: RunDag, monkeypatch: pytest.MonkeyPatch, sigterm: None
) -> None:
    opened: list[str] = []

    def killed_at_the_fifth(s3: Any, place: Any, size: int) -> Iterator[bytes]:
        opened.append(place.key)
        if len(opened) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)  # the signal is handled in another thread
        return open_object(s3, place, size)

    monkeypatch.setattr(loading, "open_object", killed_at_the_fifth)
    began = time.monotonic()
    run = run_backfill(archive.dataset, **LOADED)
    assert run.state == "success"
    assert run.tries("load[0]") == 2
    assert time.monotonic() - began < batch.LoadSettings().renew_every * 4, "it waited for the lease to expire"
    assert [archive.documents(day) for day in (DAY, NEXT)] == [80, 80]


def test_a_kill_behind_the_load_changes_nothing_any_more() -> None:
    LoadOperator(task_id="load", batch={"number": 0, "label": "x"}).on_kill()


def test_a_day_that_cannot_be_settled_fails_alone(archive: Archive, run_backfill: RunDag) -> None:
    archive.stream.condensed(DAY, count=300)
    archive.stream.client.indices.delete(index=archive.dataset.raw_index(DAY))
    run = run_backfill(archive.dataset, **LOADED, then="condense")
    assert run.state == "failed"
    assert (run.tasks["settle[0]"], run.tasks["settle[1]"]) == ("failed", "success")
    assert [archive.documents(day) for day in (DAY, NEXT)] == [80, 80]


def test_objects_in_an_archive_tier_are_told_in_a_dry_run_and_refused_otherwise(
    archive: Archive, run_backfill: RunDag, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen = f"logs/{DAY:%Y/%m/%d}/12/frozen"
    archive.s3.put_object(Bucket=archive.bucket, Key=frozen, Body=b"{}", StorageClass="GLACIER")
    assert run_backfill(archive.dataset, **{**LOADED, "dry_run": True}).state == "success"
    assert "A run that loads would be refused. 1 object of the range in an archive tier" in capsys.readouterr().out
    run = run_backfill(archive.dataset, **LOADED, then="condense_and_drop")
    assert (run.state, run.tasks["plan"], run.tasks["settle"]) == ("failed", "failed", "upstream_failed")
    assert not archive.stream.exists(DAY)


def test_what_firehose_could_not_deliver_is_named_by_the_report(archive: Archive, run_backfill: RunDag) -> None:
    key = f"logs/processing-failed/{DAY:%Y/%m/%d}/12/x"
    archive.s3.put_object(Bucket=archive.bucket, Key=key, Body=b"{}")
    run = run_backfill(archive.dataset, **LOADED)
    assert run.state == "success"
    verdict = run.result("report")["verdict"]
    assert verdict.startswith("Proven: ")
    assert "1 object under error prefixes, with records that Firehose could not deliver" in verdict
    assert f"s3://{archive.bucket}/logs/processing-failed/." in verdict


def test_a_source_without_objects_fails_the_plan_and_says_what_was_listed(
    archive: Archive, run_backfill: RunDag, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_backfill(archive.dataset, **LOADED, source=f"s3://{archive.bucket}/elsewhere/")
    assert (run.state, run.tasks["plan"]) == ("failed", "failed")
    assert "There are no objects to load" in capsys.readouterr().out
    assert not archive.stream.exists(DAY)
