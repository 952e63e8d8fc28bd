"""Ranges of event times, and operations on them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from zoneinfo import ZoneInfo

from opensearch_strata.definition.days import day_bounds
from opensearch_strata.definition.notation.time_formats import epoch_ms

Span = tuple[int, int]
"""Range of event times in epoch milliseconds: start inclusive, end exclusive."""

ALWAYS: Span = (-(2**53), 2**53)
"""The span of objects that are loaded as a whole, whatever the times of their events."""


def span_of_days(first: date, last: date, zone: ZoneInfo) -> Span:
    """The event times of some days.

    :param last: inclusive
    """
    return epoch_ms(day_bounds(first, zone)[0]), epoch_ms(day_bounds(last, zone)[1])


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return the same times in as few ranges as possible, sorted; no range touches the next one.

    :param spans: in any order
    """
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and touch(found[-1], (start, end)):
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def cover(spans: Iterable[Span], wanted: Span) -> bool:
    """Whether the ranges together contain every time of another range.

    :param spans: in any order
    """
    return any(start <= wanted[0] and wanted[1] <= end for start, end in merged(spans))


def meet(one: Span, other: Span) -> bool:
    """Whether the two ranges have a time in common."""
    return one[0] < other[1] and other[0] < one[1]


def touch(one: Span, other: Span) -> bool:
    """Whether the two ranges overlap or adjoin, with no time between them."""
    return one[0] <= other[1] and other[0] <= one[1]
