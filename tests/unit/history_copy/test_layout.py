"""The layout of a month's rows: by its mapping, with a column for each value and none twice."""

from __future__ import annotations

from typing import Any

import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.history.copy.layout import RowLayout
from opensearch_strata.history.month.mapping import month_mapping
from tests.copies import METRICS
from tests.streams import dataset_of


def layout_of(groups: dict[str, str], metrics: dict[str, Any] = METRICS) -> RowLayout:
    dataset = dataset_of("plant", metrics=metrics, history={"group_by": list(groups)})
    mapping = month_mapping(dataset, groups)
    return RowLayout.of_month("a month", mapping["properties"], mapping["_meta"]["strata"])


def test_groups_that_bear_the_name_of_another_column_get_one_of_their_own() -> None:
    names = ["time", "version", "load_sum", "load_avg", "temperature_p99", "temperature_p99_9", "load_p_a", "host.name"]
    layout = layout_of(dict.fromkeys(names, "keyword"))
    assert layout.group_columns == {
        "time": "time_", "version": "version_", "load_sum": "load_sum_", "load_avg": "load_avg_",
        "temperature_p99": "temperature_p99_", "temperature_p99_9": "temperature_p99_9_", "load_p_a": "load_p_a",
        "host.name": "host.name",
    }  # fmt: skip
    assert len(layout.stored) == len(layout.fields)


def test_no_two_columns_differ_in_case_alone() -> None:
    """SQL does not distinguish them; and programs make a column of the folder's ``month=``."""
    names = ["Day", "TIME", "month", "Month", "site", "Site", "Load_Sum", "Temperature_P99", "Version", "version"]
    layout = layout_of(dict.fromkeys(names, "keyword"))
    assert list(layout.group_columns.values()) == [
        "Day_", "TIME_", "month_", "Month__", "site", "Site_", "Load_Sum_", "Temperature_P99_", "Version_", "version__"
    ]  # fmt: skip
    columns = [*(name.lower() for name in layout.stored), "day", "month"]
    assert len(set(columns)) == len(columns)


def test_a_group_below_metrics_is_no_metric() -> None:
    layout = layout_of({"metrics.shelf.row": "keyword", "metrics.kind": "keyword"})
    assert {leaf.metric for leaf in layout.leaves} == METRICS.keys()


def test_numbers_know_how_the_index_keeps_them() -> None:
    factors = {leaf.column: leaf.factor for leaf in layout_of({"device": "keyword"}).leaves}
    assert (factors["price_sum"], factors["price_avg"], factors["temperature_sum"]) == (1000.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("properties", "meta", "sentence"),
    [
        ({}, {}, "was not created by Strata"),
        ({"g": {"type": "geo_point"}}, {}, r"has a group of a type that this release does not know: g \(geo_point\)"),
        ({"metrics": {"properties": {"x": {"properties": {"mode": {"type": "double"}}}}}}, {}, "metrics.x.mode"),
        ({"metrics": {"properties": {"x": {"properties": {"count": {"type": "text"}}}}}}, {}, "metrics.x.count"),
        (
            {"metrics": {"properties": {"x": {"properties": {"a": {"properties": {"count": {"type": "long"}}}}}}}},
            {},
            "x",
        ),
    ],
)
def test_what_this_release_does_not_know_is_refused(
    properties: dict[str, Any], meta: dict[str, Any], sentence: str
) -> None:
    known = {"dataset": "plant", "group_by": ["g"], **meta} if properties else {}
    with pytest.raises(Refused, match=sentence):
        RowLayout.of_month("a month", {"g": {"type": "keyword"}, **properties}, known)
