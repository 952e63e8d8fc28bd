"""What tasks found and did, as Airflow's own metrics, whatever it sends them to: StatsD, DogStatsD or OpenTelemetry.

Each metric is named ``strata.<part>.<what>`` and has the tag ``dataset``; docs/operations.md lists them. Where Airflow
sends no metrics, nothing happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

Part = Literal["cycle", "archive", "backfill", "arrivals", "audit"]
"""What a metric is about."""


def add_counts(part: Part, dataset: str, counts: Mapping[str, int]) -> None:
    """Add to counters, which only rise.

    :param part: what the counters are about
    :param dataset: its name
    :param counts: name of the counter -> how much to add
    """
    from airflow.providers.common.compat.sdk import Stats

    for name, count in counts.items():
        Stats.incr(f"strata.{part}.{name}", count, tags={"dataset": dataset})


def set_gauges(part: Part, dataset: str, values: Mapping[str, float | None]) -> None:
    """Set gauges, which say how something stands now.

    :param part: what the gauges are about
    :param dataset: its name
    :param values: name of the gauge -> value; None leaves the gauge as it is
    """
    from airflow.providers.common.compat.sdk import Stats

    for name, value in values.items():
        if value is not None:
            Stats.gauge(f"strata.{part}.{name}", value, tags={"dataset": dataset})


def time_step(dataset: str, step: str, began: datetime, ended: datetime) -> None:
    """Record how long a task took, as ``strata.step.duration``, which Airflow sends in milliseconds.

    :param dataset: its name
    :param step: name of the task, without its groups
    :param began: when the task began; it may have been deferred since
    :param ended: when it was done
    """
    from airflow.providers.common.compat.sdk import Stats

    took: timedelta = ended - began
    Stats.timing("strata.step.duration", took, tags={"dataset": dataset, "step": step})
