"""What a transform job says of itself, and what that means. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

# Silence after which it is worth asking whether a node died: asked more often, healthy jobs would pay for it.
_SILENT_MS = 30_000


STOP_PAUSES = (0.1, 0.3, 0.0)
"""Seconds after each attempt to stop a job that its own run was changing in the same moment (409)."""


@dataclass(frozen=True)
class Patience:
    """How long a job may be silent, in seconds.

    The defaults are above what the server may need by itself: its sweep for new jobs (5 min and a tick), and the
    lock that a dead node leaves behind (30 min and a tick).

    :param poll: longest time between two looks at a job
    :param restarts: how often a job that failed or died is set going again
    """

    start: float = 7 * 60
    progress: float = 35 * 60
    poll: float = 5
    restarts: int = 2

    def pause(self, due_ms: int, now_ms: int) -> float:
        """Seconds until the next look: short at first, as most jobs are, then longer with the job's own age.

        :param due_ms: when the job is due to start, epoch milliseconds
        :param now_ms: this moment, epoch milliseconds
        """
        age = (now_ms - due_ms) / 1000
        return min(self.poll, max(0.2, -age, age / 4))


Phase = Literal["waiting", "running", "finished", "failed", "stuck", "gone", "orphaned"]
"""``gone``: somebody deleted the job. ``orphaned``: the node that ran it died, and the lock it left is in the way."""


@dataclass(frozen=True)
class JobState:
    """What ``_explain`` and the job document say together.

    :param resumable: the job failed by itself; one that somebody stopped or deleted is not started again
    :param updated_ms: when it last said anything, epoch milliseconds
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
        """True when watching on would change nothing."""
        return self.phase not in ("waiting", "running")


def is_silent(state: JobState, due_ms: int, now_ms: int) -> bool:
    """Whether a job that runs has not said anything for so long that its node may have died.

    :param due_ms: when the job was due to start, epoch milliseconds
    :param now_ms: this moment, epoch milliseconds
    """
    return state.phase == "running" and now_ms - max(state.updated_ms, due_ms) > _SILENT_MS


NODE_STARTS = {"filter_path": "nodes.*.jvm.start_time_in_millis"}


def newest_node_ms(info: Mapping[str, Any]) -> int:
    """When the youngest of the nodes was started, epoch milliseconds; 0 if nobody knows. Pure.

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
    """State of a job from its document and its own entry of ``_explain``. Pure.

    ``finished`` is visible before the job is disabled, and an enabled job that failed is about to run again:
    only a disabled job is over.

    :param job: the job document, read before ``explained``; None if there is none
    :param explained: the entry of exactly this id; None, a text, or metadata
    :param due_ms: when the job was due to start, epoch milliseconds
    :param now_ms: this moment, epoch milliseconds
    :param node_ms: when the youngest node was started, epoch milliseconds. A run that has said nothing since died with
        its node: a node that lives renews the lock and the metadata with each page
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
            seen, phase="orphaned", reason="a node was started anew since its last progress, so it died there"
        )
    if now_ms - max(seen.updated_ms, due_ms) > patience.progress * 1000:
        return replace(seen, phase="stuck", reason=f"the job made no progress for {patience.progress:.0f} s")
    return seen
