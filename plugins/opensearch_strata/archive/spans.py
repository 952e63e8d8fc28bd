"""Ranges of event times, and what several of them amount to. Pure."""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[int, int]
"""Range of event times in epoch milliseconds: from the first one on, before the second."""


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same times in as few ranges as possible, sorted; none touches the next one.

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
    """Whether ranges together hold every time of another one.

    :param spans: in any order
    """
    return any(start <= wanted[0] and wanted[1] <= end for start, end in merged(spans))


def meet(one: Span, other: Span) -> bool:
    """Whether there is a time in both."""
    return one[0] < other[1] and other[0] < one[1]


def touch(one: Span, other: Span) -> bool:
    """Whether no time lies between them."""
    return one[0] <= other[1] and other[0] <= one[1]
