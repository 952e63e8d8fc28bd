"""Peak memory of a worker that archives a raw day."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from benchmarks.material.bench_day import BenchDay
from benchmarks.material.workload import BenchmarkError
from benchmarks.peak_memory import MEGABYTE
from local.places import PROJECT
from opensearch_strata.presentation.tables import Table

DOCUMENT_BYTES = 1279
"""Bytes of an average document of the reference workload."""
GIGABYTE = 1_000_000_000


@dataclass(frozen=True)
class ArchiveWorker:
    """One process that exported and proved a raw day.

    :param line_bytes: bytes of all lines
    :param idle_bytes: its peak memory before the export, with everything imported
    """

    documents: int
    line_bytes: int
    seconds: float
    idle_bytes: int
    peak_bytes: int


def measure_workers(
    days: Sequence[BenchDay], gigabytes: float, url: str, s3_url: str, say: Callable[[str], None]
) -> list[ArchiveWorker]:
    """Export and prove some days that are loaded and a large one, each in its own process.

    :param gigabytes: size of all documents of the large day, in 10^9 bytes
    :param url: of the cluster
    """
    workload = days[-1].workload
    documents = max(2000, round(gigabytes * GIGABYTE / DOCUMENT_BYTES))
    large = replace(days[-1], workload=replace(workload, prefix=f"{workload.prefix}-large", documents=documents))
    say(f"Loading {documents:,} documents")
    large.load()
    found = []
    for day in (*days, large):
        say(f"A worker archives {day.documents:,} documents")
        found.append(ArchiveWorker(day.documents, **_in_own_process(day, url, s3_url)))
        day.clear()
    workload.client.indices.delete(index=large.index)
    return found


def workers_table(workers: Sequence[ArchiveWorker]) -> Table:
    """Days of several sizes: more documents, but no more memory."""
    rows = [
        (
            f"{one.line_bytes / GIGABYTE:.2f} GB",
            one.documents,
            round(one.seconds, 1),
            round(one.documents / one.seconds),
            round(one.idle_bytes / MEGABYTE),
            round(one.peak_bytes / MEGABYTE),
        )
        for one in workers
    ]
    columns = ("lines", "documents", "seconds", "documents/s", "MB before", "peak MB")
    return Table("A worker that exports a day and proves it", columns, rows)


def _in_own_process(day: BenchDay, url: str, s3_url: str) -> dict[str, Any]:
    workload = day.workload
    task = {
        "url": url,
        "s3_url": s3_url,
        "definition": workload.dataset.model_dump(mode="json"),
        "archive": day.settings.model_dump(mode="json"),
        "day": workload.days[0],
    }
    command = [sys.executable, "-m", "benchmarks.measures.archives.archiver"]
    done = subprocess.run(command, input=orjson.dumps(task), capture_output=True, cwd=PROJECT, check=False)
    if done.returncode:
        raise BenchmarkError(f"The worker failed: {done.stderr.decode()[-2000:]}")
    found: dict[str, Any] = orjson.loads(done.stdout)
    return found
