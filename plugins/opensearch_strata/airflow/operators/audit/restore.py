"""The task that restores archived days to see that they can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opensearch_strata.airflow.operators.audit.base import AuditOperator
from opensearch_strata.airflow.operators.backfill.base import owner

if TYPE_CHECKING:
    from airflow.sdk import Context


class RestoreDrawnOperator(AuditOperator):
    """Restore archived days, drawn by the id of the run, into scratch indices; condense, compare and drop them.

    Leaves what it found as XCom. Drops what killed runs left, even if no day is to be restored.
    """

    purpose = "restore a day to compare it"
    reads = (
        "archive",
        "history",
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._is_restoring = False

    def execute(self, context: Context) -> None:
        """Restore.

        :raises AirflowFailException: an archive does not give back the rows that history has
        """
        from opensearch_strata.workflows.audit.audit import audit_archives

        run = owner(context)
        plan = self.planned(run, days=False, restore=self.asked.restore)
        self._is_restoring = True
        try:
            found = audit_archives(plan, run)
        finally:
            self._is_restoring = False
        self.told(context, found)

    def on_kill(self) -> None:
        """Stop the restore; the scratch indices are dropped.

        :raises SystemExit: a restore is under way
        """
        # Airflow calls this from a signal handler in the thread that restores, and then waits for only a few seconds.
        if self._is_restoring:
            raise SystemExit("The restore was stopped. Its scratch indices are dropped, now or by the next audit.")
