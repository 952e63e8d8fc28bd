"""Who uses the cores: CPU seconds of the loader, OpenSearch and S3, which share them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import psutil
from opensearchpy import OpenSearch

LOADER, SERVER, S3 = USERS = ("loader", "OpenSearch", "S3")


@dataclass
class CpuMeter:
    """CPU seconds of the processes that run side by side; the loader is this process."""

    client: OpenSearch
    s3: psutil.Process
    _used: defaultdict[tuple[str, ...], list[Mapping[str, float]]] = field(default_factory=lambda: defaultdict(list))

    @contextmanager
    def reading(self, *name: str) -> Iterator[None]:
        """Record what is used within the block."""
        before = self._now()
        yield
        self._used[name].append({user: seconds - before[user] for user, seconds in self._now().items()})

    def medians(self, *name: str) -> dict[str, float]:
        """CPU seconds of the blocks with this name, by user."""
        return {user: median(used[user] for used in self._used[name]) for user in USERS}

    def _now(self) -> Mapping[str, float]:
        nodes = self.client.nodes.stats(metric="process")["nodes"].values()
        spent = self.s3.cpu_times()
        return {
            LOADER: time.process_time(),
            SERVER: sum(node["process"]["cpu"]["total_in_millis"] for node in nodes) / 1000,
            S3: spent.user + spent.system,
        }
