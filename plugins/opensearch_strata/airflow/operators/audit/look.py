"""The task that looks at every day of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensearch_strata.airflow.operators.audit.base import AuditOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class LookOperator(AuditOperator):
    """Compare every day with whatever is left of it, and condense late documents anew. Leaves what it found as XCom."""

    purpose = "compare every day"
    reads = (
        "raw",
        "history",
        "archive",
        "copy",
    )
    writes = ("history",)

    def execute(self, context: Context) -> None:
        """Audit.

        :raises AirflowFailException: something is lost, or would be
        """
        from opensearch_strata.workflows.audit.audit import audit_days

        self.told(context, audit_days(self.planned(days=True, restore=0)))
