"""A year of flights in a stack, with days of most kinds, made by the services and DAGs that make them in real life.

The last month came from S3 and the rest from producers; the archive was introduced in the middle of the year; somebody
restored two days; and a flight came late.
"""

from __future__ import annotations

import logging
import shutil
from datetime import UTC, date, datetime, timedelta
from typing import Any

from opensearchpy import OpenSearch

from local.airflow.api import AirflowApi
from local.airflow.dag_runs import run_dag
from local.errors import StackError
from local.places import PROJECT
from local.samples.archived_dataset import archived_dataset
from local.samples.archived_flights import archive_flights, backfill_flights, restore_flights, s3_client
from local.samples.cloudwatch import data_record, log_event, object_key
from local.samples.flights import load_flights
from local.stack import Stack
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import days_between, newest_expired
from opensearch_strata.definition.loading.intake import split_s3_url
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.workflows.archiving import archive_day

FIRST, LAST = date(2013, 1, 1), date(2013, 12, 31)
BACKFILLED = date(2013, 12, 1)
"""From this day on, flights come from S3."""
ARCHIVED = date(2013, 7, 1)
"""From this day on, raw days are archived before they are deleted."""
RETIRED_BY_CYCLE = 3
"""Days that the cycle of the last day archives and deletes."""
RESTORED = (date(2013, 9, 5), date(2013, 9, 6))
KEEP_DAYS = 7
LATE = date(2013, 11, 20)

log = logging.getLogger(__name__)


def make_year(stack: Stack) -> Dataset:
    """Start a stack and let the year pass in it.

    :param stack: is removed first if it is there
    :raises StackError: a run failed, or a day could not be proven
    """
    stack.remove()
    include = stack.folder / "include"
    dataset = archived_dataset(include)
    shutil.copy(PROJECT / "include" / "datasets" / "telemetry.yaml", include / "datasets")
    stack.launch(include=include)
    archive_flights(stack, BACKFILLED, LAST)
    _put_unreadable(s3_client(stack), dataset)
    stack.wait_until_ready("opensearch", "airflow")
    airflow = AirflowApi(stack.airflow_url)
    with build_client(ClientSettings.from_url(stack.opensearch_url)) as client:
        load_flights(client, FIRST, BACKFILLED - timedelta(days=1))
        backfill_flights(stack, client, airflow, BACKFILLED, LAST)
        _pass(client, s3_client(stack), dataset)
        run_dag(stack, airflow, f"{dataset.name}_daily_cycle", f"{LAST}", {"dry_run": False})
        for day in RESTORED:
            restore_flights(stack, airflow, day, KEEP_DAYS)
        _come_late(client, dataset)
    return dataset


def _pass(client: OpenSearch, s3: Any, dataset: Dataset) -> None:
    """What the cycles of all days but the last have done, without the time that a scheduler takes."""
    gone = newest_expired(LAST, dataset.raw.window_days) - timedelta(days=RETIRED_BY_CYCLE)
    for day in days_between(FIRST, LAST - timedelta(days=1)):
        condense(client, dataset, day, engine="search")
        proof = prove(client, dataset, day, engine="search")
        if proof.state != "verified":
            raise StackError(f"{dataset.raw_index(day)} is not verified ({proof.state}); no picture was taken.")
        if day <= gone:
            if day >= ARCHIVED:
                archive_day(client, s3, dataset, proof)
            client.indices.delete(index=dataset.raw_index(day))
        if day.day == 1:
            log.info("%s", day)


def _put_unreadable(s3: Any, dataset: Dataset) -> None:
    """An object with events whose message no parser reads, between others, so that it is not put in quarantine."""
    bucket, prefix = split_s3_url(str(dataset.intake.source))
    arrived = datetime(2013, 12, 10, 15, 4, 5, tzinfo=UTC)
    moment = int(arrived.timestamp() * 1000)
    messages = ['{"origin": "JFK", "dep_delay": 21,5}', '{"origin": "LGA", "dep_del', "connection reset by peer"]
    messages += ['{"carrier": "B6", "origin": "JFK", "dest": "BOS", "dep_delay": 3}'] * 2 * len(messages)
    events = [log_event(10**9 + number, moment, message) for number, message in enumerate(messages)]
    record = data_record("/flights/nyc", "LGA", events)
    s3.put_object(Bucket=bucket, Key=object_key(prefix, "flights-jfk", arrived), Body=record)


def _come_late(client: OpenSearch, dataset: Dataset) -> None:
    index = dataset.raw_index(LATE)
    found = client.search(index=index, body={"size": 1})["hits"]["hits"][0]
    client.index(index=index, body=found["_source"], params={"refresh": "true"})
