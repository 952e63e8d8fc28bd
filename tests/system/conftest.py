"""A whole stack: OpenSearch, Airflow's real scheduler, and the dataset files that the tests need."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
import yaml
from opensearchpy import OpenSearch
from playwright.sync_api import Page, expect, sync_playwright

from local.airflow.api import AirflowApi
from local.pictures.browser import ARGUMENTS, CHROMIUM
from local.places import PROJECT
from local.samples.flights import flights_dataset, load_flights
from local.stack import Stack
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.definition.dataset import Dataset
from tests.arrivals import ALL_DAYS
from tests.faults.archives import INTAKE
from tests.streams import Document, Stream, definition_of

FLIGHTS = "flights_daily_cycle"
EXAMPLE = "on_proven_day"
INFLOW = "inflow"


@dataclass(frozen=True)
class Running:
    """The stack while the tests run.

    :param ticking: a dataset whose schedule comes due while the tests run
    :param inflow: a dataset with a queue
    """

    stack: Stack
    airflow: AirflowApi
    client: OpenSearch
    flights: Dataset
    ticking: Stream
    inflow: Dataset

    def run(self, dag_id: str, **conf: object) -> tuple[str, str]:
        """Trigger a run by hand and wait for its end: run id and state."""
        run_id = self.airflow.trigger(dag_id, None, conf)
        return run_id, self.airflow.wait_for_run(dag_id, run_id)

    def run_of(self, dag_id: str, partition_key: str, within: float = 200) -> str:
        """Id of the run of a partition, once the scheduler has made it."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            for found in self.airflow.call("GET", f"dags/{dag_id}/dagRuns").json()["dag_runs"]:
                if found["partition_key"] == partition_key:
                    return str(found["dag_run_id"])
            time.sleep(1)
        raise AssertionError(f"the scheduler made no run of {dag_id} for {partition_key} within {within:.0f} s")

    def raw_days(self) -> set[date]:
        """Days of flights that are still raw."""
        names = self.flights.raw.names
        return {day for name in self.client.indices.get(index=names.expression) if (day := names.date_in(name))}

    def rows(self, day: date) -> dict[str, Document]:
        """Rows of a day of flights."""
        return {
            identity: row
            for identity, row in Stream(self.client, self.flights).rows(day).items()
            if row["transform._id"] == self.flights.transform_id(day)
        }


def _ticking() -> Dataset:
    """A dataset whose cron comes due in a minute or two, once."""
    due = datetime.now(UTC) + timedelta(seconds=100)
    cycle = {"start_date": due.date() - timedelta(days=7), "schedule": f"{due.minute} {due.hour} * * *"}
    definition = definition_of("ticking", raw={"window_days": 1}, cycle=cycle, engine="search")
    return Dataset.model_validate(definition)


def _inflow() -> Dataset:
    """A dataset whose bucket and queue a test makes."""
    intake = {**INTAKE, "source": f"s3://{INFLOW}/logs/", "queue": f"arn:aws:sqs:us-east-1:123456789012:{INFLOW}"}
    return Dataset.model_validate(definition_of(INFLOW, raw={"window_days": ALL_DAYS}, intake=intake))


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The stack, with six days of flights, a broken dataset file, and datasets that come due soon or have a queue."""
    include: Path = tmp_path_factory.mktemp("include")
    (include / "datasets").mkdir()
    text = (PROJECT / "include" / "datasets" / "flights.yaml").read_text()
    (include / "datasets" / "flights.yaml").write_text(text)
    (include / "datasets" / "broken.yaml").write_text(text.replace("name: flights", "name: broken\nspeed: fast"))
    ticking, inflow = _ticking(), _inflow()
    for dataset in (ticking, inflow):
        (include / "datasets" / f"{dataset.name}.yaml").write_text(yaml.safe_dump(dataset.model_dump(mode="json")))
    stack = Stack("test")
    stack.remove()
    _with_examples(stack.folder / "airflow")
    with ExitStack() as until_the_end:
        # Only the stack's processes see the folder; this process keeps its own.
        with patch.dict(os.environ, {"STRATA_INCLUDE_DIR": str(include)}):
            until_the_end.enter_context(stack)
        client = until_the_end.enter_context(build_client(ClientSettings.from_url(stack.opensearch_url)))
        airflow = AirflowApi(stack.airflow_url)
        stream = Stream(client, ticking)
        _load(stream, client)
        for dag_id in ("ticking_daily_cycle", FLIGHTS, EXAMPLE):
            airflow.wait_for_dag(dag_id)
            airflow.unpause(dag_id)
        yield Running(stack, airflow, client, flights_dataset(), stream, inflow)
    stack.remove()


def _with_examples(home: Path) -> None:
    """Let Airflow read the examples as well, as if somebody had copied them."""
    classpath = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundles = [
        {"name": "dags-folder", "classpath": classpath, "kwargs": {}},
        {"name": "examples", "classpath": classpath, "kwargs": {"path": str(PROJECT / "dags" / "examples")}},
    ]
    home.mkdir(parents=True)
    (home / "airflow.cfg").write_text(f"[dag_processor]\ndag_bundle_config_list = {json.dumps(bundles)}\n")


def _load(ticking: Stream, client: OpenSearch) -> None:
    today = datetime.now(UTC).date()
    for ago in (1, 2, 3):
        ticking.fill(today - timedelta(days=ago))
    load_flights(client, date(2013, 1, 1), date(2013, 1, 2))
    load_flights(client, date(2013, 3, 1), date(2013, 3, 4))


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page of a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield page
        browser.close()
