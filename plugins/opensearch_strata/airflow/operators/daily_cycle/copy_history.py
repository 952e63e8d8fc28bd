"""The task that keeps the history's second copy up to date: a Parquet file for each proven day."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from opensearch_strata.airflow.operators.base import DatasetOperator
from opensearch_strata.airflow.operators.daily_cycle.retention import every_xcom, is_dry
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.presentation.history_copy import copied_table

if TYPE_CHECKING:
    from airflow.sdk import Context


class CopyHistoryOperator(DatasetOperator):
    """Write the Parquet file of each proven day of the window, and of the days that this run retires.

    A file that is already made of the very rows is left as it is. Runs whatever became of the tasks before it. Returns
    ``{"written": [day], "unchanged": int}``.
    """

    purpose = "rows to S3"
    reads = ("history",)
    writes = ("copy",)
    ui_color = "#fef3c7"

    def execute(self, context: Context) -> dict[str, Any]:
        """Copy.

        :raises AirflowSkipException: pyarrow is missing, or no day is proven
        :raises Refused: a file could not be written; no raw day was kept for that
        :raises TransientError: the same, and worth a retry
        """
        from opensearch_strata.airflow.hooks.s3 import s3_client
        from opensearch_strata.workflows.archiving import settings_of
        from opensearch_strata.workflows.history_copy.cycle_copies import copy_window

        if not self.cycle:
            raise AirflowSkipException("The run has no day; see the log of resolve_day.")
        dry = is_dry(self.dataset, self.cycle)
        proven = [] if dry else every_xcom(context["ti"], "retention.retire.prove")
        leaving = [date.fromisoformat(found["day"]) for found in proven]
        s3 = partial(s3_client, settings_of(self.dataset).aws_conn_id)
        copies = copy_window(self.client, self.dataset, self.day, leaving, s3)
        if copies.missing:
            self.log.warning("%s", copies.missing)
            raise AirflowSkipException(copies.missing)
        if not copies.days:
            raise AirflowSkipException("No day of the window is proven.")
        self.log.info("%s", copied_table(self.dataset.name, copies.worth_a_word(self.day)))
        if copies.problem:
            raise (TransientError if copies.passing else Refused)(copies.problem)
        outcomes = [one.outcome for one in copies.days]
        written = [str(one.day) for one in copies.days if one.outcome == "written"]
        self.log.info("history copied", written=len(written), unchanged=outcomes.count("unchanged"))
        return {"written": written, "unchanged": outcomes.count("unchanged")}
