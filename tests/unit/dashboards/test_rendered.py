"""Specifications of Vega are drawn by Vega-Lite itself, by the versions of several releases of Dashboards."""

from __future__ import annotations

import re
from typing import Any

import pytest
import vl_convert

from local.pictures.panels import answered
from opensearch_strata.dashboards.choice import MOST_GROUPS
from opensearch_strata.dashboards.made import made
from opensearch_strata.dashboards.vega import PERCENTS
from tests.dashboards import by_part, vega_panel
from tests.streams import dataset_of

DAYS = [f"2024-05-{number:02}" for number in range(1, 8)]


def buckets(part: str) -> list[dict[str, Any]]:
    """What the server answers: a point for each hour or day but one, which has no values."""
    if part.startswith("highest"):
        return [
            {"key": f"g{number}", "days": {"buckets": [{"peak": {"value": peak(day, number)}} for day in DAYS]}}
            for number in range(2 * MOST_GROUPS)
        ]
    if part.startswith("hours"):
        return [
            {"key_as_string": f"{day}T{hour:02}:00:00", "peak": {"value": peak(day, hour)}}
            for day in DAYS
            for hour in range(24)
        ]
    merged = {"count": 5, "min": 0, "max": 1000, "quantiles": [percent * 10 for percent in PERCENTS]}
    if part.startswith("trend"):
        merged["quantiles"] = [1, 2, 3]
    return [
        {
            "key_as_string": f"{day}T00:00:00",
            "merged": {"value": None if day == DAYS[2] else merged},
            "summed": {"sum": {"value": 12}, "count": {"value": 2 if day == DAYS[2] else 3}},
            "count": {"value": 3},
        }
        for day in DAYS
    ]


def peak(day: str, value: int) -> dict[str, Any] | None:
    return None if day == DAYS[2] else {"count": 5, "min": 0, "max": 1000, "quantiles": [value]}


MARKS = {"hours": 24 * 6, "highest": MOST_GROUPS, "trend": 3 * 6, "quantiles": 6, "averages": 6}
"""What is drawn of them."""


@pytest.mark.parametrize("version", ["5.8", "6.4"])
@pytest.mark.parametrize("part", [f"{name}-{'load' if name == 'averages' else 'temperature'}" for name in MARKS])
def test_each_chart_is_drawn_whatever_its_unit(part: str, version: str) -> None:
    unit = '" + alert(1) + "\\ <script> ${x} %context%'
    stats = ["min", "max", "sum", "count"]
    sketch = {"field": "t", "stats": stats, "unit": unit, "distribution": {"relative_error": 0.01}}
    dataset = dataset_of("t", metrics={"temperature": sketch, "load": {"field": "l", "stats": stats, "unit": unit}})
    spec = vega_panel(by_part(made(dataset).objects, "t")[part])
    _, aggregation, _ = spec["data"]["format"]["property"].split(".")
    answer = {"aggregations": {aggregation: {"buckets": buckets(part)}}}
    svg = vl_convert.vegalite_to_svg(answered(spec, answer), vl_version=version)
    marks = re.findall(r'class="mark-(?:rect|symbol) role-mark[^"]*"[^>]*>(.*?)</g>', svg, re.DOTALL)
    assert sum(one.count("<path") for one in marks) == MARKS[part.split("-")[0]]
    assert "alert(1)" in svg
    assert "<script>" not in svg
