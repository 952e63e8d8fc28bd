"""The month index: its explicit mapping, and how an existing one differs from it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.field_types import SINGLE_TYPES
from opensearch_strata.definition.sections.metric import DISTRIBUTIONS
from opensearch_strata.sketches.ddsketch import VERSION

# Doc values only: aggregations and scripts read them, and they are the smallest form of a number.
_COUNT: dict[str, Any] = {"type": "long", "index": False}
_DISTRIBUTION: dict[str, Any] = {"type": "binary", "doc_values": True}
_NUMBER: dict[str, Any] = {"type": "double", "index": False}
_SINGLE: dict[str, Any] = {"type": "float", "index": False}

ERRORS = frozenset({"relative_errors", "distinct_errors"})
"""What the description of a metric keeps of former definitions."""


def month_body(dataset: Dataset, group_types: dict[str, str]) -> dict[str, Any]:
    """Body that creates a month index, without the settings that safety requires.

    :param group_types: mapping type of each group field in the raw day
    """
    return {"settings": month_settings(dataset), "mappings": month_mapping(dataset, group_types)}


def month_settings(dataset: Dataset) -> dict[str, Any]:
    """Settings of a month index that the definition states."""
    return {
        "index.number_of_shards": dataset.history.shards,
        "index.number_of_replicas": dataset.history.replicas,
        "index.codec": dataset.history.codec,
        "index.max_docvalue_fields_search": 10_000,
    }


def month_mapping(dataset: Dataset, group_types: dict[str, str]) -> dict[str, Any]:
    """Mapping of a month index, with a description of its definition in ``_meta``.

    :param group_types: mapping type of each group field
    """
    metrics = {
        name: {"properties": {leaf: _leaf(dataset, name, leaf) for leaf in _leaves(dataset, name)}}
        for name in dataset.metrics
    }
    properties = {
        **{field: {"type": group_types[field]} for field in dataset.history.group_by},
        # Both engines write milliseconds; the default format would read -3600000 as a year.
        "@timestamp": {"type": "date", "format": "epoch_millis||strict_date_optional_time"},
        # Both engines write these flat dotted names; OpenSearch reads them as an object.
        "transform": {"properties": {"_id": {"type": "keyword"}, "_doc_count": _COUNT}},
        # The raw index that a row came from; no metric can have this name.
        "metrics": {"properties": {**metrics, "_raw": {"type": "keyword"}}},
    }
    return mapping_of_rows(properties, {"strata": month_meta(dataset)})


def mapping_of_rows(properties: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, Any]:
    """Mapping of an index of rows.

    :param properties: its fields, as a mapping states them
    :param meta: its ``_meta``
    """
    return {
        "dynamic": "false",
        # Doc values hold the whole row. A partial source would be worse than none: reindexing would lose the rest.
        "_source": {"enabled": False},
        "_routing": {"required": False},
        "_meta": dict(meta),
        "properties": dict(properties),
    }


def month_meta(dataset: Dataset) -> dict[str, Any]:
    """What a reader needs in addition to the rows, and what reveals a change of the definition."""
    return {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "fingerprints": [dataset.fingerprint],
        "bucket": dataset.history.bucket,
        "group_by": dataset.history.group_by,
        "timestamp": dataset.raw.timestamp,
        "sketch_version": VERSION,
        "metrics": {
            name: {
                "field": metric.field,
                "stats": sorted(metric.stats),
                "relative_errors": [dataset.sketches[name]] if name in dataset.sketches else [],
                **({"top_values": dataset.top_values[name]} if name in dataset.top_values else {}),
                **({"distinct_errors": [dataset.distinct[name]]} if name in dataset.distinct else {}),
            }
            for name, metric in dataset.metrics.items()
        },
    }


def grown_meta(meta: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    """``_meta.strata`` of an existing month, updated to the definition.

    Keeps the marks of verified days, and the definitions and relative errors that older rows may still have.

    :param meta: what the index has at present
    """
    wanted = month_meta(dataset)
    for name, metric in wanted["metrics"].items():
        before = meta.get("metrics", {}).get(name, {})
        for errors in ERRORS & metric.keys():
            metric[errors] = sorted({*before.get(errors, []), *metric[errors]})
    wanted["fingerprints"] = sorted({*meta.get("fingerprints", []), dataset.fingerprint})
    return {**meta, **wanted}


def _leaf(dataset: Dataset, metric: str, leaf: str) -> dict[str, Any]:
    """Mapping of one number of a row, in as few bytes as hold it exactly."""
    if leaf == "count":
        return _COUNT
    if leaf in DISTRIBUTIONS:
        return _DISTRIBUTION
    decimals = dataset.decimals(metric)
    if decimals is not None and leaf != "avg":
        return {"type": "scaled_float", "index": False, "scaling_factor": 10.0**decimals}
    is_single = dataset.raw.fields.get(dataset.metrics[metric].field) in SINGLE_TYPES
    return _SINGLE if is_single and leaf in ("min", "max") else _NUMBER


def _leaves(dataset: Dataset, metric: str) -> list[str]:
    return [*sorted(dataset.metrics[metric].stats), *dataset.distribution_leaf(metric)]


def conflicts(meta: dict[str, Any], dataset: Dataset, *, redefine: bool = False) -> list[str]:
    """Differences between an existing month and a definition that are incompatible within one index.

    More metrics and more statistics are additive: older rows simply lack them. Every sketch states its own step, top
    values state their own number and bound, and registers their own precision, so a change of these is not a conflict.

    :param meta: ``_meta.strata`` of the existing index
    :param redefine: metrics may change their meaning, because a person confirms that the days are condensed again
    """
    wanted = month_meta(dataset)
    found = [
        f"{key}: {meta.get(key)!r} in the index, {wanted[key]!r} in the definition"
        for key in ("dataset", "bucket", "group_by", "timestamp", "sketch_version")
        if meta.get(key) != wanted[key]
    ]
    if redefine or meta.get("fingerprint") == dataset.fingerprint:
        return found
    for name, old in meta.get("metrics", {}).items():
        new = wanted["metrics"].get(name)
        if new is None:
            found.append(f"metrics.{name}: in the index, not in the definition")
            continue
        if old["field"] != new["field"]:
            found.append(f"metrics.{name}.field: {old['field']!r} in the index, {new['field']!r} in the definition")
        if lost := sorted(set(old["stats"]) - set(new["stats"])):
            found.append(f"metrics.{name}.stats: the index has {lost}, the definition lacks them")
        if any(old.get(kind) and not new.get(kind) for kind in (*ERRORS, "top_values")):
            found.append(f"metrics.{name}.distribution: in the index, not in the definition")
    return found


def mapping_differences(found: Mapping[str, Any], wanted: Mapping[str, Any], path: str = "") -> list[str]:
    """Fields of a mapping's ``properties`` that differ from the wanted ones, one phrase for each.

    Every parameter counts, not only the type: an index template may have added a ``format`` or ``enabled: false``.

    :param found: ``properties`` of an index
    :param wanted: ``properties`` that it should have
    :param path: of the object that they are in, with a dot at its end; empty at the top
    """
    differences = []
    for name, body in wanted.items():
        first, _, rest = name.partition(".")  # a dotted name is an object in the index
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
