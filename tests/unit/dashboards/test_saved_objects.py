"""Saved objects have the published form, name only what is there, and keep names of a dataset as data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from local.places import PROJECT
from opensearch_strata.dashboards.made import Made, made
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.files import load_definitions
from tests.dashboards import Shown, by_part, dashboards_request, vega_panel
from tests.streams import dataset_of

SCHEMA = json.loads((PROJECT / "tests" / "data" / "saved_objects.schema.json").read_text())
DATASETS = load_definitions(PROJECT / "include" / "datasets")

HOSTILE = [
    'quote " and \\ backslash',
    "<script>alert(1)</script>",
    "%context%",
    "%timefilter%",
    "%dashboard_context-must_clause%",
    "${__all_variables} $__interval [[levels]]",
    "datum['x'] + 1",
    "a:b AND (c OR d)",
    "{{value}}",
    "two\nlines\u2028",
    "größe 😀",
]
"""Names of fields that a server takes, and that somebody else's language could take for its own."""
PLAIN = st.characters(min_codepoint=33, exclude_characters=".*", exclude_categories=["Cs", "Z", "C"])


def problems(definition: str, value: Any) -> list[str]:
    schema = {"$ref": f"#/$defs/{definition}", "$defs": SCHEMA["$defs"]} if definition else SCHEMA
    return [error.message for error in Draft202012Validator(schema).iter_errors(value)]


def assert_published_form(found: Made) -> None:
    """Every object, and every text in it that is JSON itself, has the form that its program reads."""
    ids = {(one["type"], one["id"]) for one in found.objects}
    assert len(ids) == len(found.objects)
    for line, one in zip(found.ndjson.split("\n"), found.objects, strict=False):
        assert json.loads(line) == one
        assert problems("", one) == []
        attributes, names = one["attributes"], {reference["name"] for reference in one["references"]}
        assert {(reference["type"], reference["id"]) for reference in one["references"]} <= ids
        named = set()
        if "kibanaSavedObjectMeta" in attributes:
            source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
            assert problems("searchSource", source) == []
            named |= {source.get("indexRefName"), *(each["meta"]["indexRefName"] for each in source["filter"])}
        if one["type"] == "visualization":
            state = json.loads(attributes["visState"])
            assert problems("visState", state) == []
            assert state["title"] == attributes["title"]
            series = state["params"].get("seriesParams", [])
            assert [each["data"]["id"] for each in series] == [
                agg["id"] for agg in state["aggs"] if agg["schema"] == "metric"
            ]
        if one["type"] == "dashboard":
            panels = json.loads(attributes["panelsJSON"])
            assert problems("panels", panels) == []
            named |= {panel["panelRefName"] for panel in panels}
        assert named - {None} == names


@pytest.mark.parametrize("name", DATASETS.datasets)
def test_every_saved_object_has_its_published_form(name: str) -> None:
    assert_published_form(made(DATASETS.get(name)))


def hostile(names: list[str], unit: str = "") -> Dataset:
    """A dataset whose groups, time, metrics and unit are named so."""
    groups, time, value = names[:-2], names[-2], names[-1]
    temperature = {
        "field": value,
        "stats": ["min", "max", "sum", "count"],
        "distribution": {"relative_error": 0.01},
        **({"unit": unit} if unit else {}),
    }
    return dataset_of(
        "t",
        description=unit,
        raw={"timestamp": time},
        history={
            "group_by": groups,
            "levels": [{"bucket": "1h"}, {"bucket": "1d", "group_by": groups[:1]}, {"bucket": "1d"}],
        },
        metrics={"temperature": temperature, "load": {**temperature, "distribution": None}},
    )


