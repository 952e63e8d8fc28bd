"""Rows of a level against what the server itself says of the rows that they are merged from. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import moment
from opensearch_strata.definition.levels import Level, quantile_leaf
from opensearch_strata.definition.sections.metric import DISTRIBUTIONS
from opensearch_strata.history.buckets.scripts import Body
from opensearch_strata.history.levels.rows import quantiles_in
from opensearch_strata.history.month.level_notes import LEVEL
from opensearch_strata.history.verify.ruler import rounded, same
from opensearch_strata.sketches.ddsketch import coarsened, unpack

_SINGLE = 1e-6  # what a number may lose in a field of single precision


def server_metrics(dataset: Dataset) -> dict[str, Body]:
    """Aggregations over rows: the server's own sums and extremes of each metric's statistics."""
    aggs: dict[str, Body] = {"documents": {"sum": {"field": "transform._doc_count"}}}
    for name, metric in dataset.metrics.items():
        for stat, kind in (("count", "sum"), ("min", "min"), ("max", "max"), ("sum", "stats")):
            if stat in metric.stats:
                aggs[f"{name}.{stat}"] = {kind: {"field": f"metrics.{name}.{stat}"}}
    return aggs


def fields_of(dataset: Dataset) -> list[str]:
    """Fields of rows of levels, in the order in which :func:`stored_difference` expects their values."""
    fields = [*dataset.history.group_by, "@timestamp", "transform._id", "transform._doc_count", LEVEL]
    return [*fields, *(f"metrics.{name}.{leaf}" for name in dataset.metrics for leaf in _leaves(dataset, name))]


def _leaves(dataset: Dataset, name: str) -> list[str]:
    leaves = [*dataset.metrics[name].stats, *dataset.distribution_leaf(name)]
    quantiles = dataset.history.quantiles if name in dataset.sketches else []
    return [*leaves, *map(quantile_leaf, quantiles)]


def where(level: Level, keys: Sequence[Any]) -> str:
    """The group and time of a row in words.

    :param keys: group values in the order of the level, then the time as epoch milliseconds
    """
    groups = (
        f"no {group}" if key is None else f"{group} {key!r}" for group, key in zip(level.group_by, keys, strict=False)
    )
    return ", ".join([*groups, moment(keys[-1])])


def server_difference(dataset: Dataset, found: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """The first statistic in which a merged row differs from the server's own; empty if none does.

    :param found: the bucket, with the answers to :func:`server_metrics`
    :param row: the document of the row
    """
    if found["documents"]["value"] != found["doc_count"] or row["_doc_count"] != found["doc_count"]:
        return f"documents: {found['documents']['value']:.0f}, and {found['doc_count']} by _doc_count"
    for name, metric in dataset.metrics.items():
        merged: Mapping[str, Any] = row["metrics"].get(name, {"count": 0})
        count = int(found[f"{name}.count"]["value"])
        if merged["count"] != count:
            return f"count of {name}: {count} in the rows, {merged['count']} merged"
        for stat in ("min", "max", "sum") if count else ():
            if stat in metric.stats and not _is_near(dataset, name, stat, found[f"{name}.{stat}"], merged[stat]):
                return f"{stat} of {name}: {merged[stat]} merged"
    return ""


def _is_near(dataset: Dataset, name: str, stat: str, server: Mapping[str, Any], merged: float) -> bool:
    decimals = dataset.decimals(name)
    if stat != "sum":
        value = server["value"]
        return value is not None and rounded(value, decimals) == rounded(merged, decimals)
    largest = max(abs(server["min"] or 0.0), abs(server["max"] or 0.0)) if server["count"] else 0.0
    slack = 1e-9 * largest + (0.0 if decimals is None else 0.5 / 10.0**decimals)
    return same(float(server["sum"] or 0.0), merged, slack)


def stored_difference(dataset: Dataset, level: Level, row: Mapping[str, Any], values: Sequence[Any]) -> str:
    """The first value in which a stored row differs from the one that it must be; empty if none does.

    :param row: the document of the row, as it is built
    :param values: of the stored row, see :func:`fields_of`
    """
    named = dict(zip(fields_of(dataset), values, strict=True))
    metrics = row["metrics"]
    for field in (*dataset.history.group_by, "@timestamp", "transform._id", "transform._doc_count"):
        if named[field] != row.get(field):
            return f"{field}: {row.get(field)!r} merged, {named[field]!r} in the row"
    if named[LEVEL] != level.name:
        return f"it is of the level {named[LEVEL]!r}"
    for name in dataset.metrics:
        metric = _as_fine(dataset, name, metrics.get(name, {}), named.get(f"metrics.{name}.sketch"))
        for leaf in _leaves(dataset, name):
            wanted, found = metric.get(leaf), named[f"metrics.{name}.{leaf}"]
            if not _equal(dataset, name, leaf, wanted, found, metric):
                told = "" if leaf in DISTRIBUTIONS else f": {wanted} merged, {found} in the row"
                return f"{leaf} of {name}{told}"
    return ""


def _as_fine(dataset: Dataset, name: str, metric: Mapping[str, Any], stored: str | None) -> Mapping[str, Any]:
    """A merged metric with the sketch of the stored row, if that one says the same in smaller bins.

    Rows keep the relative error of the definition that they were written by; merged are those of the largest.

    :param stored: the sketch of the stored row; None if it has none
    """
    if stored is None or "sketch" not in metric or _is_same(metric["sketch"], stored):
        return metric
    wanted, step = unpack(metric["sketch"])
    text = stored + "=" * (-len(stored) % 4)
    try:
        bins, finer = unpack(text)
        is_same = coarsened(bins, finer, step) == wanted
    except ValueError:  # what is stored is damaged or coarser, so it differs
        return metric
    if not is_same:
        return metric
    fine = {**metric, "sketch": text}
    return {**fine, **quantiles_in(dataset, name, fine)}


def _is_same(wanted: Any, found: Any) -> bool:
    """Whether two distributions are the same; the server leaves out the padding of base64."""
    return str(wanted).rstrip("=") == str(found).rstrip("=")


def _equal(dataset: Dataset, name: str, leaf: str, wanted: Any, found: Any, row: Mapping[str, Any]) -> bool:
    if wanted is None or found is None or wanted == found:
        return bool(wanted == found)
    if leaf == "count":
        return False
    if leaf in DISTRIBUTIONS:
        return _is_same(wanted, found)
    decimals = dataset.decimals(name)
    if decimals is not None and leaf != "avg":
        return rounded(wanted, decimals) == rounded(found, decimals)
    if leaf in ("sum", "avg"):  # sums of the same numbers in another order
        return same(wanted, found, 1e-9 * max(abs(row.get("min", 0.0)), abs(row.get("max", 0.0))))
    return math.isclose(wanted, found, rel_tol=_SINGLE)
