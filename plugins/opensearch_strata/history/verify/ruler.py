"""Compares a bucket of raw documents with the row that stands for it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import moment
from opensearch_strata.errors.amounts import counted
from opensearch_strata.history.buckets.partials import (
    DistinctCount,
    State,
    bins_of_sketches,
    merged_metric,
    sets_of_states,
    split_metrics,
)
from opensearch_strata.history.month.row_ids import RAW_UUID
from opensearch_strata.sketches import hyperloglog, top_values
from opensearch_strata.sketches.ddsketch import unpack
from opensearch_strata.sketches.top_values import Top, ValueCounts

# Types whose doc values hold each different value of a document only once.
_SETS = frozenset({"keyword", "ip"})


@dataclass(frozen=True)
class _Number:
    """A metric that measures.

    :param leaves: statistic -> its position among the values of a row
    :param place: position among the metrics that the script computes; None if it is not one of them
    :param decimals: how many decimals its values are rounded to
    """

    name: str
    leaves: Mapping[str, int]
    place: int | None
    decimals: int | None

    @property
    def factor(self) -> float:
        return 10.0 ** (self.decimals or 0)


@dataclass(frozen=True)
class _Words:
    """A metric whose values are counted.

    :param as_sets: whether documents hold each different value only once, so that the server's own count must be equal
    """

    name: str
    count: int
    top: int
    place: int
    limit: int
    as_sets: bool


@dataclass(frozen=True)
class _Set:
    """A metric whose different values are counted.

    :param count: position of its count among the values of a row
    :param registers: the same for its registers
    """

    name: str
    count: int
    registers: int


class Ruler:
    """What a row must contain for a bucket.

    :param types: mapping types of the raw day
    """

    def __init__(self, dataset: Dataset, types: Mapping[str, str], raw_uuid: str) -> None:
        self._groups = dataset.history.group_by
        self._raw_uuid = raw_uuid
        numbers, words, sets = split_metrics(dataset, list(dataset.metrics))
        scripted = [n for n in numbers if n in dataset.sketches or dataset.decimals(n) is not None]
        self.names = [*scripted, *words, *sets]
        """Metrics with statistics that only the script can compute."""
        self.fields = [*self._groups, "@timestamp", "transform._doc_count", RAW_UUID]
        """Fields of a row, in the order of its values."""
        self._keys = len(self._groups) + 1
        self._numbers = []
        for name in numbers:
            leaves = [*dataset.metrics[name].stats, *(["sketch"] if name in dataset.sketches else [])]
            at = {leaf: len(self.fields) + place for place, leaf in enumerate(leaves)}
            self.fields += [f"metrics.{name}.{leaf}" for leaf in leaves]
            place = scripted.index(name) if name in scripted else None
            self._numbers.append(_Number(name, at, place, dataset.decimals(name)))
        self._words = []
        for place, name in enumerate(words):
            at_count = len(self.fields)
            self.fields += [f"metrics.{name}.count", f"metrics.{name}.top"]
            as_sets = types.get(dataset.metrics[name].field) in _SETS
            self._words.append(_Words(name, at_count, at_count + 1, place, dataset.top_values[name], as_sets))
        self._sets = []
        for name in sets:
            self._sets.append(_Set(name, len(self.fields), len(self.fields) + 1))
            self.fields += [f"metrics.{name}.count", f"metrics.{name}.registers"]

    def keys_of(self, key: Mapping[str, Any]) -> list[Any]:
        """Keys of a composite bucket: the groups, then the time."""
        return [*(key[group] for group in self._groups), key["@timestamp"]]

    def documents_of(self, row: Sequence[Any]) -> int | None:
        """How many documents a row stands for."""
        found: int | None = row[self._keys]
        return found

    def difference(self, bucket: Mapping[str, Any], row: Sequence[Any], doc_count: int | None) -> str | None:
        """The first difference between a row and a bucket, in words; None if there is none.

        :param row: values of the row, see :attr:`fields`
        :param doc_count: how many documents aggregations count for the row
        :raises ValueError: a value of the row cannot be read
        """
        if (keys := list(row[: self._keys])) != (wanted := self.keys_of(bucket["key"])):
            return f"the row names {self.where(keys)}, but its id stands for {self.where(wanted)}"
        count = bucket["doc_count"]
        if (carried := self.documents_of(row)) != count:
            return _told("documents", count, carried)
        if doc_count != count:
            return _told("documents by _doc_count", count, doc_count)
        if (source := row[self._keys + 1]) is not None and source != self._raw_uuid:
            return f"the row came from another raw index of this name ({source})"
        states = [state for state in bucket["metrics"]["value"] if state is not None]
        for number in self._numbers:
            if found := _number_differs(number, bucket[f"server {number.name}"], states, row):
                return f"{number.name} {found}"
        for words in self._words:
            if found := _words_differ(words, bucket[f"server {words.name}"]["value"], states, row):
                return f"{words.name} {found}"
        distinct = sets_of_states([one.name for one in self._sets], states)
        for one in self._sets:
            if found := _set_differs(one, bucket[f"server {one.name}"]["value"], distinct.get(one.name), row):
                return f"{one.name} {found}"
        return None

    def where(self, keys: Sequence[Any]) -> str:
        """A group and hour in words."""
        groups = (
            f"no {field}" if key is None else f"{field} {key!r}" for field, key in zip(self._groups, keys, strict=False)
        )
        return f"{', '.join(groups)}, {moment(keys[-1])}"


def rounded(value: float, decimals: int | None) -> float:
    """A value as the scripts round it.

    :param value: a statistic
    :param decimals: how many decimals values are rounded to; None: not at all
    """
    return value if decimals is None else round(value * 10.0**decimals) / 10.0**decimals


def same(one: float, other: float, slack: float) -> bool:
    """Whether two sums are equal within 1e-9, relative to the sum, or within what rounding and cancellation may leave.

    Nothing can be said about sums that are too large for a number, so two of them count as equal.

    :param one: a sum
    :param other: the sum that should be the same
    :param slack: how much they may differ in any case, in the unit of the sums
    """
    if not (math.isfinite(one) and math.isfinite(other)):
        return not math.isfinite(one) and not math.isfinite(other)
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=slack)


def _number_differs(
    number: _Number, server: Mapping[str, Any], states: Sequence[State], row: Sequence[Any]
) -> str | None:
    leaves, decimals = number.leaves, number.decimals
    count = server["count"]
    if row[leaves["count"]] != (count or None):
        return _told("count", count, row[leaves["count"]] or 0)
    if not count:
        return next((_told(leaf, None, row[at]) for leaf, at in leaves.items() if row[at] is not None), None)
    low, high = float(server["min"]), float(server["max"])
    for stat, value in (("min", low), ("max", high)):
        if stat in leaves:
            found = row[leaves[stat]]
            if found is None or rounded(value, decimals) != rounded(found, decimals):
                return _told(stat, value, found)
    sums, scripted, sketches = ([0.0, 0.0], 0, []) if number.place is None else merged_metric(states, number.place)
    if number.place is not None and scripted != count:
        return _told("count by the script", count, scripted)
    if "sum" in leaves:
        found, largest = row[leaves["sum"]], max(abs(low), abs(high))
        slack = 1e-9 * largest + (0.0 if decimals is None else count * 0.5 / number.factor)
        if found is None or not same(float(server["sum"]), found, slack):
            return _told("sum", server["sum"], found)
        exact = (float(sums[0]) + float(sums[1])) / number.factor
        if decimals is not None and not same(exact, found, 0.0):
            return _told("sum of rounded values", exact, found)
        if "avg" in leaves:
            average = row[leaves["avg"]]
            # An average below the smallest normal number has few significant digits.
            if average is None or not same(average * count, found, 1e-9 * largest + count * math.ulp(0.0)):
                return _told("avg", found / count, average)
    return _sketch_differs(sketches, row[leaves["sketch"]]) if "sketch" in leaves else None


def _sketch_differs(sketches: Sequence[Any], text: str | None) -> str | None:
    if len(sketches) == 1 and sketches[0] == text:  # by far the most common case: one shard, one slice
        return None
    if text is None:
        return "has no sketch in its row"
    bins, found = bins_of_sketches(sketches), unpack(text)[0]
    if bins == found:
        return None
    differing = sum(1 for index in bins.keys() | found.keys() if bins.get(index) != found.get(index))
    return f"differs in {counted(differing, 'bin')} of its sketch"


def _words_differ(words: _Words, server: float, states: Sequence[State], row: Sequence[Any]) -> str | None:
    counts = ValueCounts.of_states([state[3][words.place] for state in states])
    if row[words.count] != (counts.count or None):
        return _told("count", counts.count, row[words.count] or 0)
    if (server != counts.count) if words.as_sets else (server < counts.count):
        return _told("count by the script", server, counts.count)
    text = row[words.top]
    if not counts.count or text == top_values.pack(counts.top(words.limit)):
        return None if counts.count or text is None else "has values in its row, but none in the raw day"
    if text is None:
        return "has no values in its row"
    if wrong := _disagree(counts, top_values.unpack(text)):
        return f"has a different count of {wrong!r} in its row"
    return None


def _disagree(counts: ValueCounts, row: Top) -> str | None:
    """The first value whose counts in a row and a bucket contradict each other.

    If a bucket has more values than are counted at the same time, two passes may find different bounds for a value.
    """
    ours = {value: (low, high) for value, low, high in counts.top().listed}
    theirs = {value: (low, high) for value, low, high in row.listed}
    for value in sorted(ours.keys() | theirs.keys()):
        low, high = ours.get(value, (0, counts.bound))
        least, most = theirs.get(value, (0, row.bound))
        if high < least or most < low or (not counts.bound and value in theirs and (low, high) != (least, most)):
            return value
    return None if row.count == counts.count else "all values"


def _set_differs(one: _Set, server: float, found: DistinctCount | None, row: Sequence[Any]) -> str | None:
    count = found.count if found else 0
    if row[one.count] != (count or None):
        return _told("count", count, row[one.count] or 0)
    if server != count:
        return _told("count by the script", server, count)
    text, wire = row[one.registers], found.wire if found else None
    if text == wire:
        return None
    if text is None:
        return "has no registers in its row"
    if wire is None:
        return "has registers in its row, but no value in the raw day"
    return _told("distinct values", hyperloglog.estimate(hyperloglog.unpack(wire).tally), _distinct_in(text))


def _distinct_in(text: str) -> str:
    distinct = hyperloglog.estimate(hyperloglog.unpack(text).tally)
    return f"{distinct:.12g} by other registers"


def _told(what: str, raw: Any, row: Any) -> str:
    def shown(value: Any) -> str:
        return "none" if value is None else f"{value:.12g}" if isinstance(value, int | float) else str(value)

    return f"{what}: {shown(raw)} in the raw day, {shown(row)} in the row"
