"""The condense task over the transform API: deferral, failures, and the same operator without deferral."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opensearch_strata.airflow.triggers.transform_job import TransformJobTrigger
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.buckets.scripts import condense_metric
from opensearch_strata.history.condense.engines import transform_job
from opensearch_strata.history.condense.engines.job_state import Patience
from tests.dags.conftest import RunDag
from tests.streams import DAY, Stream, StreamFactory
from tests.transform_api import TransformApi

CONDENSE = "condense_day.condense"


@pytest.fixture
def stream(make_stream: StreamFactory, define: Callable[[Dataset], None]) -> Stream:
    """A dataset whose engine the cluster decides, with one raw day."""
    stream = make_stream(engine="auto")
    define(stream.dataset)
    stream.fill(DAY)
    return stream


def hurry(dag: Any) -> None:
    """Poll often."""
    dag.get_task(CONDENSE)._patience = Patience(start=30, progress=30, poll=0.1)


def without_deferral(dag: Any) -> None:
    hurry(dag)
    dag.get_task(CONDENSE).deferrable = False


@pytest.mark.parametrize(("change", "deferrals"), [(hurry, 1), (without_deferral, 0)])
def test_a_day_is_condensed_by_a_job_that_is_removed(
    change: Callable[[Any], None],
    deferrals: int,
    api: TransformApi,
    stream: Stream,
    run_dag: RunDag,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched: list[str] = []
    watch = TransformJobTrigger._watch

    def noted(trigger: Any, client: Any) -> Any:
        watched.append(trigger.job_id)
        return watch(trigger, client)

    monkeypatch.setattr(TransformJobTrigger, "_watch", noted)
    run = run_dag(stream.dataset, change, day=str(DAY))
    assert run.state == "success"
    assert len(watched) == deferrals
    assert run.result(CONDENSE)["engine"] == "transform_job"
    assert run.result(CONDENSE)["documents"] == 240
    assert run.result("condense_day.verify")["state"] == "verified"
    job_id = stream.dataset.transform_id(DAY)
    with build_client(ClientSettings.from_url(api.url)) as client:
        assert client.plugins.transforms.explain(id=job_id) == {job_id: None}


def test_a_source_that_grows_meanwhile_is_condensed_again(
    api: TransformApi, stream: Stream, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = iter([5])
    settle = transform_job.finish_job

    def settle_late(*args: Any) -> Any:
        for count in late:
            stream.fill(DAY, count=count, seed=9)
        return settle(*args)

    monkeypatch.setattr(transform_job, "finish_job", settle_late)
    run = run_dag(stream.dataset, hurry, day=str(DAY))
    assert run.state == "success"
    assert run.result(CONDENSE)["documents"] == 245


def test_a_job_that_failed_for_a_passing_reason_is_started_again(
    api: TransformApi, stream: Stream, run_dag: RunDag
) -> None:
    api.faults.fail_runs(2)
    run = run_dag(stream.dataset, hurry, day=str(DAY))
    assert run.state == "success"
    assert run.tries(CONDENSE) == 1


def test_a_job_that_fails_for_good_fails_its_task_at_once(
    api: TransformApi, stream: Stream, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = condense_metric(stream.dataset)
    broken["scripted_metric"]["map_script"]["source"] = "throw new IllegalStateException('no such luck')"
    monkeypatch.setattr(transform_job, "condense_metric", lambda *_, **__: broken)
    run = run_dag(stream.dataset, hurry, day=str(DAY))
    assert run.state == "failed"
    assert run.tries(CONDENSE) == 1


def test_a_job_that_hangs_is_given_up_and_tried_again(api: TransformApi, stream: Stream, run_dag: RunDag) -> None:
    api.faults.hang_run(after_pages=0)

    def impatient(dag: Any) -> None:
        dag.get_task(CONDENSE)._patience = Patience(start=30, progress=3, poll=0.1)

    run = run_dag(stream.dataset, impatient, day=str(DAY))
    assert run.state == "success"
    assert run.tries(CONDENSE) == 2


def test_a_job_that_is_never_picked_up_fails_its_task_in_the_end(
    api: TransformApi, stream: Stream, run_dag: RunDag
) -> None:
    api.faults.pick_up_jobs = False

    def impatient(dag: Any) -> None:
        dag.get_task(CONDENSE)._patience = Patience(start=0.3, progress=2, poll=0.1)
        dag.get_task(CONDENSE).retries = 1

    run = run_dag(stream.dataset, impatient, day=str(DAY))
    assert run.state == "failed"
    assert run.tries(CONDENSE) == 2


@pytest.mark.parametrize("lie", ["lose_row", "double_row"])
def test_rows_that_a_job_got_wrong_are_rebuilt_by_verify(
    lie: str, api: TransformApi, stream: Stream, run_dag: RunDag
) -> None:
    getattr(api.faults, lie)()
    run = run_dag(stream.dataset, hurry, day=str(DAY))
    assert run.state == "success"
    assert run.result("condense_day.verify")["state"] == "verified"


def test_a_cluster_that_is_busy_for_a_moment_costs_a_retry(api: TransformApi, stream: Stream, run_dag: RunDag) -> None:
    api.faults.refuse(1, 429, "_explain")
    run = run_dag(stream.dataset, hurry, day=str(DAY))
    assert run.state == "success"
    assert run.tries(CONDENSE) == 2
