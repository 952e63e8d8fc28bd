"""Levels of a definition: their names, their order, what is refused, and where their rows are."""

from __future__ import annotations

import re
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from opensearch_strata.definition.index_names import IndexTemplate, day_of_transform
from opensearch_strata.definition.levels import Level, levels_template, quantile_leaf
from tests.streams import dataset_of

DAY = date(2026, 11, 29)
GROUPS = ["device", "site.name"]


def names_of(**history: Any) -> list[str]:
    return [level.name for level in dataset_of("t", history=history).levels]


def problem_of(**history: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        dataset_of("t", history=history)
    return str(refused.value.errors()[0]["ctx"]["error"])


@pytest.mark.parametrize(
    ("bucket", "names"),
    [
        ("1m", ["1h", "1d.device.site.name", "1d"]),
        ("1h", ["1h", "1d.device.site.name", "1d"]),
        ("45m", ["45m", "1d.device.site.name", "1d"]),
        ("6h", ["6h", "1d.device.site.name", "1d"]),
        ("1d", ["1d"]),
    ],
)
def test_default(bucket: str, names: list[str]) -> None:
    assert names_of(bucket=bucket, group_by=GROUPS) == names


def test_stated_levels_are_named_in_the_order_of_the_dataset() -> None:
    stated = [
        {"bucket": "1M"},
        {"bucket": "1d", "group_by": ["site.name", "device"]},
        {"bucket": "60m", "group_by": ["site.name"]},
        {"bucket": "360m"},
        {"bucket": "90m"},
    ]
    names = ["1h.site.name", "90m", "6h", "1d.device.site.name", "1M"]
    assert names_of(bucket="30m", group_by=GROUPS, levels=stated) == names
    assert names_of(levels=[]) == []


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ({"bucket": "1w"}, "bucket '1w'; write"),
        ({"bucket": "2d"}, "bucket '2d'; write"),
        ({"bucket": "25h"}, "does not divide a day"),
        ({"bucket": "45m"}, "not a multiple of the bucket '30m' of base rows"),
        ({"bucket": "15m"}, "not a multiple of the bucket '30m' of base rows"),
        ({"bucket": "1h", "group_by": ["town"]}, "groups by 'town', which base rows do not know; use some of device"),
        ({"bucket": "30m", "group_by": GROUPS}, "is what base rows are already"),
    ],
)
def test_what_cannot_be_merged_is_refused(level: dict[str, Any], told: str) -> None:
    assert told in problem_of(bucket="30m", group_by=GROUPS, levels=[level])


def test_a_level_named_twice_is_refused() -> None:
    assert "names '1h' twice" in problem_of(bucket="30m", levels=[{"bucket": "1h"}, {"bucket": "60m"}])
    groups = ["a", "b", "a.b"]
    stated = [{"bucket": "1d", "group_by": ["a", "b"]}, {"bucket": "1d", "group_by": ["a.b"]}]
    assert "would both be named '1d.a.b'" in problem_of(group_by=groups, levels=stated)


@pytest.mark.parametrize(
    ("quantiles", "told"),
    [([0], "contains 0;"), ([100], "contains 100;"), ([99.9999], "at most 3 decimals"), ([50, 50.0], "one twice")],
)
def test_quantiles_that_cannot_be_named_are_refused(quantiles: list[float], told: str) -> None:
    assert told in problem_of(quantiles=quantiles)


def test_what_the_reference_shows_is_the_default() -> None:
    page = (Path(__file__).parents[3] / "docs" / "datasets.md").read_text("utf-8")
    (block,) = re.findall(r"^```yaml history\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    stated = yaml.safe_load(block)
    assert names_of(group_by=["sensor"], **stated) == names_of(group_by=["sensor"]) == ["1h", "1d.sensor", "1d"]


def test_fields_of_quantiles() -> None:
    assert [quantile_leaf(percent) for percent in (50, 99, 99.9, 0.125)] == ["p50", "p99", "p99_9", "p0_125"]


@pytest.mark.parametrize(
    ("index", "levels"),
    [
        ("flights-history-{month}", "flights-levels-{year}"),
        ("{month}-history", "{year}-levels"),
        ("flights-{month}", "levels-flights-{year}"),
        ("{month}-flights", "{year}-flights-levels"),
        ("x{month}y", "levels-x{year}y"),
    ],
)
def test_the_wildcard_of_the_months_never_finds_levels(index: str, levels: str) -> None:
    history = IndexTemplate(index, "month", "%Y.%m")
    found = levels_template(history)
    assert found.template == levels
    assert not fnmatchcase(found.name(DAY), history.expression)
    assert found.date_in(found.name(DAY)) == date(2026, 1, 1)


def test_an_index_that_leaves_no_name_is_refused_unless_there_are_no_levels() -> None:
    assert "leaves no name for the index of history.levels" in problem_of(index="{month}")
    assert dataset_of("t", history={"index": "{month}", "levels": []}).history.levels_names is None


def test_an_index_of_levels_that_could_be_a_raw_day_is_refused() -> None:
    raw = {"index": "{day}-levels", "day_format": "%m%d%Y"}
    with pytest.raises(
        ValidationError, match=r"the index of history.levels \(both can be '12312024-levels'\)"
    ) as refused:
        dataset_of("t", raw=raw, history={"index": "1231{month}-history"})
    assert "{day}-levels" in str(refused.value)
    assert dataset_of("t", raw=raw, history={"index": "1231{month}-history", "levels": []}).levels == ()


def test_where_rows_are() -> None:
    dataset = dataset_of("t", history={"levels": [{"bucket": "1d"}, {"bucket": "1M"}]})
    day, month = dataset.levels
    assert dataset.levels_index(DAY) == "t-levels-2026"
    assert (day.is_of_months, month.is_of_months) == (False, True)
    assert dataset.unit_id(day, DAY) == dataset.transform_id(DAY)
    assert dataset.unit_id(month, DAY) == "strata-t-2026.11"
    assert day_of_transform("t", dataset.unit_id(month, DAY)) is None


def test_levels_change_no_base_row() -> None:
    assert dataset_of("t", history={"levels": [], "quantiles": []}).fingerprint == dataset_of("t").fingerprint


LEVELS = st.builds(
    Level,
    st.sampled_from(["30m", "1h", "90m", "6h", "12h", "1d", "1M"]),
    st.sets(st.sampled_from(GROUPS)).map(lambda groups: tuple(sorted(groups))),
)


@given(LEVELS, LEVELS, LEVELS)
def test_what_levels_can_be_merged_from(one: Level, other: Level, third: Level) -> None:
    assert not (one.can_be_merged_from(other) and other.can_be_merged_from(one))
    if one.can_be_merged_from(other) and other.can_be_merged_from(third) and one != third:
        assert one.can_be_merged_from(third)
    if one.can_be_merged_from(other) and one.length and other.length:
        assert not one.length % other.length
