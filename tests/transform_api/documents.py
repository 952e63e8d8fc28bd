"""The JSON that Index Management 3.4 answers: errors, job documents, `_explain` entries, delete items."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

CONFIG_INDEX = ".opendistro-ism-config"
SCHEMA_VERSION = 24
INDEX_UUID = "double-of-ism-config--"


class ApiError(Exception):
    """A request refused: HTTP status and error body."""

    def __init__(self, status: int, reason: str, kind: str = "status_exception", **details: str) -> None:
        super().__init__(reason)
        self.status = status
        cause = {"type": kind, "reason": reason, **details}
        self.body = {"error": {"root_cause": [cause], **cause}, "status": status}


def illegal_argument(reason: str) -> ApiError:
    """A job definition that Index Management's parser rejects."""
    return ApiError(400, reason, "illegal_argument_exception")


def version_conflict(job_id: str, version: int) -> ApiError:
    """Creation of a job that is there already."""
    return ApiError(
        409,
        f"[{job_id}]: version conflict, document already exists (current version [{version}])",
        "version_conflict_engine_exception",
        index=CONFIG_INDEX,
        shard="0",
        index_uuid=INDEX_UUID,
    )


@dataclass(frozen=True)
class Stats:
    """Counters of a job, cumulative over its runs."""

    pages_processed: int = 0
    documents_processed: int = 0
    documents_indexed: int = 0
    index_time_in_millis: int = 0
    search_time_in_millis: int = 0

    def __add__(self, other: Stats) -> Stats:
        return Stats(**{name: count + getattr(other, name) for name, count in vars(self).items()})


@dataclass(frozen=True)
class Metadata:
    """A job's metadata document, as one write left it.

    `seq_no` is the write's own: a later write that expects another one knows that it was overtaken.
    """

    id: str
    transform_id: str
    last_updated_at: int
    status: str = "init"
    failure_reason: str | None = None
    after_key: dict[str, Any] | None = None
    stats: Stats = field(default_factory=Stats)
    seq_no: int = -1

    def explained(self) -> dict[str, Any]:
        """The `transform_metadata` of `_explain`; `after_key` only while there is one."""
        shown = {
            "transform_id": self.transform_id,
            "after_key": self.after_key,
            "last_updated_at": self.last_updated_at,
            "status": self.status,
            "failure_reason": self.failure_reason,
            "stats": vars(self.stats),
        }
        if self.after_key is None:
            del shown["after_key"]
        return shown

    def with_status(self, status: str, now: int, failure_reason: str | None = None) -> Metadata:
        """The same job's metadata in another state."""
        return replace(self, status=status, last_updated_at=now, failure_reason=failure_reason)


def explain_entry(metadata_id: str | None, metadata: Metadata | None) -> dict[str, Any]:
    """One job of an `_explain` answer."""
    return {"metadata_id": metadata_id, "transform_metadata": metadata.explained() if metadata else None}


def job_answer(job_id: str, version: int, seq_no: int, transform: dict[str, Any]) -> dict[str, Any]:
    """Answer to creating or reading a job."""
    return {"_id": job_id, "_version": version, "_seq_no": seq_no, "_primary_term": 1, "transform": transform}


def delete_item(job_id: str, version: int, seq_no: int, found: bool) -> dict[str, Any]:
    """One item of the bulk answer to a deletion."""
    return {
        "delete": {
            "_index": CONFIG_INDEX,
            "_id": job_id,
            "_version": version,
            "result": "deleted" if found else "not_found",
            "forced_refresh": True,
            "_shards": {"total": 2, "successful": 1, "failed": 0},
            "_seq_no": seq_no,
            "_primary_term": 1,
            "status": 200 if found else 404,
        }
    }
