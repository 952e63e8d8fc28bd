"""What the next run of a dataset's daily cycle is going to do, from what is known now. Pure: a dry run on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from opensearch_strata.definition.consent import Consent, consent_of
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import newest_expired
from opensearch_strata.errors.amounts import counted
from opensearch_strata.workflows.audit.day_findings import is_proven
from opensearch_strata.workflows.audit.inventory import DayState
from opensearch_strata.workflows.overview.kinds import late_documents
from opensearch_strata.workflows.overview.overview import Overview


@dataclass(frozen=True)
class Tonight:
    """The next run.

    :param day: its day; None if the schedule has ended
    :param consent: what applies to deletions
    :param at: when it begins, in the dataset's time zone
    :param condenses: what becomes of its day, a sentence
    :param archives: days that it would archive, since they are to be deleted or old enough; None if it is not known
        which ones are archived
    :param unarchived: days that are old enough to be archived but cannot be, so that the run fails -> why, a sentence
    :param deletes: days that it would delete if the dataset allows it, each after its proof
    :param lacks: which of these it would condense first -> why, a sentence
    :param refuses: days that have left the window but would be kept -> why, a sentence
    :param waits: how many more have left the window and wait for later runs
    """

    day: date | None
    consent: Consent
    at: datetime | None = None
    condenses: str = ""
    archives: list[date] | None = field(default_factory=list)
    unarchived: dict[date, str] = field(default_factory=dict)
    deletes: list[date] = field(default_factory=list)
    lacks: dict[date, str] = field(default_factory=dict)
    refuses: dict[date, str] = field(default_factory=dict)
    waits: int = 0


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
    consent = consent_of(dataset)
    upcoming = next_run(dataset, now)
    if upcoming is None:
        return Tonight(None, consent)
    day, at = upcoming
    border = newest_expired(day, dataset.raw.window_days)
    states = _states(overview)
    expired = [states[cell.day] for cell in overview.raw if cell.day <= border]
    refuses = {state.day: why for state in expired if (why := _refused(overview, state))}
    may_go = [state for state in expired if state.day not in refuses]
    turn = may_go[: dataset.cycle.max_deletes_per_run]
    archives, unarchived = _archives(overview, day, turn)
    return Tonight(
        day=day,
        at=at,
        condenses=_condenses(overview, day),
        archives=archives,
        unarchived=unarchived,
        deletes=[state.day for state in turn],
        lacks={state.day: why for state in turn if (why := _lacks(state))},
        refuses=refuses,
        waits=len(may_go) - len(turn),
        consent=consent,
    )


def _archives(
    overview: Overview, run_day: date, leaving: Sequence[DayState]
) -> tuple[list[date] | None, dict[date, str]]:
    """See :class:`Tonight`.

    :param leaving: days that it would delete
    """
    settings = overview.dataset.archive
    if settings is None:
        return [], {}
    if not overview.inventory.archive_seen:
        return None, {}
    states = _states(overview)
    oldest = date.min if settings.after_days is None else run_day - timedelta(days=settings.after_days - 1)
    due = [states[cell.day] for cell in overview.raw if cell.day <= oldest and states[cell.day].documents != 0]
    cannot = {state.day: why for state in due if _needs_archive(state) and (why := _unprovable(overview, state))}
    wanted = [*due, *(leaving if settings.before_delete else [])]
    days = {state.day for state in wanted if _needs_archive(state) and state.day not in cannot}
    if overview.inventory.window_end < run_day <= oldest:  # its own day, which goes on
        days.add(run_day)
    return sorted(days), cannot


def _needs_archive(state: DayState) -> bool:
    """Whether a raw day has no archive, or holds more than when it was proven, and so more than its archive."""
    return not state.has_manifest or late_documents(state) > 0


def _condenses(overview: Overview, day: date) -> str:
    """What becomes of the day that the run is about."""
    index = overview.dataset.raw_index(day)
    if day > overview.inventory.window_end:  # the day goes on
        return f"{index} is condensed and proven when {day} is over."
    state = _states(overview).get(day, DayState(day))
    held, carried = state.documents or 0, state.rows.documents if state.rows else 0
    if cannot := state.problem or _unreadable(overview, day):
        return f"{cannot} So {index} cannot be condensed, and the run fails."
    if held < carried:
        there = f"holds {counted(held, 'document')}" if held else _nothing(state)
        return f"{index} {there}, but its rows carry {carried:,}. They are kept as they are, and the run fails."
    if not held and overview.dataset.raw.required_daily:
        return f"{index} {_nothing(state)}, although every day is due (raw.required_daily), so the run fails."
    if not held:
        return f"{index} {_nothing(state)}, so there is nothing to condense."
    if _is_recreated(state):
        if held > carried:
            return f"{_unsure(state)} The rows are kept as they are, and the run fails."
        return (
            f"{index} was recreated after its rows were made. It is condensed and proven if it holds everything that "
            f"they carry; if not, the run fails."
        )
    if is_proven(state) and state.rows:
        return f"{index} is condensed already ({counted(state.rows.number, 'row')}); it is condensed and proven again."
    return f"{index} with {counted(held, 'document')} is condensed and proven."


def _refused(overview: Overview, state: DayState) -> str:
    """Why a day that has left the window would be kept; empty if nothing is in the way as far as is known."""
    if why := overview.loading.get(state.day):
        return why
    if state.wanted and not state.problem:
        return f"It stays: {state.wanted}."
    return _unprovable(overview, state)


def _unprovable(overview: Overview, state: DayState) -> str:
    """Why no proof of a raw day can hold; empty if one may."""
    if state.problem:
        return state.problem
    if not state.documents:
        return "It is empty, and an empty raw day is never verified."
    if why := _unreadable(overview, state.day):
        return why
    if overview.by_day[state.day].kind == "rebuilding":
        return "The month of its rows is being replaced."
    if (late := late_documents(state)) < 0:
        return f"It holds {counted(state.documents, 'document')}, but its rows carry {state.documents - late:,}."
    return _unsure(state) if late and _is_recreated(state) else ""


def _lacks(state: DayState) -> str:
    """Why a day is condensed before it can be proven, a sentence; empty if its rows carry it as far as is known."""
    if state.rows is None:
        return "It was never condensed."
    if late := late_documents(state):
        return f"{counted(late, 'document')} came after its rows were made."
    return "It was recreated; it stays if it lacks anything that its rows carry." if _is_recreated(state) else ""


def _states(overview: Overview) -> dict[date, DayState]:
    return {state.day: state for state in overview.inventory.days}


def _unreadable(overview: Overview, day: date) -> str:
    """Why the rows of a day cannot be read; empty if they can."""
    found = overview.inventory.unreadable.get(day.replace(day=1))
    return found.why if found else ""


def _nothing(state: DayState) -> str:
    return "does not exist" if state.documents is None else "is empty"


def _is_recreated(state: DayState) -> bool:
    """Whether rows came from another index than the one that is there now. Old rows do not state it."""
    return state.rows is not None and bool(state.rows.sources - {state.uuid})


def _unsure(state: DayState) -> str:
    """What a run says of a recreated day that holds more than its rows carry, for all that it could lack of them."""
    held, carried = state.documents or 0, state.rows.documents if state.rows else 0
    return (
        f"It was recreated after its rows were made: it holds {counted(held, 'document')}, they carry {carried:,}, and "
        f"nothing shows whether it includes those."
    )
