"""Where the borders of a span cut buckets of rows, and which rows of such a bucket belong to it. Pure.

A row cannot be cut, but it knows its raw day. So where a local midnight falls into a bucket, as it does in zones off
the hour and with buckets of a day, the rows of that bucket count for their raw day: those of earlier days lie before
the midnight, those of later ones behind it. Each row counts once, whatever the spans; and rightly, unless an event of
the bucket came late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from opensearch_strata.definition.days import day_bounds, day_of
from opensearch_strata.history.query.question import Question, milliseconds, moment_of

Span = tuple[int, int]
"""Begin (inclusive) and end (exclusive), epoch milliseconds."""


@dataclass(frozen=True)
class Edge:
    """A bucket that a border of a span cuts.

    :param bucket: when it begins, epoch milliseconds
    :param since: rows of this raw day and later ones lie in the span; None: of all days
    :param before: rows of this raw day and later ones do not
    :param cut: a border within the bucket at which no day begins, so that no row can be told to lie on a side of it
    """

    bucket: int
    since: date | None = None
    before: date | None = None
    cut: int | None = None


def whole_buckets(length: int, start: int, end: int) -> Span:
    """Begin and end of the buckets that lie in a span as a whole; equal or crossed if none does.

    :param length: of a bucket, milliseconds
    """
    return -(-start // length) * length, end // length * length


def partial_buckets(length: int, start: int, end: int) -> list[Span]:
    """The parts of a span, none to two, that hold less than a bucket.

    :param length: of a bucket, milliseconds
    """
    first, last = whole_buckets(length, start, end)
    if first > last:  # start and end are in one bucket
        return [(start, end)]
    return [(one, other) for one, other in ((start, first), (last, end)) if one < other]


@dataclass(frozen=True)
class RowsOfSpan:
    """Which rows count for a span.

    :param whole: begin and end of the buckets that lie in it as a whole; None if none does
    :param edges: buckets that it holds in part
    """

    whole: Span | None
    edges: Sequence[Edge]

    @property
    def buckets(self) -> list[Span]:
        """When the buckets of these rows may begin."""
        return [*([self.whole] if self.whole else []), *((edge.bucket, edge.bucket + 1) for edge in self.edges)]


def rows_of_span(question: Question, start: int, end: int) -> RowsOfSpan:
    """The rows that count for a span: all but those that it would have to cut."""
    first, last = whole_buckets(question.bucket, start, end)
    told = [edge for edge in edges(question, start, end) if edge.cut is None]
    return RowsOfSpan((first, last) if first < last else None, told)


def edges(question: Question, start: int, end: int) -> list[Edge]:
    """The buckets, none to two, that lie in a span in part."""
    length = question.bucket
    first, last = start // length * length, end // length * length
    since, before = _day_beginning_at(question, start), _day_beginning_at(question, end)
    start_cut = None if since else start
    end_cut = None if before else end
    if first == last and first < start:
        cut = end_cut if start_cut is None else start_cut
        return [Edge(first, since, before, cut)]
    found = []
    if first < start:
        found.append(Edge(first, since=since, cut=start_cut))
    if last < end:
        found.append(Edge(last, before=before, cut=end_cut))
    return found


def midnight_in(question: Question, bucket: int) -> int | None:
    """The local midnight that cuts a bucket, if one does."""
    last = bucket + question.bucket - 1
    midnight = milliseconds(day_bounds(day_of(moment_of(last), question.dataset.zone), question.dataset.zone)[0])
    return midnight if bucket < midnight else None


def _day_beginning_at(question: Question, ms: int) -> date | None:
    zone = question.dataset.zone
    day = day_of(moment_of(ms), zone)
    return day if milliseconds(day_bounds(day, zone)[0]) == ms else None
