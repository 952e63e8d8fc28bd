"""`make bench-history` runs from end to end on a small workload, and touches nothing but its own indices."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from opensearchpy import OpenSearch

from benchmarks.goals import GOALS
from benchmarks.measures.history.memory import HOURS
from local.places import PROJECT


@pytest.fixture
def prefix() -> str:
    return f"bench{uuid4().hex[:8]}"


def bench(url: str, prefix: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.history", "--url", url, "--prefix", prefix]
    command += ["--documents", "10000", "--days", "2", "--rounds", "1", "--questions", "20", "--settle", "0"]
    command += ["--json", str(folder / "history.json"), "--markdown", str(folder / "history.md")]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def names_of(client: OpenSearch, prefix: str) -> set[str]:
    return set(client.indices.get(index=f"{prefix}-*"))


@pytest.mark.exhaustive
def test_a_run_fills_every_line_of_the_table_and_leaves_nothing(
    client: OpenSearch, opensearch_url: str, prefix: str, tmp_path: Path
) -> None:
    done = bench(opensearch_url, prefix, tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "history.json").read_text())
    found = {result["key"]: result for result in report["results"]}
    assert found.keys() == GOALS.keys()
    assert all(math.isfinite(result["figure"]) and result["figure"] > 0 for result in found.values())
    # Times and sizes of a small workload say nothing; these two hold at any size.
    assert found["error"]["reached"] == "go for"
    assert found["memory"]["reached"] == "go for"
    streamed = next(table for table in report["tables"] if table["title"].startswith("Streaming"))
    assert [row[1] for row in streamed["rows"]] == [100 * hours for hours in HOURS]
    markdown = (tmp_path / "history.md").read_text()
    assert all(goal.measure in markdown and goal.measure in done.stdout for goal in GOALS.values())
    assert names_of(client, prefix) == set()


def test_an_index_of_somebody_else_is_kept_and_named(
    client: OpenSearch, opensearch_url: str, prefix: str, tmp_path: Path
) -> None:
    index = f"{prefix}-mine"
    client.indices.create(index=index)
    try:
        done = bench(opensearch_url, prefix, tmp_path)
        assert done.returncode == 1
        assert index in done.stderr
        assert "nothing was changed" in done.stderr
        assert names_of(client, prefix) == {index}
    finally:
        client.indices.delete(index=index)
