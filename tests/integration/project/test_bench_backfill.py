"""`make bench-backfill` runs from end to end on a small workload, and both sides write the same documents."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from opensearchpy import OpenSearch

from benchmarks.goals import BACKFILL_GOALS
from benchmarks.material.bulk_peer import load_by_helpers
from benchmarks.material.emulated_s3 import emulated_s3
from benchmarks.material.log_archive import LogArchive, put_template, write_archive
from benchmarks.material.log_events import LogStream
from benchmarks.material.site import Site
from local.places import PROJECT
from tests.streams import Document


@pytest.fixture
def prefix() -> str:
    return f"bench{uuid4().hex[:8]}"


def names_of(client: OpenSearch, prefix: str) -> set[str]:
    templates = client.indices.get_index_template(params={"filter_path": "index_templates.name"})["index_templates"]
    indices = client.indices.get(index=f"{prefix}-*")
    return {*indices, *(one["name"] for one in templates if one["name"].startswith(prefix))}


@pytest.mark.exhaustive
def test_a_run_fills_every_line_of_the_table_and_leaves_nothing(
    client: OpenSearch, opensearch_url: str, prefix: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "benchmarks.backfill", "--url", opensearch_url, "--prefix", prefix]
    command += ["--events", "3000", "--rounds", "1", "--memory-gb", "0.005"]
    command += ["--json", str(tmp_path / "backfill.json"), "--markdown", str(tmp_path / "backfill.md")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "backfill.json").read_text())
    found = {result["key"]: result for result in report["results"]}
    assert found.keys() == BACKFILL_GOALS.keys()
    assert all(math.isfinite(result["figure"]) and result["figure"] > 0 for result in found.values())
    # Times of a small workload say nothing; this holds at any size.
    assert found["worker memory"]["reached"] != "no"
    markdown = (tmp_path / "backfill.md").read_text()
    assert all(goal.measure in markdown and goal.measure in done.stdout for goal in BACKFILL_GOALS.values())
    assert names_of(client, prefix) == set()


@pytest.fixture
def sited(opensearch_url: str, prefix: str) -> Iterator[tuple[Site, str]]:
    with emulated_s3() as s3:
        made = Site.at(opensearch_url, s3.url, prefix)
        put_template(made.client, prefix)
        yield made, s3.url
        made.remove()


def documents_in(site: Site, archive: LogArchive) -> dict[str, Document]:
    """Id -> document of everything in the raw day."""
    site.check(archive)
    found = site.client.search(index=archive.index, body={"size": 2000})["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in found}


def test_what_people_write_makes_the_same_documents_under_the_same_ids(sited: tuple[Site, str]) -> None:
    site, s3_url = sited
    with ThreadPoolExecutor(1) as pool:
        archive = write_archive(pool, s3_url, site.prefix, "same", LogStream(500, 1200), lambda _: None)
    site.empty(archive)
    assert site.backfill(archive, [archive.objects]) == 1200
    ours = documents_in(site, archive)
    site.empty(archive)
    assert load_by_helpers(site.client, site.s3, archive) == 1200
    assert documents_in(site, archive) == ours
    assert len(ours) == 1200
