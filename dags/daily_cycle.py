"""
# Daily cycle

Condenses one raw day into its history month, proves it, and deletes the raw days that have left the window.

| step | what it changes |
|---|---|
| `resolve_day` | nothing; finds the day of the run |
| `condense_day.ensure_history` | creates the month index, or adds new metrics to its mapping |
| `condense_day.condense` | writes the day's rows; a re-run overwrites them |
| `condense_day.verify` | nothing if the proof holds; otherwise rebuilds the day's rows once |
| `condense_day.archive_due` | archives raw days in S3 that are old enough, if the dataset has `archive.after_days` |
| `retention.list_expired` | nothing |
| `retention.retire.prove` | writes rows for late documents |
| `retention.retire.archive` | archives the raw day in S3, if the dataset has an `archive:` |
| `retention.retire.delete` | **deletes one raw index**, by its exact name, after its own proof |
| `copy_history` | writes the rows of each proven day to S3 as a Parquet file, if the dataset has an `archive:` |
| `report` | nothing; shows one table for the run, and its verdict |

## What it deletes

**Nothing, until the dataset allows it** with two lines below `cycle:`. The first is `delete: true`. The next run then
shows in the log of `report` which days it would delete, and the second line, `delete_confirmed: "keep 60 days of …"`.
Once that line is in the file too, scheduled runs delete. It fits only this window, index pattern and time zone: after a
change to any of them, the next run only shows what it would do, and asks again.

From then on, a run deletes only raw days older than the window, at most `max_deletes_per_run` of them, and each one
only if its rows carry every one of its documents at that moment. History is never deleted. A day that cannot be proven
is kept and its task fails; the days after it are deleted all the same, and those that wait take turns. A dry run that a
person starts does not fail for it: the table of `report` says that the day would be kept, and why.

## Run it by hand

Choose *Trigger*, and fill in `day`. **`dry_run` is on** for every run that a person starts: the day is condensed and
verified, and the deletions are only shown. Switch it off to delete what is proven, if the dataset allows it.

Triggering a paused DAG unpauses it, and the scheduler then also starts the run that is due. The same rules apply to it.
The *Calendar* tab does not show manual runs, because Airflow 3.3 needs a logical date there, which they do not have.
The *Grid* shows them.

## Run a day again

Clear the run (or the task) in the grid: every row has its own id and is overwritten, never duplicated. A raw day is
refused if it is gone, holds fewer documents than its rows carry, or was recreated with other documents. With
`allow_poorer` you state that what is left of it is the truth.

## After a change to the definition

The next run adds new metrics and statistics; older rows lack them. To add them to days that are still raw, or to change
the meaning of a metric, run those days with `redefine`: *Trigger → Backfill* over the window, or with one command,
`strata reaggregate DATASET --from DAY --to DAY`. Days whose raw index is gone keep the rows they have.

## Days that were missed

Days that pass while the DAG is paused are not made up automatically. *Trigger → Backfill* runs them one by one (choose
the *end* of the last day as its end). Until then they stay raw: in any case, a day is condensed and proven before it is
deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import get_args

import opensearch_strata.airflow  # noqa: F401 - reports an Airflow that is too old before an import fails

# isort: split
from airflow.sdk import DAG, CronPartitionTimetable, Param, TriggerRule, get_parsing_context, task_group

from opensearch_strata.airflow.alarms import remember_why, tell_unreported
from opensearch_strata.airflow.assets import Kind, asset_of
from opensearch_strata.airflow.operators.base import DatasetOperator
from opensearch_strata.airflow.operators.daily_cycle.archive import ArchiveDueOperator, ArchiveOperator
from opensearch_strata.airflow.operators.daily_cycle.condense import CondenseOperator
from opensearch_strata.airflow.operators.daily_cycle.copy_history import CopyHistoryOperator
from opensearch_strata.airflow.operators.daily_cycle.ensure_history import EnsureHistoryOperator
from opensearch_strata.airflow.operators.daily_cycle.report import ReportOperator
from opensearch_strata.airflow.operators.daily_cycle.resolve_day import ResolveDayOperator
from opensearch_strata.airflow.operators.daily_cycle.retention import DeleteOperator, ListExpiredOperator, ProveOperator
from opensearch_strata.airflow.operators.daily_cycle.verify import VerifyOperator
from opensearch_strata.airflow.owners import owner_links_of, owner_of
from opensearch_strata.airflow.retry import RETRIES
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.files import datasets_dir, load_definitions

PARAMS = {
    "day": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Day",
        description="The day to condense, such as 2013-03-02; it is also the newest day of the window. A manual run "
        "must name it; scheduled runs and backfills have their own day.",
    ),
    "dry_run": Param(
        True,
        type="boolean",
        title="Dry run",
        description="Show what would be deleted instead of deleting it. Without it, and in scheduled runs, days are "
        "deleted only if the dataset allows it (cycle.delete).",
    ),
    "redefine": Param(
        False,
        type="boolean",
        title="Redefine",
        description="Rebuild the day's rows after a change to the definition of its metrics. Rows never get poorer.",
    ),
    "allow_poorer": Param(
        False,
        type="boolean",
        title="Allow poorer",
        description="Rebuild the day's rows even if its raw index holds less than they carry, because what is left "
        "of it is the truth.",
    ),
}


def dag_id_of(dataset: Dataset) -> str:
    """Return the id of a dataset's DAG."""
    return f"{dataset.name}_daily_cycle"


