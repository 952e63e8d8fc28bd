"""What a transform job's document and ``_explain`` say together: recorded sequences, and jobs that are stuck."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

import pytest

from local.places import PROJECT
from opensearch_strata.history.condense.engines.job_state import JobState, Patience, assess

RECORDINGS = PROJECT / "tests" / "recordings" / "transform-api"
PATIENCE = Patience(start=100, progress=200)
DUE = 1_000_000_000
SECOND = 1000

Poll = tuple[bool, Any]


def polls(recording: str) -> dict[str, list[Poll]]:
    """Job id -> ``(enabled, entry of _explain)`` of each poll; a job that was put again has two sequences."""
    found: dict[str, list[Poll]] = {}
    for exchange in json.loads((RECORDINGS / f"{recording}.json").read_text())["exchanges"]:
        for job_id, entry in exchange.get("explain", {}).items():
            found.setdefault(job_id, []).append((exchange["enabled"], entry))
    return found


def states_of(sequence: list[Poll]) -> list[JobState]:
    """States as seen right when each poll was answered."""
    return [
        assess({"enabled": enabled}, entry, due_ms=0, now_ms=now_of(entry), patience=PATIENCE)
        for enabled, entry in sequence
    ]


def now_of(entry: Any) -> int:
    metadata = (entry or {}).get("transform_metadata")
    return int(metadata["last_updated_at"]) + SECOND if metadata else SECOND


def phases(sequence: list[Poll]) -> list[str]:
    return [phase for phase, _ in groupby(state.phase for state in states_of(sequence))]


@pytest.mark.parametrize(
    ("recording", "job_id", "expected"),
    [
        # `finished`, `_start` again: enabled with the old metadata, then under way, then finished again
        ("success", "rec-2025.01.01", ["waiting", "running", "finished", "running", "finished"]),
        ("empty-source", "rec-empty", ["waiting", "running", "finished"]),
        ("failures", "rec-fail", ["waiting", "running", "failed"]),
        ("failures", "rec-null", ["waiting", "running", "failed"]),
        ("failures", "rec-strict", ["waiting", "running", "failed"]),
        ("absent-metric", "rec-2025.01.02", ["waiting", "running", "failed"]),
    ],
)
def test_recorded_sequences(recording: str, job_id: str, expected: list[str]) -> None:
    assert phases(polls(recording)[job_id]) == expected


def test_every_recorded_sequence_is_tested() -> None:
    found = {(path.stem, job_id) for path in RECORDINGS.glob("*.json") for job_id in polls(path.stem)}
    assert found == {
        *(("failures", f"rec-{kind}") for kind in ("fail", "null", "strict")),
        *(("success", "rec-2025.01.01"), ("empty-source", "rec-empty"), ("absent-metric", "rec-2025.01.02")),
    }


def test_a_finished_run_carries_its_counts() -> None:
    state = states_of(polls("success")["rec-2025.01.01"])[2]
    assert (state.phase, state.documents, state.rows) == ("finished", 36, 9)
    assert state.over


def test_a_failed_run_carries_its_reason() -> None:
    state = states_of(polls("failures")["rec-strict"])[-1]
    assert (state.phase, state.reason) == ("failed", "Failed to index the documents")
    assert state.over


def entry(status: str, updated: int = DUE, reason: str | None = None) -> dict[str, Any]:
    numbers = ("documents_processed", "documents_indexed", "search_time_in_millis", "index_time_in_millis")
    stats = dict.fromkeys(numbers, 5)
    metadata = {"status": status, "failure_reason": reason, "last_updated_at": updated, "stats": stats}
    return {"metadata_id": "m", "transform_metadata": metadata}


def state(enabled: bool | None, explained: Any, seconds: float) -> JobState:
    """State of a job that was due at ``DUE``, seconds after that; ``enabled`` None: no such job."""
    job = None if enabled is None else {"enabled": enabled}
    return assess(job, explained, DUE, DUE + int(seconds * SECOND), PATIENCE)


UNKNOWN = [None, "Failed to search transform metadata", {"metadata_id": None, "transform_metadata": None}]


@pytest.mark.parametrize("explained", UNKNOWN)
def test_a_job_that_is_not_picked_up_is_stuck_when_patience_ends(explained: Any) -> None:
    assert state(True, explained, -3) == JobState("waiting")
    assert state(True, explained, 100) == JobState("waiting")
    stuck = state(True, explained, 100.1)
    assert stuck == JobState("stuck", "the job was not picked up within 100 s of its start time")


@pytest.mark.parametrize("explained", UNKNOWN)
def test_a_job_stopped_before_it_began_failed(explained: Any) -> None:
    assert state(False, explained, 0) == JobState("failed", "the job was stopped before it began")


@pytest.mark.parametrize("status", ["init", "started"])
def test_a_job_without_progress_is_stuck_when_patience_ends(status: str) -> None:
    assert state(True, entry(status), 200).phase == "running"
    stuck = state(True, entry(status), 200.1)
    assert (stuck.phase, stuck.reason) == ("stuck", "the job made no progress for 200 s")
    assert stuck.documents == 5


def test_progress_is_counted_from_the_restart_not_from_the_failure() -> None:
    assert state(True, entry("failed", updated=0), 200).phase == "running"
    assert state(True, entry("started", updated=DUE + 50 * SECOND), 249).phase == "running"


@pytest.mark.parametrize("status", ["finished", "failed", "stopped"])
def test_an_enabled_job_is_not_over(status: str) -> None:
    assert state(True, entry(status), 1).phase == "running"


@pytest.mark.parametrize("status", ["init", "started"])
def test_a_disabled_job_whose_end_is_not_visible_yet_is_not_over(status: str) -> None:
    assert not state(False, entry(status), 1).over


def test_a_stopped_job_failed() -> None:
    assert state(False, entry("stopped"), 1).reason == "the job was stopped"


def test_a_deleted_job_failed() -> None:
    assert state(None, None, 1) == JobState("gone", "the job was deleted by somebody else while it ran")


def test_the_default_patience_outlasts_the_servers_own_delays() -> None:
    assert Patience().start > 5 * 60 + 60  # sweep and tick
    assert Patience().progress > 30 * 60 + 60  # lock of a dead node and tick


def test_a_run_that_is_silent_since_a_node_started_died_with_its_node() -> None:
    job, explained = {"enabled": True}, entry("started", updated=DUE + SECOND)
    now = DUE + 90 * SECOND
    older, younger = DUE - 50 * SECOND, DUE + 40 * SECOND
    assert assess(job, explained, DUE, now, PATIENCE, older).phase == "running"
    assert assess(job, explained, DUE, now, PATIENCE, younger).phase == "orphaned"
    assert assess(job, entry("started", updated=younger + SECOND), DUE, now, PATIENCE, younger).phase == "running"


@pytest.mark.parametrize("length", [0.5, 2, 3.5, 30, 600])
def test_the_end_of_a_job_is_seen_soon(length: float) -> None:
    """Looks are as far apart as a quarter of the job's age: short jobs lose little, long ones ask seldom."""
    now, looks = DUE - 1500, 0
    while now < DUE + length * SECOND:
        now += int(Patience().pause(DUE, now) * 1000)
        looks += 1
    assert now - (DUE + length * SECOND) <= max(250, min(5000, length * SECOND / 4 + 250))
    assert looks < 25 + length / 5
