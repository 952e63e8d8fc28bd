"""`make bench-day` runs from end to end on small days, touches only its own indices, and finds what it kept."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from opensearchpy import OpenSearch

from benchmarks.goals import DAY_GOALS
from benchmarks.material.workload import FIRST_DAY, Workload
from benchmarks.measures.days.loading import load_day
from benchmarks.measures.days.step import READERS, STEPS
from local.places import PROJECT
from tests.streams import delete_indices


@pytest.fixture
def prefix() -> str:
    return f"bench{uuid4().hex[:8]}"


def bench(url: str, prefix: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.day", "--url", url, "--prefix", prefix, *more]
    command += ["--documents", "6000", "--small", "4000"]
    command += ["--json", str(folder / "day.json"), "--markdown", str(folder / "day.md")]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def names_of(client: OpenSearch, prefix: str) -> set[str]:
    return set(client.indices.get(index=f"{prefix}-*"))


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
def test_a_run_fills_every_line_and_the_next_one_finds_the_days(
    client: OpenSearch, opensearch_url: str, prefix: str, tmp_path: Path
) -> None:
    kept = {f"{prefix}-large-2026.05.04", f"{prefix}-small-2026.05.04"}
    try:
        done = bench(opensearch_url, prefix, tmp_path, "--keep")
        assert done.returncode == 0, done.stderr
        assert names_of(client, prefix) == kept
        report = json.loads((tmp_path / "day.json").read_text())
        found = {result["key"]: result for result in report["results"]}
        assert found.keys() == DAY_GOALS.keys()
        assert all(math.isfinite(result["figure"]) and result["figure"] > 0 for result in found.values())
        assert found["day memory"]["reached"] != "no"  # times of small days say nothing
        for side, devices in (("large", 3), ("small", 2)):
            steps = report["steps"][f"{prefix}-{side}"]
            assert steps.keys() == {*STEPS, *READERS}
            assert {took["rows"] for done in steps.values() for took in done} == {24 * devices}
        markdown = (tmp_path / "day.md").read_text()
        assert all(goal.measure in markdown and goal.measure in done.stdout for goal in DAY_GOALS.values())
        for side, documents in (("large", 6000), ("small", 4000)):
            there = load_day(Workload(client, f"{prefix}-{side}", documents, (FIRST_DAY,), 0, settle=0), print)
            assert there.seconds is None, "it was loaded anew"
    finally:
        delete_indices(client, f"{prefix}-*")


def test_an_index_of_somebody_else_is_kept_and_named(
    client: OpenSearch, opensearch_url: str, prefix: str, tmp_path: Path
) -> None:
    """It has the name of a raw day, but no run has loaded it completely."""
    index = f"{prefix}-large-2026.05.04"
    client.indices.create(index=index)
    try:
        done = bench(opensearch_url, prefix, tmp_path)
        assert done.returncode == 1
        assert index in done.stderr
        assert "nothing was changed" in done.stderr
        assert names_of(client, prefix) == {index}
    finally:
        client.indices.delete(index=index)
