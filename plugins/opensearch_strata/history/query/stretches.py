"""How the span of a question is divided: into stretches, each of which takes one search of each source. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import day_bounds, day_of, months_between
from opensearch_strata.history.query.question import Question, milliseconds, moment_of

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Stretch:
    """A part of the span, in epoch milliseconds.

    :param time: when its only record begins, which may be before ``start``; None: it has a record for each unit
    :param unit: length of a record
    :param origin: the beginning of any record
    """

    start: int
    end: int
    time: int | None = None
    unit: int = 0
    origin: int = 0

    @property
    def units(self) -> int:
        """How many records a group can have."""
        return 1 if self.time is not None else self._number(self.end - 1) - self._number(self.start) + 1

    def units_before(self, moment: int) -> int:
        """How many of its first records end at or before a moment.

        :param moment: epoch milliseconds
        """
        return 0 if self.time is not None else max(0, self._number(moment) - self._number(self.start))

    def cut(self, units: int) -> tuple[Stretch, Stretch | None]:
        """Divide it into its first units and the rest, which is None if nothing is left."""
        border = self.origin + (self._number(self.start) + units) * self.unit if self.time is None else self.end
        if border >= self.end:
            return self, None
        return replace(self, end=border), replace(self, start=border)

    def _number(self, moment: int) -> int:
        return (moment - self.origin) // self.unit


def stretches(question: Question, first: int, last: int) -> Iterator[Stretch]:
    """The span of a question in order, limited to days or months that can have events.

    :param first: when the bucket of the earliest event begins, epoch milliseconds
    :param last: last millisecond of the latest event's bucket
    """
    dataset, interval = question.dataset, question.interval
    start, end = max(question.start, first), min(question.end, last + 1)
    if interval is None:
        yield Stretch(question.start, question.end, time=question.start)
    elif interval.length is None:
        yield from _between(question, _months(dataset, start, end))
    elif interval.length == dataset.history.bucket_length != _DAY:
        yield Stretch(start, end, unit=question.bucket)  # records are named by the start of their bucket in any zone
    else:
        days = _between(question, _days(dataset, start, end))
        if interval.length == _DAY:
            yield from days
            return
        # Parts of a day are measured in elapsed time from local midnight.
        unit = interval.length // timedelta(milliseconds=1)
        yield from _joined(replace(day, time=None, unit=unit, origin=day.time or 0) for day in days)


def _between(question: Question, begins: Iterable[date]) -> Iterator[Stretch]:
    """Stretches within a question's span from the local midnight of each given day to that of the next one."""
    midnights = (milliseconds(day_bounds(day, question.dataset.zone)[0]) for day in begins)
    for midnight, following in pairwise(midnights):
        start, end = max(midnight, question.start), min(following, question.end)
        if start < end:  # a zone that crosses the date line skips a day
            yield Stretch(start, end, time=midnight)


def _joined(days: Iterable[Stretch]) -> Iterator[Stretch]:
    """Days that follow each other as one stretch, which ends where clocks were changed and records begin anew."""
    joined: Stretch | None = None
    for day in days:
        if joined and joined.end == day.start and not (day.origin - joined.origin) % day.unit:
            joined = replace(joined, end=day.end)
            continue
        if joined:
            yield joined
        joined = day
    if joined:
        yield joined


def _days(dataset: Dataset, start: int, end: int) -> Iterator[date]:
    """The days that a span touches, and the next day."""
    day, last = (day_of(moment_of(ms), dataset.zone) for ms in (start, end - 1))
    while day <= last + _DAY:
        yield day
        day += _DAY


def _months(dataset: Dataset, start: int, end: int) -> list[date]:
    """First days of the months that a span touches, and of the next month."""
    first, last = (day_of(moment_of(ms), dataset.zone) for ms in (start, end - 1))
    return months_between(first, last.replace(day=1) + timedelta(days=32))
