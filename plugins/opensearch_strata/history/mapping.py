"""The month index: its explicit mapping, and how an existing one differs from it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opensearch_strata.dataset import Dataset
from opensearch_strata.history.sketch import VERSION

_STAT_TYPES: dict[str, dict[str, Any]] = {
    "count": {"type": "long", "index": False},
    # Stays in _source alone: neither searched nor sorted.
    "sketch": {"type": "keyword", "index": False, "doc_values": False},
}
_NUMBER: dict[str, Any] = {"type": "double", "index": False}


def month_body(dataset: Dataset, group_types: dict[str, str]) -> dict[str, Any]:
    """Body that creates a month index.

    :param group_types: mapping type of each group field in the raw day
    """
    return {
        "settings": {
            "index.number_of_shards": dataset.history.shards,
            "index.number_of_replicas": dataset.history.replicas,
            "index.codec": dataset.history.codec,
            # A producer's index template may match this name too, and must not change the rows.
            "index.default_pipeline": "_none",
            "index.final_pipeline": "_none",
        },
        "mappings": month_mapping(dataset, group_types),
    }


def month_mapping(dataset: Dataset, group_types: dict[str, str]) -> dict[str, Any]:
    """Mapping of a month index, with what made it in ``_meta``."""
    metrics = {
        name: {"properties": {leaf: _STAT_TYPES.get(leaf, _NUMBER) for leaf in _leaves(dataset, name)}}
        for name in dataset.metrics
    }
    return {
        "dynamic": "false",
        "_source": {"enabled": True},
        "_routing": {"required": False},
        "_meta": {"strata": month_meta(dataset)},
        "properties": {
            **{field: {"type": group_types[field]} for field in dataset.history.group_by},
            "@timestamp": {"type": "date"},
            # Both engines write these flat dotted names; OpenSearch reads them as an object.
            "transform": {"properties": {"_id": {"type": "keyword"}, "_doc_count": {"type": "long"}}},
            "metrics": {"properties": metrics},
        },
    }


def month_meta(dataset: Dataset) -> dict[str, Any]:
    """What a reader needs beside the rows, and what shows a change of the definition."""
    return {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "bucket": dataset.history.bucket,
        "group_by": dataset.history.group_by,
        "timestamp": dataset.raw.timestamp,
        "sketch_version": VERSION,
        "metrics": {
            name: {
                "field": metric.field,
                "stats": sorted(metric.stats),
                "relative_error": dataset.sketches.get(name),
            }
            for name, metric in dataset.metrics.items()
        },
    }


def _leaves(dataset: Dataset, metric: str) -> list[str]:
    return [*sorted(dataset.metrics[metric].stats), *(["sketch"] if metric in dataset.sketches else [])]


def conflicts(meta: dict[str, Any], dataset: Dataset) -> list[str]:
    """Differences between an existing month and a definition that rows of one index cannot bear.

    More metrics and more statistics are additive: older rows simply lack them.

    :param meta: ``_meta.strata`` of the existing index
    """
    wanted = month_meta(dataset)
    found = [
        f"{key}: {meta.get(key)!r} in the index, {wanted[key]!r} in the definition"
        for key in ("dataset", "bucket", "group_by", "timestamp", "sketch_version")
        if meta.get(key) != wanted[key]
    ]
    for name, old in meta.get("metrics", {}).items():
        new = wanted["metrics"].get(name)
        if new is None:
            found.append(f"metrics.{name}: in the index, not in the definition")
            continue
        if old["field"] != new["field"]:
            found.append(f"metrics.{name}.field: {old['field']!r} in the index, {new['field']!r} in the definition")
        if lost := sorted(set(old["stats"]) - set(new["stats"])):
            found.append(f"metrics.{name}.stats: the index has {lost}, the definition lacks them")
        if old["relative_error"] not in (None, new["relative_error"]):
            found.append(
                f"metrics.{name}.distribution.relative_error: {old['relative_error']} in the index, "
                f"{new['relative_error']} in the definition"
            )
    return found


def mapping_differences(found: Mapping[str, Any], wanted: Mapping[str, Any], path: str = "") -> list[str]:
    """Fields of a mapping's ``properties`` that exist in another way than wanted, a phrase each.

    Every parameter counts, not the type alone: an index template may have added a ``format`` or ``enabled: false``.
    """
    differences = []
    for name, body in wanted.items():
        first, _, rest = name.partition(".")  # a path, written in one word, is an object in the index
        field = {"properties": {rest: body}} if rest else body
        there = found.get(first)
        if there is None:
            continue
        full = f"{path}{first}"
        if "properties" not in field:
            if there != field:
                differences.append(f"{full}: {_shown(there)} in the index, {field} wanted")
        elif other := {key: value for key, value in there.items() if key not in ("properties", "dynamic")}:
            differences.append(f"{full}: {other} in the index, an object wanted")
        else:
            differences += mapping_differences(there.get("properties", {}), field["properties"], f"{full}.")
    return differences


def _shown(field: Mapping[str, Any]) -> str:
    return "an object" if "properties" in field else str(field)
