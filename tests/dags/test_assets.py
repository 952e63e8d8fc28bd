"""Events of a dataset's assets, as Airflow keeps them for the DAGs of others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from opensearch_strata.definition.dataset import Dataset
from tests.dags.archives import Archive
from tests.dags.assets import events, know_assets
from tests.dags.conftest import RunDag, load_bag
from tests.streams import DAY, StreamFactory

OLD = DAY - timedelta(days=2)
PROVE = "retention.retire.prove[1]"


def test_each_day_whose_rows_are_proven_is_an_event(
    make_stream: StreamFactory,
    define: Callable[[Dataset], None],
    run_dag: RunDag,
    s3: Any,
    bucket: str,
    aws_connection: None,
) -> None:
    archive = {"bucket": bucket, "before_delete": True}
    stream = make_stream(raw={"window_days": 2}, archive=archive, engine="search")
    define(stream.dataset)
    stream.condensed(OLD - timedelta(days=1))
    stream.condensed(OLD)
    stream.fill(OLD, count=7, seed=1)
    stream.fill(DAY)
    run = run_dag(stream.dataset, day=str(DAY), dry_run=False)
    assert run.state == "success"
    told = {"dataset": stream.dataset.name, "days": 1}
    history = events(stream.dataset, "history")
    rows = {day: run.result(task)["rows"] for day, task in ((DAY, "condense_day.verify"), (OLD, PROVE))}
    assert history == {
        str(DAY): {**told, "documents": 240, "rows": rows[DAY]},
        str(OLD): {**told, "documents": 247, "rows": rows[OLD]},  # late documents; the day before it had none
    }
    archived = events(stream.dataset, "archive")
    assert {day: extra["documents"] for day, extra in archived.items()} == {
        str(OLD - timedelta(days=1)): 240,
        str(OLD): 247,
    }
    assert all(extra["bytes"] > 0 for extra in archived.values())
    assert events(stream.dataset, "arrived") == {}


def test_a_dry_run_and_a_day_without_documents_are_no_events_of_archives_or_proofs(
    make_stream: StreamFactory,
    define: Callable[[Dataset], None],
    run_dag: RunDag,
    s3: Any,
    bucket: str,
    aws_connection: None,
) -> None:
    stream = make_stream(raw={"window_days": 2}, archive={"bucket": bucket}, engine="search")
    define(stream.dataset)
    stream.condensed(OLD)
    assert run_dag(stream.dataset, day=str(DAY)).state == "success"
    assert [events(stream.dataset, kind) for kind in ("history", "archive", "restored", "arrived")] == [{}] * 4


def test_a_backfill_tells_which_days_arrived_and_which_were_condensed(
    archive: Archive, run_backfill: RunDag, connection: Any
) -> None:
    dataset = archive.stream.dataset
    know_assets()
    days = {"from_day": str(DAY), "to_day": str(DAY + timedelta(days=3))}
    run = run_backfill(dataset, **days, dry_run=False, then="condense")
    assert run.state == "success"
    loaded = {str(DAY), str(DAY + timedelta(days=1))}
    assert events(dataset, "arrived").keys() == loaded  # two days of the range have no objects
    assert events(dataset, "history").keys() == loaded
    extra = events(dataset, "arrived")[str(DAY)]
    assert (extra["days"], extra["dead_letters"]) == (2, 0)
    assert extra["documents"] == 2 * 80


@pytest.mark.parametrize("file", ["on_proven_day.py"])
def test_an_example_is_a_valid_dag_that_is_off_by_default(file: str, airflow_database: None) -> None:
    bag = load_bag(f"examples/{file}")
    assert bag.import_errors == {}
    (dag_id,) = bag.dags
    assert dag_id not in load_bag().dags
