"""How long questions take: from the history as its reader answers them, and from the raw days as people ask them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from opensearchpy import OpenSearch

from benchmarks.condensing import UNCACHED
from benchmarks.peers import hourly_percentiles_body, percentiles_by_device_body
from benchmarks.telemetry import SENSORS, device_name, devices_of
from benchmarks.timing import Samples, Task, timed
from benchmarks.workload import BenchmarkError, Workload
from opensearch_strata.reader import read
from opensearch_strata.tables import Table

METRIC = "latency"
STATS = ("p50", "p90", "p99")

ALL_DEVICES, ONE_DEVICE, BY_DEVICE = "one metric, all devices", "one metric, one device", "one metric, each device"
ALL_METRICS, ALL_METRICS_ONE_DEVICE = "11 metrics, all devices", "11 metrics, one device"

MAX_BUCKETS = 65_535
"""A server's own limit of buckets in one answer."""


def read_seconds(workload: Workload, rounds: int, on_round: Callable[[str], None]) -> dict[str, Samples]:
    """Hourly p50, p90 and p99 over all days, each question to the history and to the raw days.

    :raises BenchmarkError: the reader does not take the days from the history
    """
    _check_source(workload)
    device = device_name(devices_of(workload.documents) // 2)
    everything = list(SENSORS)
    tasks = {
        **_both(workload, ALL_DEVICES, [METRIC], hourly_percentiles_body([METRIC])),
        **_both(workload, ONE_DEVICE, [METRIC], hourly_percentiles_body([METRIC], device), where={"device": device}),
        **_both(workload, ALL_METRICS, everything, hourly_percentiles_body(everything)),
        **_both(
            workload,
            ALL_METRICS_ONE_DEVICE,
            everything,
            hourly_percentiles_body(everything, device),
            where={"device": device},
        ),
    }
    devices = devices_of(workload.documents)
    if devices * 24 * len(workload.days) <= MAX_BUCKETS:  # beyond, the raw days would have to be asked in parts
        body = percentiles_by_device_body(METRIC, devices)
        tasks |= _both(workload, BY_DEVICE, [METRIC], body, by=["device"])
    return timed(workload.client, tasks, rounds, on_round)


def from_history(question: str) -> str:
    """Name of the samples of the history's side."""
    return f"{question}: history"


def from_raw(question: str) -> str:
    """Name of the samples of the raw side."""
    return f"{question}: raw"


def reading_table(samples: dict[str, Samples]) -> Table:
    """Every question that was asked of both sides."""
    asked = [name.removesuffix(": raw") for name in samples if name.endswith(": raw")]
    rows = []
    for question in asked:
        ours, raw = samples[from_history(question)], samples[from_raw(question)]
        rows.append(
            (
                question,
                round(ours.seconds, 4),
                round(ours.answer_seconds, 4),
                round(raw.seconds, 4),
                f"{raw.seconds / ours.seconds:.1f} x",
                f"{raw.answer_seconds / ours.answer_seconds:.1f} x",
            )
        )
    columns = ("hourly p50, p90, p99", "history s", "of it in requests", "raw s", "faster", "faster, requests alone")
    return Table("Reading", columns, rows)


def _check_source(workload: Workload) -> None:
    begin, end = workload.span
    frame = read(workload.client, workload.dataset, begin, end, metrics=[METRIC], stats=["count"], interval="1h")
    if set(frame["source"]) != {"history"} or len(frame) != 24 * len(workload.days):
        raise BenchmarkError(
            f"The reader gave {len(frame)} hours from {', '.join(sorted(set(frame['source'])))}, not every hour from "
            f"history, although each day is proven. There is nothing to compare."
        )


def _both(
    workload: Workload, question: str, metrics: Sequence[str], raw_body: dict[str, Any], **groups: Any
) -> dict[str, Task]:
    client, dataset = workload.client, workload.dataset
    begin, end = workload.span
    return {
        from_history(question): Task(
            partial(read, client, dataset, begin, end, metrics=metrics, stats=STATS, interval="1h", **groups)
        ),
        from_raw(question): Task(partial(_ask_raw, client, workload, raw_body)),
    }


def _ask_raw(client: OpenSearch, workload: Workload, body: dict[str, Any]) -> None:
    indices = ",".join(workload.dataset.raw_index(day) for day in workload.days)
    client.search(index=indices, body=body, params=UNCACHED)
