"""The tasks that set raw days up for loading, and restore them afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from opensearch_strata.airflow.links import RawDaysLink, link_raw_days
from opensearch_strata.airflow.operators.backfill.base import PlannedOperator, owner

if TYPE_CHECKING:
    from airflow.sdk import Context


class PrepareOperator(PlannedOperator):
    """Register raw days, and create missing ones without refresh and replicas. Safe to repeat.

    Returns ``{"created"}``, the number of raw days that it created.

    In a dry run, this task is skipped, and so are all tasks that would load.
    """

    purpose = "raw days ready to load"
    operator_extra_links = (RawDaysLink(),)

    def execute(self, context: Context) -> dict[str, Any]:
        """Prepare.

        :raises Refused: a raw day is read-only, write-blocked or closed, or the cluster accepts no more shards
        :raises TransientError: worth a retry
        :raises AirflowSkipException: the run is dry
        """

        if self.asked.dry_run:
            raise AirflowSkipException("A dry run loads nothing.")
        link_raw_days(context, self.hook.settings.url, self.dataset)
        try:
            created = self.backfill.prepare(self.ref, owner(context))
        except BaseException:  # Airflow runs no teardown after a setup that failed
            self._give_back(owner(context))
            raise
        self.log.info("prepared", days=len(self.ref.held_days), created=len(created))
        return {"created": len(created)}

    def _give_back(self, owner: str) -> None:
        from opensearchpy import OpenSearchException

        from opensearch_strata.errors import StrataError
        from opensearch_strata.workflows.backfill.empty_days import given_back_later

        try:
            self.backfill.end(owner)
        except (StrataError, OpenSearchException) as error:  # secondary: the cause fails the task
            self.log.warning("%s", given_back_later(error))


class RestoreOperator(PlannedOperator):
    """Restore the settings that were changed for loading, whatever became of the loads; delete raw days left empty.

    Returns ``{"removed"}``, the number of raw days that it deleted.
    """

    purpose = "raw days back to normal"
    operator_extra_links = (RawDaysLink(),)

    def execute(self, context: Context) -> dict[str, Any]:
        """Restore.

        :raises Refused: the settings of a day cannot be restored now; the next run does it
        :raises TransientError: worth a retry
        """

        link_raw_days(context, self.hook.settings.url, self.dataset)
        removed = self.backfill.end(owner(context))
        self.log.info("restored", removed=len(removed))
        return {"removed": len(removed)}
