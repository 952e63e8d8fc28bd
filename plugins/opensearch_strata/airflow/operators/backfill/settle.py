"""The task that settles a raw day after it was loaded and proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from opensearch_strata.airflow.assets import tell_days
from opensearch_strata.airflow.links import DayPageLink, MonthIndexLink, RawIndexLink, link_indices
from opensearch_strata.airflow.operators.backfill.base import FormOperator
from opensearch_strata.presentation.tables import settled_table

if TYPE_CHECKING:
    from airflow.sdk import Context


class SettleOperator(FormOperator):
    """Condense a day and prove its rows; drop it again if this was requested and it has left the window.

    Returns ``{"day", "outcome", "documents", "rows", "note"}``.

    :param day: such as 2013-01-05
    """

    purpose = "condense, drop if wanted"
    reads = (
        "raw",
        "history",
    )
    writes = ("history",)
    template_fields: Sequence[str] = ("form", "day")
    operator_extra_links = (DayPageLink(), RawIndexLink(), MonthIndexLink())

    def __init__(self, *, day: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.day = day

    def execute(self, context: Context) -> dict[str, Any]:
        """Settle.

        :raises Refused: history would become poorer, the proof does not hold, or retention keeps the day
        :raises TransientError: worth a retry
        """
        from opensearch_strata.airflow.hooks.s3 import s3_client
        from opensearch_strata.workflows.backfill.settle import settle_day

        day, dataset = date.fromisoformat(self.day), self.dataset
        self.hook.refuse_serverless()
        link_indices(context, self.hook.settings.url, dataset, day)
        s3 = partial(s3_client, dataset.archive.aws_conn_id) if dataset.archive else None
        settled = settle_day(self.client, dataset, day, self.asked.then, datetime.now(UTC), s3)
        self.log.info("%s", settled_table(dataset.name, [settled]))
        if settled.note:
            self.log.warning("%s", settled.note)
        self.log.info("settled", day=self.day, outcome=settled.outcome, documents=settled.documents, rows=settled.rows)
        if settled.rows:
            tell_days(context, dataset.name, "history", [day], documents=settled.documents, rows=settled.rows)
        return {**asdict(settled), "day": self.day}
