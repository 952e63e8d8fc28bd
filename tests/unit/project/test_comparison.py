"""Every feature that docs/comparison.md claims for Strata names tests, and they exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from local.places import PROJECT

PAGE = (PROJECT / "docs" / "comparison.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def features() -> dict[str, list[str]]:
    """The table: feature -> what each tool has of it, Strata last."""
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if line[:1] == "|"]
    start = next(number for number, row in enumerate(cells) if row[0] == "Feature")
    head, _, *rows = cells[start:]
    assert head[-1] == "Strata"
    assert {len(row) for row in rows} == {len(head)}
    return {feature: rest for feature, *rest in rows}


FEATURES = features()


@cache
def functions_of(path: str) -> set[str]:
    """Names of the test functions of a file."""
    body = ast.parse((PROJECT / Path(path)).read_text()).body
    return {part.name for part in body if isinstance(part, ast.FunctionDef) and part.name.startswith("test_")}


def test_the_whole_table_is_there() -> None:
    assert len(FEATURES) == 36


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_is_shown_by_tests(feature: str) -> None:
    ours = FEATURES[feature][-1]
    named = NAMED.findall(ours)
    assert ours.startswith("Y")
    assert len(named) == ours.count("::") > 0
    for path, name in named:
        assert name in functions_of(path), f"{path}::{name}"
