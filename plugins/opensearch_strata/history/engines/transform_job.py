"""Engine ``transform_job``: one Index Management transform per raw day, watched until it is really over."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from opensearch_strata.dataset import Dataset
from opensearch_strata.errors import Refused, TransientError, explain, is_transient
from opensearch_strata.history.aggregation import PAGE_SIZE
from opensearch_strata.history.engines.run import EngineRun, OnDocuments
from opensearch_strata.history.raw_day import RawDay, absent_key_fields
from opensearch_strata.history.scripts import condense_metric

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

# A start_time in the past makes the first run wait a whole minute; a little clock skew is allowed for.
_START_DELAY_MS = 3000


@dataclass(frozen=True)
class Patience:
    """How long a job may be silent, in seconds.

    The defaults are above what the server may need by itself: its sweep for new jobs (5 min and a tick), and the
    lock that a dead node leaves behind (30 min and a tick).
    """

    start: float = 7 * 60
    progress: float = 35 * 60
    poll: float = 5
    restarts: int = 2


Phase = Literal["waiting", "running", "finished", "failed", "stuck"]


@dataclass(frozen=True)
class JobState:
    """What ``_explain`` and the job document say together.

    :param resumable: the job failed by itself; one that somebody stopped or deleted is not started again
    """

    phase: Phase
    reason: str = ""
    documents: int = 0
    rows: int = 0
    search_millis: int = 0
    index_millis: int = 0
    resumable: bool = False

    @property
    def over(self) -> bool:
        """True when watching on would change nothing."""
        return self.phase in ("finished", "failed", "stuck")


def job_body(dataset: Dataset, raw: RawDay, start_ms: int) -> dict[str, Any]:
    """Body of the transform of a raw day. Pure.

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
            "description": f"Strata {dataset.name} {raw.day}, definition {dataset.fingerprint}, index {raw.uuid}",
            "source_index": raw.index,
            "target_index": dataset.month_index(raw.day),
            "data_selection_query": {"match_all": {}},
            "page_size": PAGE_SIZE,
            "groups": [*terms, {"date_histogram": time_group}],
            "aggregations": {"metrics": condense_metric(dataset)},
        }
    }


def submit(client: OpenSearch, dataset: Dataset, raw: RawDay) -> int:
    """Create the day's job, or attach to it if it already runs for the same definition and index.

    :returns: when it is due to start, epoch milliseconds
    :raises Refused: a group field or the time is missing in the mapping of the raw day
    """
    from opensearchpy import ConflictError, NotFoundError

    if absent := absent_key_fields(dataset, raw):
        raise Refused(
            f"{raw.index} has no field {', '.join(absent)}, and a transform job takes no index without its group "
            f"fields. Nothing was written. Condense this day with engine search, to which they are missing values."
        )
    job_id = dataset.transform_id(raw.day)
    start_ms = int(time.time() * 1000) + _START_DELAY_MS
    body = job_body(dataset, raw, start_ms)
    try:
        client.plugins.transforms.put(id=job_id, body=body)
    except ConflictError:
        try:
            job = client.plugins.transforms.get(id=job_id)["transform"]
        except NotFoundError:
            raise TransientError(f"Transform {job_id} came and went while it was created; try again.") from None
        if job["enabled"] and job["description"] == body["transform"]["description"]:
            return int(job["schedule"]["interval"]["start_time"])
        remove(client, job_id)
        client.plugins.transforms.put(id=job_id, body=body)
    return start_ms


def read_state(client: OpenSearch, job_id: str, due_ms: int, patience: Patience) -> JobState:
    """How a job stands now."""
    from opensearchpy import NotFoundError

    try:
        job = client.plugins.transforms.get(id=job_id)["transform"]
    except NotFoundError:
        job = None
    explained = client.plugins.transforms.explain(id=job_id).get(job_id)
    return assess(job, explained, due_ms, int(time.time() * 1000), patience)


