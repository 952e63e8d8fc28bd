"""Engine ``transform_job``: one Index Management transform per raw day, watched until it has really ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused, StrataError, TransientError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.judging import explain, is_transient
from opensearch_strata.history.buckets.aggregation import PAGE_SIZE
from opensearch_strata.history.buckets.scripts import condense_metric
from opensearch_strata.history.condense.engines.base import EngineRun, OnDocuments
from opensearch_strata.history.condense.engines.job_state import (
    NODE_STARTS,
    STOP_PAUSES,
    JobState,
    Patience,
    assess,
    is_silent,
    newest_node_ms,
)
from opensearch_strata.history.condense.engines.search import condense_by_search
from opensearch_strata.history.month.rows_of_day import carried
from opensearch_strata.history.raw_day.inspection import RawDay, absent_key_fields

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

# A start_time in the past makes the first run wait a whole minute, so this allows for a little clock skew.
_START_DELAY_MS = 1500


def job_body(dataset: Dataset, raw: RawDay, start_ms: int) -> dict[str, Any]:
    """Body of the transform for a raw day. Pure.

    :param start_ms: when to run, epoch milliseconds
    """
    terms = [{"terms": {"source_field": f, "target_field": f}} for f in dataset.history.group_by]
    time_group = {
        "source_field": dataset.raw.timestamp,
        "target_field": "@timestamp",
        "fixed_interval": dataset.history.bucket,
        "timezone": "UTC",
    }
    return {
        "transform": {
            "enabled": True,
            "continuous": False,
            "schedule": {"interval": {"period": 1, "unit": "Minutes", "start_time": start_ms}},
            "description": f"{_ours(dataset)}{raw.day}, definition {dataset.fingerprint}, index {raw.uuid}",
            "source_index": raw.index,
            "target_index": dataset.month_index(raw.day),
            "data_selection_query": {"match_all": {}},
            "page_size": PAGE_SIZE,
            "groups": [*terms, {"date_histogram": time_group}],
            "aggregations": {"metrics": condense_metric(dataset, raw_uuid=raw.uuid)},
        }
    }


def _ours(dataset: Dataset) -> str:
    """The beginning of the description of each of our jobs; a job with another description is somebody else's."""
    return f"Strata {dataset.name} "


def submit(client: OpenSearch, dataset: Dataset, raw: RawDay) -> int:
    """Create the day's job, or attach to it if it is already running for the same definition and index.

    :returns: when it is due to start, epoch milliseconds
    :raises Refused: a group field or the time is missing from the mapping of the raw day, or something else in Index
        Management has the job's id
    """
    from opensearchpy import ConflictError

    if absent := absent_key_fields(dataset, raw):
        raise Refused(
            f"{raw.index} has no field {', '.join(absent)}, and a transform job does not accept an index without its "
            f"group fields. Nothing was written. Condense this day with engine search, which treats an absent field as "
            f"a missing value."
        )
    job_id = dataset.transform_id(raw.day)
    start_ms = int(time.time() * 1000) + _START_DELAY_MS
    body = job_body(dataset, raw, start_ms)
    try:
        client.plugins.transforms.put(id=job_id, body=body)
    except ConflictError:
        job = _job(client, job_id)
        if job and job["enabled"] and job["description"] == body["transform"]["description"]:
            return int(job["schedule"]["interval"]["start_time"])
        remove_job(client, dataset, raw.day)
        try:
            client.plugins.transforms.put(id=job_id, body=body)
        except ConflictError as error:
            raise _taken(client, job_id) from error
    return start_ms


def _taken(client: OpenSearch, job_id: str) -> StrataError:
    """Why an id is not available: transforms, rollups and policies share one index, so their ids may collide."""
    if _job(client, job_id):
        return TransientError(f"Another run created transform {job_id} at the same time; try again.")
    return Refused(
        f"The id {job_id} is taken in Index Management by a rollup or a policy, not by a transform. "
        f"It was left as it is, and nothing was written. Give it another name, or condense with engine search."
    )


