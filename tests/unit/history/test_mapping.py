"""The month index: the mapping that rows need, what may be added to it, and what may not."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from opensearch_strata.history.month.mapping import (
    conflicts,
    grown_meta,
    mapping_differences,
    month_body,
    month_mapping,
    month_meta,
)
from tests.streams import dataset_of, definition_of

GROUPS = {"device": "keyword", "site": "integer"}
METRICS: dict[str, Any] = definition_of("t")["metrics"]
PROPERTIES: dict[str, Any] = month_mapping(dataset_of("t"), GROUPS)["properties"]


def changed(metric: str, **changes: Any) -> dict[str, Any]:
    return {**METRICS, metric: {**METRICS[metric], **changes}}


def test_every_field_is_explicit() -> None:
    mapping = month_mapping(dataset_of("t"), GROUPS)
    assert mapping["dynamic"] == "false"
    assert PROPERTIES["device"] == {"type": "keyword"}
    assert PROPERTIES["site"] == {"type": "integer"}
    assert PROPERTIES["transform"]["properties"]["_id"] == {"type": "keyword"}
    leaves = PROPERTIES["metrics"]["properties"]["temperature"]["properties"]
    number = {"type": "double", "index": False}
    assert leaves == {
        "min": number,
        "max": number,
        "sum": number,
        "avg": number,
        "count": {"type": "long", "index": False},
        "sketch": {"type": "binary", "doc_values": True},
    }
    assert mapping["_source"] == {"enabled": False}
    assert set(PROPERTIES["metrics"]["properties"]["load"]["properties"]) == {"sum", "count"}


@pytest.mark.parametrize(
    ("kind", "decimals", "extreme", "sum_"),
    [
        ("double", None, {"type": "double"}, {"type": "double"}),
        ("float", None, {"type": "float"}, {"type": "double"}),
        ("float", 2, *[{"type": "scaled_float", "scaling_factor": 100.0}] * 2),
        ("short", None, *[{"type": "scaled_float", "scaling_factor": 1.0}] * 2),
        ("long", None, {"type": "double"}, {"type": "double"}),
    ],
)
def test_numbers_take_as_few_bytes_as_hold_them(
    kind: str, decimals: int | None, extreme: dict[str, Any], sum_: dict[str, Any]
) -> None:
    dataset = dataset_of("t", raw={"fields": {"temperature": kind}}, metrics=changed("temperature", decimals=decimals))
    leaves = month_mapping(dataset, GROUPS)["properties"]["metrics"]["properties"]["temperature"]["properties"]
    assert leaves["min"] == leaves["max"] == {**extreme, "index": False}
    assert leaves["sum"] == {**sum_, "index": False}
    assert leaves["avg"] == {"type": "double", "index": False}


def test_settings_are_those_of_the_dataset() -> None:
    history = {"shards": 2, "replicas": 3, "codec": "zstd"}
    settings = month_body(dataset_of("t", history=history), GROUPS)["settings"]
    assert settings["index.number_of_shards"] == 2
    assert settings["index.number_of_replicas"] == 3
    assert settings["index.codec"] == "zstd"


def test_meta_holds_what_a_reader_needs() -> None:
    dataset = dataset_of("t")
    meta = month_meta(dataset)
    assert meta["fingerprint"] == dataset.fingerprint
    assert meta["metrics"]["temperature"]["relative_errors"] == [0.01]
    assert meta["metrics"]["load"] == {"field": "load", "stats": ["count", "sum"], "relative_errors": []}


def test_meta_grows_and_forgets_neither_marks_nor_errors() -> None:
    before = {**month_meta(dataset_of("t")), "verified": {"2024-05-06": {"documents": 3}}}
    metrics = {**changed("temperature", distribution={"relative_error": 0.02}), "power": METRICS["load"]}
    grown = grown_meta(before, dataset_of("t", metrics=metrics))
    assert grown["verified"] == before["verified"]
    assert grown["metrics"]["temperature"]["relative_errors"] == [0.01, 0.02]
    assert set(grown["metrics"]) == {"temperature", "load", "power"}
    assert grown["fingerprint"] == dataset_of("t", metrics=metrics).fingerprint


@pytest.mark.parametrize(
    "metrics",
    [
        METRICS,
        {**METRICS, "power": METRICS["load"]},
        changed("load", stats=["min", "max", "sum", "count"]),
        changed("load", stats=["min", "max", "count", "sum"], distribution={"relative_error": 0.02}),
        changed("load", unit="W"),
        changed("temperature", distribution={"relative_error": 0.02}),
    ],
)
def test_additions_are_no_conflict(metrics: dict[str, Any]) -> None:
    assert conflicts(month_meta(dataset_of("t")), dataset_of("t", metrics=metrics)) == []


@pytest.mark.parametrize(
    ("parts", "phrase"),
    [
        ({"history": {"bucket": "30m"}}, "bucket: '1h' in the index, '30m' in the definition"),
        ({"history": {"group_by": ["device"]}}, "group_by: ['device', 'site'] in the index, ['device'] in the def"),
        ({"raw": {"timestamp": "time"}}, "timestamp: '@timestamp' in the index, 'time' in the definition"),
        ({"metrics": {"load": METRICS["load"]}}, "metrics.temperature: in the index, not in the definition"),
        ({"metrics": changed("load", field="l")}, "metrics.load.field: 'load' in the index, 'l' in the definition"),
        ({"metrics": changed("load", stats=["count"])}, "metrics.load.stats: the index has ['sum'], the definition"),
        (
            {"metrics": changed("temperature", distribution=None)},
            "metrics.temperature.distribution: in the index, not in the definition",
        ),
    ],
)
def test_conflicts_are_told(parts: dict[str, Any], phrase: str) -> None:
    found = conflicts(month_meta(dataset_of("t")), dataset_of("t", **parts))
    assert len(found) == 1
    assert phrase in found[0]


def test_a_month_of_another_dataset_or_sketch_is_a_conflict() -> None:
    meta = {**month_meta(dataset_of("t")), "sketch_version": 1}
    assert conflicts(meta, dataset_of("t")) == ["sketch_version: 1 in the index, 2 in the definition"]
    found = conflicts(month_meta(dataset_of("u")), dataset_of("t"))
    assert found == ["dataset: 'u' in the index, 't' in the definition"]


def changed_at(path: str, **changes: Any) -> dict[str, Any]:
    """The mapping's properties with changes to one field."""
    properties = copy.deepcopy(PROPERTIES)
    *parents, leaf = path.split(".")
    place = properties
    for parent in parents:
        place = place[parent]["properties"]
    place[leaf] = {**place[leaf], **changes}
    return properties


