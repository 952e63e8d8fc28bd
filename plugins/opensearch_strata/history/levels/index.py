"""The index that holds the rows of levels of a year: created before use, and kept in step with the definition."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections.safe_settings import MONTH, weaker
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.levels import quantile_leaf
from opensearch_strata.errors import Refused
from opensearch_strata.history.month.index import create_month, mend_settings
from opensearch_strata.history.month.level_notes import LEVEL
from opensearch_strata.history.month.mapping import (
    ERRORS,
    conflicts,
    grown_meta,
    mapping_differences,
    month_mapping,
    month_settings,
)
from opensearch_strata.history.raw_day.inspection import field_types

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_PATH, _LEAF = LEVEL.split(".")


def levels_mapping(dataset: Dataset, group_types: Mapping[str, str]) -> dict[str, Any]:
    """Mapping of an index of levels: that of a month, the level's name and the quantiles.

    :param group_types: mapping type of each group field
    """
    mapping = month_mapping(dataset, dict(group_types))
    properties: dict[str, Any] = mapping["properties"]
    metrics = {**properties[_PATH]["properties"], _LEAF: {"type": "keyword"}}
    metrics.pop("_raw")
    for name in dataset.sketches:
        parts = metrics[name]["properties"]
        leaves = {quantile_leaf(percent): parts["min"] for percent in dataset.history.quantiles}  # between min and max
        metrics[name] = {"properties": {**parts, **leaves}}
    short = {} if any(group.split(".")[0] == _SHORT for group in dataset.history.group_by) else _ALIAS
    meta = {**mapping["_meta"]["strata"], "time_zone": dataset.time_zone}
    return {
        **mapping,
        "_meta": {"strata": meta},
        "properties": {**properties, _PATH: {"properties": metrics}, **short},
    }


_SHORT = "level"
_ALIAS: dict[str, Any] = {_SHORT: {"type": "alias", "path": LEVEL}}
"""So that a person may write ``level:1h``, unless a group has that name."""


def with_errors(meta: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """``_meta.strata`` with the errors of distributions that rows merged from others may have.

    :param meta: of an index of levels
    :param more: of an index whose rows they are merged from, or that has more of them
    """
    metrics = {}
    for name, metric in meta["metrics"].items():
        there = more.get("metrics", {}).get(name, {})
        stated = {key: sorted({*metric[key], *there.get(key, [])}) for key in ERRORS if key in metric}
        metrics[name] = {**metric, **stated}
    return {**meta, "metrics": metrics}


def is_of(dataset: Dataset, meta: Mapping[str, Any]) -> bool:
    """Whether rows of levels were made by the calendar and for the buckets of a definition.

    :param meta: ``_meta.strata`` of their index
    """
    wanted = {"dataset": dataset.name, "bucket": dataset.history.bucket, "time_zone": dataset.time_zone}
    return all(meta.get(key) == value for key, value in wanted.items())


def ensure_levels_index(client: OpenSearch, dataset: Dataset, day: date, month: Mapping[str, Any]) -> str:
    """Create the index of a day's levels, or bring its mapping and settings up to date. Returns its UUID.

    :param month: mapping of the month that the base rows are in
    :raises Refused: the index does not match the definition, or has weaker settings that cannot be changed
    """
    index = dataset.levels_index(day)
    types = dict(field_types(month["properties"]))
    wanted = levels_mapping(dataset, {group: types.get(group, "keyword") for group in dataset.history.group_by})
    wanted["_meta"]["strata"] = with_errors(wanted["_meta"]["strata"], month.get("_meta", {}).get("strata", {}))
    found = _found(client, index)
    if found is None:
        create_month(client, index, {"settings": month_settings(dataset), "mappings": wanted})
        found = _found(client, index)
        if found is None:
            raise Refused(f"{index} was deleted right after it was created. Nothing was written; try again.")
    _bring_up_to_date(client, dataset, index, found["mappings"], wanted)
    if missing := weaker(found["settings"], MONTH):
        mend_settings(client, index, missing)
    return str(found["settings"]["index.uuid"])


def _found(client: OpenSearch, index: str) -> dict[str, Any] | None:
    """What the server says of an index.

    :raises Refused: its name is an alias
    """
    params = {"flat_settings": "true", "ignore_unavailable": "true"}
    found: dict[str, Any] = client.indices.get(index=index, params=params)
    if found and index not in found:
        raise Refused(f"{index} is an alias of {', '.join(found)}; rows are written to an index of that name only.")
    return found.get(index)


def _bring_up_to_date(
    client: OpenSearch, dataset: Dataset, index: str, existing: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    meta = existing.get("_meta", {}).get("strata")
    if meta is None:
        raise Refused(f"{index} was not created by Strata (no _meta.strata); move it away or rename history.index.")
    problems = conflicts(meta, dataset, redefine=True)
    if not problems and not is_of(dataset, meta):
        problems = [f"time_zone: {meta.get('time_zone')!r} in the index, {dataset.time_zone!r} in the definition"]
    problems += mapping_differences(existing.get("properties", {}), wanted["properties"])
    if problems:
        raise Refused(
            f"{index} was made by another definition of {dataset.name!r}, or shaped by an index template that matches "
            f"its name: {'; '.join(problems)}. Nothing was written to it, and base rows are read instead. Everything "
            f"in it can be built again: delete it, then run strata levels {dataset.name} for its days."
        )
    grown = with_errors({**grown_meta(meta, dataset), "time_zone": dataset.time_zone}, wanted["_meta"]["strata"])
    stated = dict(field_types(existing.get("properties", {})))
    if meta == grown and dict(field_types(wanted["properties"])).keys() <= stated.keys():
        return
    client.indices.put_mapping(index=index, body={"_meta": {"strata": grown}, "properties": wanted["properties"]})
