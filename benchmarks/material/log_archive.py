"""Archives of log events in S3, the datasets that read them, and their raw days on a cluster."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, NamedTuple

from opensearchpy import OpenSearch

from benchmarks.material.emulated_s3 import BUCKET, s3_at
from benchmarks.material.log_events import DAY_MS, START, LogStream
from local.samples.cloudwatch import object_key
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.store.objects import ListedObject
from opensearch_strata.definition.dataset import Dataset

FIREHOSE = "shop-logs"
WRITERS = 2
ARRIVES_AFTER = 300_000
"""Milliseconds from an object's first event to its arrival."""

MAPPING: dict[str, Any] = {
    "properties": {
        "@timestamp": {"type": "date"},
        "archive": {
            "properties": {
                name: {"type": "keyword"}
                for name in ("owner", "log_group", "log_stream", "event_id", "object", "position")
            }
        },
        **{name: {"type": "keyword"} for name in ("level", "service", "request_id", "path", "perform")},
        **{name: {"type": "long"} for name in ("user_id", "sent_at", "pid")},
        "status": {"type": "short"},
        "duration_ms": {"type": "float"},
        "time": {"type": "date_nanos"},
        "message": {"type": "text"},
        "statement": {"type": "text"},
    }
}


@dataclass(frozen=True)
class LogArchive:
    """Log events in S3, and how they become documents.

    :param decoded_bytes: size of all objects without their gzip
    """

    dataset: Dataset
    stream: LogStream
    objects: Sequence[ListedObject]
    decoded_bytes: int

    @property
    def day(self) -> date:
        """The day of all events."""
        return datetime.fromtimestamp(START / 1000, UTC).date()

    @property
    def index(self) -> str:
        """Name of the raw day that they are loaded into."""
        return self.dataset.raw_index(self.day)

    @property
    def source(self) -> str:
        """URL of the prefix in S3."""
        return str(self.dataset.intake.source)

    @property
    def stored_bytes(self) -> int:
        """Size of all objects as they are stored in S3."""
        return sum(listed.size for listed in self.objects)


SPAN = (START, START + DAY_MS)
"""Epoch milliseconds between which the events of every archive happened; the end is exclusive."""


class _Put(NamedTuple):
    """A written object."""

    listed: ListedObject
    decoded: int


def writers() -> ProcessPoolExecutor:
    """Processes for :func:`write_archive`; they are not forked, because the caller may have threads."""
    return ProcessPoolExecutor(WRITERS, multiprocessing.get_context("spawn"))


def write_archive(
    pool: Executor, url: str, prefix: str, name: str, stream: LogStream, say: Callable[[str], None]
) -> LogArchive:
    """Write the events of a stream to S3.

    :param url: URL of S3
    :param prefix: text with which the names of raw days begin
    """
    say(f"Writing {stream.events:,} events of {stream.message_bytes:,} bytes to S3")
    puts = list(pool.map(partial(_put, url, name, stream), stream.objects()))
    return LogArchive(_dataset(prefix, name), stream, [put.listed for put in puts], sum(put.decoded for put in puts))


def _put(url: str, name: str, stream: LogStream, numbers: range) -> _Put:
    records = list(stream.records(numbers))
    arrived = datetime.fromtimestamp((stream.moment(numbers[0]) + ARRIVES_AFTER) / 1000, UTC)
    key = object_key(f"{name}/", FIREHOSE, arrived)
    body = b"".join(records)
    answer = s3_at(url).put_object(Bucket=BUCKET, Key=key, Body=body)
    place = Place(BUCKET, key, answer["ETag"].strip('"'))
    # The last four bytes of a gzip member contain the length of its content (RFC 1952).
    decoded = sum(int.from_bytes(record[-4:], "little") for record in records)
    return _Put(ListedObject(place, len(body), int(time.time() * 1000)), decoded)


def _dataset(prefix: str, name: str) -> Dataset:
    return Dataset.model_validate(
        {
            "name": f"bench_{name}",
            "raw": {"index": f"{prefix}-{name}-{{day}}", "fields": {"@timestamp": "date", "duration_ms": "float"}},
            "history": {"index": f"{prefix}-{name}-history-{{month}}", "group_by": ["service"]},
            "metrics": {"duration": {"field": "duration_ms", "stats": ["count"]}},
            "intake": {"source": f"s3://{BUCKET}/{name}/"},
            "cycle": {"start_date": "2026-01-01"},
        }
    )


def put_template(client: OpenSearch, prefix: str) -> None:
    """Create the template of the benchmark's raw days: one shard, no replica, otherwise the server's defaults."""
    settings = {"number_of_shards": 1, "number_of_replicas": 0}
    body = {"index_patterns": [f"{prefix}-*"], "template": {"settings": settings, "mappings": MAPPING}}
    client.indices.put_index_template(name=prefix, body=body)
