"""The jobs as the plugin's config index holds them: seen at once when read by id, late when searched."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.transform_api.composite import hash_id
from tests.transform_api.documents import (
    CONFIG_INDEX,
    ApiError,
    Metadata,
    delete_item,
    explain_entry,
    job_answer,
    version_conflict,
)

SEARCH_SIZE = 10  # _explain searches with the default size
KEYWORD_LENGTH = 256  # and by a keyword field that ignores longer ids


class OvertakenError(Exception):
    """Another write came in between: the run that wanted to write is over."""


def now_millis() -> int:
    """Wall clock in epoch milliseconds, as the job documents carry it."""
    return int(time.time() * 1000)


@dataclass
class Job:
    """One job: its document, its metadata, its lock. Only `JobStore` changes it, under the store's lock."""

    document: dict[str, Any]
    version: int
    seq_no: int
    metadata: Metadata | None = None
    locked_until: float = 0.0
    deleted: bool = False
    rescheduled: threading.Event = field(default_factory=threading.Event)

    @property
    def id(self) -> str:
        """The transform id."""
        return str(self.document["transform_id"])


class JobStore:
    """Every job by id. Reading by id sees the latest write; `_explain`, a search, sees the last refresh.

    Args:
        refresh_interval: Seconds until `_explain` sees a write that did not ask for a refresh.
        lock_seconds: How long the lock of a run that died is in the way of the next run.
    """

    def __init__(self, refresh_interval: float, lock_seconds: float) -> None:
        self.refresh_interval = refresh_interval
        self.lock_seconds = lock_seconds
        self.exists = False  # the config index: created by the first PUT that parses
        self._jobs: dict[str, Job] = {}
        self._versions: dict[str, int] = {}
        self._seq_no = -1
        self._unseen_since: float | None = None
        self._visible: dict[str, tuple[str | None, Metadata | None]] = {}
        self._guard = threading.RLock()

    # -- what requests do

    def create(self, document: dict[str, Any]) -> Job:
        """Store a new job.

        Raises:
            ApiError: 409, the id is taken.
        """
        with self._guard:
            job_id = document["transform_id"]
            if job_id in self._jobs:
                raise version_conflict(job_id, self._jobs[job_id].version)
            job = Job(document, version=0, seq_no=0)
            self._jobs[job_id] = job
            self._write_job(job, refresh=True)
            return job

    def answer(self, job: Job) -> dict[str, Any]:
        """The answer to creating or reading a job."""
        with self._guard:
            return job_answer(job.id, job.version, job.seq_no, dict(job.document))

    def get(self, job_id: str) -> Job:
        """Find a job.

        Raises:
            ApiError: 404, whether the job or the whole config index is missing.
        """
        if not self.exists:
            raise ApiError(404, f"no such index [{CONFIG_INDEX}]", "index_not_found_exception", index=CONFIG_INDEX)
        with self._guard:
            if job_id not in self._jobs:
                raise ApiError(404, "Transform not found")
            return self._jobs[job_id]

    def explain(self, ids: list[str]) -> dict[str, Any]:
        """Explain jobs whose id contains one of `ids`; an id asked for without a hit is null."""
        exact = [job_id for job_id in ids if "*" not in job_id]
        if not self.exists:
            return dict.fromkeys(exact, "Failed to search transform metadata")
        patterns = [re.compile(".*" + _wildcard(job_id) + ".*", re.DOTALL) for job_id in ids]
        with self._guard:
            self._refresh_when_due()
            hits = [
                job_id
                for job_id in self._visible
                if len(job_id) <= KEYWORD_LENGTH and any(pattern.fullmatch(job_id) for pattern in patterns)
            ]
            found = {job_id: explain_entry(*self._visible[job_id]) for job_id in hits[:SEARCH_SIZE]}
        return {**dict.fromkeys(exact), **found}

    def start(self, job_id: str) -> None:
        """Enable a job and clear how its last run ended; the next tick runs it."""
        job = self.get(job_id)
        with self._guard:
            if not job.document["enabled"]:
                self._enable(job, enabled=True, refresh=False)
            if job.metadata and job.metadata.status in ("finished", "stopped", "failed"):
                self._write_metadata(job, job.metadata.with_status("started", now_millis()))
        job.rescheduled.set()

    def stop(self, job_id: str) -> None:
        """Disable a job; a run under way finds its metadata overtaken after its page and keeps its lock."""
        job = self.get(job_id)
        with self._guard:
            if job.metadata:
                status = "stopped" if job.metadata.status in ("init", "started") else job.metadata.status
                self._write_metadata(job, replace(job.metadata, status=status, last_updated_at=now_millis()))
            self._enable(job, enabled=False, refresh=False)
        job.rescheduled.set()

    def delete(self, ids: list[str], force: bool) -> list[dict[str, Any]]:
        """Delete jobs and return the items of the bulk answer.

        Raises:
            ApiError: 409, a job is enabled and `force` was not set; 400 while there is no config index.
        """
        if not self.exists:
            raise ApiError(400, f"Cluster missing system index {CONFIG_INDEX}, cannot execute the request")
        with self._guard:
            enabled = [i for i in ids if i in self._jobs and self._jobs[i].document["enabled"]]
            if enabled and not force:
                raise ApiError(
                    409,
                    f"[{', '.join(enabled)}] transform(s) are enabled, "
                    "please disable them before deleting them or set force flag",
                )
            items = [self._delete(job_id) for job_id in ids]
            self.refresh()
            return items

    # -- what a run does

    def begin(self, job: Job) -> Metadata:
        """Give a job its metadata before its first run.

        Raises:
            OvertakenError: The job is gone or disabled, or its lock is held.
        """
        with self._guard:
            if job.deleted or not job.document["enabled"]:
                raise OvertakenError
            if job.metadata is None:
                created = job.document["updated_at"]
                metadata = Metadata(hash_id(f"TransformMetadata#{job.id}#{created}"), job.id, now_millis())
                self._write_metadata(job, metadata)
                job.document["metadata_id"] = metadata.id
                self._touch(job, refresh=True)
            if time.monotonic() < job.locked_until:
                raise OvertakenError
            job.locked_until = time.monotonic() + self.lock_seconds
            assert job.metadata is not None
            return job.metadata

    def progress(self, job: Job, seen: Metadata, written: Metadata) -> Metadata:
        """Write a run's metadata over the one it has seen, without a refresh.

        Raises:
            OvertakenError: `_stop` wrote since, or the job is gone.
        """
        with self._guard:
            if job.metadata is None or job.metadata.seq_no != seen.seq_no:
                raise OvertakenError
            metadata = self._write_metadata(job, written)
            if job.deleted:
                raise OvertakenError
            job.locked_until = time.monotonic() + self.lock_seconds
            return metadata

    def end(self, job: Job, metadata: Metadata, pause: Callable[[], None]) -> None:
        """Write a run's last metadata, disable the job, release its lock; `pause` lies between the writes.

        Raises:
            OvertakenError: `_stop` wrote since, or the job is gone.
        """
        self.progress(job, metadata, metadata)
        pause()
        with self._guard:
            if job.deleted:
                raise OvertakenError
            self._enable(job, enabled=False, refresh=True)
            job.locked_until = 0.0

    def refresh(self) -> None:
        """Let `_explain` see every write."""
        with self._guard:
            self._visible = {i: (job.document["metadata_id"], job.metadata) for i, job in self._jobs.items()}
            self._unseen_since = None

    # -- documents

    def _refresh_when_due(self) -> None:
        if self._unseen_since is not None and time.monotonic() - self._unseen_since >= self.refresh_interval:
            self.refresh()

    def _delete(self, job_id: str) -> dict[str, Any]:
        job = self._jobs.pop(job_id, None)
        if job:
            job.deleted = True
            job.rescheduled.set()
        version, seq_no = self._next(job_id)
        return delete_item(job_id, version, seq_no, found=job is not None)

    def _enable(self, job: Job, enabled: bool, refresh: bool) -> None:
        job.document |= {"enabled": enabled, "enabled_at": now_millis() if enabled else None}
        self._touch(job, refresh)

    def _touch(self, job: Job, refresh: bool) -> None:
        job.document["updated_at"] = now_millis()
        self._write_job(job, refresh)

    def _write_job(self, job: Job, refresh: bool) -> None:
        job.version, job.seq_no = self._next(job.id)
        self._jobs[job.id] = self._jobs.pop(job.id)  # a rewritten document is the last in the index
        if refresh:
            self.refresh()

    def _write_metadata(self, job: Job, metadata: Metadata) -> Metadata:
        job.metadata = replace(metadata, seq_no=self._next(metadata.id)[1])
        return job.metadata

    def _next(self, document_id: str) -> tuple[int, int]:
        self._versions[document_id] = self._versions.get(document_id, 0) + 1
        self._seq_no += 1
        self._unseen_since = self._unseen_since or time.monotonic()
        return self._versions[document_id], self._seq_no


def _wildcard(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
