"""
# Archive backfill

Loads logs from S3 (from Firehose, CloudWatch exports, other writers or our own archives) into raw days of OpenSearch,
and proves that every event arrived.

| step | what it changes |
|---|---|
| `read_form` | nothing; refuses values that do not fit, and says why |
| `plan` | nothing in a dry run; otherwise records which batch loads which objects |
| `prepare` | registers the raw days that the objects may hold; creates missing ones, without refresh and replicas |
| `load` | **writes documents**, one task per batch; the ledger records what is loaded |
| `restore` | gives created raw days their refresh and replicas, and deletes those left empty, whatever the loads did |
| `prove` | nothing; compares the documents of each day with the events that were read |
| `settle` | only with `then`: condenses each day, and drops it again with `condense_and_drop` |
| `redrive` | only with `redrive`: loads dead letters again |
| `report` | nothing; shows one table for the run, and its verdict |

## See what would happen

Choose *Trigger*, and fill in `dataset`, `from_day` and `to_day`. **`dry_run` is on**: the log of `plan` shows what is
there, how much of it is already loaded, and an estimate of the documents, the time and the disk space. Nothing is
loaded.

    {"dataset": "flights", "from_day": "2013-01-01", "to_day": "2013-01-31"}

## Load it

Do the same with `dry_run` off. Batches are loaded in parallel; in the grid, each task shows when its objects arrived,
how many there are and how large they are. A table in the log of `prove` has a row for each day. The run succeeds only
if everything is proven.

    {"dataset": "flights", "from_day": "2013-01-01", "to_day": "2013-01-31", "dry_run": false}

To load from another place, such as a copy of the archive or one prefix of it:

    {"dataset": "flights", "source": "s3://flights-copy/firehose/", "from_day": "2013-01-05", "to_day": "2013-01-05",
     "dry_run": false}

## Restore archived days

`source: archive` loads raw days that the daily cycle archived, as the `archive:` settings of the dataset say. Every
document comes back byte for byte under its old id, into a raw index with its old mapping and settings:

    {"dataset": "flights", "source": "archive", "from_day": "2013-01-05", "to_day": "2013-01-05", "keep_until": 14,
     "dry_run": false}

The daily cycle keeps these days for `keep_until` days (7 if empty), even if they are older than the window. After that
it deletes them again behind their proofs. Run the same again to keep them longer, or with 0 to let them go.

## Look at old days, or give them a history

Days that are older than the window are dropped again by the dataset's daily cycle, once nobody is loading into them:
each one only after its own proof, and at most `max_deletes_per_run` per run. To get their history but not the
documents:

    {"dataset": "flights", "from_day": "2012-06-01", "to_day": "2012-06-30", "then": "condense_and_drop",
     "dry_run": false}

The proof and the deletion are the same as in the daily cycle: a day that cannot be proven is kept, and so is a day
inside the window. History never gets poorer: days whose rows carry more documents than the archive are refused.

## Cancel, clear, run again

All of this is safe at any time. Documents get the same ids every time, so nothing is stored twice. The ledger
(index `strata-ledger`) records what is loaded and how far the rest has come, so nothing is loaded twice without need.

- *Mark as failed* stops the loads; `restore` still runs. If that is killed too, the days stay registered for 6 hours,
  and the first backfill of the dataset after that restores their settings before it plans.
- *Clear* a failed `load` (with *Downstream*): that batch is loaded, then everything is proven again.
- *Clear* `plan` or the whole run: it is planned again, loaded objects are left out, and everything is proven again.
- An object that was rewritten or deleted after the plan was made fails its batch; all others are loaded. Clear `plan`.

## Records that could not be loaded

They are kept in S3 with their reason and bytes (in `intake.dead_letters` of the dataset, else in `dead-letters/` of
the source). Fix the cause, in the parser or in the mapping, and load them again under the same ids:

    {"dataset": "flights", "redrive": true, "dry_run": false}

Records that still fail stay there. A record that was loaded in the meantime counts as already there.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import opensearch_strata.airflow  # noqa: F401 - reports an Airflow that is too old before an import fails

# isort: split
from airflow.sdk import DAG, Param, TriggerRule

from opensearch_strata.airflow.operators.backfill.form import MOST_MAPPED
from opensearch_strata.airflow.operators.backfill.load import LoadOperator
from opensearch_strata.airflow.operators.backfill.plan import PlanOperator
from opensearch_strata.airflow.operators.backfill.prepare_restore import PrepareOperator, RestoreOperator
from opensearch_strata.airflow.operators.backfill.prove import ProveBackfillOperator
from opensearch_strata.airflow.operators.backfill.read_form import ReadFormOperator
from opensearch_strata.airflow.operators.backfill.redrive import RedriveOperator
from opensearch_strata.airflow.operators.backfill.report import ReportBackfillOperator
from opensearch_strata.airflow.operators.backfill.settle import SettleOperator
from opensearch_strata.airflow.retry import RETRIES
from opensearch_strata.definition.files import datasets_dir, load_definitions
from opensearch_strata.definition.loading.restore_request import ARCHIVE_SOURCE, KEEP_DAYS, MOST_KEPT

DATASETS = load_definitions(datasets_dir()).datasets
SOURCES = sorted({d.intake.source for d in DATASETS.values() if d.intake.source})

# Without a valid dataset there is nothing to choose from; read_form says why.
CHOICES: dict[str, Any] = {"enum": sorted(DATASETS)} if DATASETS else {}

# The UI shows what has a section closed, and the rest open.
PARAMS = {
    "dataset": Param(
        **CHOICES,
        type="string",
        title="Dataset",
        description="The dataset whose raw days take the documents. Its section intake says how to read the objects.",
    ),
    "source": Param(
        None,
        type=["null", "string"],
        examples=[ARCHIVE_SOURCE, *(SOURCES or ["s3://bucket/prefix/"])],
        title="Source",
        description="s3://bucket/prefix/ of the objects, up to where the layout (such as %Y/%m/%d/%H/) begins, or "
        "archive: the archived days of the dataset. If empty, the source of the dataset. With Redrive, the place of "
        "the dead letters.",
    ),
    "from_day": Param(
        None,
        type=["null", "string"],
        format="date",
        title="From",
        description="First day of the events, in the dataset's time zone; needed unless Redrive is on.",
    ),
    "to_day": Param(
        None,
        type=["null", "string"],
        format="date",
        title="To",
        description="Last day of the events, inclusive; the same as From for one day.",
    ),
    "dry_run": Param(
        True,
        type="boolean",
        title="Dry run",
        description="Show the plan with its size and its estimated time, but load nothing.",
    ),
    "then": Param(
        "keep",
        type="string",
        enum=["keep", "condense", "condense_and_drop"],
        values_display={
            "keep": "keep the raw days",
            "condense": "condense them and keep them",
            "condense_and_drop": "condense them and drop them again",
        },
        title="Then",
        description="What happens to the raw days once they are loaded and proven. Only days older than the window "
        "are dropped, each one only after its rows are proven.",
    ),
    "keep_until": Param(
        None,
        type=["null", "integer"],
        minimum=0,
        maximum=MOST_KEPT,
        title="Keep for days",
        description=f"Only with the source archive: for how many days the daily cycle keeps the restored raw days. If "
        f"empty, {KEEP_DAYS}, or longer if an earlier restore wants it.",
    ),
    "redrive": Param(
        False,
        type="boolean",
        title="Redrive",
        description="Instead of an archive, load the dead letters of the dataset again, under the same ids. Leave "
        "From and To empty.",
    ),
    "max_batches": Param(
        MOST_MAPPED,
        type="integer",
        minimum=1,
        maximum=MOST_MAPPED,
        section="Limits",
        title="Maximum batches",
        description="The objects are loaded in at most this many tasks of about the same size.",
    ),
    "max_concurrent_bulks": Param(
        3,
        type="integer",
        minimum=1,
        maximum=8,
        section="Limits",
        title="Concurrent bulk requests",
        description="How many bulk requests a task sends at the same time; it sends fewer when the cluster is busy.",
    ),
}

LOADS_AT_ONCE = 2  # per run: more than two or three writers per data node do not make a cluster faster

with DAG(
    dag_id="archive_backfill",
    description="Load log archives from S3 into raw days, and prove that everything arrived.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=3,
    params=PARAMS,
    render_template_as_native_obj=True,
    # Below the 12 hours after which the queue of managed Airflow delivers a task a second time.
    default_args={**RETRIES, "execution_timeout": timedelta(hours=11)},
    tags=["strata", "archive"],
):
    read_form = ReadFormOperator(task_id="read_form")
    plan = PlanOperator(task_id="plan")
    prepare = PrepareOperator(task_id="prepare").as_setup()  # type: ignore[no-untyped-call]  # untyped in Airflow
    load = LoadOperator.partial(
        task_id="load",
        **LoadOperator.shown("load"),
        max_active_tis_per_dagrun=LOADS_AT_ONCE,
        map_index_template="{{ task.batch['label'] }}",
    ).expand(batch=plan.output)
    restore = RestoreOperator(task_id="restore").as_teardown()
    prove = ProveBackfillOperator(task_id="prove")
    settle = SettleOperator.partial(
        task_id="settle", **SettleOperator.shown("settle"), map_index_template="{{ task.day }}"
    ).expand(day=prove.output)
    redrive = RedriveOperator(task_id="redrive")
    report = ReportBackfillOperator(task_id="report", trigger_rule=TriggerRule.ALL_DONE)

    read_form >> [plan, redrive]
    # After the teardown, which runs whenever something was prepared, so that failed batches are proven too.
    plan >> prepare >> load >> restore >> prove >> settle
    prepare >> restore
    [settle, redrive] >> report
