"""A calendar of years: weeks side by side, days below each other, as contributions are shown. Values in, layout out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Generic, NamedTuple, TypeVar

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_Cell = TypeVar("_Cell")


class Heading(NamedTuple):
    """A month above its weeks.

    :param name: three letters; empty above weeks that begin before the first month of the year
    :param weeks: over how many columns it stands
    """

    name: str
    weeks: int


@dataclass(frozen=True)
class Year(Generic[_Cell]):
    """A year of the calendar.

    :param months: left to right; together they stand over all weeks
    :param rows: for each weekday from Monday on, its cell in each week; None where the year has no such day, or nothing
        is known of it
    """

    number: int
    months: list[Heading]
    rows: list[list[_Cell | None]]


def years_of(cells: Mapping[date, _Cell]) -> list[Year[_Cell]]:
    """Lay out days, the newest year first.

    :param cells: what is shown of each day
    """
    if not cells:
        return []
    first, last = min(cells).year, max(cells).year
    return [_year(number, cells) for number in range(last, first - 1, -1)]


def _year(number: int, cells: Mapping[date, _Cell]) -> Year[_Cell]:
    start, days = date(number, 1, 1), (date(number, 12, 31) - date(number, 1, 1)).days + 1
    offset = start.weekday()
    weeks = (offset + days - 1) // 7 + 1
    rows: list[list[_Cell | None]] = [[None] * weeks for _ in WEEKDAYS]
    for ordinal in range(days):
        week, weekday = divmod(offset + ordinal, 7)
        rows[weekday][week] = cells.get(start + timedelta(days=ordinal))
    return Year(number, _months(number, offset, weeks), rows)


def _months(number: int, offset: int, weeks: int) -> list[Heading]:
    """Each month begins above the first week that begins in it, or that is the first of the year."""
    starts = []
    for month in range(1, 13):
        ordinal = (date(number, month, 1) - date(number, 1, 1)).days
        starts.append(0 if month == 1 else -(-(offset + ordinal) // 7))
    return [Heading(name, end - begin) for name, begin, end in zip(MONTHS, starts, [*starts[1:], weeks], strict=True)]
