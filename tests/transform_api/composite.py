"""One page of a job: the composite aggregation on the real node, and the rows that come of it."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import mmh3

from tests.transform_api.definition import aggregation_type, field_type
from tests.transform_api.node import Node, NodeError

ID_SEED = 72390
NULL_KEY = "#ODFE-MAGIC-NULL-MAGIC-ODFE#"
# REST shows these as null; inside the plugin they are doubles, and land in the row as strings.
WITHOUT_VALUES = {"min": "Infinity", "max": "-Infinity", "avg": "NaN"}
TARGET_MAPPING = {
    "_meta": {"schema_version": 1},
    "dynamic_templates": [{"strings": {"match_mapping_type": "string", "mapping": {"type": "keyword"}}}],
}

Row = tuple[str, dict[str, Any]]


class NullResultError(Exception):
    """A scripted metric returned null, which the plugin cannot take."""


@dataclass(frozen=True)
class Page:
    """What one composite search gave: rows (`_id`, `_source`), key to go on after, documents, millis."""

    rows: list[Row]
    after_key: dict[str, Any] | None
    documents: int
    took: int


def hash_id(text: str) -> str:
    """Index Management's fixed-size id: murmur3 128 of the text, base64url, 22 characters."""
    high, low = mmh3.hash64(text, seed=ID_SEED, x64arch=True, signed=False)
    return base64.urlsafe_b64encode(struct.pack(">QQ", high, low)).rstrip(b"=").decode()


def search_page(node: Node, job: dict[str, Any], after_key: dict[str, Any] | None, size: int) -> Page:
    """Read one page of a job document's buckets.

    Raises:
        NodeError: The search failed.
        NullResultError: A scripted metric returned null.
    """
    name = job["transform_id"]
    composite: dict[str, Any] = {"size": size, "sources": [_source(group) for group in job["groups"]]}
    if after_key is not None:
        composite["after"] = after_key
    body = {
        "size": 0,
        "track_total_hits": False,
        "query": job["data_selection_query"],
        "aggregations": {name: {"composite": composite, "aggregations": job["aggregations"]}},
    }
    answer = node.call("POST", f"/{job['source_index']}/_search", body, allow_partial_search_results="false")
    found = answer["aggregations"][name]
    dates = set(_date_fields(job, node.mappings(job["source_index"])))
    rows = [_row(job, bucket, dates) for bucket in found["buckets"]]
    documents = sum(bucket["doc_count"] for bucket in found["buckets"])
    return Page(rows, found.get("after_key"), documents, answer["took"])


def write_rows(node: Node, job: dict[str, Any], rows: Iterable[Row]) -> int:
    """Index rows into the job's target, created as the plugin does when missing; return milliseconds.

    Raises:
        NodeError: The target could not be created, or a row was refused (the others stay written).
    """
    target = job["target_index"]
    lines: list[dict[str, Any]] = []
    for row_id, source in rows:
        lines += [{"index": {"_index": target, "_id": row_id}}, source]
    if not lines:
        return 0
    _create_target(node, job)
    answer = node.bulk(lines)
    failed = [item["index"] for item in answer["items"] if item["index"]["status"] >= 300]
    if failed:
        raise NodeError(failed[0]["status"], failed[0])
    return int(answer["took"])


def preview_row(source: dict[str, Any]) -> dict[str, Any]:
    """A row as `_preview` shows it: without the job's id."""
    return {name: value for name, value in source.items() if name != "transform._id"}


def _source(group: dict[str, Any]) -> dict[str, Any]:
    ((kind, body),) = group.items()
    values = {name: value for name, value in body.items() if value is not None}
    target, field = values.pop("target_field"), values.pop("source_field")
    if "timezone" in values:
        values["time_zone"] = values.pop("timezone")
    return {target: {kind: {**values, "field": field, "missing_bucket": True}}}


def _row(job: dict[str, Any], bucket: dict[str, Any], dates: set[str]) -> Row:
    keys = ":".join(_key_text(key) for key in bucket["key"].values())
    source = {
        "transform._id": job["transform_id"],
        "_doc_count": bucket["doc_count"],
        "transform._doc_count": bucket["doc_count"],
        **bucket["key"],
    }
    for name, body in job["aggregations"].items():
        source[name] = _value(aggregation_type(body), bucket[name], name in dates)
    return hash_id(f"{job['transform_id']}#{keys}"), source


def _key_text(key: Any) -> str:
    if key is None:
        return NULL_KEY
    return str(key).lower() if isinstance(key, bool) else str(key)


def _value(kind: str, result: dict[str, Any], date: bool) -> Any:
    if kind == "percentiles":
        return {percent: "NaN" if value is None else value for percent, value in result["values"].items()}
    value = result["value"]
    if kind == "scripted_metric":
        if value is None:
            raise NullResultError
        return value
    if value is None:
        return WITHOUT_VALUES[kind]
    return int(value) if date and kind in WITHOUT_VALUES else float(value)


def _create_target(node: Node, job: dict[str, Any]) -> None:
    target = job["target_index"]
    if target in node.mappings(target):
        return
    dates = _date_fields(job, node.mappings(job["source_index"]))
    mapping = {**TARGET_MAPPING, "properties": dates} if dates else TARGET_MAPPING
    node.call("PUT", f"/{target}", {"mappings": mapping})


def _date_fields(job: dict[str, Any], mappings: dict[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Target fields that hold dates: term groups and metrics of a date field, but not a date histogram's."""
    mapping = mappings.get(job["source_index"], {})
    types: dict[str, str | None] = {}
    for group in job["groups"]:
        if "date_histogram" not in group:
            ((_, body),) = group.items()
            types[body["target_field"]] = field_type(body["source_field"], mapping)
    for name, aggregation in job["aggregations"].items():
        types[name] = field_type(aggregation[aggregation_type(aggregation)].get("field", ""), mapping)
    return {
        target: {"type": kind, "format": "strict_date_optional_time||epoch_millis"}
        for target, kind in types.items()
        if kind in ("date", "date_nanos")
    }
