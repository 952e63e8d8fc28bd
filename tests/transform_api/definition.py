"""A job's definition: what is rejected at creation, in the plugin's order, and the document that is stored.

Source of the rules and their wording: the recordings, and `Transform.parse`, `Dimension.parse` and
`TransformValidator` of Index Management. Only what the recordings or the project need is here: interval
schedules, and any query but `match_all` is stored as sent (the plugin writes out every query's defaults).
"""

from __future__ import annotations

from typing import Any

from tests.transform_api.documents import SCHEMA_VERSION, illegal_argument

SUPPORTED_AGGREGATIONS = {"sum", "max", "min", "value_count", "avg", "scripted_metric", "percentiles"}
FIELDS = {
    *("transform_id", "schedule", "schema_version", "updated_at", "enabled_at", "enabled", "description"),
    *("source_index", "data_selection_query", "target_index", "metadata_id", "roles", "page_size", "groups"),
    *("aggregations", "continuous", "user"),
}
REQUIRED = {
    "schedule": "Transform schedule is null",
    "description": "Transform description is null",
    "source_index": "Transform source index is null",
    "target_index": "Transform target index is null",
    "page_size": "Transform page size is null",
}
NUMBER_TYPES = {"half_float", "float", "double", "byte", "short", "integer", "long", "unsigned_long"}


def parse(job_id: str, sent: dict[str, Any], now: int) -> dict[str, Any]:
    """Check a definition as the parser does and return the job document Index Management would store.

    Raises:
        ApiError: 400, with the plugin's reason.
    """
    for name in sent:
        if name == "groups":
            for group in sent["groups"]:
                _check_group(group)
        elif name not in FIELDS:
            raise illegal_argument(f"Invalid field [{name}] found in Transforms.")
    for name, reason in REQUIRED.items():
        if sent.get(name) is None:
            raise illegal_argument(reason)
    _check_whole(sent)
    enabled = sent.get("enabled", True)
    return {
        "transform_id": job_id,
        "schema_version": SCHEMA_VERSION,
        "schedule": _schedule(sent["schedule"], now),
        "metadata_id": None,
        "updated_at": now,
        "enabled": enabled,
        "enabled_at": now if enabled else None,
        "description": sent["description"],
        "source_index": sent["source_index"],
        "data_selection_query": _query(sent.get("data_selection_query", {"match_all": {}})),
        "target_index": sent["target_index"],
        "page_size": sent["page_size"],
        "groups": [_group(group) for group in sent["groups"]],
        "aggregations": {name: _aggregation(body) for name, body in sent.get("aggregations", {}).items()},
        "continuous": False,
    }


def mapping_issues(groups: list[dict[str, Any]], mappings: dict[str, dict[str, Any]]) -> list[str]:
    """Why the groups cannot be computed on these indices; the first issue of all when there is no index."""
    if not mappings:
        return ["No specified source index exist in the cluster"]
    return [
        f"Cannot find field [{body['source_field']}] that can be grouped as [{kind}] in [{index}]."
        for index, mapping in mappings.items()
        for group in groups
        for kind, body in group.items()
        if not _groupable(kind, field_type(body["source_field"], mapping))
    ]


def field_type(field: str, mapping: dict[str, Any]) -> str | None:
    """Mapped type of a field (dots lead into objects and multi-fields); None when it is not mapped."""
    current: dict[str, Any] = mapping
    for part in field.split("."):
        inner = current.get("properties") or current.get("fields") or {}
        if part not in inner:
            return None
        current = inner[part]
    return current.get("type")


def aggregation_type(body: dict[str, Any]) -> str:
    """The kind of an aggregation, such as `max`."""
    return next(name for name in body if name != "meta")


def _groupable(kind: str, mapped: str | None) -> bool:
    if kind == "date_histogram":
        return mapped == "date"
    if kind == "histogram":
        return mapped in NUMBER_TYPES
    return mapped not in (None, "text")


def _check_group(group: dict[str, Any]) -> None:
    if not group:
        raise illegal_argument("Dimension cannot be null")
    for kind, body in group.items():
        if kind not in ("terms", "date_histogram", "histogram"):
            raise illegal_argument(f"Invalid dimension type [{kind}] found in dimensions")
        if kind == "date_histogram":
            intervals = sum(body.get(name) is not None for name in ("fixed_interval", "calendar_interval"))
            if intervals != 1:
                how = "Must specify a" if intervals == 0 else "Can only specify a"
                raise illegal_argument(f"{how} fixed or calendar interval")


def _check_whole(sent: dict[str, Any]) -> None:
    for body in sent.get("aggregations", {}).values():
        if aggregation_type(body) not in SUPPORTED_AGGREGATIONS:
            raise illegal_argument(f"Unsupported aggregation [{aggregation_type(body)}]")
    if sent["schedule"]["interval"]["period"] < 1:
        raise illegal_argument("Transform job schedule interval must be greater than 0")
    if not sent.get("groups"):
        raise illegal_argument("Groupings are Empty")
    if sent["source_index"] == sent["target_index"]:
        raise illegal_argument("Source and target indices cannot be the same")
    if not 1 <= sent["page_size"] <= 10_000:
        raise illegal_argument("Page size must be between 1 and 10,000")


def _schedule(sent: dict[str, Any], now: int) -> dict[str, Any]:
    interval = sent["interval"]
    times = {"start_time": interval.get("start_time", now), "period": interval["period"]}
    return {"interval": {**times, "unit": interval["unit"].capitalize()}}


def _query(sent: dict[str, Any]) -> dict[str, Any]:
    return {"match_all": {"boost": 1.0, **sent["match_all"]}} if "match_all" in sent else sent


def _group(sent: dict[str, Any]) -> dict[str, Any]:
    (kind, body), *_ = sent.items()
    source = body["source_field"]
    fields = {"source_field": source, "target_field": body.get("target_field", source)}
    if kind == "date_histogram":
        interval = {name: body[name] for name in ("fixed_interval", "calendar_interval") if body.get(name)}
        zone = {"timezone": body.get("timezone", "UTC"), "format": body.get("format")}
        return {kind: {**interval, **fields, **zone}}
    if kind == "histogram":
        return {kind: {**fields, "interval": float(body["interval"])}}
    return {kind: fields}


def _aggregation(sent: dict[str, Any]) -> dict[str, Any]:
    kind = aggregation_type(sent)
    if kind != "scripted_metric":
        return sent
    parts = sent[kind].items()
    return {kind: {name: _script(part) if name.endswith("_script") else part for name, part in parts}}


def _script(sent: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(sent, str):
        return {"source": sent, "lang": "painless"}
    return {"source": sent["source"], "lang": sent.get("lang", "painless"), **sent}
