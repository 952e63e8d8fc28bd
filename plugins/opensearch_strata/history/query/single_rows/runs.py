"""Runs of whole records: parts of a span that may be read row by row, and where raw documents touch them. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from opensearch_strata.history.query.borders import Span
from opensearch_strata.history.query.stretches import Stretch


@dataclass(frozen=True)
class Run:
    """Neighboring records, none of which is cut.

    :param begins: when each of them begins, epoch milliseconds, ascending; at least one
    :param end: when the last one ends
    """

    begins: Sequence[int]
    end: int

    def __len__(self) -> int:
        return len(self.begins)

    @property
    def span(self) -> Span:
        """Start and end of all records."""
        return self.begins[0], self.end

    def part(self, first: int, end: int) -> Run:
        """The records from one place up to another, which is exclusive."""
        return Run(self.begins[first:end], self.begins[end] if end < len(self) else self.end)

    def stretches(self) -> Iterator[Stretch]:
        """The same records, to be merged."""
        if isinstance(self.begins, range):
            yield Stretch(*self.span, unit=self.begins.step, origin=self.begins.start)
            return
        for place, begin in enumerate(self.begins):
            yield Stretch(*self.part(place, place + 1).span, time=begin)

    def at(self, times: Iterable[int]) -> Iterator[Run]:
        """The parts that consist of the records which begin at these times, ascending."""
        first = end = -1
        for time in times:
            place = bisect_right(self.begins, time) - 1
            if place != end:
                if first < end:
                    yield self.part(first, end)
                first = place
            end = place + 1
        if first < end:
            yield self.part(first, end)

    def divided(self, spans: Iterable[Span]) -> tuple[Run, bool]:
        """The records up to the first border between touched and untouched ones, and whether they are touched.

        :param spans: first and last moment of the events that touch records
        """
        touched = self._touched(spans)
        end = 0
        for first, after in touched:
            if first > end:
                break
            end = max(end, after)
        if end:
            return self.part(0, end), True
        return self.part(0, touched[0][0] if touched else len(self)), False

    def is_touched(self, spans: Iterable[Span]) -> bool:
        """Whether any record is touched.

        :param spans: see :meth:`divided`
        """
        return bool(self._touched(spans))

    def _touched(self, spans: Iterable[Span]) -> list[tuple[int, int]]:
        """First and exclusive last place of the records that each span touches, ascending."""
        begin, end = self.span
        return sorted(
            (max(bisect_right(self.begins, first) - 1, 0), bisect_right(self.begins, last))
            for first, last in spans
            if begin <= last and first < end
        )


def runs_of(pieces: Iterable[Stretch], border: Callable[[int, bool], int]) -> Iterator[Stretch | Run]:
    """The pieces of a span, with runs of those records that are buckets of rows. Records that are cut are in none.

    :param pieces: in order; their records are as long as buckets
    :param border: the nearest moment at which a bucket begins, at or after (True) a moment, or at or before it
    """
    begins: list[range | list[int]] = []
    end = 0

    def finished() -> Iterator[Run]:
        if begins:
            yield Run(begins[0] if len(begins) == 1 else list(chain.from_iterable(begins)), end)
            begins.clear()

    for piece in pieces:
        first, last = border(piece.start, True), border(piece.end, False)
        if first >= last or (piece.time is not None and (piece.time, piece.start, piece.end) != (first, first, last)):
            yield from finished()
            yield piece
            continue
        if first != end:
            yield from finished()
        if piece.start < first:
            yield replace(piece, end=first)
        begins.append([first] if piece.time is not None else range(first, last, piece.unit))
        end = last
        if last < piece.end:
            yield from finished()
            yield replace(piece, start=last)
    yield from finished()
