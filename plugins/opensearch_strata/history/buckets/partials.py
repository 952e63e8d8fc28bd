"""Results of the scripts for a bucket: the states of its shards, merged into statistics. Pure.

The twin of ``functions/row.painless``, ``top_values/top_values_write.painless`` and ``distinct/distinct_row.painless``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused
from opensearch_strata.sketches import hyperloglog, top_values
from opensearch_strata.sketches.ddsketch import Bins, merge_into, pack, unpack
from opensearch_strata.sketches.top_values import ValueCounts

State = Sequence[Any]
"""The state of one shard or slice. For each metric: the sum, the digits that its additions dropped, the minimum and the
maximum side by side; the number of values; and the sketch. Then, if there are any, the state of each metric with top
values, see :data:`opensearch_strata.sketches.top_values.State`, and of each metric with distinct counts: the number of
values and of those that the registers stand for, the wire form, and what an estimate needs.
"""

Sketch = str | list[Any]
"""A sketch in a state: the wire form or, for merged rows, step, bins and counts, with each bin as its distance from the
previous one."""


class Kinds(NamedTuple):
    """Metrics in the lists that the scripts use.

    :param numbers: those that measure
    :param words: those whose most frequent values are counted
    :param sets: those whose different values are counted
    """

    numbers: list[str]
    words: list[str]
    sets: list[str]


def split_metrics(dataset: Dataset, names: Sequence[str]) -> Kinds:
    """Metrics by their kind.

    :param names: metrics of the dataset
    """
    words, sets = dataset.top_values, dataset.distinct
    numbers = [name for name in names if name not in words and name not in sets]
    return Kinds(numbers, [name for name in names if name in words], [name for name in names if name in sets])


@dataclass(frozen=True)
class DistinctCount:
    """How many different values a metric has.

    :param count: all values
    :param told: those that the registers stand for; fewer where a row has no registers
    :param registers: the wire forms of the shards
    :param tallies: what an estimate needs, by shard
    """

    count: int
    told: int
    registers: Sequence[str]
    tallies: Sequence[Sequence[int]]

    @cached_property
    def wire(self) -> str | None:
        """The wire form of all; None if some values are missing in it."""
        if self.told != self.count:
            return None
        return self.registers[0] if len(self.registers) == 1 else hyperloglog.pack(self._merged)

    @property
    def distinct(self) -> int | None:
        """The estimate; None if some values are missing in the registers."""
        if self.told != self.count:
            return None
        return hyperloglog.estimate(self.tallies[0] if len(self.tallies) == 1 else self._merged.tally)

    @cached_property
    def _merged(self) -> hyperloglog.Registers:
        return hyperloglog.merged(self.registers)


def row_of_states(dataset: Dataset, names: Sequence[str], states: Sequence[State | None]) -> dict[str, dict[str, Any]]:
    """``{metric: {min, max, sum, count, avg?, sketch?, top?, registers?}}``; a metric without values is left out.

    :param names: the metrics, in the order in which the script received them
    :param states: states of the shards that saw the bucket, as the script returns them; None for a shard that saw
        nothing
    """
    kinds = _kinds(dataset, names, states)
    row = _row(dataset, kinds, states, "sketch", _wire_form)
    for name, found in sets_of_states(kinds.sets, states).items():
        row[name] = {"count": found.count, **({"registers": found.wire} if found.wire else {})}
    return row


def merged_of_states(
    dataset: Dataset, names: Sequence[str], states: Sequence[State | None], *, finite: bool = True
) -> dict[str, dict[str, Any]]:
    """What :func:`row_of_states` returns, but for readers: with ``bins`` (counts per bin) instead of the sketch, and
    with ``distinct`` (a :class:`DistinctCount`) instead of the registers.

    :param names: the metrics, in the order in which the script received them
    :param states: see :func:`row_of_states`
    :param finite: refuse sums that no number can hold
    """
    kinds = _kinds(dataset, names, states)
    row = _row(dataset, kinds, states, "bins", bins_of_sketches, finite)
    for name, found in sets_of_states(kinds.sets, states).items():
        row[name] = {"count": found.count, "distinct": found}
    return row


def _kinds(dataset: Dataset, names: Sequence[str], states: Sequence[State | None]) -> Kinds:
    """Metrics by their kind. The states show it faster than the definition does, if all of them measure."""
    if any(state is not None and len(state) > 3 for state in states):
        return split_metrics(dataset, names)
    return Kinds(list(names), [], [])


def _row(
    dataset: Dataset,
    kinds: Kinds,
    states: Sequence[State | None],
    key: str,
    form: Callable[[Sequence[Sketch]], str | Bins],
    finite: bool = True,
) -> dict[str, dict[str, Any]]:
    """Merge the states of shards into a row.

    :param key: key of the merged sketch in the row
    :param form: turns sketches into the form that the row holds
    """
    row = {}
    seen = [state for state in states if state is not None]
    for place, name in enumerate(kinds.numbers):
        sums, count, sketches = merged_metric(seen, place)
        if count:
            row[name] = _metric(dataset, name, sums, count, finite)
            if sketches:
                row[name][key] = form(sketches)
    for name, counts in _counts(kinds.words, seen).items():
        row[name] = {"count": counts.count, "top": top_values.pack(counts.top(dataset.top_values[name]))}
    return row


def counts_of_states(dataset: Dataset, names: Sequence[str], states: Sequence[State | None]) -> dict[str, ValueCounts]:
    """The counted values of each metric with top values, not yet cut to the limit of a row.

    A metric without values is left out.

    :param names: the metrics, in the order in which the script received them
    :param states: see :func:`row_of_states`
    """
    return _counts(split_metrics(dataset, names).words, [state for state in states if state is not None])


def _counts(words: Sequence[str], seen: Sequence[State]) -> dict[str, ValueCounts]:
    found = {name: ValueCounts.of_states([state[3][place] for state in seen]) for place, name in enumerate(words)}
    return {name: counts for name, counts in found.items() if counts.count or counts.told}


def distinct_of_states(
    dataset: Dataset, names: Sequence[str], states: Sequence[State | None]
) -> dict[str, DistinctCount]:
    """Each metric with distinct counts; a metric without values is left out.

    :param names: the metrics, in the order in which the script received them
    :param states: see :func:`row_of_states`
    """
    return sets_of_states(split_metrics(dataset, names).sets, states)


def sets_of_states(sets: Sequence[str], states: Sequence[State | None]) -> dict[str, DistinctCount]:
    """What :func:`distinct_of_states` returns.

    :param sets: the metrics with distinct counts, in the order in which the script received them
    :param states: see :func:`row_of_states`
    """
    found = {}
    for place, name in enumerate(sets):
        parts = [state[4][place] for state in states if state is not None]
        count, told = (sum(totals[i] for totals, _, _ in parts) for i in (0, 1))
        if count or told:
            told_of = [(wire, tally) for _, wire, tally in parts if wire is not None]
            found[name] = DistinctCount(count, told, [wire for wire, _ in told_of], [tally for _, tally in told_of])
    return found


def joined(dataset: Dataset, names: Sequence[str], states: Sequence[State | None]) -> State:
    """The states of several shards or slices as one state, which stands for all of them.

    :param names: the metrics, in the order in which the script received them
    :param states: see :func:`row_of_states`
    :raises ValueError: a sketch cannot be read
    """
    seen = [state for state in states if state is not None]
    kinds = split_metrics(dataset, names)
    sums: list[float] = []
    counts: list[int] = []
    sketches: list[Sketch] = []
    for place in range(len(kinds.numbers)):
        of_metric, count, found = merged_metric(seen, place)
        sums += of_metric
        counts.append(count)
        sketches.append(_as_sent(found) if found else "")
    if not (kinds.words or kinds.sets):
        return sums, counts, sketches
    tops = [ValueCounts.of_states([state[3][place] for state in seen]) for place in range(len(kinds.words))]
    words = [[[top.count, top.told, top.bound], top.cells] for top in tops]
    sets = [_joined_sets([state[4][place] for state in seen]) for place in range(len(kinds.sets))]
    return sums, counts, sketches, words, sets


def _joined_sets(parts: Sequence[Any]) -> list[Any]:
    totals = [sum(part[0][place] for part in parts) for place in (0, 1)]
    wires = [part[1] for part in parts if part[1] is not None]
    if not wires:
        return [totals, None, None]
    registers = hyperloglog.merged(wires)
    return [totals, hyperloglog.pack(registers), registers.tally]


def _as_sent(sketches: Sequence[Sketch]) -> Sketch:
    first = sketches[0]
    bins = bins_of_sketches(sketches)
    places = sorted(bins)
    steps = [place - before for before, place in zip([0, *places], places, strict=False)]
    return [unpack(first)[1] if isinstance(first, str) else first[0], steps, [bins[place] for place in places]]


def _metric(dataset: Dataset, name: str, sums: list[float], count: int, finite: bool) -> dict[str, Any]:
    metric = dataset.metrics[name]
    total = (float(sums[0]) + float(sums[1])) / 10.0 ** (dataset.decimals(name) or 0)
    if (
        finite and "sum" in metric.stats and not math.isfinite(total)
    ):  # JSON has no infinity; the server writes it as a string
        raise Refused(
            f"The values of {metric.field!r} in one bucket add up to more than a number can hold, so metric {name!r} "
            f"of {dataset.name!r} has no sum there. Nothing of this bucket was written; correct the documents, or "
            f"leave the sum out of the metric's stats."
        )
    values = {"min": sums[2], "max": sums[3], "sum": total, "avg": total / count}
    # + 0.0: if there are zeros of both signs, the merge order decides which of them is the minimum.
    row: dict[str, Any] = {stat: value + 0.0 for stat, value in values.items() if stat in metric.stats}
    row["count"] = count
    return row


def merged_metric(states: Sequence[State], place: int) -> tuple[list[float], int, list[Sketch]]:
    """One metric from the states of some shards: its sums, the number of its values, and their sketches.

    The sums are a list: the sum, the digits that its additions dropped, the minimum and the maximum.

    :param states: states of the shards that saw something
    :param place: position of the metric among those that the script received
    """
    if len(states) == 1:  # by far the most common case: one shard, one slice
        sums, counts, sketches, *_ = states[0]
        return sums[4 * place : 4 * place + 4], counts[place], [sketch] if (sketch := sketches[place]) else []
    total, count, found = [0.0, 0.0, float("inf"), float("-inf")], 0, []
    for sums, counts, sketches, *_ in states:
        if not counts[place]:
            continue
        part = [float(x) for x in sums[4 * place : 4 * place + 4]]  # infinity arrives as a string
        _add_to(total, part[0])
        _add_to(total, part[1])
        total[2:] = min(total[2], part[2]), max(total[3], part[3])
        count += counts[place]
        if sketch := sketches[place]:
            found.append(sketch)
    return total, count, found


def _add_to(total: list[float], x: float) -> None:
    """Add to a sum by Neumaier's method."""
    grown = total[0] + x
    total[1] += (total[0] - grown) + x if abs(total[0]) >= abs(x) else (x - grown) + total[0]
    total[0] = grown


def _wire_form(sketches: Sequence[Sketch]) -> str:
    first = sketches[0]
    if len(sketches) == 1 and isinstance(first, str):
        return first
    step = unpack(first)[1] if isinstance(first, str) else first[0]
    return pack(bins_of_sketches(sketches), step)


def bins_of_sketches(sketches: Sequence[Sketch]) -> Bins:
    """Merge several sketches into one, as counts per bin.

    :param sketches: wire forms, or step, bins and counts as the script returns them; all of the same step
    :raises ValueError: one of them is not a sketch
    """
    merged: Bins = {}
    for sketch in sketches:
        bins = (
            unpack(sketch)[0] if isinstance(sketch, str) else dict(zip(accumulate(sketch[1]), sketch[2], strict=True))
        )
        if merged:
            merge_into(merged, bins)
        else:
            merged = bins
    return merged
