"""The definition by which the rows of a month can be merged: only statistics that all of its rows have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.sections.metric import Distribution
from opensearch_strata.errors import Refused
from opensearch_strata.history.buckets.bucket_pages import PATIENTLY
from opensearch_strata.history.levels.merge.merging import RowsOfUnit
from opensearch_strata.history.month.marks import Mark
from opensearch_strata.sketches.ddsketch import step_of

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def as_stored(
    client: OpenSearch, dataset: Dataset, source: RowsOfUnit, marks: Iterable[Mark], strata: Mapping[str, Any]
) -> Dataset:
    """The dataset with what all base rows of a unit have, and with sketches of the steps to which they can be merged.

    Rows of an earlier definition may lack a metric, a statistic or a distribution. What some rows lack, the rows of a
    level do not claim to have.

    :param source: the base rows
    :param marks: of their days; if all of them were proven by this very definition, nothing is asked
    :param strata: ``_meta.strata`` of their month
    :raises Refused: sketches of the month cannot be merged
    """
    if all(mark.fingerprint == dataset.fingerprint for mark in marks):
        return dataset
    lacking = _lacking(client, dataset, source)
    metrics = {}
    for name, metric in dataset.metrics.items():
        stats = [stat for stat in metric.stats if (name, stat) not in lacking]
        distribution = metric.distribution
        if distribution and name in dataset.sketches:
            needed = {(name, leaf) for leaf in ("min", "max", "sketch")}
            step = _step(source, name, set(_relative_errors(strata, name)) or {dataset.sketches[name]})
            distribution = None if needed & lacking else Distribution(relative_error=step / 1000)
        elif any((name, leaf) in lacking for leaf in dataset.distribution_leaf(name)) or _is_of_others(
            dataset, strata, name
        ):
            distribution = None
        metrics[name] = metric.model_copy(update={"stats": stats, "distribution": distribution})
    return dataset.model_copy(update={"metrics": metrics})


def _relative_errors(strata: Mapping[str, Any], metric: str) -> list[float]:
    """Of the sketches in base rows, whatever the definition says now: readers merge these at the coarsest of them."""
    errors: list[float] = strata.get("metrics", {}).get(metric, {}).get("relative_errors", [])
    return errors


def _is_of_others(dataset: Dataset, strata: Mapping[str, Any], metric: str) -> bool:
    """Whether the month has registers of another precision, so that distinct counts are left to base rows."""
    stated = strata.get("metrics", {}).get(metric, {}).get("distinct_errors", [])
    return metric in dataset.distinct and stated != [dataset.distinct[metric]]


def _step(source: RowsOfUnit, metric: str, errors: set[float]) -> int:
    steps = {step_of(error) for error in errors}
    if any(max(steps) % step for step in steps):
        listed = ", ".join(f"{error:g}" for error in sorted(errors))
        raise Refused(
            f"The sketches of {metric!r} in {source.index} have the relative errors {listed}, of which the largest is "
            f"not a multiple of the others, so they cannot be merged. Base rows are read instead."
        )
    return max(steps)


def _lacking(client: OpenSearch, dataset: Dataset, source: RowsOfUnit) -> set[tuple[str, str]]:
    """Metrics and leaves that some rows lack, although they count values of the metric."""
    leaves = [
        (name, leaf)
        for name, metric in dataset.metrics.items()
        for leaf in [
            *(stat for stat in metric.stats if stat != "count"),
            *dataset.distribution_leaf(name),
        ]
    ]
    aggs = {f"{number}": {"filter": _lacks(*leaf)} for number, leaf in enumerate(leaves)}
    body = {"size": 0, "track_total_hits": False, "query": {"bool": {"filter": source.query}}, "aggs": aggs}
    found = PATIENTLY(decisive.search, client, source.index, body)["aggregations"] if aggs else {}
    return {leaf for number, leaf in enumerate(leaves) if found[f"{number}"]["doc_count"]}


def _lacks(name: str, leaf: str) -> dict[str, Any]:
    counted, wanted = ({"exists": {"field": f"metrics.{name}.{part}"}} for part in ("count", leaf))
    return {"bool": {"filter": [counted], "must_not": [wanted]}}
