"""One look after the other: what cannot be looked at is a finding, and never hides what was found of the other days."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta
from threading import Lock

from opensearch_strata.errors import Refused
from opensearch_strata.errors.judging import explain, is_transient
from opensearch_strata.workflows.audit.findings import Finding, is_bad
from opensearch_strata.workflows.audit.inventory import Inventory

_log = logging.getLogger(__name__)

_MOST_FAILURES = 3  # in a row for a reason that other days will have too: S3 or OpenSearch does not answer, or refuses
_LOOKS = 3
_AGAIN = "Audit again once the cause is fixed: nothing is known about it until then."


class Looks:
    """Looks at days, from several threads if need be. Gives up if one after the other fails for want of an answer."""

    def __init__(self) -> None:
        self._failures = 0
        self._lock = Lock()

    def at(self, day: date | None, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
        """What a look finds. If it fails, what it found until then, and a finding that says so.

        :param day: None if it is not about a day
        :param look: yields findings; an iterable of them is used up here
        """
        with self._lock:
            is_given_up = self._failures >= _MOST_FAILURES
        if is_given_up:
            told = "It was not looked at, because looking at earlier ones failed again and again."
            return [Finding("unfinished", day, told, "look", _AGAIN, is_passing=True)]
        found: list[Finding] = []
        try:
            found.extend(look())
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one day, the findings of all others count
            found.append(self._failed(day, error))
        else:
            with self._lock:
                self._failures = 0
        return found

    def _failed(self, day: date | None, error: Exception) -> Finding:
        passing = is_transient(error)
        if passing or isinstance(error, Refused):
            with self._lock:
                self._failures += 1
        else:
            _log.warning("audit_failed day=%s", day, exc_info=error)
        return Finding("unfinished", day, f"It could not be looked at. {explain(error)}", "look", _AGAIN, None, passing)


def settled(
    inventory: Inventory, look: Callable[[Inventory], list[Finding]], take: Callable[[date, date], Inventory]
) -> list[Finding]:
    """What is found of days that may change while they are looked at.

    A day that seems lost, or that the next fault would lose, is looked at again from the beginning. Only what is found
    twice in a row counts: a daily cycle that condenses and archives a day meanwhile loses nothing.

    :param look: finds what is to be said of the days of an inventory
    :param take: takes a new inventory of a span
    """
    found = look(inventory)
    for _ in range(_LOOKS - 1):
        days = _days_of(filter(is_bad, found))
        if not days:
            return found
        try:
            fresh = take(min(days), max(days))
        except Exception as error:  # noqa: BLE001 - what was found counts, whatever keeps it from being looked at again
            return [
                *found,
                Finding("unfinished", None, f"Days could not be looked at again. {explain(error)}", "look", _AGAIN),
            ]
        now = look(replace(fresh, days=[state for state in fresh.days if state.day in days]))
        new = [one for one in now if is_bad(one) and one not in found]
        found = [one for one in found if not _days_of([one]) & days] + now
        if not new:
            return found
    return [_moving(one) if one in new else one for one in found]


def moving(day: date | None, told: str) -> Finding:
    """A finding that may only be of a moment between two steps of a daily cycle.

    :param told: what was found, a sentence
    """
    cure = "Nothing now: run the audit again when no daily cycle, backfill or export of the day is running."
    return Finding("unfinished", day, f"It changed while it was looked at. {told}", "look", cure, is_passing=True)


def _moving(found: Finding) -> Finding:
    return replace(moving(found.day, found.finding), last=found.last)


def _days_of(findings: Iterable[Finding]) -> set[date]:
    return {
        one.day + timedelta(days=number)
        for one in findings
        if one.day
        for number in range(((one.last or one.day) - one.day).days + 1)
    }
