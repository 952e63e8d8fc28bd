"""The rows of a day, each time without one part: the amount by which an index shrinks is the size of that part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opensearch_strata.definition.dataset import Dataset

Row = dict[str, Any]
Path = tuple[str, ...]

REST = "_id, sequence numbers and the rest"


def parts_of(dataset: Dataset) -> dict[str, list[Path]]:
    """Parts of a row by name, and the paths in its document that each part consists of."""
    plain = ("_doc_count", "transform._doc_count", "transform._id", "@timestamp", *dataset.history.group_by)
    return {
        **{name: [(name,)] for name in plain},
        **{f"all {stat}": [("metrics", m, stat) for m in dataset.metrics] for stat in ("min", "max", "sum", "count")},
        **{f"sketch of {m}": [("metrics", m, "sketch")] for m in dataset.sketches},
    }


def without(row: Row, paths: Sequence[Path]) -> Row:
    """A copy of a row that lacks some paths."""
    copy = {**row, "metrics": {name: dict(stats) for name, stats in row["metrics"].items()}}
    for *parents, leaf in paths:
        target = copy
        for name in parents:
            target = target.get(name, {})
        target.pop(leaf, None)
    return copy
