"""Peak memory of a worker that loads an archive.

Run as a program, ``python -m benchmarks.measures.loads.worker_memory``, it takes URLs, definition and objects as JSON
from stdin, so that no process list shows a password, and prints what it did as JSON.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.material.log_archive import LogArchive, write_archive
from benchmarks.material.log_events import LogStream
from benchmarks.material.site import Site, require
from benchmarks.material.workload import BenchmarkError
from benchmarks.peak_memory import MEGABYTE, peak_bytes
from local.places import PROJECT
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.store.objects import ListedObject
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.presentation.tables import Table

MESSAGE_BYTES = 1300
AROUND_MESSAGE = 120
"""Approximate number of bytes that an envelope adds to each of its messages."""
GIGABYTE = 1_000_000_000
PARTS = (0.2, 1)
"""Two lengths of an archive: the longer one must not need more memory."""


@dataclass(frozen=True)
class Worker:
    """One process that loaded an archive.

    :param idle_bytes: its peak memory before the load, with everything imported
    """

    events: int
    decoded_bytes: int
    seconds: float
    idle_bytes: int
    peak_bytes: int


def measure_worker(
    site: Site, pool: Executor, s3_url: str, gigabytes: float, say: Callable[[str], None]
) -> list[Worker]:
    """Load a short archive and the whole one, each in its own process.

    :param pool: processes that write the archives
    :param gigabytes: decoded size of the whole archive, in 10^9 bytes
    """
    found = []
    for number, part in enumerate(PARTS):
        events = max(1000, round(part * gigabytes * GIGABYTE / (MESSAGE_BYTES + AROUND_MESSAGE)))
        archive = write_archive(pool, s3_url, site.prefix, f"memory{number}", LogStream(MESSAGE_BYTES, events), say)
        site.empty(archive)
        say(f"A worker loads {archive.decoded_bytes / GIGABYTE:.2f} GB")
        found.append(Worker(events, archive.decoded_bytes, **_in_own_process(site, s3_url, archive)))
        site.check(archive)
        site.empty(archive)
    return found


def worker_table(workers: Sequence[Worker]) -> Table:
    """The short and the long archive: more events, but no more memory."""
    rows = [
        (
            f"{one.decoded_bytes / GIGABYTE:.2f} GB",
            one.events,
            round(one.seconds, 1),
            round(one.idle_bytes / MEGABYTE),
            round(one.peak_bytes / MEGABYTE),
        )
        for one in workers
    ]
    columns = ("decoded size", "events", "seconds", "MB before", "peak MB")
    return Table("A worker's memory", columns, rows)


def _in_own_process(site: Site, s3_url: str, archive: LogArchive) -> dict[str, Any]:
    task = {
        "url": site.url,
        "s3_url": s3_url,
        "prefix": site.prefix,
        "definition": archive.dataset.model_dump(mode="json"),
        "message_bytes": archive.stream.message_bytes,
        "events": archive.stream.events,
        "objects": [[*one.place, one.size, one.modified] for one in archive.objects],
    }
    command = [sys.executable, "-m", "benchmarks.measures.loads.worker_memory"]
    done = subprocess.run(command, input=orjson.dumps(task), capture_output=True, cwd=PROJECT, check=False)
    if done.returncode:
        raise BenchmarkError(f"The worker failed: {done.stderr.decode()[-2000:]}")
    found: dict[str, Any] = orjson.loads(done.stdout)
    return found


def main() -> None:
    """Load the archive and print seconds and memory."""
    task = orjson.loads(sys.stdin.buffer.read())
    objects = [ListedObject(Place(*place), size, modified) for *place, size, modified in task["objects"]]
    stream = LogStream(task["message_bytes"], task["events"])
    archive = LogArchive(Dataset.model_validate(task["definition"]), stream, objects, 0)
    site = Site.at(task["url"], task["s3_url"], task["prefix"])
    idle = peak_bytes()
    began = time.perf_counter()
    require(site.backfill(archive, [objects]), archive)
    seconds = time.perf_counter() - began
    sys.stdout.buffer.write(orjson.dumps({"seconds": seconds, "idle_bytes": idle, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
