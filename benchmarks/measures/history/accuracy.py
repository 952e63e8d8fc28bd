"""Compares quantiles from merged sketches with exact ones, computed from the generator's own numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from benchmarks.material.telemetry import PER_HOUR, SENSORS, Numbers, device_name, devices_of, rounds
from benchmarks.material.workload import RELATIVE_ERROR, Workload
from benchmarks.measures.history.condensing import UNCACHED
from opensearch_strata.history.buckets.partials import merged_of_states
from opensearch_strata.history.buckets.scripts import recall_metric
from opensearch_strata.presentation.tables import Table
from opensearch_strata.sketches.ddsketch import quantiles, step_of

QUANTILES = (0.5, 0.9, 0.99, 0.999)
_KEPT = 100
KINDS = ("one device, one hour", "one device, any span", "all devices, one hour", "some devices, any span")


@dataclass(frozen=True)
class Question:
    """A question for quantiles of what some devices sent in some hours.

    :param hours: first and exclusive last hour, counted from the start of the first day
    """

    kind: str
    metric: str
    devices: tuple[int, ...]
    hours: tuple[int, int]


@dataclass(frozen=True)
class Answer:
    """A quantile from the history and the exact one."""

    question: Question
    quantile: float
    values: int
    found: float
    exact: float

    @property
    def error(self) -> float:
        """|found - exact| / |exact|; if the exact value is zero, only zero is right."""
        if self.exact == 0:
            return 0.0 if self.found == 0 else math.inf
        return abs(self.found - self.exact) / abs(self.exact)


def ask_history(workload: Workload, count: int) -> list[Answer]:
    """Answers to `count` seeded questions, each for all quantiles."""
    exact = _exact_values(workload)
    answers = []
    for question in questions(workload, count):
        first, last = question.hours
        asked = exact[question.metric][first:last, :, list(question.devices)]
        values = np.sort(asked[~np.isnan(asked)])
        if not values.size:
            continue
        found = _quantiles(workload, question)
        for q in QUANTILES:
            exactly = float(values[math.floor(q * (values.size - 1))])
            answers.append(Answer(question, q, values.size, found[q], exactly))
    return answers


def accuracy_table(answers: Sequence[Answer]) -> Table:
    """The largest error for each kind of question."""
    rows = []
    for kind in dict.fromkeys(answer.question.kind for answer in answers):
        of_kind = [answer for answer in answers if answer.question.kind == kind]
        most = max(answer.values for answer in of_kind)
        rows.append((kind, len(of_kind), most, round(100 * max(answer.error for answer in of_kind), 5)))
    columns = ("quantiles of", "how many", "largest number of values", "largest error, %")
    return Table("p50, p90, p99 and p99.9 from history compared with exact values", columns, rows)


def largest_errors(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """The answers with the largest errors, machine-readable."""
    return [_record(answer) for answer in sorted(answers, key=lambda answer: answer.error, reverse=True)[:_KEPT]]


def _record(answer: Answer) -> dict[str, Any]:
    question = answer.question
    return {
        "kind": question.kind,
        "metric": question.metric,
        "devices": len(question.devices),
        "first_hour": question.hours[0],
        "hours": question.hours[1] - question.hours[0],
        "values": answer.values,
        "quantile": answer.quantile,
        "found": answer.found,
        "exact": answer.exact,
        "error": answer.error,
    }


def questions(workload: Workload, count: int) -> Iterator[Question]:
    """Seeded questions of every kind in turn; the last one asks for everything."""
    rng = np.random.default_rng([workload.seed, count])
    hours, devices = 24 * len(workload.days), devices_of(workload.documents)
    everybody = tuple(range(devices))
    for number in range(count - 1):
        kind = KINDS[number % len(KINDS)]
        first, last = sorted(rng.choice(hours + 1, 2, replace=False).tolist())
        span = (first, first + 1) if "one hour" in kind else (first, last)
        if kind.startswith("some"):
            asked = tuple(sorted(rng.choice(devices, rng.integers(1, devices + 1), replace=False).tolist()))
        else:
            asked = everybody if kind.startswith("all") else (int(rng.integers(devices)),)
        yield Question(kind, str(rng.choice(list(SENSORS))), asked, span)
    yield Question("all devices, whole span", "latency", everybody, (0, hours))


def _exact_values(workload: Workload) -> dict[str, Numbers]:
    """Metric -> values by hour, report within the hour and device; NaN if a document lacks the metric."""
    shape = (24 * len(workload.days), PER_HOUR, devices_of(workload.documents))
    values = {name: np.empty(shape) for name in SENSORS}
    for place, day in enumerate(workload.days):
        for number, reports in enumerate(rounds(day, workload.documents, workload.seed)):
            hour, in_hour = divmod(number, PER_HOUR)
            for name in SENSORS:
                values[name][24 * place + hour, in_hour] = reports.values[name]
    return values


def _quantiles(workload: Workload, question: Question) -> dict[float, float]:
    """Quantiles from the rows of the history, whose sketches the server merges."""
    dataset = workload.dataset
    names = [question.metric]
    begin = workload.span[0]
    first, last = (_milliseconds(begin + timedelta(hours=hour)) for hour in question.hours)
    query = {
        "bool": {
            "filter": [
                {"range": {"@timestamp": {"gte": first, "lt": last, "format": "epoch_millis"}}},
                {"terms": {"device": [device_name(device) for device in question.devices]}},
            ]
        }
    }
    recall = recall_metric(dataset, names, {question.metric: RELATIVE_ERROR})
    body: dict[str, Any] = {"size": 0, "track_total_hits": False, "query": query, "aggs": {"totals": recall}}
    index = dataset.month_index(workload.days[0])
    states = workload.client.search(index=index, body=body, params=UNCACHED)["aggregations"]["totals"]["value"]
    merged = merged_of_states(dataset, names, states)[question.metric]
    return quantiles(merged["bins"], QUANTILES, step_of(RELATIVE_ERROR), merged["min"], merged["max"])


def _milliseconds(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp() * 1000)
