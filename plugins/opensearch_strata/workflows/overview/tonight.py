"""What the next run of a dataset's daily cycle is going to do, from what is known now. Pure: a dry run on paper."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from opensearch_strata.definition.consent import consent_of
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import newest_expired
from opensearch_strata.errors.amounts import counted
from opensearch_strata.workflows.overview.kinds import Cell
from opensearch_strata.workflows.overview.overview import Overview


@dataclass(frozen=True)
class Tonight:
    """The next run.

    :param day: its day; None if the schedule has ended
    :param at: when it begins, in the dataset's time zone
    :param condenses: what becomes of its day, a sentence
    :param archives: days that it would archive before it deletes them
    :param deletes: days that it would delete if the dataset allows it, each after its proof
    :param refuses: days that have left the window but would be kept -> why, a sentence
    :param waits: how many more have left the window and wait for later runs
    :param consent: what applies to deletions, a sentence
    """

    day: date | None
    at: datetime | None = None
    condenses: str = ""
    archives: list[date] = field(default_factory=list)
    deletes: list[date] = field(default_factory=list)
    refuses: dict[date, str] = field(default_factory=dict)
    waits: int = 0
    consent: str = ""


def next_run(dataset: Dataset, now: datetime) -> tuple[date, datetime] | None:
    """The day of the next scheduled run, and when it begins; None if the schedule has ended.

    :param now: aware
    """
    minute, hour = dataset.cycle.cron.split()[:2]
    here = now.astimezone(dataset.zone)
    at = datetime.combine(here.date(), time(int(hour), int(minute)), dataset.zone)
    if at <= here:
        at = datetime.combine(here.date() + timedelta(days=1), time(int(hour), int(minute)), dataset.zone)
    day = max(at.date() - timedelta(days=1), dataset.cycle.start_date)
    if dataset.cycle.end_date and day > dataset.cycle.end_date:
        return None
    begins = day + timedelta(days=1)
    return day, datetime.combine(begins, at.timetz().replace(tzinfo=None), dataset.zone)


def tonight(overview: Overview, now: datetime) -> Tonight:
    """Foresee the next run. The run itself proves each day again and may find more to refuse.

    :param now: aware
    """
    dataset = overview.dataset
    consent = consent_of(dataset).sentence
    upcoming = next_run(dataset, now)
    if upcoming is None:
        return Tonight(None, consent=consent)
    day, at = upcoming
    border = newest_expired(day, dataset.raw.window_days)
    expired = [cell for cell in overview.raw if cell.day <= border]
    refuses = {cell.day: why for cell in expired if (why := _refused(overview, cell))}
    may_go = [cell for cell in expired if cell.day not in refuses]
    turn = may_go[: dataset.cycle.max_deletes_per_run]
    wants_archive = dataset.archive is not None and dataset.archive.before_delete
    return Tonight(
        day=day,
        at=at,
        condenses=_condenses(overview, day),
        archives=[cell.day for cell in turn if wants_archive and not cell.objects],
        deletes=[cell.day for cell in turn],
        refuses=refuses,
        waits=len(may_go) - len(turn),
        consent=consent,
    )


def _condenses(overview: Overview, day: date) -> str:
    cell = overview.by_day.get(day)
    index = overview.dataset.raw_index(day)
    if cell is None:  # the day goes on
        return f"{index} is condensed and proven when {day} is over."
    if cell.documents is None:
        return f"{index} does not exist, so there is nothing to condense."
    if cell.kind in ("proven", "archived"):
        return f"{index} is condensed already ({counted(cell.rows, 'row')}); it is proven again."
    return f"{index} with {counted(cell.documents, 'document')} is condensed and proven."


def _refused(overview: Overview, cell: Cell) -> str:
    """Why a day that has left the window would be kept; empty if nothing is in the way as far as is known."""
    if cell.day in overview.loading:
        return overview.loading[cell.day]
    if cell.why:
        return cell.why
    match cell.kind:
        case "empty":
            return "It is empty, and an empty raw day is never verified."
        case "unreadable":
            return "It cannot be read, so it cannot be proven."
        case "rebuilding":
            return "The month of its rows is being replaced."
        case "differs" if cell.documents is not None and cell.carried > cell.documents:
            return f"It holds {counted(cell.documents, 'document')}, but its rows carry {cell.carried:,}."
    return ""
