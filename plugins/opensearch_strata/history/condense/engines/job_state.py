"""The state of a transform job, judged from what the server reports about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

# How long a job is silent before we ask whether a node died: asking more often would slow down healthy jobs.
_SILENT_MS = 30_000


STOP_PAUSES = (0.1, 0.3, 0.0)
"""Seconds to wait after each attempt to stop a job that its own run was changing at the same moment (409)."""


@dataclass(frozen=True)
class Patience:
    """How long a job may be silent, in seconds.

    The defaults are longer than what the server itself may need: for its sweep for new jobs (5 min and a tick), and for
    the lock that a dead node leaves behind (30 min and a tick).

    :param poll: longest time between two looks at a job
    :param restarts: how often a job that failed or died is restarted
    """

    start: float = 7 * 60
    progress: float = 35 * 60
    poll: float = 5
    restarts: int = 2

    def pause(self, due_ms: int, now_ms: int) -> float:
        """Seconds until the next look: short at first because most jobs are short, then growing with the job's age.

        :param due_ms: when the job is due to start, epoch milliseconds
        :param now_ms: the current time, epoch milliseconds
        """
        age = (now_ms - due_ms) / 1000
        return min(self.poll, max(0.2, -age, age / 4))


Phase = Literal["waiting", "running", "finished", "failed", "stuck", "gone", "orphaned"]
"""``gone``: somebody deleted the job. ``orphaned``: the node that ran it died, and the lock that it left blocks it."""


@dataclass(frozen=True)
class JobState:
    """The state of a job according to ``_explain`` and its job document.

    :param resumable: the job failed on its own; a job that somebody stopped or deleted is not restarted
    :param updated_ms: when it was last updated, epoch milliseconds
    """

    phase: Phase
    reason: str = ""
    documents: int = 0
    rows: int = 0
    search_millis: int = 0
    index_millis: int = 0
    resumable: bool = False
    updated_ms: int = 0

    @property
    def over(self) -> bool:
        """True if the job has ended, so that there is no point in watching it any longer."""
        return self.phase not in ("waiting", "running")


def is_silent(state: JobState, due_ms: int, now_ms: int) -> bool:
    """Whether a running job has been silent for so long that its node may have died.

    :param due_ms: when the job was due to start, epoch milliseconds
    :param now_ms: the current time, epoch milliseconds
    """
    return state.phase == "running" and now_ms - max(state.updated_ms, due_ms) > _SILENT_MS


NODE_STARTS = {"filter_path": "nodes.*.jvm.start_time_in_millis"}


def newest_node_ms(info: Mapping[str, Any]) -> int:
    """When the most recently started node was started, epoch milliseconds; 0 if this is unknown. Pure.

    :param info: answer of the nodes info API
    """
    return max((int(node["jvm"]["start_time_in_millis"]) for node in info.get("nodes", {}).values()), default=0)


def assess(
    job: Mapping[str, Any] | None,
    explained: Any,
    due_ms: int,
    now_ms: int,
    patience: Patience,
    node_ms: int = 0,
) -> JobState:
    """State of a job from its document and its entry in ``_explain``. Pure.

    ``finished`` is visible before the job is disabled, and an enabled job that failed is about to run again, so only a
    disabled job has ended.

    :param job: the job document, read before ``explained``; None if there is none
    :param explained: the entry of exactly this id; None, a text, or metadata
    :param due_ms: when the job was due to start, epoch milliseconds
    :param now_ms: the current time, epoch milliseconds
    :param node_ms: when the most recently started node was started, epoch milliseconds. A run that has been silent
        since then died with its node, because a live node renews the lock and the metadata with each page
    """
    if job is None:
        return JobState("gone", "the job was deleted by somebody else while it ran")
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
        updated_ms=metadata["last_updated_at"],
    )
    status = metadata["status"]
    if not job["enabled"] and status in ("finished", "failed", "stopped"):
        reason = metadata.get("failure_reason") or ("the job was stopped" if status == "stopped" else "")
        phase: Phase = "finished" if status == "finished" else "failed"
        return replace(seen, phase=phase, reason=reason, resumable=status == "failed")
    if node_ms > max(seen.updated_ms, due_ms):
        return replace(
            seen, phase="orphaned", reason="a node was restarted after the job's last progress, so the job died there"
        )
    if now_ms - max(seen.updated_ms, due_ms) > patience.progress * 1000:
        return replace(seen, phase="stuck", reason=f"the job made no progress for {patience.progress:.0f} s")
    return seen
