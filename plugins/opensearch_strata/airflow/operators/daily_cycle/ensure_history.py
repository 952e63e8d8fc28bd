"""The task that prepares the month index before anything is written to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from opensearch_strata.airflow.links import DayPageLink, MonthIndexLink, RawIndexLink, link_indices
from opensearch_strata.airflow.operators.base import DatasetOperator
from opensearch_strata.presentation.tables import Table

if TYPE_CHECKING:
    from airflow.sdk import Context


class EnsureHistoryOperator(DatasetOperator):
    """Create the month index with its explicit mapping, or bring it in line with the definition.

    Skips the day, with a warning, if it has no raw documents at all. Returns ``{"index", "action", "raw_documents"}``.
    """

    purpose = "prepare the month"
    operator_extra_links = (DayPageLink(), RawIndexLink(), MonthIndexLink())

    def execute(self, context: Context) -> dict[str, Any]:
        """Ensure.

        :raises Refused: the month does not fit the definition, the raw day is poorer, or a required raw day is missing
        :raises AirflowSkipException: there is nothing to condense
        """
        from opensearch_strata.history.condense.condense import admit
        from opensearch_strata.history.month.index import ensure_month
        from opensearch_strata.workflows.cycle import nothing_to_condense

        dataset, day = self.dataset, self.day
        raw_index = dataset.raw_index(day)
        link_indices(context, self.hook.settings.url, dataset, day)
        redefine = self.cycle["redefine"]
        raw = admit(self.client, dataset, day, self.cycle["allow_poorer"], redefine=redefine)
        if raw is None or raw.documents == 0:
            finding = nothing_to_condense(dataset, day, raw)
            self.log.warning("%s", finding)
            raise AirflowSkipException(finding)
        month = ensure_month(self.client, dataset, day, raw.types, redefine=redefine)
        row = (month.index, month.action, raw_index, raw.documents)
        self.log.info("%s", Table(f"History month of {day}", ("month", "action", "raw day", "documents"), [row]))
        self.log.info("month ready", index=month.index, action=month.action, raw=raw_index, documents=raw.documents)
        return {"index": month.index, "action": month.action, "raw_documents": raw.documents}
