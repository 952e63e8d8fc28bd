"""The most frequent values of a field, with a stated bound. Pure; the twin of ``painless/top_values/``.

Counters as described by Misra and Gries ("Finding repeated elements", Science of Computer Programming 2, 1982), merged
as described by Agarwal et al. ("Mergeable summaries", PODS 2012): the order of additions does not matter, and the bound
covers what was not kept. Wire form and guarantee: docs/top_values.md.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

VERSION = 1

LIMIT = 1000
"""How many different values are counted at the same time. A bucket keeps no more in memory, whatever a field holds."""

State = Sequence[Any]
"""A shard's result for one metric: ``[[count, told, bound], {value: [low, spared]}]``, see :class:`ValueCounts`."""


class CountedValue(NamedTuple):
    """A value with the minimum and maximum of its occurrences, which are equal if the count is exact."""

    value: str
    low: int
    high: int


@dataclass(frozen=True)
class Top:
    """The most frequent values, most frequent first. Ties are in the order of the values' UTF-16 code units.

    :param rest: occurrences that are not counted for any listed value
    :param bound: no unlisted value occurred more often than this
    """

    listed: tuple[CountedValue, ...]
    rest: int = 0
    bound: int = 0

    @property
    def count(self) -> int:
        """All occurrences."""
        return sum(value.low for value in self.listed) + self.rest

    @property
    def missed(self) -> int:
        """The most by which a listed count can be too low."""
        return max((value.high - value.low for value in self.listed), default=0)


@dataclass
class ValueCounts:
    """Occurrences of values, from any number of shards and rows.

    A value occurred at least ``low`` and at most ``low + bound - spared`` times. For a value without a cell, ``low``
    and ``spared`` are both 0.

    :param count: all occurrences
    :param told: those that distributions account for; fewer than ``count`` where a row has no distribution
    :param bound: the most occurrences of a value that may have been missed
    :param cells: value -> ``[low, spared]``
    """

    count: int = 0
    told: int = 0
    bound: int = 0
    cells: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of_states(cls, states: Sequence[State]) -> Self:
        """Add up the states of shards or slices. Everything in them is kept, so their order does not matter.

        :param states: as the script returns them: ``[[count, told, bound], {value: [low, spared]}]``
        """
        counts = cls()
        for (count, told, bound), cells in states:
            counts._join(cls(count, told, bound, cells))
        return counts

    def see(self, value: str) -> None:
        """Count one occurrence.

        :param value: a document's value, as a string
        """
        self.count += 1
        self.told += 1
        self._tally(value, 1, 0)
        self._shrink()

    def add(self, other: ValueCounts) -> None:
        """Add counts of other documents, and keep :data:`LIMIT` values."""
        self._join(other)
        self._shrink()

    def add_row(self, count: int, top: Top | None) -> None:
        """Add a row of history.

        :param count: occurrences of all values in the row
        :param top: its most frequent values; None for a row that was condensed before the metric had a distribution
        """
        self.count += count
        if top is None:
            return
        self.told += top.count
        self.bound += top.bound
        for value, low, high in top.listed:
            self._tally(value, low, top.bound - (high - low))
            self._shrink()

    def _join(self, other: ValueCounts) -> None:
        self.count += other.count
        self.told += other.told
        self.bound += other.bound
        for value, (low, spared) in other.cells.items():
            self._tally(value, low, spared)

    def _tally(self, value: str, low: int, spared: int) -> None:
        cell = self.cells.setdefault(value, [0, 0])
        cell[0] += low
        cell[1] += spared

    def _shrink(self) -> None:
        """Drop surplus values: subtract the largest of their counts from all values, and add it to the bound."""
        if len(self.cells) <= LIMIT:
            return
        least = sorted((low for low, _ in self.cells.values()), reverse=True)[LIMIT]
        self.bound += least
        self.cells = {value: [low - least, spared] for value, (low, spared) in self.cells.items() if low > least}

    def top(self, limit: int = LIMIT) -> Top:
        """The ``limit`` values with the highest counts. The rest and the bound cover the values that are cut off."""
        bound = self.bound + self.count - self.told
        ordered = sorted(self.cells.items(), key=lambda item: (-item[1][0], item[0].encode("utf-16-be")))
        kept, cut = ordered[:limit], ordered[limit:]
        rest = self.count - sum(low for _, (low, _) in kept)
        unlisted = max([bound, *(low + bound - spared for _, (low, spared) in cut)])
        listed = (CountedValue(value, low, low + bound - spared) for value, (low, spared) in kept)
        return Top(tuple(listed), rest, unlisted)


def pack(top: Top) -> str:
    """Wire form, in base64."""
    head = [VERSION]
    if top.rest:
        head += [top.rest, top.bound]
    if top.missed:
        head.append(top.missed)
    entries = (f"{low} {_escaped(value)}" for value, low, _ in top.listed)
    return base64.b64encode(";".join([" ".join(map(str, head)), *entries]).encode()).decode()


def unpack(text: str) -> Top:
    """The most frequent values from a wire form. Each may miss as many occurrences as the one that misses the most.

    :param text: base64 of the wire form of version 1, see ``docs/top_values.md``
    :raises ValueError: it is not base64, has another version, or is cut off
    """
    shown = f"distribution {text[:24]!r}"
    try:
        head, *entries = base64.b64decode(text, validate=True).decode().split(";")
        version, rest, bound, missed, *_ = [*map(int, head.split(" ")), 0, 0, 0]
        pairs = [entry.split(" ", 1) for entry in entries]
        listed = tuple(CountedValue(_unescaped(value), int(low), int(low) + missed) for low, value in pairs)
    except ValueError as error:
        raise ValueError(f"{shown} cannot be read ({error})") from None
    if version != VERSION:
        raise ValueError(f"{shown} is not of version {VERSION}; read it with the release that wrote it")
    return Top(listed, rest, bound)


def _escaped(value: str) -> str:
    return value.replace("%", "%25").replace(";", "%3B")


def _unescaped(text: str) -> str:
    return text.replace("%3B", ";").replace("%25", "%")


NO_TERMS: Mapping[str, Any] = {"buckets": [], "sum_other_doc_count": 0, "doc_count_error_upper_bound": 0}
"""The answer of a ``terms`` aggregation over no documents."""


def occurrences(terms: Mapping[str, Any]) -> int:
    """All occurrences that a ``terms`` aggregation saw: the documents of every value, added up.

    Exact, even for values that it left out.
    """
    return sum(int(bucket["doc_count"]) for bucket in terms["buckets"]) + int(terms["sum_other_doc_count"])


def contradictions(counts: ValueCounts, terms: Mapping[str, Any]) -> list[str]:
    """Values whose counts cannot be true of the documents that a ``terms`` aggregation saw.

    :param terms: the aggregation's answer, with ``show_term_doc_count_error``
    """
    buckets = terms["buckets"]
    found = {
        # A boolean has a name in addition to its number.
        str(bucket.get("key_as_string", bucket["key"])): (
            bucket["doc_count"],
            bucket["doc_count"] + bucket["doc_count_error_upper_bound"],
        )
        for bucket in buckets
    }
    others = int(terms["sum_other_doc_count"])
    least_shown = buckets[-1]["doc_count"] + terms["doc_count_error_upper_bound"] if buckets else others
    unseen = (0, min(others, least_shown))
    top = counts.top()
    listed = {value: (low, high) for value, low, high in top.listed}
    wrong = []
    for value in found.keys() | listed.keys():
        least, most = found.get(value, unseen)
        low, high = listed.get(value, (0, top.bound))
        if high < least or most < low:
            wrong.append(value)
    return sorted(wrong)
