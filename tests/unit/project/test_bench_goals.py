"""A figure is judged by the right side of its borders, and a missed one shows a reason."""

from __future__ import annotations

import pytest

from benchmarks.goals import (
    ARCHIVE_GOALS,
    ARRIVALS_GOALS,
    BACKFILL_GOALS,
    DAY_GOALS,
    GOALS,
    LAMBDA_GOALS,
    LEVELS_GOALS,
    REASONS,
    Result,
)


@pytest.mark.parametrize(
    ("key", "figure", "reached"),
    [
        ("standard", 1.0, "go for"),
        ("standard", 1.01, "must"),
        ("standard", 1.16, "no"),
        ("eleven", 140, "go for"),
        ("eleven", 139.9, "must"),
        ("eleven", 99.9, "no"),
        ("error", 1.0, "go for"),
        ("error", 1.001, "no"),
    ],
)
def test_each_border_counts_as_reached(key: str, figure: float, reached: str) -> None:
    assert Result(key, figure, "", "").reached == reached


def test_a_reason_is_shown_only_where_a_line_falls_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REASONS, "eleven", "Because.")
    assert Result("eleven", 150, "", "").reason is None
    assert Result("eleven", 120, "", "").reason == "Because."


def test_reasons_belong_to_goals() -> None:
    tables = (GOALS, BACKFILL_GOALS, ARRIVALS_GOALS, ARCHIVE_GOALS, LAMBDA_GOALS, DAY_GOALS, LEVELS_GOALS)
    keys = [key for table in tables for key in table]
    assert REASONS.keys() <= set(keys)
    assert len(keys) == len(set(keys))
