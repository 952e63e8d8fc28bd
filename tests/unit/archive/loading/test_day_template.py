"""The index template for raw days, as it would be sent."""

from __future__ import annotations

from datetime import date, timedelta
from fnmatch import fnmatchcase

import pytest

from opensearch_strata.archive.targets.templates.day_template import (
    DayForm,
    day_names,
    day_template,
    differing_fields,
    undecided_fields,
)
from opensearch_strata.errors import Refused
from tests.streams import DAY, dataset_of

EVERY_DAY = [date(2000, 1, 1) + timedelta(days=days) for days in range(36_524)]


@pytest.mark.parametrize("day_format", ["%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%Y-%j"])
def test_the_pattern_matches_raw_days_and_nothing_of_the_history(day_format: str) -> None:
    dataset = dataset_of(
        "app", raw={"index": "app-{day}-x", "day_format": day_format}, history={"index": "app-h-{month}"}
    )
    (pattern,) = day_template(dataset, DayForm())["index_patterns"]
    assert all(fnmatchcase(dataset.raw_index(day), pattern) for day in EVERY_DAY)
    assert not any(fnmatchcase(dataset.month_index(day), pattern) for day in EVERY_DAY)


def test_segments_are_sorted_by_what_the_template_maps() -> None:
    """A field that is left to dynamic mapping is unknown when the index is created, which would then fail."""
    dataset = dataset_of("app", history={"group_by": ["site.keyword", "device"]})
    body = day_template(dataset, DayForm())
    settings = body["template"]["settings"]
    assert settings["index.sort.field"] == ["device", "@timestamp"]
    assert set(settings["index.sort.field"]) <= body["template"]["mappings"]["properties"].keys()
    assert len(settings["index.sort.order"]) == 2


def test_a_field_that_raw_days_map_otherwise_is_told() -> None:
    dataset = dataset_of("app", raw={"fields": {"load": "short", "temperature": "double"}})
    (told,) = differing_fields(dataset, {"load": "long", "temperature": "double", "more": "text"})
    assert told.startswith("The newest raw day maps 'load' as long, the template as short")
    assert list(differing_fields(dataset, {})) == []


def test_only_what_the_definition_names_is_mapped() -> None:
    """Loads add what their documents have in addition; mapped for producers, it would refuse what they may send."""
    dataset = dataset_of("app", intake={"source": "s3://bucket/app/", "unparsed": "document"})
    properties = day_template(dataset, DayForm())["template"]["mappings"]["properties"]
    assert properties == {
        "@timestamp": {"type": "date"},
        "device": {"type": "keyword", "ignore_above": 10922},
        "site": {"type": "keyword", "ignore_above": 10922},
        "temperature": {"type": "double"},
        "load": {"type": "double"},
    }


def test_counted_metrics_of_an_unknown_kind_are_told_and_left_alone() -> None:
    count = {"stats": ["min", "max", "count"], "sparse": True}
    names = {**count, "stats": ["count"]}
    metrics = {
        "size": {**count, "field": "size", "distribution": {"relative_error": 0.01}},
        "sizes": {**names, "field": "size", "distribution": {"distinct": {"error": 0.02}}},
        "status": {**names, "field": "status", "distribution": {"top_values": 5}},
        "user": {**names, "field": "user", "distribution": {"distinct": {"error": 0.02}}},
        "word": {**names, "field": "word.keyword", "distribution": {"top_values": 5}},
        "device": {**names, "field": "device", "distribution": {"top_values": 5}},
    }
    dataset = dataset_of("app", metrics=metrics, raw={"fields": {"user": "ip"}})
    properties = day_template(dataset, DayForm())["template"]["mappings"]["properties"]
    kinds = {path: body["type"] for path, body in properties.items() if path != "@timestamp"}
    assert kinds == {"size": "long", "user": "ip", "device": "keyword", "site": "keyword"}
    (told,) = undecided_fields(dataset)
    assert told.startswith("The template leaves 'status' to the first document of each day")


@pytest.mark.parametrize("kind", ["scaled_float", "alias"])
def test_a_type_that_needs_a_parameter_is_refused(kind: str) -> None:
    with pytest.raises(Refused, match=f"states {kind} for 'x'"):
        day_template(dataset_of("app", raw={"fields": {"x": kind}}), DayForm())


def test_names_of_days_begin_with_the_next_ones() -> None:
    names = day_names(dataset_of("app"), DAY)
    assert (names[0], names[-1]) == ("app-2024.05.06", "app-2000.01.01")
    assert len(names) == len(EVERY_DAY) + 1 == len(set(names))
