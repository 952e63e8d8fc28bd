"""A span as parts of levels and of base rows that together hold every row exactly once. Pure.

A raw day's rows are read from one level or from the base rows of the month, wherever its events lie in time. Rows of a
level begin where records begin, so a level stands for the part of a span between two of its borders. The parts before
and after it are read from shorter buckets, and in the end from base rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from itertools import groupby
from zoneinfo import ZoneInfo

from opensearch_strata.definition.days import day_bounds, day_of
from opensearch_strata.definition.levels import Level
from opensearch_strata.history.query.borders import RowsOfSpan, rows_of_span
from opensearch_strata.history.query.question import Question, milliseconds, moment_of

_DAY = timedelta(days=1)
_MILLISECOND = timedelta(milliseconds=1)

DaysOfLevels = Mapping[Level, Collection[date]]
"""Level -> the raw days whose rows may be read from it, the level with the fewest rows first."""


@dataclass(frozen=True)
class PartOfRows:
    """Rows that are found by one query.

    :param level: None for base rows
    :param days: of a level, the raw days whose rows are read; of base rows, those whose rows are left out
    """

    level: Level | None
    rows: RowsOfSpan
    days: frozenset[date] = frozenset()


def answers(question: Question, level: Level) -> bool:
    """Whether each record of a question consists of whole rows of a level, within the borders of the level.

    Top values are read from base rows: a row lists some of them only, so those of merged rows would be bounded less
    closely than those of the rows that these were merged from.

    :param level: a level of the question's dataset
    """
    if "top" in question.stats or not {*question.by, *question.where} <= {*level.group_by}:
        return False
    interval, length = question.interval, level.length
    if interval is None or interval.length is None:  # the whole span, or calendar months
        return True
    return length is not None and not interval.length % length


def parts_of(question: Question, levels: DaysOfLevels, start: int, end: int) -> Iterator[PartOfRows]:
    """The rows that count for a span, in parts.

    :param levels: those that answer the question
    :param start: a border of records, or the start of the question; epoch milliseconds
    :param end: the same at the other end, exclusive
    """
    own = frozenset(moment // question.bucket * question.bucket for moment in (start, end) if moment % question.bucket)
    for part in _parts(question, list(levels.items()), start, end, frozenset()):
        edges = [replace(edge, inner=edge.bucket not in own) for edge in part.rows.edges]
        yield replace(part, rows=replace(part.rows, edges=edges))


def _parts(
    question: Question,
    levels: Sequence[tuple[Level, Collection[date]]],
    start: int,
    end: int,
    without: frozenset[date],
) -> Iterator[PartOfRows]:
    for place, (level, days) in enumerate(levels, 1):
        mine = _days(level, days, without)
        if not mine or not (rows := _rows(question, level, start, end)):
            continue
        others = levels[place:]
        yield PartOfRows(level, rows, mine)
        if rows.whole is None or rows.edges:  # buckets of base rows, which lie wherever those do
            yield from _parts(question, others, start, end, without | mine)
            return
        first, last = rows.whole
        yield from _parts(question, others, first, last, without | mine)
        for begin, finish in ((start, first), (last, end)):
            if begin < finish:
                yield from _parts(question, others, begin, finish, without)
        return
    rows = rows_of_span(question, start, end)
    if rows.buckets:
        yield PartOfRows(None, rows, without)


def _days(level: Level, days: Collection[date], without: frozenset[date]) -> frozenset[date]:
    """Those of the days that are not read already; rows of a month are read as a whole or not at all."""
    if not level.is_of_months:
        return frozenset(days) - without
    months = groupby(sorted(days), key=lambda day: day.replace(day=1))
    found = (frozenset(of_month) for _, of_month in months)
    return frozenset[date]().union(*(of_month for of_month in found if not of_month & without))


def _rows(question: Question, level: Level, start: int, end: int) -> RowsOfSpan | None:
    """Rows of a level for as much of a span as lies between its borders; None if nothing does."""
    if level.length == question.dataset.history.bucket_length:
        rows = rows_of_span(question, start, end)
        return rows if rows.buckets else None
    first, last = border(question, level, start, after=True), border(question, level, end, after=False)
    return RowsOfSpan((first, last), []) if first < last else None


def border(question: Question, level: Level | None, moment: int, *, after: bool) -> int:
    """A moment at which a bucket of rows begins: the given one, or else the nearest one before or after it.

    :param level: whose rows; None for base rows
    :param moment: epoch milliseconds
    """
    length = question.dataset.history.bucket_length if level is None else level.length
    if length == question.dataset.history.bucket_length:
        return (-(-moment // question.bucket) if after else moment // question.bucket) * question.bucket
    day = day_of(moment_of(moment), question.dataset.zone)
    following = day + _DAY
    if length is None:
        day = day.replace(day=1)
        following = (day + timedelta(days=32)).replace(day=1)
    begin, end = _midnight(day, question.dataset.zone), _midnight(following, question.dataset.zone)
    if length and length < _DAY:
        begin += (moment - begin) // (part := length // _MILLISECOND) * part
        end = min(begin + part, end)
    return begin if begin == moment or not after else end


@lru_cache(4096)
def _midnight(day: date, zone: ZoneInfo) -> int:
    return milliseconds(day_bounds(day, zone)[0])
