"""``archive_backfill`` when something goes wrong on the way: what of it fails, what is kept, what the next run does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from opensearch_strata.archive import load
from opensearch_strata.operators.backfill.load import LoadOperator
from opensearch_strata.operators.backfill.plan import PlanOperator
from tests.dags.archives import Archive, small_batches
from tests.dags.conftest import RunDag
from tests.streams import DAY, measurements

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
    assert "The backfill FAILED in load_0, prove; nothing was lost." in capsys.readouterr().out
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


def test_settings_are_given_back_even_if_no_batch_is_loaded(
    archive: Archive, run_backfill: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = archive.stream.create(DAY)
    archive.stream.client.indices.put_settings(index=index, body={"index.refresh_interval": "7s"})
    meanwhile = []

    def fail(self: LoadOperator, context: Any) -> None:
        meanwhile.append(archive.refresh_interval())
        raise ValueError("a bug of ours")

    monkeypatch.setattr(LoadOperator, "execute", fail)
    run = run_backfill(archive.dataset, **LOADED)
    assert (run.state, run.tasks["restore"]) == ("failed", "success")
    assert meanwhile == ["-1"]
    assert archive.refresh_interval() == "7s"
    assert not archive.stream.exists(NEXT)  # created for the load, and no event came


@pytest.fixture
def sigterm() -> Iterator[None]:
    """Airflow's handler of a task, which stays behind in-process, goes with the test."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_load_that_is_killed_hands_its_objects_back_and_the_next_try_loads_the_rest(
    archive: Archive, run_backfill: RunDag, monkeypatch: pytest.MonkeyPatch, sigterm: None
) -> None:
    open_object = load.open_object
    opened: list[str] = []

    def killed_at_the_fifth(s3: Any, place: Any, size: int) -> Iterator[bytes]:
        opened.append(place.key)
        if len(opened) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)  # the signal is handled in another thread
        return open_object(s3, place, size)

    monkeypatch.setattr(load, "open_object", killed_at_the_fifth)
    began = time.monotonic()
    run = run_backfill(archive.dataset, **LOADED)
    assert run.state == "success"
    assert run.tries("load[0]") == 2
    assert time.monotonic() - began < load.LoadSettings().renew_every * 4, "it waited for the lease to expire"
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


def test_a_source_without_objects_fails_the_plan_and_says_what_was_listed(
    archive: Archive, run_backfill: RunDag, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_backfill(archive.dataset, **LOADED, source=f"s3://{archive.bucket}/elsewhere/")
    assert (run.state, run.tasks["plan"]) == ("failed", "failed")
    assert "There are no objects to load" in capsys.readouterr().out
    assert not archive.stream.exists(DAY)
