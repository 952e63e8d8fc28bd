"""The task that proves the day that was condensed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opensearch_strata.airflow.assets import tell_days
from opensearch_strata.airflow.links import DayPageLink, MonthIndexLink, RawIndexLink, link_indices
from opensearch_strata.airflow.operators.base import DatasetOperator
from opensearch_strata.errors import Refused
from opensearch_strata.presentation.tables import proof_table

if TYPE_CHECKING:
    from airflow.sdk import Context


class VerifyOperator(DatasetOperator):
    """Prove the day line by line; rows that differ are rebuilt once.

    Returns ``{"index", "state", "documents", "rows", "null_rows"}``.
    """

    purpose = "prove the rows"
    reads = (
        "raw",
        "history",
    )
    writes = ("history",)
    operator_extra_links = (DayPageLink(), RawIndexLink(), MonthIndexLink())

    def execute(self, context: Context) -> dict[str, Any]:
        """Prove.

        :raises Refused: the day still differs from its rows, or its levels are not complete, as the table in the log
            shows
        """
        from opensearch_strata.history.levels.prove import prove
        from opensearch_strata.workflows.cycle import require_proven

        dataset, day = self.dataset, self.day
        link_indices(context, self.hook.settings.url, dataset, day)
        proof = prove(self.client, dataset, day, on_documents=self.telling("comparing", dataset.raw_index(day)))
        self.log.info("%s", proof_table(proof))
        proven = require_proven(proof)
        self.log.info("verified", index=proof.index, documents=proven.documents, rows=proof.rows)
        if proof.without_levels:
            raise Refused(proof.without_levels)
        tell_days(context, dataset.name, "history", [day], documents=proven.documents, rows=proof.rows)
        return {
            "index": proof.index,
            "state": proof.state,
            "documents": proven.documents,
            "rows": proof.rows,
            "null_rows": proof.null_rows,
        }
