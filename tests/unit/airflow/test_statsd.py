"""Every metric of the table over StatsD: through Airflow's own client to a server that reads the protocol strictly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from opensearch_strata.airflow.metrics import add_counts, set_gauges, time_step
from tests.metric_names import documented_metrics
from tests.servers.statsd import Counted, StatsdReceiver, airflow_sends
from tests.streams import dataset_of

LONGEST = "a" * 64
STEP = "check_whether_this_is_wanted"  # longer than any of ours
VALUES = {"counter": 3, "gauge": -5, "time": 12_500}  # the age of an event from the future is below 0
KINDS = {"counter": "c", "gauge": "g", "time": "ms"}


def measure_everything(dataset: str) -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for name, kind in documented_metrics().items():
        part: Any
        _, part, what = name.split(".")
        if kind == "time":
            assert name == "strata.step.duration"
            time_step(dataset, STEP, began, began + timedelta(seconds=12.5))
        else:
            measure: Any = add_counts if kind == "counter" else set_gauges
            measure(part, dataset, {what: VALUES[kind]})


@pytest.mark.parametrize("with_tags", [True, False])
def test_every_metric_of_the_table_arrives_under_its_name(with_tags: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    table = documented_metrics()
    with StatsdReceiver() as server, airflow_sends(server, monkeypatch, with_tags=with_tags):
        measure_everything(LONGEST)
        lines = server.received(lambda lines: len({line.name for line in lines}) == len(table))
    wanted = set()
    for name, kind in table.items():
        tags = (("dataset", LONGEST), *((("step", STEP),) if kind == "time" else ()))
        wanted.add(Counted(f"airflow.{name}", KINDS[kind], tags if with_tags else (), VALUES[kind]))
    last = {line.name: line for line in lines}  # a gauge below 0 is first set to 0, because -5 alone means 5 less
    assert set(last.values()) == wanted


@pytest.mark.parametrize("name", ["a.b", "a:1|c", "a|b", "a@0.1", "a,step=b", "a\nb", "ä"])
def test_no_dataset_has_a_name_that_the_protocol_would_read_as_its_own(name: str) -> None:
    with pytest.raises(ValidationError, match="String should match pattern"):
        dataset_of(name)


def test_a_name_that_airflow_refuses_is_told_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with StatsdReceiver() as server, airflow_sends(server, monkeypatch, with_tags=True):
        add_counts("cycle", "a:1|c", {"rows": 1})  # which no dataset is called
        add_counts("cycle", "flights", {"rows": 1})
        (line,) = server.received(bool)
    assert dict(line.tags) == {"dataset": "flights"}
    assert "Invalid stat name: strata.cycle.rows,dataset=a:1|c" in caplog.text
