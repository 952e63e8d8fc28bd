"""`make bench-levels` runs from end to end on a few days, and its rows of levels are merges of its base rows."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
from opensearchpy import OpenSearch

from benchmarks.goals import LEVELS_GOALS
from benchmarks.material.year import METRIC, Year
from local.places import PROJECT
from opensearch_strata.definition.levels import Level
from opensearch_strata.reader import read

STATISTICS: dict[str, Any] = {"metrics": [METRIC], "stats": ["count", "sum", "min", "p50", "p99"]}
QUESTIONS: dict[str, dict[str, Any]] = {
    "1h": {"interval": "1h"},
    "1d.device": {"interval": "1d", "by": ["device"]},
    "1d": {},
}


@pytest.mark.long
def test_a_run_fills_every_line_of_the_table_and_leaves_nothing(
    client: OpenSearch, opensearch_url: str, tmp_path: Path
) -> None:
    prefix = f"bench{uuid4().hex[:8]}"
    command = [sys.executable, "-m", "benchmarks.levels", "--url", opensearch_url, "--prefix", prefix]
    command += ["--devices", "70", "--fleet", "90", "--days", "33", "--rounds", "1"]
    command += ["--json", str(tmp_path / "levels.json"), "--markdown", str(tmp_path / "levels.md")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "levels.json").read_text())
    found = {result["key"]: result for result in report["results"]}
    assert found.keys() == LEVELS_GOALS.keys()
    assert all(math.isfinite(result["figure"]) and result["figure"] > 0 for result in found.values())
    assert report["fleet"][0]["rows"] == 90 * 31
    markdown = (tmp_path / "levels.md").read_text()
    assert all(goal.measure in markdown and goal.measure in done.stdout for goal in LEVELS_GOALS.values())
    assert not client.indices.get(index=f"{prefix}-*")


def test_the_material_answers_the_same_without_its_levels(client: OpenSearch) -> None:
    prefix = f"bench{uuid4().hex[:8]}"
    levels = (Level("1h"), Level("1d", ("device",)), Level("1d"))
    year = Year(client, prefix, 70, 2, levels, range(70))
    try:
        assert year.build(lambda _: None) == 2 * (70 * 24 + 24 + 70 + 1)
        plain = year.dataset.model_copy(update={"history": year.dataset.history.model_copy(update={"levels": []})})
        begin, end = year.span
        for level, question in QUESTIONS.items():
            asked = {**STATISTICS, **question}
            found, expected = (read(client, dataset, begin, end, **asked) for dataset in (year.dataset, plain))
            assert (found.attrs.pop("levels"), expected.attrs.pop("levels")) == ([level], [])
            pd.testing.assert_frame_equal(found, expected, check_exact=False, rtol=1e-12)
    finally:
        for index in client.indices.get(index=f"{prefix}-*"):
            client.indices.delete(index=index)