def daily_cycle(dataset: Dataset) -> DAG:
    """Build the DAG of one dataset."""
    with DAG(
        dag_id=dag_id_of(dataset),
        description=dataset.description or f"Condense, prove and retire the raw days of {dataset.name}.",
        doc_md=__doc__,
        auto_register=False,
        # The run after a day has ended carries that day's key.
        schedule=CronPartitionTimetable(
            dataset.cycle.cron, timezone=dataset.time_zone, run_offset=-1, key_format="%Y-%m-%d"
        ),
        start_date=datetime.combine(dataset.cycle.start_date, time.min, dataset.zone),
        end_date=(
            datetime.combine(dataset.cycle.end_date + timedelta(days=2), time.min, dataset.zone)
            if dataset.cycle.end_date
            else None
        ),
        catchup=False,
        max_active_runs=1,
        params=PARAMS,
        render_template_as_native_obj=True,
        default_args={
            **RETRIES,
            **owner_of(dataset),
            "on_failure_callback": remember_why,
            "execution_timeout": timedelta(hours=6),
        },
        owner_links=owner_links_of(dataset),
        tags=["strata", dataset.name],
    ) as dag:
        resolve_day = ResolveDayOperator(task_id="resolve_day", dataset=dataset)

        @task_group
        def condense_day() -> None:
            """Condense the raw day into rows, and prove them."""
            ensure_history = EnsureHistoryOperator(task_id="ensure_history", dataset=dataset)
            condense = CondenseOperator(task_id="condense", dataset=dataset)
            verify = VerifyOperator(task_id="verify", dataset=dataset)
            ensure_history >> condense >> verify
            if dataset.archive and dataset.archive.after_days:
                due = ArchiveDueOperator(task_id="archive_due", trigger_rule=TriggerRule.ALL_DONE, dataset=dataset)
                verify >> due

        @task_group
        def retention() -> None:
            """Retire raw days that have left the window; does not wait for condense, as each day has its own proof."""

            @task_group
            def retire(expired: dict[str, str]) -> None:
                """Prove one raw day, archive it where the dataset wants an archive, then delete it."""
                last: DatasetOperator = ProveOperator(task_id="prove", expired=expired, dataset=dataset)
                if dataset.archive and dataset.archive.before_delete:
                    last = ArchiveOperator(task_id="archive", proven=last.output, dataset=dataset)
                DeleteOperator(task_id="delete", proven=last.output, dataset=dataset)

            retire.expand(expired=ListExpiredOperator(task_id="list_expired", dataset=dataset).output)

        # As inlets, so that Airflow knows all assets of the dataset, whichever task emits their events.
        known = [asset_of(dataset.name, kind) for kind in get_args(Kind)]
        report = ReportOperator(
            task_id="report",
            trigger_rule=TriggerRule.ALL_DONE,
            dataset=dataset,
            inlets=known,
            on_failure_callback=tell_unreported,
        )
        steps = [condense_day(), retention()]
        resolve_day >> steps
        if dataset.archive:
            copy = CopyHistoryOperator(task_id="copy_history", trigger_rule=TriggerRule.ALL_DONE, dataset=dataset)
            steps >> copy >> report
        else:
            steps >> report
    return dag


def build(datasets: Iterable[Dataset]) -> tuple[dict[str, DAG], list[str]]:
    """Build the DAGs, by their ids, and a sentence for each dataset from which Airflow cannot build one."""
    dags, unbuilt = {}, []
    for dataset in datasets:
        try:
            dag = daily_cycle(dataset)
            dag.timetable.validate()
        except Exception as error:  # noqa: BLE001 - any failure is reported, and keeps no other DAG away
            name = dataset.name
            unbuilt.append(f"{name}.yaml: Airflow cannot build a DAG from {name!r}: {error!r}. Correct the dataset.")
        else:
            dags[dag.dag_id] = dag
    return dags, unbuilt


DEFINITIONS = load_definitions(datasets_dir())
# A task parses this file only for its own DAG; building one takes Airflow as long as reading six dataset files.
WANTED = get_parsing_context().dag_id
DAGS, UNBUILT = build(dataset for dataset in DEFINITIONS.datasets.values() if WANTED in (None, dag_id_of(dataset)))
globals().update(DAGS)
