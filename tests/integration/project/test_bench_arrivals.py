"""`make bench-arrivals` runs from end to end on a small workload."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from opensearchpy import OpenSearch

from benchmarks.goals import ARRIVALS_GOALS
from local.places import PROJECT


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
def test_a_run_fills_every_line_of_the_table_and_leaves_nothing(
    client: OpenSearch, opensearch_url: str, tmp_path: Path
) -> None:
    prefix = f"bench{uuid4().hex[:8]}"
    command = [sys.executable, "-m", "benchmarks.arrivals", "--url", opensearch_url, "--prefix", prefix]
    command += ["--events", "30000", "--tiny", "40", "--delays", "3", "--pause", "0.2", "--rounds", "1"]
    command += ["--json", str(tmp_path / "arrivals.json"), "--markdown", str(tmp_path / "arrivals.md")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "arrivals.json").read_text())
    found = {result["key"]: result for result in report["results"]}
    assert found.keys() == ARRIVALS_GOALS.keys()
    assert all(math.isfinite(result["figure"]) and result["figure"] >= 0 for result in found.values())
    markdown = (tmp_path / "arrivals.md").read_text()
    assert all(goal.measure in markdown and goal.measure in done.stdout for goal in ARRIVALS_GOALS.values())
    assert not client.indices.get(index=f"{prefix}-*")