def test_names_that_mean_something_elsewhere_are_only_names() -> None:
    dataset = hostile(HOSTILE, HOSTILE[0])
    found = made(dataset)
    assert_published_form(found)
    parts = by_part(found.objects, "t")
    assert parts["raw"]["attributes"]["timeFieldName"] == HOSTILE[-2]
    state = json.loads(parts["highest-load"]["attributes"]["visState"])
    assert state["aggs"][1]["params"]["field"] == HOSTILE[0]
    assert "load (quote " in state["params"]["valueAxes"][0]["title"]["text"]
    source = json.loads(parts["highest-load"]["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    assert source["filter"][0]["query"]["match_phrase"] == {"metrics._level": f"1d.{HOSTILE[0]}"}
    spec = vega_panel(parts["highest-temperature"])
    assert spec["data"]["url"]["body"]["aggs"]["groups"]["terms"]["field"] == HOSTILE[0]
    assert spec["data"]["url"]["body"]["query"]["bool"]["filter"][1] == {"term": {"metrics._level": f"1d.{HOSTILE[0]}"}}
    markdown = json.loads(parts["about"]["attributes"]["visState"])["params"]["markdown"]
    assert not any(name in markdown for name in HOSTILE)


def expressions(value: Any) -> list[str]:
    """All texts of a specification that Vega evaluates."""
    if isinstance(value, list):
        return [text for item in value for text in expressions(item)]
    if not isinstance(value, dict):
        return []
    own = [
        text
        for key, text in value.items()
        if key in ("calculate", "filter", "expr", "signal") and isinstance(text, str)
    ]
    return own + [text for part in value.values() for text in expressions(part)]


def keys_of(value: Any) -> set[str]:
    if isinstance(value, list):
        return {key for item in value for key in keys_of(item)}
    return {*value, *(key for part in value.values() for key in keys_of(part))} if isinstance(value, dict) else set()


@settings(max_examples=20)
@given(st.lists(st.sampled_from(HOSTILE) | st.text(PLAIN, min_size=3, max_size=9), min_size=3, max_size=5, unique=True))
def test_no_name_of_a_dataset_is_part_of_an_expression_or_replaced(names: list[str]) -> None:
    plain, found = made(hostile([f"f{number}" for number in range(len(names))])), made(hostile(names, names[0]))
    of_plain, of_found = (by_part(one.objects, "t") for one in (plain, found))
    assert of_plain.keys() == of_found.keys()
    assert_published_form(found)
    for part in ("trend-temperature", "highest-temperature", "hours-temperature", "quantiles-temperature"):
        one, other = vega_panel(of_plain[part]), vega_panel(of_found[part])
        assert expressions(one) == expressions(other)
        assert keys_of(one) == keys_of(other)  # keys between percent signs are what Dashboards replaces


def test_ids_are_those_of_the_dataset_alone() -> None:
    dataset = dataset_of("t")
    assert made(dataset).ndjson == made(dataset).ndjson
    other = dataset_of("t_raw")
    first, second = ({one["id"] for one in made(one).objects} for one in (dataset, other))
    assert not first & second


def test_objects_are_of_the_newest_migration_so_that_time_zones_survive_an_import() -> None:
    """``removeDateHistogramTimeZones`` of visualization_migrations.ts runs for objects older than 7.0.1."""
    parts = by_part(made(dataset_of("t", time_zone="Asia/Kathmandu")).objects, "t")
    assert parts["volume"]["migrationVersion"] == {"visualization": "7.10.0"}
    (histogram,) = [
        agg["params"]
        for agg in json.loads(parts["volume"]["attributes"]["visState"])["aggs"]
        if agg["type"] == "date_histogram"
    ]
    assert histogram["time_zone"] == "Asia/Kathmandu"


@pytest.mark.parametrize("name", DATASETS.datasets)
def test_panels_lie_side_by_side_without_a_gap_or_an_overlap(name: str) -> None:
    parts = by_part(made(DATASETS.get(name)).objects, name)
    places = [panel["gridData"] for panel in json.loads(parts["dashboard"]["attributes"]["panelsJSON"])]
    for one, other in combinations(places, 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    for before, after in pairwise(places):
        assert before["x"] + before["w"] <= 48
        assert after["y"] in (before["y"], before["y"] + before["h"])


def test_a_dataset_without_levels_has_the_charts_that_need_none() -> None:
    dataset = dataset_of("t", history={"levels": []})
    found = made(dataset)
    assert_published_form(found)
    parts = by_part(found.objects, "t")
    assert set(parts) == {
        "raw", "history", "about", "volume", "quantiles-temperature", "averages-load", "documents", "dashboard"
    }  # fmt: skip
    assert vega_panel(parts["quantiles-temperature"])["data"]["url"]["index"] == "t-history-*"


def test_a_dataset_that_has_ended_is_shown_where_it_ended() -> None:
    attributes = by_part(made(DATASETS.get("flights")).objects, "flights")["dashboard"]["attributes"]
    assert (attributes["timeFrom"], attributes["timeTo"]) == ("2013-10-03T00:00:00-04:00", "2014-01-01T00:00:00-05:00")
    assert by_part(made(dataset_of("t")).objects, "t")["dashboard"]["attributes"]["timeFrom"] == "now-90d"


def test_the_translation_of_tests_reads_what_is_made() -> None:
    """A panel whose interval Dashboards would lengthen is noticed."""
    found = made(dataset_of("t"))
    volume = by_part(found.objects, "t")["volume"]
    shown = Shown(datetime(2024, 5, 6, tzinfo=UTC), datetime(2024, 5, 7, tzinfo=UTC))
    index, body = dashboards_request(found.objects, volume, shown)
    assert index == "t-levels-*"
    assert body["aggs"]["1"]["date_histogram"]["calendar_interval"] == "1d"
    longer = {**volume, "attributes": {**volume["attributes"]}}
    state = json.loads(volume["attributes"]["visState"])
    state["aggs"][1]["params"]["useNormalizedOpenSearchInterval"] = True
    longer["attributes"]["visState"] = json.dumps(state)
    with pytest.raises(AssertionError):
        dashboards_request(found.objects, longer, shown)
