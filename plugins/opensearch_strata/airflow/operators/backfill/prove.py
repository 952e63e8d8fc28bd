"""The task that proves that everything that was to be loaded is present."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from opensearch_strata.airflow.assets import Kind, tell_days
from opensearch_strata.airflow.links import RawDaysLink, link_raw_days
from opensearch_strata.airflow.operators.backfill.base import PlannedOperator
from opensearch_strata.archive.causes import told_causes
from opensearch_strata.errors import Refused
from opensearch_strata.presentation.tables import backfill_days_table, backfill_problems_table, backfill_proof_table

if TYPE_CHECKING:
    from airflow.sdk import Context

    from opensearch_strata.archive.backfill_proof import BackfillProof


class ProveBackfillOperator(PlannedOperator):
    """Compare the counts of events and documents, per object and per day.

    Returns the days to settle, ``["2013-01-05", ...]``, none if they are kept raw. Pushes ``{"holds", "counts",
    "verdict", "dead_letters"}`` under the XCom key ``proof``.
    """

    purpose = "everything arrived"
    reads = ("raw",)
    operator_extra_links = (RawDaysLink(),)

    def execute(self, context: Context) -> list[str]:
        """Prove.

        :raises Refused: something is missing; the table shows what
        :raises TransientError: worth a retry
        """
        from opensearch_strata.workflows.backfill.verdict import verdict

        link_raw_days(context, self.hook.settings.url, self.dataset)
        proof = self.backfill.prove(self.ref)
        self.log.info("%s", backfill_proof_table(proof))
        self.log.info("%s", backfill_days_table(proof))
        summary = {"holds": proof.holds, "counts": asdict(proof.counts), "verdict": verdict(proof)}
        summary["dead_letters"] = told_causes(proof.causes)
        context["ti"].xcom_push(key="proof", value=summary)
        if not proof.holds:
            self.log.info("%s", backfill_problems_table(proof))
            raise Refused(verdict(proof))
        self.log.info("%s", verdict(proof))
        self._tell_days(context, proof)
        return [] if self.asked.then == "keep" else [f"{day}" for day in self.ref.days]

    def _tell_days(self, context: Context, proof: BackfillProof) -> None:
        """Emit an event for each day of the range that got documents, or has them already."""
        kind: Kind = "restored" if self.ref.archived else "arrived"
        held = {self.dataset.raw.names.date_in(one.index) for one in proof.days}
        counts = {"documents": proof.counts.created + proof.counts.existed, "dead_letters": proof.counts.dead}
        tell_days(context, self.dataset.name, kind, (day for day in self.ref.days if day in held), **counts)
