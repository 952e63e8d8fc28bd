"""Levels of a history: further rows, merged from the base rows for longer buckets or fewer groups. Pure.

A row of a level is what :func:`opensearch_strata.reader.read` would answer for the level's bucket as its interval and
the level's groups as ``by``, for the documents of one raw day. So a row begins where such a record begins: days and
months at local midnight, parts of a day at multiples of their length from then on. Buckets of the base rows' own length
are the exception: they are the buckets of the base rows, which begin at UTC boundaries.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from pydantic import Field

from opensearch_strata.definition.index_names import IndexTemplate
from opensearch_strata.definition.strict_model import Strict

MONTH = "1M"
"""The bucket of a calendar month."""

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_PART_OF_DAY = re.compile(r"([1-9]\d*)([mh])")
_MOST_DECIMALS = 3


class StatedLevel(Strict):
    """A level as a person writes it."""

    bucket: str = Field(description="Length of its rows: a multiple of history.bucket that divides a day, 1d or 1M.")
    group_by: list[str] = Field(
        default_factory=list, description="Those of history.group_by that its rows keep apart; none by default."
    )


@dataclass(frozen=True)
class Level:
    """A level in the one form that names are made of.

    :param bucket: ``15m``, ``6h``, ``1d`` or ``1M``; whole hours in hours
    :param group_by: the groups that its rows keep apart, in the dataset's order
    """

    bucket: str
    group_by: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name, which its rows carry as ``level``: ``1h``, ``1d.device``, ``1d``."""
        return ".".join([self.bucket, *self.group_by])

    @property
    def length(self) -> timedelta | None:
        """Length of its buckets; None for a calendar month. A calendar day may last 23 or 25 hours all the same."""
        return None if self.bucket == MONTH else _length_of(self.bucket)

    @property
    def is_of_months(self) -> bool:
        """Whether a row covers the raw days of a month. Rows of all other levels are of one raw day each."""
        return self.bucket == MONTH

    def can_be_merged_from(self, other: Level) -> bool:
        """Whether each of its rows is the sum of whole rows of another level."""
        if not set(self.group_by) <= set(other.group_by) or other == self:
            return False
        mine, theirs = self.length, other.length
        if mine is None or theirs is None:
            return mine is None
        return not mine % theirs


def levels_of(stated: Sequence[StatedLevel] | None, bucket: timedelta, group_by: Sequence[str]) -> tuple[Level, ...]:
    """The levels of a history, those with the shortest buckets and the most groups first.

    :param stated: None for the default: all documents of each hour, each group of each day, all documents of each day
    :param bucket: length of a base row's bucket
    :param group_by: the groups of the base rows
    :raises ValueError: one of them cannot be merged from base rows, or is no coarser than they are; a sentence
    """
    if stated is None:
        hour = _written(bucket if _HOUR % bucket else _HOUR)
        found = {Level(hour), Level("1d", tuple(group_by)), Level("1d")}
        found.discard(Level(_written(bucket), tuple(group_by)))
    else:
        listed = [_checked(level, bucket, group_by) for level in stated]
        if twice := next((level for place, level in enumerate(listed) if level in listed[:place]), None):
            raise ValueError(f"levels names {twice.name!r} twice; name each level once")
        found = set(listed)
    names = [level.name for level in found]
    if shared := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two levels would both be named {shared!r}; leave one out")
    return tuple(sorted(found, key=lambda level: _order(level, group_by)))


def levels_template(history: IndexTemplate) -> IndexTemplate:
    """Names of the indices that hold the rows of levels, one for each year: ``flights-levels-{year}``.

    Whoever reads or charts the wildcard of the months must not find these rows, because they are of the same documents.

    :param history: names of the months
    :raises ValueError: every name of an index matches the wildcard of the months
    """
    before, _, after = history.template.partition("{month}")
    year = replace(history, template="{year}", placeholder="year", date_format="%Y")
    where = (before, after)
    candidates = [
        f"{_renamed(before)}{{year}}{_renamed(after)}",
        f"levels-{before}{{year}}{after}",
        f"{before}{{year}}{after}-levels",
    ]
    for template in candidates:
        begin, _, end = template.partition("{year}")
        if not (begin.startswith(where[0]) and end.endswith(where[1])):
            return replace(year, template=template)
    raise ValueError(
        f"history.index {history.template!r} leaves no name for the index of history.levels, because its wildcard "
        f"matches every name; give it a literal part, or set levels to []"
    )


def quantile_leaf(percent: float) -> str:
    """Name of the field that holds a quantile of a metric: ``p99``, ``p99_9``.

    :param percent: more than 0 and less than 100
    """
    return f"p{percent:g}".replace(".", "_")


def quantiles_problem(percents: Sequence[float]) -> str:
    """What is wrong with a list of quantiles, as a sentence; empty if nothing is.

    :param percents: as a person wrote them
    """
    for percent in percents:
        if not 0 < percent < 100 or round(percent, _MOST_DECIMALS) != percent:
            return (
                f"quantiles contains {percent:g}; write percentages between 0 and 100, with at most "
                f"{_MOST_DECIMALS} decimals: [50, 90, 99.9]"
            )
    if len(set(percents)) != len(percents):
        return "quantiles names one twice; name each once"
    return ""


def _renamed(text: str) -> str:
    return text.replace("history", "levels")


def _checked(stated: StatedLevel, bucket: timedelta, group_by: Sequence[str]) -> Level:
    for group in stated.group_by:
        if group not in group_by:
            raise ValueError(
                f"a level groups by {group!r}, which base rows do not know; use some of {', '.join(group_by)}"
            )
    level = Level(_bucket(stated.bucket, bucket), tuple(group for group in group_by if group in stated.group_by))
    if level == Level(_written(bucket), tuple(group_by)):
        raise ValueError(f"the level {level.name!r} is what base rows are already; leave it out")
    return level


def _bucket(text: str, base: timedelta) -> str:
    """The bucket of a level in the one form that names are made of.

    :raises ValueError: it is not made of whole base buckets, or is not part of a calendar; a sentence
    """
    if text in (MONTH, "1d"):
        return text
    match = _PART_OF_DAY.fullmatch(text)
    if match is None:
        raise ValueError(f"a level has the bucket {text!r}; write 30m, 6h, 1d or 1M (a calendar month)")
    length = _length_of(text)
    if _DAY % length:
        raise ValueError(f"a level has the bucket {text!r}, which does not divide a day; write 30m, 6h, 1d or 1M")
    if length % base:
        raise ValueError(
            f"a level has the bucket {text!r}, which is not a multiple of the bucket {_written(base)!r} of base rows"
        )
    return _written(length)


def _length_of(text: str) -> timedelta:
    unit = {"m": timedelta(minutes=1), "h": _HOUR, "d": _DAY}[text[-1]]
    return int(text[:-1]) * unit


def _written(length: timedelta) -> str:
    """``90m``, ``2h``, ``1d``."""
    if length == _DAY:
        return "1d"
    return f"{length // timedelta(minutes=1)}m" if length % _HOUR else f"{length // _HOUR}h"


def _order(level: Level, group_by: Sequence[str]) -> tuple[timedelta, int, list[int]]:
    length = level.length or timedelta(days=31)
    return length, -len(level.group_by), [group_by.index(group) for group in level.group_by]
