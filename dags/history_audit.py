"""
# History audit

Once a week, compares every day of every dataset with whatever is left of it, and restores one archived day of each
dataset, drawn by chance, to see that it gives the very rows that history has.

| step | what it changes |
|---|---|
| `choose` | nothing; reads the form and lists the datasets |
| `look` | **condenses late documents anew**, and marks days whose proof holds; one task per dataset |
| `restore` | creates scratch indices `strata-audit-…`, and drops them again in any case; one task per dataset |
| `report` | nothing; shows one table for all datasets, and the verdict |

## What it finds

Each task logs what it is going to cost, a table of findings with what to do about each, and what it cost.

| severity | meaning | the run |
|---|---|---|
| lost | documents or rows that existed are in no place any more | fails |
| would be lost | one copy is missing or wrong, so that the next fault would lose something | fails |
| look | nothing is at risk, but something is not as it should be | succeeds |
| fine | what was compared agrees | succeeds |

A day that cannot be looked at hides no other: it is a finding, and the run fails. A day that a daily cycle changes
meanwhile is looked at again.

It looks at rows (count, extremes, sum and every bin) against the totals in the manifest of each archive, at each object
in S3, at the marks of proven days, at what the ledger says was loaded, at days that exist nowhere, and at raw days
beyond the window and why they stay. `docs/operations.md` explains each sentence.

## The restored day

It is drawn by the id of the run: clearing the task draws the same day. The restore needs disk space for that day, and
is left out if there is none. No reader and no daily cycle sees the scratch indices. What a killed task leaves is
dropped by the next run.

## Run it by hand

Choose *Trigger*. To look at one dataset, or at some days, and restore nothing:

    {"dataset": "flights", "from_day": "2013-01-01", "to_day": "2013-01-31", "restore": 0}

With `apply` off, nothing is condensed or marked.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import opensearch_strata.airflow  # noqa: F401 - reports an Airflow that is too old before an import fails

# isort: split
from airflow.sdk import DAG, Param, TriggerRule

from opensearch_strata.airflow.alarms import remember_why
from opensearch_strata.airflow.operators.audit.choose import ChooseOperator
from opensearch_strata.airflow.operators.audit.form import MOST_RESTORED
from opensearch_strata.airflow.operators.audit.look import LookOperator
from opensearch_strata.airflow.operators.audit.report import ReportAuditOperator
from opensearch_strata.airflow.operators.audit.restore import RestoreDrawnOperator
from opensearch_strata.airflow.retry import RETRIES
from opensearch_strata.definition.files import datasets_dir, load_definitions

NAMES = sorted(load_definitions(datasets_dir()).datasets)

# Without a valid dataset there is nothing to choose from.
CHOICES: dict[str, Any] = {"enum": [None, *NAMES], "values_display": {"null": "all datasets"}} if NAMES else {}

PARAMS = {
    "dataset": Param(
        None,
        **CHOICES,
        type=["null", "string"],
        title="Dataset",
        description="The dataset to audit, or all of them.",
    ),
    "from_day": Param(
        None,
        type=["null", "string"],
        format="date",
        title="From",
        description="First day to look at, in the dataset's time zone; the first that is known if empty.",
    ),
    "to_day": Param(
        None,
        type=["null", "string"],
        format="date",
        title="To",
        description="Last day to look at, inclusive; the last complete one that is known if empty.",
    ),
    "restore": Param(
        1,
        type="integer",
        minimum=0,
        maximum=MOST_RESTORED,
        title="Restore",
        description="How many archived days of each dataset are restored into scratch indices and compared.",
    ),
    "apply": Param(
        True,
        type="boolean",
        title="Apply",
        description="Condense late documents anew, and mark days whose proof holds. Rows never get poorer.",
    ),
}

MAPPED = {"max_active_tis_per_dagrun": 1, "map_index_template": "{{ task.dataset }}"}

with DAG(
    dag_id="history_audit",
    description="Compare every day with whatever is left of it, and restore archived days to see that they can be.",
    doc_md=__doc__,
    schedule="0 5 * * 1",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    params=PARAMS,
    render_template_as_native_obj=True,
    # Below the 12 hours after which the queue of managed Airflow delivers a task a second time.
    default_args={**RETRIES, "execution_timeout": timedelta(hours=11), "on_failure_callback": remember_why},
    tags=["strata", "archive"],
):
    choose = ChooseOperator(task_id="choose")
    look = LookOperator.partial(task_id="look", **LookOperator.shown("look"), **MAPPED).expand(dataset=choose.output)
    restore = RestoreDrawnOperator.partial(task_id="restore", **RestoreDrawnOperator.shown("restore"), **MAPPED).expand(
        dataset=choose.output
    )
    report = ReportAuditOperator(task_id="report", trigger_rule=TriggerRule.ALL_DONE)
    [look, restore] >> report
