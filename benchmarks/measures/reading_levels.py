"""How long questions about a year take: from rows of levels, and from base rows where there are no levels.

Run as a program, ``python -m benchmarks.measures.reading_levels``, it reads each device's days of a month and prints
how long that took and how much memory the process needed; URL, definition and span come as JSON from stdin.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import orjson

from benchmarks.material.telemetry import device_name
from benchmarks.material.workload import BenchmarkError
from benchmarks.material.year import METRIC, Year
from benchmarks.peak_memory import MEGABYTE, peak_bytes
from benchmarks.timing import Samples, Task, timed
from local.places import PROJECT
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.presentation.tables import Table
from opensearch_strata.reader import read

STATS = ("p50", "p90", "p99")

DAILY, HOURLY = "daily, all devices", "hourly, all devices"
ONE_DEVICE = "daily, one device of the fleet"
FLEET = "daily, each device of the fleet, a month"
WITHOUT = "from base rows"

Found = dict[str, Any]


def without_levels(question: str) -> str:
    """Name of the samples of a reader that knows of no levels."""
    return f"{question}: {WITHOUT}"


def year_seconds(year: Year, rounds: int, say: Callable[[str], None]) -> dict[str, Samples]:
    """Time daily and hourly percentiles of all devices over the year, with levels and from base rows.

    :raises BenchmarkError: the reader does not read the levels that were asked for
    """
    history = year.dataset.history.model_copy(update={"levels": []})
    plain = year.dataset.model_copy(update={"history": history})
    tasks = {}
    for question, interval, level in ((DAILY, "1d", "1d"), (HOURLY, "1h", "1h")):
        tasks[question] = _task(year, year.dataset, [level], interval=interval)
        tasks[without_levels(question)] = _task(year, plain, [], interval=interval)
    return timed(year.client, tasks, rounds, say)


def fleet_seconds(fleet: Year, rounds: int, say: Callable[[str], None]) -> dict[str, Samples]:
    """Time daily percentiles of one device over the year.

    :raises BenchmarkError: the reader does not read the levels that were asked for
    """
    device = device_name(fleet.with_base[0])
    task = _task(fleet, fleet.dataset, ["1d.device"], interval="1d", where={"device": device})
    return timed(fleet.client, {ONE_DEVICE: task}, rounds, say)


def month_of_fleet(fleet: Year, url: str, rounds: int) -> list[Found]:
    """Read each device's days of the first month, each time in a process of its own.

    :returns: ``rows``, ``seconds`` and ``peak_bytes`` of each round
    """
    begin, end = fleet.span[0], min(datetime(2025, 2, 1, tzinfo=fleet.span[0].tzinfo), fleet.span[1])
    task = orjson.dumps({"url": url, "definition": fleet.dataset.model_dump(mode="json"), "begin": begin, "end": end})
    found = []
    for _ in range(rounds):
        command = [sys.executable, "-m", "benchmarks.measures.reading_levels"]
        done = subprocess.run(command, input=task, capture_output=True, cwd=PROJECT, check=False)
        if done.returncode:
            raise BenchmarkError(f"The process that reads the fleet failed: {done.stderr.decode()[-2000:]}")
        found.append(orjson.loads(done.stdout))
    return found


def levels_table(samples: dict[str, Samples], fleet: list[Found]) -> Table:
    """Every question, with levels and without."""
    rows: list[tuple[Any, ...]] = []
    for question in (DAILY, HOURLY, ONE_DEVICE):
        ours, plain = samples[question].seconds, samples.get(without_levels(question))
        slower = f"{plain.seconds / ours:.0f} x" if plain else None
        rows.append((question, round(1000 * ours, 1), round(1000 * plain.seconds) if plain else None, slower))
    best = sorted(fleet, key=lambda one: one["seconds"])[len(fleet) // 2]
    rows.append((f"{FLEET}: {best['rows']:,} records", round(1000 * best["seconds"]), None, None))
    return Table("p50, p90 and p99 by read()", ("question", "levels ms", "base rows ms", "faster"), rows)


def memory_table(fleet: list[Found]) -> Table:
    """Each process that read the fleet."""
    rows = [(one["rows"], round(one["seconds"], 2), round(one["peak_bytes"] / MEGABYTE)) for one in fleet]
    return Table(FLEET.capitalize(), ("records", "seconds", "peak MB"), rows)


def _task(year: Year, dataset: Dataset, levels: list[str], **asked: Any) -> Task:
    ask = partial(read, year.client, dataset, *year.span, metrics=[METRIC], stats=STATS, **asked)
    frame = ask()
    if frame.attrs["levels"] != levels or set(frame["source"]) != {"history"} or frame.attrs["notes"]:
        raise BenchmarkError(
            f"The reader read {frame.attrs['levels'] or 'no levels'} from {', '.join(set(frame['source']))} "
            f"({frame.attrs['notes']}), not {levels or 'base rows'}. There is nothing to compare."
        )
    return Task(ask)


def main() -> None:
    """Read the fleet's month and print rows, seconds and peak memory."""
    task = orjson.loads(sys.stdin.buffer.read())
    dataset = Dataset.model_validate(task["definition"])
    begin, end = datetime.fromisoformat(task["begin"]), datetime.fromisoformat(task["end"])
    client = build_client(ClientSettings.from_url(task["url"]))
    began = time.perf_counter()
    frame = read(client, dataset, begin, end, metrics=[METRIC], stats=STATS, interval="1d", by=["device"])
    seconds = time.perf_counter() - began
    sys.stdout.buffer.write(orjson.dumps({"rows": len(frame), "seconds": seconds, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
