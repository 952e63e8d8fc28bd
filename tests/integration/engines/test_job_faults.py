"""Transform jobs that fail, hang, are stopped, deleted or left over: no row is lost, no job stays."""

from __future__ import annotations

import time
from typing import Any

import pytest
from opensearchpy import OpenSearch, TransportError

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.judging import is_transient
from opensearch_strata.history.condense.engines import job_state, search, transform_job
from opensearch_strata.history.condense.engines.job_state import Patience
from opensearch_strata.history.condense.engines.transform_job import condense_by_job, submit
from opensearch_strata.history.raw_day.inspection import RawDay
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.history.verify.verify import verify
from tests.faults.proxy import Answer, FaultyProxy, Forward, Request
from tests.faults.rules import refused
from tests.jobs import DOCUMENTS, assert_exact, condense_day, job, raw_of, state, wait_until_over
from tests.streams import DAY, Stream, StreamFactory, measurements
from tests.transform_api import TransformApi

pytestmark = pytest.mark.usefixtures("quick_jobs")


def test_a_transient_failure_goes_on_where_it_stopped(cluster: OpenSearch, api: TransformApi, filled: Stream) -> None:
    api.faults.fail_runs(2, after_pages=1)
    run = condense_day(cluster, filled)
    assert run.documents == DOCUMENTS
    assert_exact(cluster, filled, DOCUMENTS)


def test_a_job_that_fails_without_end_is_replaced_by_a_search(
    cluster: OpenSearch, api: TransformApi, filled: Stream
) -> None:
    api.faults.fail_runs(9)
    run = condense_day(cluster, filled)
    assert (run.engine, run.documents) == ("search", DOCUMENTS)
    assert_exact(cluster, filled, DOCUMENTS)


