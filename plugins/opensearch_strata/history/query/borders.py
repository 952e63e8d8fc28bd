"""Where the boundaries of a span cut buckets of rows, and which rows of such a bucket belong to the span. Pure.

A row cannot be cut, but it knows its raw day. A local midnight may fall inside a bucket, as it does in zones whose
offset is not a whole hour and with buckets of a day. Then the rows of that bucket count for their raw day: rows of
earlier days lie before the midnight, rows of later days after it. Each row counts once, whatever the spans are, and it
counts for the right day unless an event of the bucket came late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from opensearch_strata.definition.days import day_bounds, day_of
from opensearch_strata.history.query.question import Question, milliseconds, moment_of

Span = tuple[int, int]
"""Start (inclusive) and end (exclusive), epoch milliseconds."""


@dataclass(frozen=True)
class Edge:
    """A bucket that is cut by a boundary of a span.

    :param bucket: when it begins, epoch milliseconds
    :param since: rows of this raw day and later ones lie in the span; None: rows of all days do
    :param before: rows of this raw day and later ones do not lie in the span
    :param cut: a boundary inside the bucket at which no day begins, so that it is unknown on which side a row lies
    :param inner: whether both sides of the boundary belong to the same record, so that no raw documents are read there
    """

    bucket: int
    since: date | None = None
    before: date | None = None
    cut: int | None = None
    inner: bool = False


def whole_buckets(length: int, start: int, end: int) -> Span:
    """Start and end of the buckets that lie entirely in a span; equal or crossed if there are none.

    :param length: length of a bucket in milliseconds
    """
    return -(-start // length) * length, end // length * length


def partial_buckets(length: int, start: int, end: int) -> list[Span]:
    """The up to two parts of a span that cover only a part of a bucket.

    :param length: length of a bucket in milliseconds
    """
    first, last = whole_buckets(length, start, end)
    if first > last:  # start and end are in one bucket
        return [(start, end)]
    return [(one, other) for one, other in ((start, first), (last, end)) if one < other]


@dataclass(frozen=True)
class RowsOfSpan:
    """Which rows count for a span.

    :param whole: start and end of the buckets that lie entirely in it; None if there are none
    :param edges: buckets that lie partly in it
    """

    whole: Span | None
    edges: Sequence[Edge]

    @property
    def buckets(self) -> list[Span]:
        """The spans in which the buckets of these rows may begin."""
        return [*([self.whole] if self.whole else []), *((edge.bucket, edge.bucket + 1) for edge in self.edges)]


def rows_of_span(question: Question, start: int, end: int) -> RowsOfSpan:
    """The rows that count for a span: all except those that it would have to cut."""
    first, last = whole_buckets(question.bucket, start, end)
    told = [edge for edge in edges(question, start, end) if edge.cut is None]
    return RowsOfSpan((first, last) if first < last else None, told)


def edges(question: Question, start: int, end: int) -> list[Edge]:
    """The up to two buckets that lie partly in a span."""
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
    """The local midnight that cuts a bucket; None if there is none."""
    last = bucket + question.bucket - 1
    midnight = milliseconds(day_bounds(day_of(moment_of(last), question.dataset.zone), question.dataset.zone)[0])
    return midnight if bucket < midnight else None


def _day_beginning_at(question: Question, ms: int) -> date | None:
    zone = question.dataset.zone
    day = day_of(moment_of(ms), zone)
    return day if milliseconds(day_bounds(day, zone)[0]) == ms else None
