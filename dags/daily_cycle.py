"""
# Daily cycle

Condenses one raw day into its history month, proves it, and deletes the raw days that have left the window.

| step | what it changes |
|---|---|
| `resolve_day` | nothing; finds the day of the run |
| `condense_day.ensure_history` | creates the month index, or adds new metrics to its mapping |
| `condense_day.condense` | writes the day's rows; a re-run overwrites them |
| `condense_day.verify` | nothing if the proof holds; else rebuilds the day's rows once |
| `retention.list_expired` | nothing |
| `retention.retire.prove` | writes rows for documents that came late |
| `retention.retire.delete` | **deletes one raw index**, by exact name, behind its own proof |
| `report` | nothing; one table of the run, and its verdict |

## What it deletes

**Nothing, until the dataset says so**, with two lines below `cycle:`. `delete: true` is the first. The run after that
shows in the log of `report` which days it would delete, and the second line, `delete_confirmed: "keep 60 days of …"`.
Once that is in the file too, scheduled runs delete. The line fits this window, index pattern and time zone alone: after
a change of any of them the next run only shows what it would do, and asks again.

Then: only raw days older than the window, at most `max_deletes_per_run` in a run, each only if its rows carry every one
of its documents at that moment. History is never deleted. A day that cannot be proven is kept and its task fails; the
days behind it leave all the same, and those that wait take turns.

## Run it by hand

*Trigger* → `day`. **`dry_run` is on** for whatever a person starts: the day is condensed and verified, and the
deletions are only shown. Switch it off to delete what is proven, where the dataset says so.

Triggering a paused DAG unpauses it, and the scheduler then also starts the run that is due. The same rule is its rule.
The *Calendar* tab does not show runs by hand: Airflow 3.3 wants a logical date there, which they have not. *Grid* does.

## Run a day again

Clear the run (or the task) in the grid: rows have ids of their own and are overwritten, never doubled. A raw day that
is gone, holds fewer documents than its rows carry, or was created anew with other documents, is refused;
`allow_poorer` is the explicit word that what is left of it is the truth.

## After a change of the definition

New metrics and statistics are added by the next run; older rows lack them. To have them in days that are still raw, or
to let a metric mean something else, run those days with `redefine`: *Trigger → Backfill* over the window, or in one go
`strata reaggregate DATASET --from DAY --to DAY`. Days whose raw index is gone keep the rows they have.

## Days that were missed

Paused days are not made up by themselves. *Trigger → Backfill* runs them one by one (choose the *end* of the last day
as its end). Until then they stay raw: a day is condensed and proven before it is deleted in any case.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta

import opensearch_strata.airflow  # noqa: F401 - says so if Airflow is too old, before a name is missed

# isort: split
from airflow.sdk import DAG, CronPartitionTimetable, Param, TriggerRule, get_parsing_context, task_group

from opensearch_strata.airflow.operators.daily_cycle.condense import CondenseOperator
from opensearch_strata.airflow.operators.daily_cycle.ensure_history import EnsureHistoryOperator
from opensearch_strata.airflow.operators.daily_cycle.report import ReportOperator
from opensearch_strata.airflow.operators.daily_cycle.resolve_day import ResolveDayOperator
from opensearch_strata.airflow.operators.daily_cycle.retention import DeleteOperator, ListExpiredOperator, ProveOperator
from opensearch_strata.airflow.operators.daily_cycle.verify import VerifyOperator
from opensearch_strata.airflow.retry import RETRIES
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.files import datasets_dir, load_definitions

PARAMS = {
    "day": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Day",
        description="The day to condense, also the newest day of the window, like 2013-03-02. A run by hand must name "
        "it; scheduled runs and backfills have a day of their own.",
    ),
    "dry_run": Param(
        True,
        type="boolean",
        title="Dry run",
        description="Show what would be deleted instead of deleting it. Without it, and in scheduled runs, days are "
        "deleted only where the dataset says so (cycle.delete).",
    ),
    "redefine": Param(
        False,
        type="boolean",
        title="Redefine",
        description="Build the day's rows anew after its metrics were defined otherwise. Rows never get poorer by it.",
    ),
    "allow_poorer": Param(
        False,
        type="boolean",
        title="Allow poorer",
        description="Build the day's rows anew even if its raw index holds less than they carry: what is left of it "
        "is the truth.",
    ),
}


def dag_id_of(dataset: Dataset) -> str:
    """Id of the DAG of a dataset."""
    return f"{dataset.name}_daily_cycle"


def daily_cycle(dataset: Dataset) -> DAG:
    """The DAG of one dataset."""
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
        default_args={**RETRIES, "execution_timeout": timedelta(hours=6)},
        tags=["strata", dataset.name],
    ) as dag:
        resolve_day = ResolveDayOperator(task_id="resolve_day", dataset=dataset)

        @task_group
        def condense_day() -> None:
            """Raw day to rows, and their proof."""
            ensure_history = EnsureHistoryOperator(task_id="ensure_history", dataset=dataset)
            condense = CondenseOperator(task_id="condense", dataset=dataset)
            verify = VerifyOperator(task_id="verify", dataset=dataset)
            ensure_history >> condense >> verify

        @task_group
        def retention() -> None:
            """Raw days that have left the window; waits for no condense, demands its own proof."""

            @task_group
            def retire(expired: dict[str, str]) -> None:
                """One raw day: proof, then deletion."""
                prove = ProveOperator(task_id="prove", expired=expired, dataset=dataset)
                DeleteOperator(task_id="delete", proven=prove.output, dataset=dataset)

            retire.expand(expired=ListExpiredOperator(task_id="list_expired", dataset=dataset).output)

        report = ReportOperator(task_id="report", trigger_rule=TriggerRule.ALL_DONE, dataset=dataset)
        resolve_day >> [condense_day(), retention()] >> report
    return dag


def build(datasets: Iterable[Dataset]) -> tuple[dict[str, DAG], list[str]]:
    """The DAGs by their ids, and sentences on datasets of which Airflow can make none."""
    dags, unbuilt = {}, []
    for dataset in datasets:
        try:
            dag = daily_cycle(dataset)
            dag.timetable.validate()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and keeps no other DAG away
            name = dataset.name
            unbuilt.append(f"{name}.yaml: Airflow cannot make a DAG of {name!r}: {error!r}. Mend the dataset.")
        else:
            dags[dag.dag_id] = dag
    return dags, unbuilt


DEFINITIONS = load_definitions(datasets_dir())
# A task parses this file for its own DAG alone; one costs Airflow as much time as six dataset files.
WANTED = get_parsing_context().dag_id
DAGS, UNBUILT = build(dataset for dataset in DEFINITIONS.datasets.values() if WANTED in (None, dag_id_of(dataset)))
globals().update(DAGS)
