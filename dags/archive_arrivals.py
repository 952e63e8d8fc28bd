"""
# Archive arrivals

Loads new objects of S3 as the queue of a dataset (`intake.queue`) tells of them, into the same raw days, ledger and
dead letters as a backfill. One DAG per dataset with a queue, and one that sweeps.

| task | what it changes |
|---|---|
| `drain` | **writes documents** and deletes messages; deferred while the queue is empty |
| `sweep` (`…_arrivals_sweep`) | **writes documents** of recent objects that no notification told; proves the days |

## What becomes of a message

It is deleted when each object in it is loaded, left aside for a reason that is counted, or in quarantine in the ledger.
A message with an object that failed comes back after 1, 4, 16, 64 and 256 minutes, at most as often as the queue's
redrive policy allows. What is not understood is left to that policy, with the reason in the log. A dataset that cannot
be loaded fails the task, but stops no other that shares the queue.

## When it runs

Every minute, one run at a time. A run watches an empty queue for an hour without a worker, then loads for up to ten
minutes, or until no message has come for ten seconds. Runs may fail or be killed at any time: what was in hand comes
back, and nothing is loaded twice. `strata follow DATASET` does the same in one process, and may run at the same time.

If `drain` fails, the reason is in its log, and it is tried again six times, ever later: what is missing (a queue, a
role) may be mended meanwhile. After half an hour or more, the run is failed, and the next one begins.

## How it stands

The log and the result of `drain` say how many messages wait and are in flight, how many are in the dead-letter queue,
and how new the newest event is. The same numbers are metrics: `strata.arrivals.waiting`, `.in_flight`, `.dead_letters`,
`.oldest_message_age`, `.newest_event_age` (gauges), `.messages`, `.documents`, `.dead_events`, `.quarantined` and
`.of_no_dataset` (counters), with the tag `dataset`.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta

import opensearch_strata.airflow  # noqa: F401 - reports an Airflow that is too old before an import fails

# isort: split
from airflow.sdk import DAG, CronTriggerTimetable, get_parsing_context

from opensearch_strata.airflow.alarms import tell_failure
from opensearch_strata.airflow.assets import asset_of
from opensearch_strata.airflow.operators.arrivals.drain import DrainOperator
from opensearch_strata.airflow.operators.arrivals.sweep import SweepOperator
from opensearch_strata.airflow.owners import owner_links_of, owner_of
from opensearch_strata.airflow.retry import EVERY_MINUTE, RETRIES
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.files import datasets_dir, load_definitions
from opensearch_strata.definition.schedule import in_five_fields


def arrivals_dag(dataset: Dataset) -> DAG:
    """Build the DAG that loads the new objects of a dataset."""
    with _dag(
        f"{dataset.name}_archive_arrivals", dataset, "* * * * *", "Load new objects as the queue tells of them."
    ) as dag:
        DrainOperator(task_id="drain", dataset=dataset, **EVERY_MINUTE)
    return dag


def sweep_dag(dataset: Dataset, sweep: str) -> DAG:
    """Build the DAG that finds what no notification told.

    :param sweep: when, a cron expression
    """
    told = "Load the objects of yesterday and today that no notification told."
    with _dag(f"{dataset.name}_arrivals_sweep", dataset, in_five_fields(sweep), told) as dag:
        SweepOperator(task_id="sweep", dataset=dataset)
    return dag


def _dag(dag_id: str, dataset: Dataset, cron: str, description: str) -> DAG:
    return DAG(
        dag_id=dag_id,
        description=description,
        doc_md=__doc__,
        auto_register=False,
        schedule=CronTriggerTimetable(cron, timezone=dataset.time_zone),
        start_date=datetime.combine(dataset.cycle.start_date, time.min, dataset.zone),
        catchup=False,
        max_active_runs=1,
        default_args={
            **RETRIES,
            **owner_of(dataset),
            "execution_timeout": timedelta(hours=6),
            "on_failure_callback": tell_failure,
            "inlets": [asset_of(dataset.name, "arrived")],  # Airflow's state of it says which alarms were told
        },
        owner_links=owner_links_of(dataset),
        tags=["strata", "archive", dataset.name],
    )


# A task parses this file only for its own DAG.
WANTED = get_parsing_context().dag_id
for dataset in load_definitions(datasets_dir()).datasets.values():
    if dataset.intake.queue is None:
        continue
    for dag in [arrivals_dag(dataset), *([sweep_dag(dataset, dataset.intake.sweep)] if dataset.intake.sweep else [])]:
        if WANTED in (None, dag.dag_id):
            globals()[dag.dag_id] = dag
