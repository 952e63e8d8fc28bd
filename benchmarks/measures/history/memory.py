"""Peak memory of a process that reads a long history of many devices, page by page.

Run as a program, ``python -m benchmarks.measures.history.memory``, it takes the URL, definition and span as JSON from
stdin, so that no process list shows a password, and prints what it read as JSON.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle, islice
from typing import Any

import orjson

from benchmarks.material.telemetry import device_name
from benchmarks.material.workload import BenchmarkError, Workload, write
from benchmarks.measures.history.condensing import pages
from benchmarks.measures.history.sizes import row_bodies
from benchmarks.peak_memory import MEGABYTE, peak_bytes
from local.places import PROJECT
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.buckets.aggregation import rows_body
from opensearch_strata.history.month.index import ensure_month
from opensearch_strata.history.month.row_ids import row_id, row_of_bucket
from opensearch_strata.presentation.tables import Table
from opensearch_strata.reader import read_pages

METRIC = "latency"
STATS = ("count", "avg", "p50", "p99")
HOURS = (6, 24)
"""Two lengths of the same history."""

DOCUMENTS_PER_DEVICE = 100
"""With this, a workload of 1,000,000 documents also has a history of 10,000 devices."""


@dataclass(frozen=True)
class Streamed:
    """One process that read a history without keeping any of it."""

    devices: int
    hours: int
    rows: int
    seconds: float
    peak_bytes: int


def measure_memory(workload: Workload, url: str, say: Callable[[str], None]) -> list[Streamed]:
    """Write a history without raw days, then read a short and a long span of it, each in its own process."""
    fleet = workload.variant("fleet").model_copy(update={"raw": _no_raw(workload)})
    devices = max(1, workload.documents // DOCUMENTS_PER_DEVICE)
    say(f"{devices * HOURS[-1]:,} rows of {devices:,} devices")
    day = workload.days[0]
    ensure_month(workload.client, fleet, day)
    index = fleet.month_index(day)
    write(workload.client, index, row_bodies(_rows(workload, fleet, devices)))
    workload.client.indices.refresh(index=index)
    found = []
    for hours in HOURS:
        say(f"{hours} hours in a separate process")
        begin = workload.span[0]
        found.append(Streamed(devices, hours, **_in_own_process(fleet, url, begin, begin + timedelta(hours=hours))))
    return found


def memory_table(streamed: Sequence[Streamed]) -> Table:
    """Two spans of the same history: more rows, but no more memory."""
    rows = [
        (f"{one.hours} h of {one.devices:,} devices", one.rows, round(one.seconds, 1), round(one.peak_bytes / MEGABYTE))
        for one in streamed
    ]
    return Table("Streaming a history, hourly by device", ("span", "rows", "seconds", "peak MB"), rows)


def _no_raw(workload: Workload) -> Any:
    """Raw days with another name, so that none exist."""
    raw = workload.dataset.raw
    return raw.model_copy(update={"index": f"{workload.prefix}-gone-{{day}}"})


def _rows(workload: Workload, fleet: Dataset, devices: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Hours of many devices, to which the statistics of real rows are assigned in turn."""
    found = pages(workload, fleet, workload.dataset.raw_index(workload.days[0]), rows_body, {"match_all": {}})
    sample = [row_of_bucket(fleet, "", bucket)[1] for bucket in islice(next(found), 2000)]
    rows = cycle(sample)
    begin = int(workload.span[0].timestamp() * 1000)
    for hour in range(HOURS[-1]):
        moment = begin + hour * 3_600_000
        transform_id = fleet.transform_id((workload.span[0] + timedelta(hours=hour)).date())
        for device in range(devices):
            keys = {"device": device_name(device), "@timestamp": moment}
            yield row_id(transform_id, list(keys.values())), {**next(rows), **keys, "transform._id": transform_id}


def _in_own_process(fleet: Dataset, url: str, begin: datetime, end: datetime) -> dict[str, Any]:
    task = orjson.dumps({"url": url, "definition": fleet.model_dump(mode="json"), "begin": begin, "end": end})
    command = [sys.executable, "-m", "benchmarks.measures.history.memory"]
    done = subprocess.run(command, input=task, capture_output=True, cwd=PROJECT, check=False)
    if done.returncode:
        raise BenchmarkError(f"The process that reads the history failed: {done.stderr.decode()[-2000:]}")
    found: dict[str, Any] = orjson.loads(done.stdout)
    return found


def main() -> None:
    """Stream the history and print rows, seconds and peak memory."""
    task = orjson.loads(sys.stdin.buffer.read())
    fleet = Dataset.model_validate(task["definition"])
    begin, end = datetime.fromisoformat(task["begin"]), datetime.fromisoformat(task["end"])
    client = build_client(ClientSettings.from_url(task["url"]))
    began = time.perf_counter()
    rows = sum(
        len(page)
        for page in read_pages(client, fleet, begin, end, metrics=[METRIC], stats=STATS, interval="1h", by=["device"])
    )
    seconds = time.perf_counter() - began
    sys.stdout.buffer.write(orjson.dumps({"rows": rows, "seconds": seconds, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
