"""`make bench-archive` runs from end to end on a small workload, and all sides read the same documents."""

from __future__ import annotations

import gzip
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
import zstandard
from opensearchpy import OpenSearch

from benchmarks.goals import ARCHIVE_GOALS
from benchmarks.material.bench_day import BenchDay
from benchmarks.material.emulated_s3 import BUCKET, emulated_s3, s3_at
from benchmarks.material.scan_peer import export_by_scan
from benchmarks.material.workload import FIRST_DAY, Workload
from benchmarks.measures.archives.floor import WAYS
from local.places import PROJECT

DOCUMENTS = 2500


@pytest.fixture
def prefix() -> str:
    return f"bench{uuid4().hex[:8]}"


@pytest.fixture
def day(client: OpenSearch, prefix: str) -> Iterator[BenchDay]:
    with emulated_s3() as s3:
        made = BenchDay(Workload(client, prefix, DOCUMENTS, (FIRST_DAY,), seed=0, settle=0), s3_at(s3.url))
        made.load()
        yield made
        made.workload.remove()


@pytest.mark.exhaustive
def test_a_run_fills_every_line_of_the_table_and_leaves_nothing(
    client: OpenSearch, opensearch_url: str, prefix: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "benchmarks.archive", "--url", opensearch_url, "--prefix", prefix]
    command += ["--documents", "8000", "--rounds", "1", "--memory-gb", "0.01"]
    command += ["--json", str(tmp_path / "archive.json"), "--markdown", str(tmp_path / "archive.md")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "archive.json").read_text())
    found = {result["key"]: result for result in report["results"]}
    assert found.keys() == ARCHIVE_GOALS.keys()
    assert all(math.isfinite(result["figure"]) and result["figure"] > 0 for result in found.values())
    # Times and sizes of a small workload say nothing; this holds at any size.
    assert found["archive memory"]["reached"] != "no"
    markdown = (tmp_path / "archive.md").read_text()
    assert all(goal.measure in markdown and goal.measure in done.stdout for goal in ARCHIVE_GOALS.values())
    assert not client.indices.get(index=f"{prefix}-*")


@pytest.mark.parametrize("name", WAYS)
def test_the_floor_reads_every_document(day: BenchDay, name: str) -> None:
    way, _ = WAYS[name]
    for page in (1000, 700):
        assert way(day, page, True) == way(day, page, False) == day.documents


def lines(text: bytes) -> list[Any]:
    return sorted((orjson.loads(line) for line in text.splitlines()), key=lambda line: line["_id"])


def test_what_people_write_has_the_same_documents(day: BenchDay, opensearch_url: str) -> None:
    documents = export_by_scan(OpenSearch(opensearch_url), day.s3, day.index, BUCKET, "peer.ndjson.gz")
    theirs = gzip.decompress(day.s3.get_object(Bucket=BUCKET, Key="peer.ndjson.gz")["Body"].read())
    _, objects = day.keep()
    (archived,) = objects
    body = day.s3.get_object(Bucket=BUCKET, Key=archived.key)["Body"].read()
    ours = zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True).read()
    assert documents == archived.documents == day.documents
    assert lines(ours) == lines(theirs)
