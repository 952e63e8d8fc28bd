"""
# Archive backfill

Loads logs that lie in S3 (Firehose, CloudWatch exports, files of other writers, archives of our own) into raw days of
OpenSearch, and proves that every event of them arrived.

| step | what it changes |
|---|---|
| `read_form` | nothing; refuses what does not fit, in a sentence |
| `plan` | nothing in a dry run; else writes down which batch loads which objects |
| `prepare` | registers the raw days that objects may hold; makes missing ones, without refresh and replicas |
| `load` | **writes documents**, one task for each batch; the ledger knows what is loaded |
| `restore` | gives what was created refresh and replicas, deletes what remained empty, whatever became of the loads |
| `prove` | nothing; counts the documents of each day against what was read |
| `settle` | only with `then`: condenses each day, and drops it again with `condense_and_drop` |
| `redrive` | only with `redrive`: loads dead letters again |
| `report` | nothing; one table of the run, and its verdict |

## See what would happen

*Trigger* → pick the `dataset`, `from_day` and `to_day`. **`dry_run` is on**: the log of `plan` shows what lies there,
how much of it is loaded already, how many documents it is about, how long it takes and how much disk it needs. Nothing
is loaded.

    {"dataset": "flights", "from_day": "2013-01-01", "to_day": "2013-01-31"}

## Load it

The same with `dry_run` off. Batches are loaded side by side; each task says in the grid when its objects arrived, how
many they are and how large. The last table has a line for each day. The run succeeds only if all of it is proven.

    {"dataset": "flights", "from_day": "2013-01-01", "to_day": "2013-01-31", "dry_run": false}

From another place, such as a copy of the archive, or one prefix of it:

    {"dataset": "flights", "source": "s3://flights-copy/firehose/", "from_day": "2013-01-05", "to_day": "2013-01-05",
     "dry_run": false}

## Look at old days, or give them a history

Days that are older than the window are dropped again by the dataset's daily cycle, once nobody loads into them, behind
its own proof and not more of them than `max_deletes_per_run` in a run. To have their history and not the documents:

    {"dataset": "flights", "from_day": "2012-06-01", "to_day": "2012-06-30", "then": "condense_and_drop",
     "dry_run": false}

It is the same proof and the same deletion as in the daily cycle: a day that cannot be proven is kept, and so is one
inside the window. History never gets poorer: days whose rows carry more documents than the archive are refused.

## Cancel, clear, run again

All of it is safe at any moment. Documents have the same ids every time, so nothing is there twice. The ledger
(index `strata-ledger`) knows what is loaded and how far the rest is, so nothing is loaded twice without need.

- *Mark as failed* stops the loads; `restore` still runs. If even that was killed, the days stay registered for 6 hours,
  and the first backfill of the dataset after that gives their settings back before it plans.
- *Clear* a failed `load` (with *Downstream*): that batch is loaded, then everything is proven again.
- *Clear* `plan` or the whole run: planned anew, what is loaded is left out, what is there is proven again.
- An object that was rewritten or deleted since the plan fails its batch, all others are loaded: clear `plan`.

## Records that could not be loaded

They lie in S3 with their reason and bytes (`intake.dead_letters` of the dataset, else `dead-letters/` in the source).
Mend what was wrong, the parser or the mapping, and load them again under the same ids:

    {"dataset": "flights", "redrive": true, "dry_run": false}

What still fails stays there. A record that was loaded meanwhile is found as already there.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import opensearch_strata.airflow  # noqa: F401 - says so if Airflow is too old, before a name is missed

# isort: split
from airflow.sdk import DAG, Param, TriggerRule

from opensearch_strata.airflow.operators.backfill.form import MOST_MAPPED
from opensearch_strata.airflow.operators.backfill.load import LoadOperator
from opensearch_strata.airflow.operators.backfill.plan import PlanOperator
from opensearch_strata.airflow.operators.backfill.prove import ProveBackfillOperator
from opensearch_strata.airflow.operators.backfill.read_form import ReadFormOperator
from opensearch_strata.airflow.operators.backfill.redrive import RedriveOperator
from opensearch_strata.airflow.operators.backfill.report import ReportBackfillOperator
from opensearch_strata.airflow.operators.backfill.settings import PrepareOperator, RestoreOperator
from opensearch_strata.airflow.operators.backfill.settle import SettleOperator
from opensearch_strata.airflow.retry import RETRIES
from opensearch_strata.definition.files import datasets_dir, load_definitions

DATASETS = load_definitions(datasets_dir()).datasets

# Without a sound dataset there is nothing to choose from; read_form says why.
CHOICES: dict[str, Any] = {"enum": sorted(DATASETS)} if DATASETS else {}

PARAMS = {
    "dataset": Param(
        **CHOICES,
        type="string",
        section="What",
        title="Dataset",
        description="Whose raw days take the documents; its section `intake` says how the objects are read.",
    ),
    "source": Param(
        None,
        type=["null", "string"],
        examples=sorted({d.intake.source for d in DATASETS.values() if d.intake.source}) or ["s3://bucket/prefix/"],
        section="What",
        title="Source",
        description="s3://bucket/prefix/ of the objects, up to where its layout (such as %Y/%m/%d/%H/) begins. "
        "Empty: the source of the dataset. With redrive: where the dead letters lie.",
    ),
    "then": Param(
        "keep",
        type="string",
        enum=["keep", "condense", "condense_and_drop"],
        values_display={
            "keep": "keep the raw days",
            "condense": "condense them, keep them",
            "condense_and_drop": "condense them, drop them again",
        },
        section="What",
        title="Then",
        description="What becomes of the raw days once they are loaded and proven. Dropped are only days older than "
        "the window, each behind the proof of its rows.",
    ),
    "redrive": Param(
        False,
        type="boolean",
        section="What",
        title="Redrive",
        description="Load the dead letters of the dataset again instead, under the same ids. Takes no days.",
    ),
    "from_day": Param(
        None,
        type=["null", "string"],
        format="date",
        section="When",
        title="From",
        description="First day of the events, in the dataset's time zone.",
    ),
    "to_day": Param(
        None,
        type=["null", "string"],
        format="date",
        section="When",
        title="To",
        description="Last day of the events, inclusive.",
    ),
    "dry_run": Param(
        True,
        type="boolean",
        section="Limits",
        title="Dry run",
        description="Show the plan, its size and its time, and load nothing.",
    ),
    "max_batches": Param(
        MOST_MAPPED,
        type="integer",
        minimum=1,
        maximum=MOST_MAPPED,
        section="Limits",
        title="Most batches",
        description="The objects are loaded in at most so many tasks, each of about the same size.",
    ),
    "max_concurrent_bulks": Param(
        3,
        type="integer",
        minimum=1,
        maximum=8,
        section="Limits",
        title="Bulks in flight",
        description="How many bulk requests a task has under way at most; it takes fewer when the cluster is busy.",
    ),
}

LOADS_AT_ONCE = 2  # of a run: more than two or three writers for each data node make a cluster no faster

with DAG(
    dag_id="archive_backfill",
    description="Load log archives from S3 into raw days, and prove that everything arrived.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=3,
    params=PARAMS,
    render_template_as_native_obj=True,
    # Below the 12 hours after which the queue of managed Airflow hands a task out a second time.
    default_args={**RETRIES, "execution_timeout": timedelta(hours=11)},
    tags=["strata", "archive"],
):
    read_form = ReadFormOperator(task_id="read_form")
    plan = PlanOperator(task_id="plan")
    prepare = PrepareOperator(task_id="prepare").as_setup()  # type: ignore[no-untyped-call]  # Airflow gives it none
    load = LoadOperator.partial(
        task_id="load", max_active_tis_per_dagrun=LOADS_AT_ONCE, map_index_template="{{ task.batch['label'] }}"
    ).expand(batch=plan.output)
    restore = RestoreOperator(task_id="restore").as_teardown()
    prove = ProveBackfillOperator(task_id="prove")
    settle = SettleOperator.partial(task_id="settle", map_index_template="{{ task.day }}").expand(day=prove.output)
    redrive = RedriveOperator(task_id="redrive")
    report = ReportBackfillOperator(task_id="report", trigger_rule=TriggerRule.ALL_DONE)

    read_form >> [plan, redrive]
    # Behind the teardown, which runs whenever something was prepared: so batches that failed are proven too.
    plan >> prepare >> load >> restore >> prove >> settle
    prepare >> restore
    [settle, redrive] >> report
