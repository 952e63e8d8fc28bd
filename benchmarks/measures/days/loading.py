"""Loads a raw day of any size as producers leave it: in the segments that the server makes of it, not merged to one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.material.telemetry import PER_HOUR, bodies, devices_of, raw_mapping
from benchmarks.material.workload import BenchmarkError, Workload, write

BYTES_A_DOCUMENT = 1000
"""Free bytes of the disk that a document needs until it is loaded: 590 for itself, and room for merges."""

_SAID = 30.0  # seconds between two lines about the progress
_SETTINGS = {
    "index.number_of_shards": 1,
    "index.number_of_replicas": 0,
    "index.refresh_interval": "-1",
    "index.translog.durability": "async",
    "index.translog.flush_threshold_size": "2gb",
}


@dataclass(frozen=True)
class Loaded:
    """A raw day that is there.

    :param seconds: how long it took to load; None if an earlier run loaded it
    :param bytes: its store size
    """

    documents: int
    seconds: float | None
    bytes: int
    segments: int


def load_day(workload: Workload, say: Callable[[str], None]) -> Loaded:
    """Load the first raw day of a workload, unless an earlier run left the same day.

    :raises BenchmarkError: the disk is too small, or a document was refused
    """
    (day, *_) = workload.days
    index = workload.dataset.raw_index(day)
    seconds = None
    if not is_loaded(workload):
        _require_room(workload)
        began = time.monotonic()
        workload.client.indices.create(index=index, body={"settings": _SETTINGS, "mappings": raw_mapping()})
        write(workload.client, index, _told(bodies(day, workload.documents, workload.seed), index, workload, say))
        workload.client.indices.refresh(index=index, params={"request_timeout": 600})
        _wait_for_merges(workload, index, say)
        workload.client.indices.put_mapping(index=index, body={"_meta": {"bench": _identity(workload)}})
        seconds = time.monotonic() - began
    stats = workload.client.indices.stats(index=index, metric="docs,store,segments")["_all"]["primaries"]
    documents = stats["docs"]["count"]
    if documents != (wanted := _documents(workload)):
        raise BenchmarkError(f"{index} has {documents:,} documents instead of {wanted:,}; delete it and run again.")
    return Loaded(documents, seconds, stats["store"]["size_in_bytes"], stats["segments"]["count"])


def is_loaded(workload: Workload) -> bool:
    """Whether an earlier run left exactly this day, and all of it."""
    index = workload.dataset.raw_index(workload.days[0])
    found = workload.client.indices.get(index=index, params={"ignore_unavailable": "true"})
    meta: dict[str, Any] = found[index]["mappings"].get("_meta", {}) if index in found else {}
    return meta.get("bench") == _identity(workload)


def _identity(workload: Workload) -> dict[str, int]:
    return {"documents": workload.documents, "seed": workload.seed}


def _documents(workload: Workload) -> int:
    return devices_of(workload.documents) * 24 * PER_HOUR


def _require_room(workload: Workload) -> None:
    nodes = workload.client.nodes.stats(metric="fs")["nodes"].values()
    free = sum(node["fs"]["total"]["available_in_bytes"] for node in nodes)
    needed = _documents(workload) * BYTES_A_DOCUMENT
    if free < needed:
        raise BenchmarkError(
            f"{_documents(workload):,} documents need about {needed / 1e9:.0f} GB until they are loaded, and "
            f"{free / 1e9:.0f} GB are free. Nothing was loaded. Choose fewer --documents, or another disk with --at."
        )


def _told(found: Iterator[bytes], index: str, workload: Workload, say: Callable[[str], None]) -> Iterator[bytes]:
    began = said = time.monotonic()
    documents = 0
    for body in found:
        yield body
        documents += body.count(b"\n") // 2
        now = time.monotonic()
        if now - said >= _SAID:
            said = now
            rate = documents / (now - began)
            say(f"{index}: {documents:,} of {_documents(workload):,} documents loaded, {rate / 1000:.1f} k a second")


def _wait_for_merges(workload: Workload, index: str, say: Callable[[str], None]) -> None:
    """Wait until the server merges nothing any more, so that it does not do so while something is measured."""
    workload.client.indices.flush(index=index, params={"wait_if_ongoing": "true", "request_timeout": 600})
    quiet, said = 0, time.monotonic()
    while quiet < 3:
        merges = workload.client.indices.stats(index=index, metric="merge")["_all"]["primaries"]["merges"]
        quiet = 0 if merges["current"] else quiet + 1
        if time.monotonic() - said >= _SAID:
            said = time.monotonic()
            say(f"{index}: merging {merges['current_docs']:,} documents")
        time.sleep(1 if quiet else 3)
