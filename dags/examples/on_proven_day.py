"""
# When a day is proven

An example of a DAG that starts as soon as a day of a dataset is proven, however late that is, and never before. Its run
has the day as its partition key.

Copy this file into the folder of your DAGs, put the name of your dataset in the place of `flights`, and your own work
in the place of `tell`. A `PartitionedAssetTimetable` is needed: events of days start no DAG whose schedule is the bare
asset. Where rows of a day are proven anew because of late documents, the DAG runs again for that day.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import DAG, Asset, PartitionedAssetTimetable, get_current_context, task

HISTORY = Asset("strata://flights/history")

with DAG(
    dag_id="on_proven_day",
    description="Start with each day of flights that is proven.",
    doc_md=__doc__,
    schedule=PartitionedAssetTimetable(assets=HISTORY),
    catchup=False,
    tags=["strata", "example"],
):

    @task
    def tell() -> dict[str, Any]:
        """Say which day was proven, and how many documents its rows carry."""
        context = get_current_context()
        found = context["triggering_asset_events"][HISTORY][-1].extra
        day = context["dag_run"].partition_key
        logging.getLogger("airflow.task").info(
            "%s of %s is proven: %s documents in %s rows.", day, found["dataset"], found["documents"], found["rows"]
        )
        return {"day": day, "documents": found["documents"], "rows": found["rows"]}

    tell()
