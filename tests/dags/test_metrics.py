"""Airflow's metrics of a run, as a collector of OpenTelemetry and a server of StatsD receive them."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry import metrics

from opensearch_strata.definition.dataset import Dataset
from tests.dags.archives import Archive
from tests.dags.conftest import RunDag
from tests.metric_names import documented_metrics
from tests.servers.otlp import MetricsReceiver
from tests.servers.statsd import StatsdReceiver, airflow_sends
from tests.streams import DAY, StreamFactory

SHORT_KINDS = {"counter": "c", "gauge": "g", "time": "ms"}
OLDEST, OLD = DAY - timedelta(days=3), DAY - timedelta(days=2)


class Collector(MetricsReceiver):
    """A receiver of what the tasks of this process measure.

    :param provider: what hands it over. Airflow's own parts, such as the API server that runs beside the tasks, may set
        one of theirs as that of the whole process at any time, so nobody may ask for it later.
    """

    provider: Any


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that Airflow is configured with, as its documentation says."""
    import airflow.sdk.serde  # noqa: F401 - which, when it is imported first, sets up metrics anew
    from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
    from airflow.sdk._shared.observability.metrics.otel_logger import flush_otel_metrics
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics.stats_utils import get_stats_factory

    with Collector() as receiver:
        for key, value in {"OTEL_ON": "True", "OTEL_HOST": "127.0.0.1", "OTEL_PORT": str(receiver.port)}.items():
            monkeypatch.setenv(f"AIRFLOW__METRICS__{key}", value)
        logger = get_stats_factory()()
        receiver.provider = metrics.get_meter_provider()
        stats.initialize(factory=lambda: logger, export_legacy_names=True)  # as in the process of a task
        yield receiver
        stats.initialize(factory=NoStatsLogger, export_legacy_names=True)
        atexit.unregister(flush_otel_metrics)
        receiver.provider.shutdown()


def received(receiver: Collector, dataset: Dataset) -> dict[str, tuple[str, float]]:
    """Kind and value of each metric of a dataset; times are named by their step."""
    assert receiver.provider.force_flush(60_000)
    found = {}
    for (name, tags), one in receiver.latest("airflow.strata.").items():
        named = dict(tags)
        if named.pop("dataset") == dataset.name:
            assert name.removeprefix("airflow.") in documented_metrics()
            found[".".join([name.removeprefix("airflow.strata."), *named.values()])] = (one.kind, one.value)
    return found


def test_a_cycle_tells_what_it_condensed_deleted_and_refused_to_delete(
    make_stream: StreamFactory, define: Callable[[Dataset], None], run_dag: RunDag, receiver: Collector
) -> None:
    stream = make_stream(raw={"window_days": 2}, engine="search")
    define(stream.dataset)
    stream.condensed(OLDEST)
    identity, row = next(iter(stream.rows(OLDEST).items()))
    stream.put_row(identity, {**row, "transform._doc_count": row["transform._doc_count"] + 1}, OLDEST)
    for day in (OLD, OLD + timedelta(days=1), DAY):
        stream.fill(day)
    run = run_dag(stream.dataset, day=str(DAY), dry_run=False)
    assert run.tasks["retention.retire.prove[0]"] == "failed"
    found = received(receiver, stream.dataset)
    rows = len([row for row in stream.rows(DAY).values() if row["transform._id"] == stream.dataset.transform_id(DAY)])
    counters = {"documents": 240, "rows": rows, "days_deleted": 1, "refused_deletions": 1}
    assert {name: found[f"cycle.{name}"] for name in counters} == {n: ("sum", value) for n, value in counters.items()}
    gauges = {"unproven_days": 1, "days_beyond_window": 1}  # the day before was never condensed
    assert {name: found[f"cycle.{name}"] for name in gauges} == {n: ("gauge", value) for n, value in gauges.items()}
    assert all(found[f"cycle.{name}"][1] > 0 for name in ("raw_bytes", "history_bytes", "lag"))
    steps = {"resolve_day", "ensure_history", "condense", "verify", "list_expired", "prove", "delete"}
    assert {name.rpartition(".")[2] for name in found if name.startswith("step.duration.")} == steps
    assert all(found[f"step.duration.{step}"][1] > 0 for step in steps)  # milliseconds


def test_a_run_for_an_older_day_does_not_say_how_the_dataset_stands(
    make_stream: StreamFactory, define: Callable[[Dataset], None], run_dag: RunDag, receiver: Collector
) -> None:
    stream = make_stream(raw={"window_days": 9}, engine="search")
    define(stream.dataset)
    stream.condensed(DAY)
    stream.fill(OLD)
    assert run_dag(stream.dataset, day=str(OLD)).state == "success"
    found = received(receiver, stream.dataset)
    assert found["cycle.documents"] == ("sum", 240)
    assert not {"cycle.lag", "cycle.unproven_days"} & found.keys()


def test_a_backfill_tells_what_it_loaded(archive: Archive, run_backfill: RunDag, receiver: Collector) -> None:
    dataset = archive.stream.dataset
    run = run_backfill(dataset, from_day=str(DAY), to_day=str(DAY), dry_run=False)
    assert run.state == "success"
    found = received(receiver, dataset)
    loaded = run.result("load[0]")
    counters = {"objects": loaded["objects"], "events": loaded["read"], "documents": loaded["created"]}
    assert loaded["created"] > 0
    assert {name: found[f"backfill.{name}"] for name in counters} == {n: ("sum", v) for n, v in counters.items()}
    assert found["backfill.bytes"][1] > 0
    assert {found["backfill.dead_letters"], found["backfill.quarantined"]} == {("sum", 0)}


def test_statsd_is_told_of_a_cycle_what_the_table_says(
    make_stream: StreamFactory, define: Callable[[Dataset], None], run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = make_stream(raw={"window_days": 2}, engine="search")
    define(stream.dataset)
    stream.condensed(OLD)
    stream.fill(DAY)
    with StatsdReceiver() as server:
        with airflow_sends(server, monkeypatch, with_tags=True):
            assert run_dag(stream.dataset, day=str(DAY), dry_run=False).state == "success"
        lines = server.received(lambda lines: any(line.name.endswith("cycle.lag") for line in lines))
    table = {f"airflow.{name}": SHORT_KINDS[kind] for name, kind in documented_metrics().items()}
    ours = [line for line in lines if line.name.startswith("airflow.strata.")]
    assert {line.name: line.kind for line in ours}.items() <= table.items()
    assert {dict(line.tags)["dataset"] for line in ours} == {stream.dataset.name}
    last = {line.name.removeprefix("airflow.strata."): line.value for line in ours}
    assert last.keys() == {name.removeprefix("airflow.strata.") for name in table if ".cycle." in name} | {
        "step.duration"
    }
    assert (last["cycle.documents"], last["cycle.days_deleted"], last["cycle.unproven_days"]) == (240, 1, 0)
    steps = {dict(line.tags)["step"] for line in ours if line.kind == "ms"}
    assert steps >= {"resolve_day", "ensure_history", "condense", "verify", "prove", "delete", "report"}
