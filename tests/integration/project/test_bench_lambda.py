"""`make bench-lambda` runs from end to end on a small workload, and both sides read the same events."""

from __future__ import annotations

import gzip
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.firehose.__main__ import write_batches
from benchmarks.firehose.blueprint import lambda_handler
from benchmarks.goals import LAMBDA_GOALS
from local.places import PROJECT
from tests.transformations import Taking, data_in, transform


@pytest.mark.long
def test_a_run_fills_every_line_of_the_table(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.firehose", "--batches", "1", "--rounds", "1"]
    command += ["--json", str(tmp_path / "lambda.json"), "--markdown", str(tmp_path / "lambda.md")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "lambda.json").read_text())
    found = {result["key"]: result for result in report["results"]}
    assert found.keys() == LAMBDA_GOALS.keys()
    assert all(math.isfinite(result["figure"]) and result["figure"] > 0 for result in found.values())
    assert found["function memory"]["reached"] != "no"
    markdown = (tmp_path / "lambda.md").read_text()
    assert all(goal.measure in markdown and goal.measure in done.stdout for goal in LAMBDA_GOALS.values())


def test_what_people_copy_finds_the_same_statements(tmp_path: Path) -> None:
    events = write_batches(tmp_path / "batches", 100_000, 1)
    called = json.loads((tmp_path / "batches").read_text())
    ours, report = transform(called)
    theirs: dict[str, Any] = lambda_handler(called, None)
    assert events == report.events > 0
    assert report.unparsed == 0
    statements = [
        [line.get("statement", line.get("Statement")) for line in map(json.loads, lines(answer))]
        for answer in (ours, theirs)
    ]
    assert statements[0] == statements[1]
    assert len(statements[0]) == events


def lines(answer: dict[str, Any]) -> list[bytes]:
    return [line for record in answer["records"] for line in data_in(record).splitlines()]


def test_full_batches_hold_more_than_an_answer(tmp_path: Path) -> None:
    write_batches(tmp_path / "batches", 4_400_000, 1)
    text = (tmp_path / "batches").read_text()
    assert 5_500_000 < len(text) < 6_291_556  # AWS Lambda's limit
    stream = Taking()
    _, report = transform(json.loads(text), stream)
    assert report.resent > report.ok > 0
    assert sum(len(gzip.decompress(data)) for data in stream.taken) > 6_000_000