def test_an_equal_mapping_does_not_differ() -> None:
    assert mapping_differences(PROPERTIES, PROPERTIES) == []


def test_fields_beside_the_wanted_ones_do_no_harm() -> None:
    assert mapping_differences({**PROPERTIES, "message": {"type": "text"}}, PROPERTIES) == []


def test_fields_that_are_not_there_yet_can_be_added() -> None:
    assert mapping_differences({"device": {"type": "keyword"}}, PROPERTIES) == []


@pytest.mark.parametrize(
    ("path", "changes", "phrase"),
    [
        ("device", {"type": "text"}, "device: {'type': 'text'} in the index, {'type': 'keyword'} wanted"),
        ("@timestamp", {"type": "long"}, "@timestamp: {'type': 'long', 'format'"),
        ("@timestamp", {"format": "epoch_second"}, "@timestamp: {'type': 'date', 'format': 'epoch_second'} in the"),
        ("site", {"null_value": 3}, "site: {'type': 'integer', 'null_value': 3} in the index"),
        ("metrics", {"enabled": False}, "metrics: {'enabled': False} in the index"),
        ("metrics", {"type": "nested"}, "metrics: {'type': 'nested'} in the index"),
        ("metrics.temperature.sum", {"type": "float"}, "metrics.temperature.sum: {'type': 'float', 'index': False}"),
        ("transform._id", {"type": "text"}, "transform._id: {'type': 'text'} in the index"),
    ],
)
def test_a_field_of_another_kind_differs(path: str, changes: dict[str, Any], phrase: str) -> None:
    found = mapping_differences(changed_at(path, **changes), PROPERTIES)
    assert len(found) == 1
    assert found[0].startswith(phrase)


def test_an_object_in_place_of_a_field_differs() -> None:
    properties = {**PROPERTIES, "device": {"properties": {"id": {"type": "keyword"}}}}
    assert mapping_differences(properties, PROPERTIES) == ["device: an object in the index, {'type': 'keyword'} wanted"]


def test_a_field_in_place_of_an_object_differs() -> None:
    found = mapping_differences({**PROPERTIES, "metrics": {"type": "flat_object"}}, PROPERTIES)
    assert found == ["metrics: {'type': 'flat_object'} in the index, an object wanted"]


def test_groups_of_a_path_are_compared_below_their_object() -> None:
    wanted = {"host.name": {"type": "keyword"}}
    there = {**PROPERTIES, "host": {"properties": {"name": {"type": "text"}}}}
    differences = mapping_differences(there, wanted)
    assert differences == ["host.name: {'type': 'text'} in the index, {'type': 'keyword'} wanted"]
    mended = {**PROPERTIES, "host": {"properties": {"name": {"type": "keyword"}}}}
    assert mapping_differences(mended, wanted) == []