def assess(job: Mapping[str, Any] | None, explained: Any, due_ms: int, now_ms: int, patience: Patience) -> JobState:
    """State of a job from its document and its own entry of ``_explain``. Pure.

    ``finished`` is visible before the job is disabled, and an enabled job that failed is about to run again:
    only a disabled job is over.

    :param job: the job document, read before ``explained``; None if there is none
    :param explained: the entry of exactly this id; None, a text, or metadata
    """
    if job is None:
        return JobState("failed", "the job was deleted by somebody else while it ran")
    metadata = explained.get("transform_metadata") if isinstance(explained, Mapping) else None
    if not metadata:
        if not job["enabled"]:
            return JobState("failed", "the job was stopped before it began")
        if now_ms - due_ms > patience.start * 1000:
            return JobState("stuck", f"the job was not picked up within {patience.start:.0f} s of its start time")
        return JobState("waiting")
    stats = metadata["stats"]
    seen = JobState(
        "running",
        documents=stats["documents_processed"],
        rows=stats["documents_indexed"],
        search_millis=stats["search_time_in_millis"],
        index_millis=stats["index_time_in_millis"],
    )
    status = metadata["status"]
    if not job["enabled"] and status in ("finished", "failed", "stopped"):
        reason = metadata.get("failure_reason") or ("the job was stopped" if status == "stopped" else "")
        phase: Phase = "finished" if status == "finished" else "failed"
        return replace(seen, phase=phase, reason=reason, resumable=status == "failed")
    if now_ms - max(metadata["last_updated_at"], due_ms) > patience.progress * 1000:
        return replace(seen, phase="stuck", reason=f"the job made no progress for {patience.progress:.0f} s")
    return seen


def settle(
    client: OpenSearch, dataset: Dataset, raw: RawDay, state: JobState, restarts: int, patience: Patience
) -> EngineRun | None:
    """End a job that is over: its run if it finished, None if it was started again where it stopped.

    :raises Refused: it failed for a reason that no repetition cures; the root cause is in the message
    :raises TransientError: it hung, was stopped or deleted, or failed and has no restarts left
    """
    job_id = dataset.transform_id(raw.day)
    if state.phase == "finished":
        remove(client, job_id)
        seconds = (state.search_millis / 1000, state.index_millis / 1000)
        return EngineRun("transform_job", state.documents, state.rows, *seconds)
    sentence = f"Transform {job_id} {state.phase}: {state.reason}."
    if state.phase == "failed" and not state.resumable:
        # Started again, a stopped job would wait out the lock of its old run (30 min); without the job it is gone.
        remove(client, job_id)
        raise TransientError(f"{sentence} Rows written so far were kept; the next attempt overwrites them.")
    cause = _root_cause(client, dataset, raw)
    if cause is not None and not is_transient(cause):
        remove(client, job_id)
        raise Refused(f"{sentence} {explain(cause)} Rows written so far were kept; the next run overwrites them.")
    if state.phase == "failed" and restarts < patience.restarts and _start(client, job_id):
        return None
    remove(client, job_id)
    seen = explain(cause) if cause else "Its preview shows nothing wrong; the cause is in the log of the node."
    raise TransientError(f"{sentence} It was started again {restarts} times. {seen}")


def _start(client: OpenSearch, job_id: str) -> bool:
    """Let a failed job resume behind its last good page; False if it is no longer there."""
    from opensearchpy import NotFoundError

    try:
        client.plugins.transforms.start(id=job_id)
    except NotFoundError:
        return False
    return True


def _root_cause(client: OpenSearch, dataset: Dataset, raw: RawDay) -> Exception | None:
    """The real error behind a job's short reason: a preview runs the same search and shows it."""
    from opensearchpy import TransportError

    try:
        client.plugins.transforms.preview(body=job_body(dataset, raw, int(time.time() * 1000)))
    except TransportError as error:
        return error
    return None


def remove(client: OpenSearch, job_id: str) -> None:
    """Remove a job, running or not; one that is already gone is fine."""
    answer = client.plugins.transforms.delete(id=job_id, params={"force": "true"})
    for item in answer["items"]:
        if item["delete"]["status"] not in (200, 404):
            raise TransientError(f"Transform {job_id} could not be removed ({item['delete']}); try again.")


def stop(client: OpenSearch, job_id: str) -> None:
    """Ask a job to stop; one that is gone or over is fine."""
    from opensearchpy import NotFoundError, RequestError

    try:
        client.plugins.transforms.stop(id=job_id)
    except (NotFoundError, RequestError):
        return


def condense_by_job(
    client: OpenSearch,
    dataset: Dataset,
    raw: RawDay,
    on_documents: OnDocuments = lambda _: None,
    patience: Patience | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> EngineRun:
    """Submit the day's job and wait for its end. Safe to repeat; attaches to a job that already runs.

    Ctrl-C stops the job too.
    """
    patience = patience or Patience()
    job_id = dataset.transform_id(raw.day)
    due_ms = submit(client, dataset, raw)
    seen = restarts = 0
    try:
        while True:
            state = read_state(client, job_id, due_ms, patience)
            on_documents(max(0, state.documents - seen))
            seen = max(seen, state.documents)
            if state.over:
                if run := settle(client, dataset, raw, state, restarts, patience):
                    return run
                restarts += 1
                due_ms = int(time.time() * 1000)
            sleep(patience.poll)
    except KeyboardInterrupt:
        stop(client, job_id)
        raise
