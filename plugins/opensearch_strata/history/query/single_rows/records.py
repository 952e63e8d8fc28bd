"""Rows that the server sends as records of equal length, and the columns of a frame that they become. Pure.

The twin of ``painless/functions/records.painless`` and ``painless/steps/fetch_map.painless``. A record is big-endian:
the time in epoch milliseconds; for each group, the place of its value among the values that are sent beside the
records, -1 if the row lacks it; and for each metric its count, its wanted extremes and sum, and the bin of each wanted
quantile. Instead of a bin, the lowest and the highest number stand for the row's minimum and maximum.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.query.group_order import group_order
from opensearch_strata.sketches.ddsketch import value_of

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[Any]]

EXTREMES_AND_SUM = ("min", "max", "sum")
_LOWEST, _HIGHEST = -(2**31), 2**31 - 1

State = Sequence[Any]
"""What a shard or slice answers: how many rows it found, the records of those that have a value, and the values of each
group."""


@dataclass(frozen=True)
class Layout:
    """Of what records consist.

    :param dataset: the dataset as the scripts see it: with the wanted metrics, statistics and sketches only
    :param by: the groups that are kept apart
    :param quantiles: ``{"p99": 0.99}``
    """

    dataset: Dataset
    by: Sequence[str]
    quantiles: Mapping[str, float]

    @property
    def fractions(self) -> list[float]:
        """The wanted quantiles in ascending order, each once."""
        return sorted(set(self.quantiles.values()))

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Name and NumPy type of each part of a record."""
        parts = [("time", ">i8"), *((f"group {place}", ">i4") for place in range(len(self.by)))]
        for name, metric in self.dataset.metrics.items():
            parts += [(f"{name}.count", ">i8")]
            parts += [(f"{name}.{stat}", ">f8") for stat in EXTREMES_AND_SUM if stat in metric.stats]
            if name in self.dataset.sketches:
                parts += [(f"{name}.q{place}", ">i4") for place in range(len(self.fractions))]
        return parts

    @property
    def length(self) -> int:
        """Bytes of a record."""
        return sum(int(kind[2:]) for _, kind in self.fields)


@dataclass(frozen=True)
class Records:
    """Records in the order of an answer: by time, then by groups.

    :param times: epoch milliseconds
    :param groups: of each group, the place of each record's value in ``values``, -1 where it is missing
    :param values: of each group, its values in order
    :param stats: ``<metric>.<stat>`` -> the values; NaN, or a count of 0, where a record lacks the metric
    """

    times: Numbers
    groups: Sequence[Numbers]
    values: Sequence[Sequence[Any]]
    stats: Mapping[str, Numbers]

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, part: slice) -> Records:
        """A part of the records, in the same order."""
        stats = {name: numbers[part] for name, numbers in self.stats.items()}
        return Records(self.times[part], [places[part] for places in self.groups], self.values, stats)

    def repeated(self) -> list[int]:
        """The times at which a group has several rows, which would have to be merged."""
        import numpy as np

        if len(self) < 2:
            return []
        same = self.times[1:] == self.times[:-1]
        for places in self.groups:
            same &= places[1:] == places[:-1]
        return [int(time) for time in np.unique(self.times[1:][same])]

    def place_of(self, time: int) -> int:
        """The place of the first record that begins at this time or later."""
        return int(self.times.searchsorted(time))


def records_of(layout: Layout, types: Mapping[str, str], steps: Mapping[str, int], states: Sequence[State]) -> Records:
    """Records from the answer of the server, in order.

    :param types: mapping type of each group
    :param steps: metric -> step of its sketches
    :param states: of the shards and slices that found something
    """
    import numpy as np

    parts = [np.frombuffer(base64.b64decode(state[1]), dtype=layout.fields) for state in states]
    values, places = [], []
    for place, group in enumerate(layout.by):
        known, translations = group_order([state[2][place] for state in states], types.get(group, "keyword"))
        values.append(known)
        # A missing value is the place -1, which is the last one of a translation.
        each = [
            np.array([*translation, -1], dtype=np.int32)[part[f"group {place}"]]
            for translation, part in zip(translations, parts, strict=True)
        ]
        places.append(np.concatenate(each) if each else np.empty(0, np.int32))
    found = np.concatenate(parts) if parts else np.empty(0, layout.fields)
    times = found["time"].astype(np.int64)
    order = np.lexsort((*reversed(places), times))
    found = found[order]
    stats = _stats(layout, steps, found)
    return Records(times[order], [column[order] for column in places], values, stats)


def _stats(layout: Layout, steps: Mapping[str, int], found: Numbers) -> dict[str, Numbers]:
    import numpy as np

    stats: dict[str, Numbers] = {}
    for name, metric in layout.dataset.metrics.items():
        stats[f"{name}.count"] = count = found[f"{name}.count"].astype(np.int64)
        lacks = count == 0
        # A scaled_float is read back with the rounding error of a multiplication.
        decimals = layout.dataset.decimals(name)
        factor = 10.0 ** (decimals or 0)
        for stat in EXTREMES_AND_SUM:
            if stat in metric.stats:
                numbers = found[f"{name}.{stat}"].astype(np.float64)
                exact = numbers if decimals is None else np.rint(numbers * factor) / factor
                stats[f"{name}.{stat}"] = np.where(lacks, np.nan, exact + 0.0)
        if "sum" in metric.stats:
            stats[f"{name}.avg"] = stats[f"{name}.sum"] / np.where(lacks, 1, count)
        if name not in layout.dataset.sketches:
            continue
        low, high = stats[f"{name}.min"], stats[f"{name}.max"]
        for stat, fraction in layout.quantiles.items():
            bins = found[f"{name}.q{layout.fractions.index(fraction)}"].astype(np.int64)
            values = np.minimum(np.maximum(_values(bins, steps[name]), low), high)
            stats[f"{name}.{stat}"] = np.where(bins == _HIGHEST, high, np.where(bins == _LOWEST, low, values))
    return stats


def _values(bins: Numbers, step: int) -> Numbers:
    """The value of each bin; of the same few bins again and again."""
    import numpy as np

    known, places = np.unique(bins, return_inverse=True)
    values = [0.0 if bin_ in (_LOWEST, _HIGHEST) else value_of(int(bin_), step) for bin_ in known]
    return np.array(values, dtype=np.float64)[places]
