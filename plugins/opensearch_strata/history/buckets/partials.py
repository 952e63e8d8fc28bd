"""What the scripts say of a bucket: states of its shards, merged into statistics. Pure; the twin of
``painless/row.painless`` and ``top_values_write.painless``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused
from opensearch_strata.sketches import top_values
from opensearch_strata.sketches.ddsketch import Bins, merge_into, pack, unpack
from opensearch_strata.sketches.top_values import ValueCounts

State = Sequence[Any]
"""Of one shard or slice: for each metric sum, what its additions dropped, min and max side by side; the number of
values; the sketch. Then, if there are any, the state of each metric with top values, see
:data:`opensearch_strata.sketches.top_values.State`.
"""


Sketch = str | list[Any]
"""In a state: the wire form or, of merged rows, step, bins and counts; each bin as its distance from the one before."""


def split_metrics(dataset: Dataset, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Metrics in the two orders that the scripts keep: those that measure, and those whose values are counted.

    :param names: metrics of the dataset
    """
    counted = dataset.top_values
    return [name for name in names if name not in counted], [name for name in names if name in counted]


def row_of_states(dataset: Dataset, names: Sequence[str], states: Sequence[State | None]) -> dict[str, dict[str, Any]]:
    """``{metric: {min, max, sum, count, avg?, sketch?, top?}}``; a metric without values is left out.

    :param names: the metrics, in the order that the script was given
    :param states: of the shards that saw the bucket, as the script gives them; None of a shard that saw nothing
    """
    return _row(dataset, names, states, "sketch", _wire_form)


def merged_of_states(
    dataset: Dataset, names: Sequence[str], states: Sequence[State | None], *, finite: bool = True
) -> dict[str, dict[str, Any]]:
    """What :func:`row_of_states` gives, with ``bins`` (counts per bin) instead of the sketch: for those who read it.

    :param names: the metrics, in the order that the script was given
    :param states: see :func:`row_of_states`
    :param finite: refuse sums that no number can hold
    """
    return _row(dataset, names, states, "bins", bins_of_sketches, finite)


def _row(
    dataset: Dataset,
    names: Sequence[str],
    states: Sequence[State | None],
    key: str,
    form: Callable[[Sequence[Sketch]], str | Bins],
    finite: bool = True,
) -> dict[str, dict[str, Any]]:
    """
    :param key: under which the merged sketch comes, in that form
    """
    row = {}
    seen = [state for state in states if state is not None]
    with_words = any(len(state) > 3 for state in seen)  # asked of the states, quicker than of the definition
    numbers = split_metrics(dataset, names)[0] if with_words else names
    for place, name in enumerate(numbers):
        sums, count, sketches = merged_metric(seen, place)
        if count:
            row[name] = _metric(dataset, name, sums, count, finite)
            if sketches:
                row[name][key] = form(sketches)
    if with_words:
        for name, counts in counts_of_states(dataset, names, seen).items():
            row[name] = {"count": counts.count, "top": top_values.pack(counts.top(dataset.top_values[name]))}
    return row


def counts_of_states(dataset: Dataset, names: Sequence[str], states: Sequence[State | None]) -> dict[str, ValueCounts]:
    """The counted values of each metric with top values, not yet cut to a row's; a metric without values is left out.

    :param names: the metrics, in the order that the script was given
    :param states: see :func:`row_of_states`
    """
    seen = [state for state in states if state is not None]
    _, words = split_metrics(dataset, names)
    found = {name: ValueCounts.of_states([state[3][place] for state in seen]) for place, name in enumerate(words)}
    return {name: counts for name, counts in found.items() if counts.count or counts.told}


def _metric(dataset: Dataset, name: str, sums: list[float], count: int, finite: bool) -> dict[str, Any]:
    metric = dataset.metrics[name]
    total = (float(sums[0]) + float(sums[1])) / 10.0 ** (dataset.decimals(name) or 0)
    if (
        finite and "sum" in metric.stats and not math.isfinite(total)
    ):  # JSON has no infinity; the server writes it as a word
        raise Refused(
            f"The values of {metric.field!r} in one bucket add up to more than a number can hold, so metric {name!r} "
            f"of {dataset.name!r} has no sum there. Nothing of this bucket was written; mend the documents, or leave "
            f"the sum out of the metric's stats."
        )
    values = {"min": sums[2], "max": sums[3], "sum": total, "avg": total / count}
    # + 0.0: of zeros with both signs, which one is the least depends on the order in which they are merged.
    row: dict[str, Any] = {stat: value + 0.0 for stat, value in values.items() if stat in metric.stats}
    row["count"] = count
    return row


def merged_metric(states: Sequence[State], place: int) -> tuple[list[float], int, list[Sketch]]:
    """One metric of the states of some shards: what its values add up to, how many they are, and their sketches.

    The sum comes in two parts, what additions dropped apart; then minimum and maximum.

    :param states: of the shards that saw something
    :param place: of the metric among those that the script was given
    """
    if len(states) == 1:  # by far the commonest: one shard, one slice
        sums, counts, sketches, *_ = states[0]
        return sums[4 * place : 4 * place + 4], counts[place], [sketch] if (sketch := sketches[place]) else []
    total, count, found = [0.0, 0.0, float("inf"), float("-inf")], 0, []
    for sums, counts, sketches, *_ in states:
        if not counts[place]:
            continue
        part = [float(x) for x in sums[4 * place : 4 * place + 4]]  # what is infinite comes as a word
        _add_to(total, part[0])
        _add_to(total, part[1])
        total[2:] = min(total[2], part[2]), max(total[3], part[3])
        count += counts[place]
        if sketch := sketches[place]:
            found.append(sketch)
    return total, count, found


def _add_to(total: list[float], x: float) -> None:
    """Neumaier's sum."""
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
    """Several sketches as one, by counts per bin.

    :param sketches: wire forms, or step, bins and counts as the script gives them; all of one step
    :raises ValueError: one is none
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
