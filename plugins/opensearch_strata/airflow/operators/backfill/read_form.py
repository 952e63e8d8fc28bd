"""The task that reads what a run is asked to do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk.bases.branch import BranchMixIn

from opensearch_strata.airflow.operators.backfill.base import dataset_named
from opensearch_strata.airflow.operators.backfill.form import BackfillForm
from opensearch_strata.airflow.operators.base import StrataOperator
from opensearch_strata.presentation.tables import Table

if TYPE_CHECKING:
    from airflow.sdk import Context


class ReadFormOperator(StrataOperator, BranchMixIn):
    """Check the params and continue with ``plan`` or ``redrive``. Pushes them as a dict under the XCom key ``form``."""

    purpose = "check the form"
    ui_color = "#e5e7eb"

    def execute(self, context: Context) -> None:
        """Check.

        :raises DefinitionError: an unknown param, a value that does not fit, or no valid dataset of this name
        :raises Refused: a day has not ended, or has not even begun
        """
        # Airflow lets unknown keys through, but a misspelled dry_run must not be taken for one that was left out.
        asked = BackfillForm.checked({**context["params"], **(context["dag_run"].conf or {})})
        from opensearch_strata.workflows.backfill.settle import require_settleable

        dataset = dataset_named(asked.dataset)
        if asked.to_day:
            require_settleable(dataset, asked.to_day, asked.then, datetime.now(UTC))
        rows = [(name, value) for name, value in asked if value is not None]
        self.log.info("%s", Table("What this run is about", ("param", "value"), rows))
        self.log.info("form read", dataset=asked.dataset, dry_run=asked.dry_run)
        context["ti"].xcom_push(key="form", value=asked.model_dump(mode="json"))
        # This ends the task with an exception, so there is no return value.
        self.do_branch(context, "redrive" if asked.redrive else "plan")
