"""What tasks read and write, as OpenLineage's own listener writes it to a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from opensearch_strata.definition.dataset import Dataset
from tests.dags.archives import Archive
from tests.dags.conftest import RunDag
from tests.streams import DAY, StreamFactory

pytest.importorskip("airflow.providers.openlineage", reason="apache-airflow-providers-openlineage is not installed")

pytestmark = pytest.mark.timeout(900)  # the provider's own listener takes its time where other tests run

Flow = tuple[set[str], set[str]]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that takes the events, which Airflow is configured with, as the provider's documentation says."""
    from airflow.providers.openlineage import conf
    from airflow.providers.openlineage.plugins.listener import OpenLineageListener
    from airflow.sdk.listener import get_listener_manager

    file = tmp_path / "lineage.jsonl"
    transport = {"type": "file", "log_file_path": str(file), "append": True}
    for key, value in {"TRANSPORT": json.dumps(transport), "NAMESPACE": "tests", "EXECUTE_IN_THREAD": "True"}.items():
        monkeypatch.setenv(f"AIRFLOW__OPENLINEAGE__{key}", value)
    remembered = [found for found in vars(conf).values() if hasattr(found, "cache_clear")]
    for one in remembered:
        one.cache_clear()
    listener, manager = OpenLineageListener(), get_listener_manager()
    manager.add_listener(listener)
    yield file
    manager.pm.unregister(listener)
    for one in remembered:
        one.cache_clear()


def flows(file: Path, dag_id: str) -> dict[str, Flow]:
    """Task -> what it read and wrote, of the tasks that were completed and did either."""
    found: dict[str, Flow] = {}
    for event in map(json.loads, file.read_text().splitlines()):
        sides = [{f"{one['namespace']}/{one['name']}" for one in event[side]} for side in ("inputs", "outputs")]
        if event["eventType"] == "COMPLETE" and any(sides):
            found[event["job"]["name"].removeprefix(f"{dag_id}.")] = (sides[0], sides[1])
    return found


def cluster(url: str) -> str:
    """The namespace of a cluster."""
    parts = urlsplit(url)
    return f"opensearch://{parts.hostname}:{parts.port}"


def test_a_cycle_leads_from_raw_days_to_rows_archive_and_second_copy(
    make_stream: StreamFactory,
    define: Callable[[Dataset], None],
    run_dag: RunDag,
    told: Path,
    s3: Any,
    bucket: str,
    aws_connection: None,
    opensearch_url: str,
) -> None:
    stream = make_stream(raw={"window_days": 2}, archive={"bucket": bucket, "prefix": "a/"}, engine="search")
    define(stream.dataset)
    stream.condensed(DAY - timedelta(days=2))
    stream.fill(DAY)
    assert run_dag(stream.dataset, day=str(DAY), dry_run=False).state == "success"
    name, node = stream.dataset.name, cluster(opensearch_url)
    raw, rows = f"{node}/{name}-*", f"{node}/{name}-history-*"
    assert flows(told, f"{name}_daily_cycle") == {
        "condense_day.condense": ({raw}, {rows}),
        "condense_day.verify": ({raw, rows}, {rows}),
        "retention.retire.prove": ({raw, rows}, {rows}),
        "retention.retire.archive": ({raw}, {f"s3://{bucket}/a"}),
        "copy_history": ({rows}, {f"s3://{bucket}/a/history"}),
    }


def test_a_backfill_leads_from_its_source_to_raw_days(
    archive: Archive, run_backfill: RunDag, told: Path, opensearch_url: str
) -> None:
    run = run_backfill(archive.dataset, from_day=str(DAY), to_day=str(DAY), dry_run=False)
    assert run.state == "success"
    source, raw = f"s3://{archive.bucket}/logs", f"{cluster(opensearch_url)}/{archive.dataset.name}-*"
    assert flows(told, "archive_backfill") == {
        "plan": ({source}, set()),
        "load": ({source}, {raw}),
        "prove": ({raw}, set()),
    }