def test_rows_that_the_month_never_takes_are_named_by_the_search(
    cluster: OpenSearch, api: TransformApi, filled: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plugin says that it failed to index; which row and why, only a write of ours can tell."""
    api.faults.fail_runs(9, reason="Failed to index the documents")

    def refused(*_: Any) -> None:
        raise Refused("OpenSearch refused 1 document of a bulk request; the first with 400: mapper_parsing_exception.")

    monkeypatch.setattr(search, "_write", refused)
    with pytest.raises(Refused, match="mapper_parsing_exception"):
        condense_day(cluster, filled)
    assert job(cluster, filled) is None


@pytest.mark.parametrize("block", ["write", "read_only", "read_only_allow_delete"])
def test_a_month_that_takes_no_rows_is_named_at_once(
    cluster: OpenSearch, api: TransformApi, filled: Stream, block: str
) -> None:
    raw = raw_of(cluster, filled)
    month = filled.dataset.month_index(DAY)
    filled.client.indices.put_settings(index=month, body={f"index.blocks.{block}": True})
    try:
        with pytest.raises(TransientError, match=rf"{month} does not accept rows \(index.blocks.{block}\)") as told:
            condense_by_job(cluster, filled.dataset, raw)
        assert ("A disk of the cluster is full" in str(told.value)) is (block == "read_only_allow_delete")
        assert job(cluster, filled) is None
    finally:
        filled.client.indices.put_settings(index=month, body={f"index.blocks.{block}": None})
    assert condense_day(cluster, filled).documents == DOCUMENTS


@pytest.mark.index_management
def test_a_script_that_fails_is_refused_with_its_line(
    cluster: OpenSearch, filled: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {
        "scripted_metric": {
            "init_script": "state.n = 0L",
            "map_script": "state.n += doc['nope'].value",
            "combine_script": "return state.n",
            "reduce_script": "return 0L",
        }
    }
    monkeypatch.setattr(transform_job, "condense_metric", lambda *_, **__: broken)
    sentence = r"failed: Failed to search data in source indices\. OpenSearch answered 400: .*line `state.n \+= doc"
    with pytest.raises(Refused, match=sentence):
        condense_day(cluster, filled)
    assert job(cluster, filled) is None


@pytest.mark.index_management
def test_a_day_whose_mapping_the_plugin_does_not_take_is_refused(
    cluster: OpenSearch, make_stream: StreamFactory
) -> None:
    stream = make_stream({"@timestamp": "date", "device": "keyword"})
    stream.write([{"@timestamp": DAY.isoformat(), "device": "d"}])
    with pytest.raises(Refused, match="has no field site, and a transform job does not accept an index without"):
        condense_day(cluster, stream)


def test_a_job_that_is_never_picked_up_is_given_up(cluster: OpenSearch, api: TransformApi, filled: Stream) -> None:
    api.faults.pick_up_jobs = False
    impatient = Patience(start=1, poll=0.02)
    with pytest.raises(TransientError, match=r"stuck: the job was not picked up within 1 s of its start time"):
        condense_by_job(cluster, filled.dataset, raw_of(cluster, filled), patience=impatient)
    assert job(cluster, filled) is None


def test_a_job_that_falls_silent_is_given_up_and_done_again(
    cluster: OpenSearch, api: TransformApi, filled: Stream
) -> None:
    api.faults.hang_run(after_pages=1)
    impatient = Patience(progress=1, poll=0.02)
    with pytest.raises(TransientError, match=r"stuck: the job made no progress for 1 s"):
        condense_by_job(cluster, filled.dataset, raw_of(cluster, filled), patience=impatient)
    assert job(cluster, filled) is None
    assert 0 < len(filled.rows()) < DOCUMENTS
    assert condense_day(cluster, filled).documents == DOCUMENTS
    assert_exact(cluster, filled, DOCUMENTS)


def test_a_job_whose_node_died_is_done_again_at_once(
    cluster: OpenSearch, api: TransformApi, filled: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock would keep every next run off for half an hour."""
    api.faults.hang_run(after_pages=1)
    monkeypatch.setattr(job_state, "_SILENT_MS", 100)

    submitted = []

    def counted(client: OpenSearch, dataset: Dataset, raw: RawDay) -> int:
        submitted.append(raw.day)
        return submit(client, dataset, raw)

    def starts(_: OpenSearch) -> dict[str, Any]:
        """A node was started anew behind the first job; the one that follows may be as slow as it likes."""
        anew = int(time.time() * 1000) + 60_000 if len(submitted) == 1 else 1
        return {"nodes": {"a": {"jvm": {"start_time_in_millis": 1}}, "b": {"jvm": {"start_time_in_millis": anew}}}}

    monkeypatch.setattr(transform_job, "submit", counted)
    monkeypatch.setattr(transform_job, "node_starts", starts)
    assert condense_day(cluster, filled).documents == DOCUMENTS
    assert_exact(cluster, filled, DOCUMENTS)


def test_a_silent_job_whose_nodes_all_live_is_left_alone(
    cluster: OpenSearch, api: TransformApi, filled: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.faults.hang_run(after_pages=1)
    monkeypatch.setattr(job_state, "_SILENT_MS", 100)
    impatient = Patience(progress=1, poll=0.02)
    with pytest.raises(TransientError, match=r"stuck: the job made no progress for 1 s"):
        condense_by_job(cluster, filled.dataset, raw_of(cluster, filled), patience=impatient)


@pytest.mark.index_management
def test_of_two_runs_on_one_day_both_have_its_rows(cluster: OpenSearch, api: TransformApi, filled: Stream) -> None:
    """Both watch one job; who sees its end first removes it, which is no failure of the other."""
    raw = raw_of(cluster, filled)

    def the_other_run(_: float) -> None:
        wait_until_over(cluster, filled)
        transform_job.remove_job(cluster, filled.dataset, DAY)

    run = condense_by_job(cluster, filled.dataset, raw, sleep=the_other_run)
    assert (run.documents, run.rows) == (DOCUMENTS, len(filled.rows()))
    assert_exact(cluster, filled, DOCUMENTS)


@pytest.mark.index_management
def test_a_transform_of_somebody_else_under_our_id_is_left_alone(
    cluster: OpenSearch, api: TransformApi, filled: Stream
) -> None:
    raw = raw_of(cluster, filled)
    body = transform_job.job_body(filled.dataset, raw, int(time.time() * 1000) + 3_600_000)
    body["transform"]["description"] = "the finance team's"
    cluster.plugins.transforms.put(id=filled.dataset.transform_id(DAY), body=body)
    with pytest.raises(Refused, match="was not made by Strata"):
        condense_day(cluster, filled)
    found = job(cluster, filled)
    assert found is not None
    assert found["description"] == "the finance team's"


def test_an_id_that_something_else_of_the_plugin_bears_is_refused(api: TransformApi, filled: Stream) -> None:
    """Rollups and policies share an index with transforms: a conflict, yet no transform is found."""
    with FaultyProxy(api.url) as proxy, OpenSearch(proxy.url) as through:
        raw = raw_of(through, filled)
        taken = refused(409, "version_conflict_engine_exception")
        proxy.add(
            lambda request, forward: (taken if request.method == "PUT" else passed)(request, forward),
            path=filled.dataset.transform_id(DAY),
        )
        with pytest.raises(Refused, match="is taken in Index Management by a rollup or a policy"):
            condense_by_job(through, filled.dataset, raw)


def passed(request: Request, forward: Forward) -> Answer:
    return forward(request)


@pytest.mark.index_management
def test_a_job_of_ours_that_runs_is_joined(cluster: OpenSearch, api: TransformApi, filled: Stream) -> None:
    raw = raw_of(cluster, filled)
    due = submit(cluster, filled.dataset, raw)
    time.sleep(0.01)
    assert submit(cluster, filled.dataset, raw) == due
    assert condense_by_job(cluster, filled.dataset, raw).documents == DOCUMENTS
    assert_exact(cluster, filled, DOCUMENTS)


def test_a_job_for_another_index_is_replaced(cluster: OpenSearch, api: TransformApi, filled: Stream) -> None:
    api.faults.pick_up_jobs = False
    due = submit(cluster, filled.dataset, raw_of(cluster, filled))
    filled.client.indices.delete(index=filled.dataset.raw_index(DAY))
    filled.fill(count=30)
    time.sleep(0.01)
    assert submit(cluster, filled.dataset, raw_of(cluster, filled)) > due


@pytest.mark.index_management
def test_a_leftover_job_is_replaced(cluster: OpenSearch, filled: Stream) -> None:
    due = submit(cluster, filled.dataset, raw_of(cluster, filled))
    wait_until_over(cluster, filled)  # its task was lost here
    filled.write(measurements(count=10, seed=3))
    assert submit(cluster, filled.dataset, raw_of(cluster, filled)) > due
    assert condense_day(cluster, filled).documents == DOCUMENTS + 10
    assert_exact(cluster, filled, DOCUMENTS + 10)


def test_a_job_that_somebody_deletes_is_told(cluster: OpenSearch, api: TransformApi, filled: Stream) -> None:
    api.faults.pick_up_jobs = False

    def somebody(_: float) -> None:
        cluster.plugins.transforms.delete(id=filled.dataset.transform_id(DAY), params={"force": "true"})

    with pytest.raises(TransientError, match="failed: the job was deleted by somebody else while it ran"):
        condense_by_job(cluster, filled.dataset, raw_of(cluster, filled), sleep=somebody)


def test_a_job_that_somebody_stops_is_told(cluster: OpenSearch, api: TransformApi, filled: Stream) -> None:
    api.faults.page_delay = 0.1

    def somebody(_: float) -> None:
        if state(cluster, filled).documents:
            transform_job.stop(cluster, filled.dataset.transform_id(DAY))

    with pytest.raises(TransientError, match=r"failed: the job was stopped\. Rows written so far were kept"):
        condense_by_job(cluster, filled.dataset, raw_of(cluster, filled), sleep=somebody)
    assert condense_day(cluster, filled).documents == DOCUMENTS
    assert_exact(cluster, filled, DOCUMENTS)


def test_finished_is_not_over_while_the_job_is_enabled(
    cluster: OpenSearch, api: TransformApi, filled: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.faults.disable_delay = 0.3
    enabled: list[bool] = []
    real = transform_job.remove_job

    def remove(connection: OpenSearch, *about: Any) -> None:
        found = job(cluster, filled)
        assert found is not None
        enabled.append(found["enabled"])
        real(connection, *about)

    monkeypatch.setattr(transform_job, "remove_job", remove)
    condense_day(cluster, filled)
    assert enabled == [False]
    assert_exact(cluster, filled, DOCUMENTS)


@pytest.mark.index_management
def test_an_interrupt_stops_the_job(cluster: OpenSearch, api: TransformApi, filled: Stream) -> None:
    api.faults.pick_up_jobs = False

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        condense_by_job(cluster, filled.dataset, raw_of(cluster, filled), sleep=interrupt)
    found = job(cluster, filled)
    assert found is not None
    assert found["enabled"] is False


def test_a_poll_that_fails_leaves_the_job_for_the_next_attempt(
    cluster: OpenSearch, api: TransformApi, filled: Stream
) -> None:
    raw = raw_of(cluster, filled)
    api.faults.refuse(1, 429, path="/_explain")
    with pytest.raises(TransportError) as busy:
        condense_by_job(cluster, filled.dataset, raw)
    assert is_transient(busy.value)
    assert condense_by_job(cluster, filled.dataset, raw).documents == DOCUMENTS
    assert_exact(cluster, filled, DOCUMENTS)


@pytest.mark.parametrize("fault", ["lose_row", "double_row"])
def test_rows_that_the_cluster_gets_wrong_are_mended(
    cluster: OpenSearch, api: TransformApi, filled: Stream, fault: str
) -> None:
    """A row that is missing is noticed at once and is there with the next try; one too many is deleted at once."""
    getattr(api.faults, fault)()
    if fault == "lose_row":
        with pytest.raises(TransientError, match=r"carry 1\d\d of its 120 documents right after they were written"):
            condense_day(cluster, filled)
    condense_day(cluster, filled)
    assert_exact(cluster, filled, DOCUMENTS)
    assert prove(cluster, filled.dataset, DAY, engine="transform_job").state == "verified"


def test_rows_that_the_cluster_always_gets_wrong_are_never_verified(
    cluster: OpenSearch, api: TransformApi, filled: Stream
) -> None:
    for _ in range(4):
        api.faults.lose_row()
    for attempt in (condense_day, lambda *_: prove(cluster, filled.dataset, DAY, engine="transform_job")):
        with pytest.raises(TransientError, match="right after they were written"):
            attempt(cluster, filled)
    assert verify(cluster, filled.dataset, DAY).state == "differs"
    assert filled.blocks() == set()


def test_ctrl_c_while_the_job_is_created_stops_it(
    cluster: OpenSearch, api: TransformApi, filled: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has created it, and its answer is under way."""
    api.faults.pick_up_jobs = False

    def interrupted(*arguments: Any) -> None:
        submit(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(transform_job, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        condense_by_job(cluster, filled.dataset, raw_of(cluster, filled))
    found = job(cluster, filled)
    assert found
    assert found["enabled"] is False