def _job(client: OpenSearch, job_id: str) -> Mapping[str, Any] | None:
    """The job document, None if there is none."""
    from opensearchpy import NotFoundError

    try:
        job: Mapping[str, Any] = client.plugins.transforms.get(id=job_id)["transform"]
    except NotFoundError:
        return None
    return job


def read_state(client: OpenSearch, job_id: str, due_ms: int, patience: Patience) -> JobState:
    """The present state of a job."""
    job = _job(client, job_id)
    explained = client.plugins.transforms.explain(id=job_id).get(job_id)
    now_ms = int(time.time() * 1000)
    state = assess(job, explained, due_ms, now_ms, patience)
    if is_silent(state, due_ms, now_ms):
        return assess(job, explained, due_ms, now_ms, patience, newest_node_ms(node_starts(client)))
    return state


def node_starts(client: OpenSearch) -> Any:
    """When each node was started; empty if the user is not allowed to ask."""
    from opensearchpy import AuthorizationException

    try:
        return client.nodes.info(metric="jvm", params=NODE_STARTS)
    except AuthorizationException:
        return {}


def finish_job(
    client: OpenSearch, dataset: Dataset, raw: RawDay, state: JobState, restarts: int, patience: Patience
) -> EngineRun | None:
    """Clean up after a job that has ended. Returns its run if the day is condensed, None if the job was restarted.

    What keeps a job from writing is found by asking the month; otherwise the day is condensed with engine search, which
    either names the cause or succeeds without the job.

    :param restarts: how often the job was already restarted
    :raises Refused: it failed for a reason that a repetition cannot cure; the root cause is in the message
    :raises TransientError: it hung, was stopped or deleted, or hit a problem that may pass
    """
    job_id = dataset.transform_id(raw.day)
    if state.phase == "finished":
        remove_job(client, dataset, raw.day)
        seconds = (state.search_millis / 1000, state.index_millis / 1000)
        return EngineRun("transform_job", state.documents, state.rows, *seconds)
    sentence = f"Transform {job_id} {'failed' if state.phase == 'gone' else state.phase}: {state.reason}."
    if state.phase == "gone":
        return _by_the_other_run(client, dataset, raw, sentence)
    if state.phase == "failed" and not state.resumable:
        # A restarted job would wait for the lock of its old run to expire (30 min); removing it removes the lock.
        remove_job(client, dataset, raw.day)
        raise TransientError(f"{sentence} Rows written so far were kept; the next attempt overwrites them.")
    if cause := _write_block(client, dataset, raw):
        remove_job(client, dataset, raw.day)
        raise TransientError(f"{sentence} {cause}")
    error = _root_cause(client, dataset, raw)
    if error is not None and not is_transient(error):
        remove_job(client, dataset, raw.day)
        raise Refused(f"{sentence} {explain(error)} Rows written so far were kept; the next run overwrites them.")
    if state.phase == "orphaned" and restarts < patience.restarts:
        remove_job(client, dataset, raw.day)  # which also removes the lock that its node left behind
        submit(client, dataset, raw)
        return None
    if state.phase == "failed" and restarts < patience.restarts and _start(client, job_id):
        return None
    remove_job(client, dataset, raw.day)
    if state.phase == "failed" and error is None:
        return condense_by_search(client, dataset, raw)
    seen = explain(error) if error else "Its preview shows no problem; the cause is in the log of the node."
    raise TransientError(f"{sentence} It was restarted {counted(restarts, 'time')}. {seen}")


def _by_the_other_run(client: OpenSearch, dataset: Dataset, raw: RawDay, sentence: str) -> EngineRun:
    """The result of another run, which was attached to the same job and was the first to see its end.

    :raises TransientError: the rows do not carry the day
    """
    there = carried(client, dataset, raw.day)
    if there.rows and there.documents == raw.documents:
        return EngineRun("transform_job", there.documents, there.rows, 0.0, 0.0)
    raise TransientError(f"{sentence} Rows written so far were kept; the next attempt overwrites them.")


