"""Rows of levels as documents: their ids, and what they hold. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.levels import Level, quantile_leaf
from opensearch_strata.history.buckets.partials import State, row_of_states, split_metrics
from opensearch_strata.history.month.level_notes import LEVEL
from opensearch_strata.sketches.ddsketch import quantile_in, quantiles, step_of, unpack

_ID_BYTES = 12

Row = tuple[str, dict[str, Any]]
"""``_id`` and document."""


def level_row_id(level: Level, unit_id: str, keys: Sequence[Any]) -> str:
    """``_id`` of a row of a level, the same each time it is built.

    :param unit_id: what the row has as ``transform._id``
    :param keys: group values in the order of the level, then the time as epoch milliseconds; None where missing
    """
    text = json.dumps([level.name, unit_id, *keys], separators=(",", ":"))
    digest = hashlib.blake2b(text.encode(), digest_size=_ID_BYTES).digest()
    return base64.urlsafe_b64encode(digest).decode()


def level_row(dataset: Dataset, level: Level, unit_id: str, keys: Sequence[Any], found: Mapping[str, Any]) -> Row:
    """A row of a level.

    :param unit_id: what it has as ``transform._id``
    :param keys: see :func:`level_row_id`
    :param found: the bucket with the answer of :func:`opensearch_strata.history.buckets.scripts.level_metric`
    """
    shards = [shard for shard in found["metrics"]["value"] if shard is not None]
    states: list[State] = [shard["totals"] for shard in shards]
    metrics: dict[str, Any] = row_of_states(dataset, list(dataset.metrics), states)
    ranked = shards[0]["ranked"] if len(shards) == 1 else []
    _add_quantiles(dataset, metrics, ranked)
    field, name = LEVEL.split(".")
    *groups, time = keys
    return level_row_id(level, unit_id, keys), {
        "transform._id": unit_id,
        "_doc_count": found["doc_count"],
        "transform._doc_count": found["doc_count"],
        **{group: key for group, key in zip(level.group_by, groups, strict=True) if key is not None},
        **({} if time is None else {"@timestamp": time}),
        field: {**metrics, name: level.name},
    }


def _add_quantiles(dataset: Dataset, metrics: dict[str, Any], ranked: Sequence[Sequence[int]]) -> None:
    """Add the quantiles of each metric that has a sketch.

    :param ranked: their bins, for each metric that measures; empty if several shards saw something
    """
    percents = sorted(dataset.history.quantiles)
    numbers, *_ = split_metrics(dataset, list(dataset.metrics))
    for place, name in enumerate(numbers):
        row = metrics.get(name)
        if row is None or "sketch" not in row or not percents:
            continue
        if not ranked:
            row |= quantiles_in(dataset, name, row)
            continue
        step = step_of(dataset.sketches[name])
        for percent, bin_ in zip(percents, ranked[place], strict=True):
            value = quantile_in(bin_, percent / 100, row["count"], step, row["min"], row["max"])
            row[quantile_leaf(percent)] = _rounded(dataset, name, value)


def quantiles_in(dataset: Dataset, name: str, row: Mapping[str, Any]) -> dict[str, float]:
    """The quantiles of a metric, as a row of a level has them beside its sketch.

    :param row: the metric's part of the row, with extremes and sketch
    """
    percents = sorted(dataset.history.quantiles)
    bins, step = unpack(row["sketch"])
    found = quantiles(bins, [percent / 100 for percent in percents], step, row["min"], row["max"])
    return {quantile_leaf(percent): _rounded(dataset, name, found[percent / 100]) for percent in percents}


def _rounded(dataset: Dataset, name: str, value: float) -> float:
    decimals = dataset.decimals(name)
    return value if decimals is None else round(value, decimals) + 0.0
