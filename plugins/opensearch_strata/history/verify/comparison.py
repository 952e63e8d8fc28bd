"""Results of reading a raw day and its rows side by side: counts of differences, and totals of the raw side. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.buckets.partials import State, joined, merged_metric
from opensearch_strata.history.verify.ruler import Ruler

Values = Sequence[Any]

_STATES = 32  # when there are more, they are merged into one


@dataclass
class Found:
    """Cases of one kind: how many there are, and the earliest one in words.

    :param first: time and description of the earliest case
    """

    count: int = 0
    first: tuple[float, str] | None = None

    def add(self, time: int | None, sentence: str) -> None:
        """Add a case.

        :param time: by which the earliest case is found, epoch milliseconds
        :param sentence: the case in words
        """
        case = (float("inf") if time is None else float(time), sentence)
        self.count += 1
        self.first = case if self.first is None else min(self.first, case)

    def join(self, other: Found) -> None:
        """Add all cases of another object."""
        self.count += other.count
        if other.first is not None:
            self.first = other.first if self.first is None else min(self.first, other.first)

    @property
    def named(self) -> tuple[str, ...]:
        """The description of the earliest case, if there is one."""
        return (self.first[1],) if self.first else ()


@dataclass
class Measured:
    """Totals of one metric over the raw day, by the server's own aggregations.

    :param exact: sum of the values rounded to their decimals, computed by the script
    """

    count: int = 0
    low: float = float("inf")
    high: float = float("-inf")
    sum: float = 0.0
    exact: float = 0.0

    def add(self, server: Mapping[str, Any]) -> None:
        """Add a bucket.

        :param server: the answer of the aggregation ``stats``, or of ``value_count`` for a metric that is only counted
        """
        if "value" in server:
            self.count += server["value"]
        elif server["count"]:
            self.count += server["count"]
            self.low = min(self.low, float(server["min"]))
            self.high = max(self.high, float(server["max"]))
            self.sum += float(server["sum"])

    def join(self, other: Measured) -> None:
        """Add another part of the day."""
        self.count += other.count
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.sum += other.sum
        self.exact += other.exact


@dataclass
class Comparison:
    """The comparison of a part of a day, or of a whole day.

    :param documents: how many raw documents the buckets have
    :param rows: how many buckets have a row
    :param carried: how many raw documents those rows claim to stand for
    :param null_rows: how many rows are of documents without a group value or a time
    :param missing: buckets without a row
    :param differing: rows that differ from their bucket
    :param unreadable: rows that do not state how many documents they stand for, or whose distribution is damaged
    """

    documents: int = 0
    rows: int = 0
    carried: int = 0
    null_rows: int = 0
    missing: Found = field(default_factory=Found)
    differing: Found = field(default_factory=Found)
    unreadable: Found = field(default_factory=Found)
    metrics: dict[str, Measured] = field(default_factory=dict)

    @classmethod
    def of_page(
        cls,
        dataset: Dataset,
        ruler: Ruler,
        buckets: Mapping[str, Mapping[str, Any]],
        rows: Mapping[str, Values],
        doc_counts: Mapping[tuple[Any, ...], int],
    ) -> Comparison:
        """Compare a page of buckets with its rows.

        :param buckets: the buckets, by the id that the row must have
        :param rows: values of the rows that exist, by id
        :param doc_counts: how many documents aggregations count, by keys
        """
        page = cls(metrics={name: Measured() for name in dataset.metrics if name not in dataset.top_values})
        for identity, bucket in buckets.items():
            page._measure(dataset, ruler, bucket)
            keys = ruler.keys_of(bucket["key"])
            row = rows.get(identity)
            if row is None:
                page.missing.add(keys[-1], ruler.where(keys))
            else:
                page._compare(ruler, keys, bucket, row, doc_counts.get(tuple(keys)))
        return page

    def _measure(self, dataset: Dataset, ruler: Ruler, bucket: Mapping[str, Any]) -> None:
        self.documents += bucket["doc_count"]
        states = [state for state in bucket["metrics"]["value"] if state is not None]
        for name, measured in self.metrics.items():
            measured.add(bucket[f"server {name}"])
        for place, name in enumerate(ruler.names):
            decimals = dataset.decimals(name)
            if decimals is not None and name in self.metrics:
                sums = merged_metric(states, place)[0]
                self.metrics[name].exact += (float(sums[0]) + float(sums[1])) / 10.0**decimals

    def _compare(
        self, ruler: Ruler, keys: list[Any], bucket: Mapping[str, Any], row: Values, doc_count: int | None
    ) -> None:
        self.rows += 1
        self.carried += ruler.documents_of(row) or 0
        self.null_rows += None in keys
        try:
            difference = ruler.difference(bucket, row, doc_count)
        except ValueError as error:
            self.unreadable.add(keys[-1], f"{ruler.where(keys)}: {error}")
            return
        if ruler.documents_of(row) is None:
            self.unreadable.add(keys[-1], f"{ruler.where(keys)}: it does not state how many documents it stands for")
        elif difference:
            self.differing.add(keys[-1], f"{ruler.where(keys)}: {difference}")

    @classmethod
    def joined(cls, parts: Iterable[Comparison]) -> Comparison:
        """Join all parts of a day."""
        whole = cls()
        for part in parts:
            whole.documents += part.documents
            whole.rows += part.rows
            whole.carried += part.carried
            whole.null_rows += part.null_rows
            whole.missing.join(part.missing)
            whole.differing.join(part.differing)
            whole.unreadable.join(part.unreadable)
            for name, measured in part.metrics.items():
                whole.metrics.setdefault(name, Measured()).join(measured)
        return whole


class Totals:
    """What the server merged from the rows of each slice, kept as few states, however many slices a day has.

    :param names: all metrics
    """

    def __init__(self, dataset: Dataset, names: Sequence[str]) -> None:
        self._dataset = dataset
        self._names = names
        self.states: list[State | None] | None = []
        """None if the rows of some slice cannot be read."""

    def add(self, states: Sequence[State | None] | None) -> None:
        """Add a slice.

        :param states: states of its shards; None if the server cannot read its rows
        """
        if states is None or self.states is None:
            self.states = None
            return
        self.states += states
        if len(self.states) > _STATES:
            try:
                self.states = [joined(self._dataset, self._names, self.states)]
            except ValueError:
                self.states = None