_BLOCKS = ("read_only", "read_only_allow_delete", "write")


def _write_block(client: OpenSearch, dataset: Dataset, raw: RawDay) -> str:
    """Sentence that names what keeps the month from accepting rows; empty if nothing does."""
    from opensearchpy import NotFoundError

    month = dataset.month_index(raw.day)
    try:
        settings = client.indices.get_settings(index=month)[month]["settings"]["index"]
    except NotFoundError:
        return f"{month} was deleted meanwhile together with its rows; the next run recreates it."
    blocked = [name for name in _BLOCKS if settings.get("blocks", {}).get(name) == "true"]
    if not blocked:
        return ""
    full = " A disk of the cluster is full." if "read_only_allow_delete" in blocked else ""
    names = ", ".join(f"index.blocks.{name}" for name in blocked)
    return f"{month} does not accept rows ({names}).{full} Rows written so far were kept. Lift the block and run again."


def _start(client: OpenSearch, job_id: str) -> bool:
    """Let a failed job resume after its last good page; False if it no longer exists."""
    from opensearchpy import NotFoundError

    try:
        client.plugins.transforms.start(id=job_id)
    except NotFoundError:
        return False
    return True


def _root_cause(client: OpenSearch, dataset: Dataset, raw: RawDay) -> Exception | None:
    """The real error behind a job's short reason: a preview runs the same search and returns the error."""
    from opensearchpy import TransportError

    try:
        client.plugins.transforms.preview(body=job_body(dataset, raw, int(time.time() * 1000)))
    except TransportError as error:
        return error
    return None


def remove_job(client: OpenSearch, dataset: Dataset, day: date) -> None:
    """Remove the day's job, running or not. A job that is already gone is fine.

    :raises Refused: according to its description, the job is somebody else's; it was left as it is
    :raises TransientError: the server did not remove it
    """
    job_id = dataset.transform_id(day)
    job = _job(client, job_id)
    if job is None:  # anything else that has this id is not ours to delete
        return
    if not str(job.get("description", "")).startswith(_ours(dataset)):
        raise Refused(
            f"The transform {job_id} was not made by Strata (its description does not begin with {_ours(dataset)!r}). "
            f"It was left as it is, and nothing was written. Delete or rename it, or condense with engine search."
        )
    answer = client.plugins.transforms.delete(id=job_id, params={"force": "true"})
    for item in answer["items"]:
        if item["delete"]["status"] not in (200, 404):
            raise TransientError(f"Transform {job_id} could not be removed ({item['delete']}); try again.")


def stop(client: OpenSearch, job_id: str) -> None:
    """Ask a job to stop. A job that is gone or has ended is fine, and so is one that somebody is changing right now.

    :param job_id: id of the transform
    """
    from opensearchpy import ConflictError, NotFoundError, RequestError

    for pause in STOP_PAUSES:
        try:
            client.plugins.transforms.stop(id=job_id)
        except ConflictError:
            time.sleep(pause)
        except (NotFoundError, RequestError):
            return
        else:
            return


def condense_by_job(
    client: OpenSearch,
    dataset: Dataset,
    raw: RawDay,
    on_documents: OnDocuments = lambda _: None,
    patience: Patience | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> EngineRun:
    """Submit the day's job and wait for it to end. Safe to repeat; attaches to a job that is already running.

    Ctrl-C also stops the job.
    """
    patience = patience or Patience()
    job_id = dataset.transform_id(raw.day)
    seen = restarts = 0
    try:
        due_ms = submit(client, dataset, raw)  # Ctrl-C may come after the server has created the job
        while True:
            state = read_state(client, job_id, due_ms, patience)
            on_documents(max(0, state.documents - seen))
            seen = max(seen, state.documents)
            if state.over:
                if run := finish_job(client, dataset, raw, state, restarts, patience):
                    return run
                restarts += 1
                due_ms = int(time.time() * 1000)
            sleep(patience.pause(due_ms, int(time.time() * 1000)))
    except KeyboardInterrupt:
        stop(client, job_id)
        raise
