"""Alarms of a daily cycle: tasks that failed, days that are not proven in time, and a disk that will not do. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import day_bounds
from opensearch_strata.errors.amounts import counted, size
from opensearch_strata.errors.printable import brief
from opensearch_strata.workflows.alarms.alarm import Alarm

if TYPE_CHECKING:
    from opensearch_strata.workflows.alarms.disk import Forecast

PROOFS = frozenset({"verify", "prove"})
"""Tasks that prove a day."""

_NAMED = 5


def failures(dataset: Dataset, day: date | str, failed: Iterable[str], why: Mapping[str, str]) -> list[Alarm]:
    """An alarm for each reason for which tasks of a cycle failed for good, however many they were.

    :param day: the day of the cycle, or what is known of it
    :param failed: tasks that failed, with their groups and ``_n`` if mapped
    :param why: task -> why it failed; a task that was killed does not say
    """
    tasks_of: dict[str, list[str]] = defaultdict(list)
    for task in sorted(failed):
        tasks_of[why.get(task, "")].append(task)
    return [_failure(dataset, day, reason, tasks) for reason, tasks in tasks_of.items()]


def _failure(dataset: Dataset, day: date | str, reason: str, tasks: Sequence[str]) -> Alarm:
    steps = sorted({step_of(task) for task in tasks})
    is_proof = bool(PROOFS & set(steps))
    named = ", ".join(steps)
    sentence = reason or f"{counted(len(tasks), 'task')} of the cycle of {day} ended without saying why: {named}."
    kept = "Nothing was deleted that is not proven. "
    return Alarm(
        kind="proof" if is_proof else "failure",
        dataset=dataset.name,
        # Not the day: where one reason fails the runs of many days, as in a backfill of Airflow, it is told once.
        cause=brief(reason) or f"{named} {day}",
        title=f"a proof failed in the cycle of {day}" if is_proof else f"{named} failed in the cycle of {day}",
        sentence=sentence,
        cure=f"{kept}Do what the sentence says, then clear {named} in the run of {day}; the log has a table.",
    )


def unreported(dataset: Dataset, why: str) -> Alarm:
    """The alarm of a cycle whose report failed, so that nothing is known of its other tasks.

    :param why: why it failed; empty if it was killed
    """
    return Alarm(
        kind="failure",
        dataset=dataset.name,
        cause=brief(why) or "report failed",
        title="the daily cycle could not be reported",
        sentence=why or "report ended without saying why.",
        cure="Nothing was deleted that is not proven. Do what the sentence says, then clear report in this run; its "
        "table says what became of the other tasks.",
    )


def step_of(task: str) -> str:
    """The name of a task without its groups and its number.

    :param task: such as ``retention.retire.prove_3``
    """
    name = task.rpartition(".")[2]
    stem, _, number = name.rpartition("_")
    return stem if number.isdigit() else name


def overdue(dataset: Dataset, unproven: Iterable[date], hours: int, now: datetime) -> list[Alarm]:
    """One alarm for all days that are not proven long after their end; none if there are none.

    :param unproven: raw days whose rows do not carry all of them, or are not proven
    :param hours: how long after the end of a day it should be proven
    """
    limit = now - timedelta(hours=hours)
    late = sorted(day for day in unproven if day_bounds(day, dataset.zone)[1] <= limit)
    if not late:
        return []
    more = f" and {counted(len(late) - _NAMED, 'other day')}" if len(late) > _NAMED else ""
    named = ", ".join(f"{day}" for day in late[:_NAMED])
    return [
        Alarm(
            kind="unproven",
            dataset=dataset.name,
            cause=f"unproven since {late[0]}",
            title=f"{counted(len(late), 'day')} not proven after {hours} hours",
            sentence=f"Not proven {counted(hours, 'hour')} after their end: {named}{more}.",
            cure=f"Run them with Trigger, Backfill in {dataset.name}_daily_cycle, from {late[0]} to the end of "
            f"{late[-1]}. Until then they stay raw, and nothing of them is deleted.",
        )
    ]


def too_small(dataset: Dataset, forecast: Forecast | None) -> list[Alarm]:
    """An alarm if the disks will be full before the window is.

    :param forecast: None if it is not known
    """
    if forecast is None or forecast.needed <= forecast.free:
        return []
    window = counted(dataset.raw.window_days, "day")
    return [
        Alarm(
            kind="disk",
            dataset=dataset.name,
            cause="disk",
            title=f"disks full in about {counted(forecast.days_left, 'day')}",
            sentence=f"The window of {window} is not full yet and still needs about {size(forecast.needed)}, "
            f"{size(forecast.per_day)} a day, but only {size(forecast.free)} is free below the high watermark. The "
            f"disks will be full in about {counted(forecast.days_left, 'day')}.",
            cure="Enlarge the disks, lower raw.window_days, or reduce the replicas of raw days.",
        )
    ]
