"""The task that plans which objects are loaded, and in which batches."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opensearch_strata.airflow.operators.backfill.base import DRY, WOULD_BE_REFUSED, FormOperator
from opensearch_strata.errors import Refused
from opensearch_strata.presentation.tables import plan_table

if TYPE_CHECKING:
    from airflow.sdk import Context


class PlanOperator(FormOperator):
    """Plan, and record the batches unless the run is dry.

    Returns the batches to load, ``[{"number", "label"}, ...]``, none in a dry run. Pushes the :class:`PlanRef` as JSON
    under the XCom key ``plan``, and ``{"objects", "bytes", "batches", "verdict", "warning", "refusal"}`` under
    ``planned``; a dry run only says why one that loads would be refused.
    """

    purpose = "which objects, which batches"
    reads = ("source",)

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Plan.

        :raises DefinitionError: the source or the days cannot be used
        :raises Refused: S3 does not allow it; unless the run is dry, there is nothing to load, objects of the range are
            in an archive tier, or the documents would not fit on the disk
        :raises TransientError: worth a retry
        """

        from opensearch_strata.workflows.backfill.restored_days import wanted_for

        asked, ti = self.asked, context["ti"]
        plan = self.backfill.plan(asked.source, *asked.days, max_batches=asked.max_batches)
        self.log.info("%s", plan_table(plan))
        if not plan.found_any and not asked.dry_run:
            raise Refused(plan.verdict)
        planned = {
            "objects": plan.amount.objects,
            "bytes": plan.amount.size,
            "batches": len(plan.batches),
            "verdict": plan.verdict,
            "warning": plan.warning,
            "refusal": plan.refusal if asked.dry_run else None,
        }
        ti.xcom_push(key="planned", value=planned)
        self.log.log(logging.INFO if plan.found_any else logging.WARNING, "%s", plan.verdict)
        if plan.warning:
            self.log.warning("%s", plan.warning)
        if asked.dry_run:
            if plan.refusal:
                self.log.warning("%s %s", WOULD_BE_REFUSED, plan.refusal)
            if plan.batches:
                self.log.info(DRY)
            return []
        ref = self.backfill.write(plan, wanted_for(asked.keep_until, asked.then, datetime.now(UTC)))
        ti.xcom_push(key="plan", value=ref.as_json())
        self.log.info("planned", plan=ref.plan_id, source=ref.source, batches=ref.batches)
        return [{"number": batch.number, "label": batch.label} for batch in plan.batches]
