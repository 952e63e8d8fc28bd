"""How long questions take: from the history, as its reader answers them, and from raw days, as people ask them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from opensearchpy import OpenSearch

from benchmarks.material.peers import hourly_percentiles_body, percentiles_by_device_body
from benchmarks.material.telemetry import SENSORS, device_name, devices_of
from benchmarks.material.workload import RELATIVE_ERROR, BenchmarkError, Workload
from benchmarks.measures.history.condensing import UNCACHED
from benchmarks.timing import Samples, Task, timed
from opensearch_strata.history.buckets.partials import merged_of_states
from opensearch_strata.history.buckets.scripts import recall_metric
from opensearch_strata.presentation.tables import Table
from opensearch_strata.reader import read
from opensearch_strata.sketches.ddsketch import quantiles, step_of

METRIC, HEAVY_TAILED = "temperature", "latency"
STATS = ("p50", "p90", "p99")
QUANTILES = (0.5, 0.9, 0.99)

ALL_DEVICES, ONE_DEVICE, BY_DEVICE = "one metric, all devices", "one metric, one device", "one metric, each device"
HEAVY_ALL_DEVICES = "the heavy-tailed metric, all devices"
ALL_METRICS, ALL_METRICS_ONE_DEVICE = "11 metrics, all devices", "11 metrics, one device"

FLOOR = "a search that finds nothing"

MAX_BUCKETS = 65_535
"""The server's own limit of buckets in one answer."""


def read_seconds(workload: Workload, rounds: int, on_round: Callable[[str], None]) -> dict[str, Samples]:
    """Time hourly p50, p90 and p99 over all days, asking each question to the history and to the raw days.

    :raises BenchmarkError: the reader does not read the days from the history
    """
    _check_source(workload)
    device = device_name(devices_of(workload.documents) // 2)
    everything = list(SENSORS)
    tasks = {
        **_both(workload, ALL_DEVICES, [METRIC], hourly_percentiles_body([METRIC])),
        **_both(workload, HEAVY_ALL_DEVICES, [HEAVY_TAILED], hourly_percentiles_body([HEAVY_TAILED])),
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
    tasks[FLOOR] = Task(partial(_ask_nothing, workload))
    devices = devices_of(workload.documents)
    if devices * 24 * len(workload.days) <= MAX_BUCKETS:  # beyond that, raw days would have to be asked in parts
        body = percentiles_by_device_body(METRIC, devices)
        tasks |= _both(workload, BY_DEVICE, [METRIC], body, by=["device"])
    return timed(workload.client, tasks, rounds, on_round)


def from_history(question: str) -> str:
    """Name of the samples from the history."""
    return f"{question}: history"


def from_raw(question: str) -> str:
    """Name of the samples from raw days."""
    return f"{question}: raw"


def by_reader(question: str) -> str:
    """Name of the samples from the whole reader."""
    return f"{question}: read()"


def reading_table(samples: dict[str, Samples]) -> Table:
    """Every question that both sides were asked."""
    asked = [name.removesuffix(": raw") for name in samples if name.endswith(": raw")]
    rows = []
    for question in asked:
        ours, whole, raw = (samples[name(question)].seconds for name in (from_history, by_reader, from_raw))
        rows.append(
            (question, *(round(1000 * s, 1) for s in (ours, raw)), f"{raw / ours:.1f} x", round(1000 * whole, 1))
        )
    rows.append((FLOOR, round(1000 * samples[FLOOR].seconds, 1), None, None, None))
    return Table("Reading", ("hourly p50, p90, p99", "history ms", "raw ms", "faster", "whole read() ms"), rows)


def _check_source(workload: Workload) -> None:
    begin, end = workload.span
    for index in workload.month_indices:  # raw days are also asked without a cache
        workload.client.indices.put_settings(index=index, body={"index.requests.cache.enable": False})
    frame = read(workload.client, workload.dataset, begin, end, metrics=[METRIC], stats=["count"], interval="1h")
    if set(frame["source"]) != {"history"} or len(frame) != 24 * len(workload.days):
        raise BenchmarkError(
            f"The reader returned {len(frame)} hours from {', '.join(sorted(set(frame['source'])))}, not every hour "
            f"from history, although each day is proven. There is nothing to compare."
        )


def _both(
    workload: Workload, question: str, metrics: Sequence[str], raw_body: dict[str, Any], **groups: Any
) -> dict[str, Task]:
    client, dataset = workload.client, workload.dataset
    begin, end = workload.span
    return {
        from_history(question): Task(partial(_ask_history, workload, metrics, **groups)),
        by_reader(question): Task(
            partial(read, client, dataset, begin, end, metrics=metrics, stats=STATS, interval="1h", **groups)
        ),
        from_raw(question): Task(partial(_ask_raw, client, workload, raw_body)),
    }


def _ask_history(
    workload: Workload, metrics: Sequence[str], where: Mapping[str, str] | None = None, by: Sequence[str] = ()
) -> list[dict[float, float]]:
    """One search, as on the raw side: the server merges the sketches, which are turned into quantiles here."""
    kept = {"stats": ["min", "max", "count"]}
    slim = {name: metric.model_copy(update=kept) for name, metric in workload.dataset.metrics.items()}
    dataset = workload.dataset.model_copy(update={"metrics": slim})
    hours: dict[str, Any] = {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h"}}
    if by:
        sources = [{"time": hours}, *({field: {"terms": {"field": field}}} for field in by)]
        hours = {"composite": {"size": MAX_BUCKETS - 1, "sources": sources}}
    body = {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": [{"term": {field: value}} for field, value in (where or {}).items()]}},
        "aggs": {"hours": {**hours, "aggs": {"metrics": recall_metric(dataset, metrics, dataset.sketches)}}},
    }
    answer = workload.client.search(index=",".join(workload.month_indices), body=body, params=UNCACHED)
    found = []
    for bucket in answer["aggregations"]["hours"]["buckets"]:
        for row in merged_of_states(dataset, metrics, bucket["metrics"]["value"]).values():
            found.append(quantiles(row["bins"], QUANTILES, step_of(RELATIVE_ERROR), row["min"], row["max"]))
    return found


def _ask_nothing(workload: Workload) -> None:
    body = {"size": 0, "query": {"match_none": {}}}
    workload.client.search(index=",".join(workload.month_indices), body=body, params=UNCACHED)


def _ask_raw(client: OpenSearch, workload: Workload, body: dict[str, Any]) -> None:
    indices = ",".join(workload.dataset.raw_index(day) for day in workload.days)
    client.search(index=indices, body=body, params=UNCACHED)
