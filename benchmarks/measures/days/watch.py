"""What a cluster needs while something runs: heap, memory of aggregations, and disk, looked at every second."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from opensearchpy import OpenSearch, OpenSearchException

_EVERY = 1.0  # seconds


@dataclass
class Peaks:
    """Highest values of a span of time, in bytes; those of all nodes are added up.

    :param heap: used heap, with what the next collection will free
    :param request: what the circuit breaker counts for the requests under way
    :param disk: used disk, of everything on it
    """

    heap: int = 0
    request: int = 0
    disk: int = 0

    def see(self, nodes: Mapping[str, Any]) -> None:
        """Look at the statistics of the nodes."""
        found = list(nodes.values())
        disks = [node["fs"]["total"] for node in found]
        self.heap = max(self.heap, sum(node["jvm"]["mem"]["heap_used_in_bytes"] for node in found))
        requests = sum(node["breakers"]["request"]["estimated_size_in_bytes"] for node in found)
        self.request = max(self.request, requests)
        self.disk = max(self.disk, sum(disk["total_in_bytes"] - disk["available_in_bytes"] for disk in disks))


@contextmanager
def watched(client: OpenSearch) -> Iterator[Peaks]:
    """Look at the cluster as long as the block lasts. The peaks are complete when it has ended."""
    peaks, over = Peaks(), threading.Event()

    def look() -> None:
        while True:
            with suppress(OpenSearchException):  # a busy node may not answer in time; the next look will do
                peaks.see(client.nodes.stats(metric="jvm,fs,breaker")["nodes"])
            if over.wait(_EVERY):
                return

    thread = threading.Thread(target=look, name="watch", daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()
