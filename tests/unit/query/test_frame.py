"""Frames: their types whatever a page holds, and pages as one frame."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from opensearch_strata.history.query.frame import frame_of, frames, joined
from opensearch_strata.history.query.question import Question, milliseconds
from opensearch_strata.history.query.read_plan import ReadPlan
from opensearch_strata.history.query.recall import Cell
from opensearch_strata.sketches.ddsketch import bins_of
from tests.streams import dataset_of, definition_of

START = datetime(2024, 3, 10, 5, tzinfo=UTC)  # midnight in New York
TYPES = {"device": "keyword", "site": "keyword", "shelf": "short", "on": "boolean"}


def plan_of(stats: list[str], metric: str = "load", unit: str | None = None) -> ReadPlan:
    metrics = definition_of("t")["metrics"]
    metrics[metric]["unit"] = unit
    groups = ["device", "site", "shelf", "on"]
    dataset = dataset_of("t", time_zone="America/New_York", history={"group_by": groups}, metrics=metrics)
    asked: dict[str, Any] = {"metrics": [metric], "stats": stats, "interval": "1h", "by": groups}
    question = Question.checked(dataset, START, START + timedelta(days=3), **asked)
    return ReadPlan(question, [], [], [], {metric: 10} if question.quantiles else {}, TYPES)


def cell(hour: int, groups: tuple[Any, ...], source: str = "raw", **load: Any) -> Cell:
    return Cell(milliseconds(START) + hour * 3_600_000, groups, {"load": {"sum": 1.0, "count": 1, **load}}, source)


def test_types_do_not_depend_on_what_a_page_holds() -> None:
    plan = plan_of(["sum", "count", "avg"])
    full = frame_of(plan, [cell(0, ("b", "x", 3, True), sum=3.0, count=2), cell(2, ("a", None, None, None), "both")])
    nothing = frame_of(plan, [cell(0, (None, None, None, None))])
    empty = frame_of(plan, [])
    kinds = ["category", "category", "Int64", "boolean", "float64", "Int64", "float64", "category"]
    for frame in (full, nothing, empty):
        assert [str(kind) for kind in frame.dtypes] == kinds
        assert str(frame.index.dtype) == "datetime64[us, America/New_York]"
        assert frame["site"].cat.categories.dtype == empty["site"].cat.categories.dtype
    assert [time.isoformat() for time in full.index] == ["2024-03-10T00:00:00-05:00", "2024-03-10T03:00:00-04:00"]
    assert full["load.avg"].tolist() == [1.5, 1.0]
    assert full["source"].tolist() == ["raw", "both"]
    assert full.index.name == "time"


def test_percentiles_come_from_the_bins_and_end_at_the_extremes() -> None:
    plan = plan_of(["p0", "p50", "p100"], "temperature", "°C")
    values = [-3.0, 0.0, 7.25]
    row = {"min": -3.0, "max": 7.25, "sum": 4.25, "count": 3, "bins": bins_of(values, 10)}
    frame = frame_of(plan, [Cell(milliseconds(START), ("a", None, 1, None), {"temperature": row}, "history")])
    assert frame.filter(like="temperature.").iloc[0].tolist() == values
    assert frame.attrs == {
        "dataset": "t",
        "units": {"temperature": "°C"},
        "relative_errors": {"temperature": 0.01},
        "distinct_errors": {},
        "notes": [],
    }


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_pages_joined_are_the_whole(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    plan = plan_of(["sum", "count"])
    cells = [cell(n, (f"d{9 - n}", None if n < 4 else "s", n if n % 2 else None, None)) for n in range(9)]
    monkeypatch.setattr("opensearch_strata.history.query.frame.PAGE_RECORDS", size)
    parts = list(frames(plan, cells))
    assert max(map(len, parts)) <= size
    whole = joined(plan, parts)
    pd.testing.assert_frame_equal(whole, frame_of(plan, cells))
    assert whole.attrs == frame_of(plan, cells).attrs
    pd.testing.assert_frame_equal(joined(plan, []), frame_of(plan, []))
