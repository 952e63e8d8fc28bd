"""The task that looks for new objects that no notification told."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opensearch_strata.airflow.alarms import tell
from opensearch_strata.airflow.assets import tell_days
from opensearch_strata.airflow.metrics import add_counts
from opensearch_strata.airflow.operators.arrivals.base import ArrivalsOperator
from opensearch_strata.airflow.operators.backfill.base import owner
from opensearch_strata.definition.days import newest_complete
from opensearch_strata.errors import Refused
from opensearch_strata.presentation.tables import backfill_days_table, backfill_problems_table, backfill_proof_table

if TYPE_CHECKING:
    from airflow.sdk import Context

_UNTOLD = "Not told, or told late"
_READ_AGAIN = "Read again, not told, or told late"


class SweepOperator(ArrivalsOperator):
    """List the objects of yesterday and today, load those that are not loaded, and prove the days.

    Returns ``{"first", "last", "found", "size", "again", "read", "created", "existed", "filtered", "dead",
    "verdict"}``; ``again`` are raw days whose documents were looked up.
    """

    purpose = "find what nobody told"
    reads = ("source",)
    writes = ("raw",)

    def execute(self, context: Context) -> dict[str, Any]:
        """Sweep.

        :raises Refused: an object failed for good, or the days are not proven
        :raises TransientError: worth a retry
        """
        from opensearch_strata.archive.causes import told_causes
        from opensearch_strata.workflows.alarms.of_loads import dead_letters
        from opensearch_strata.workflows.arrivals.sweep import sweep
        from opensearch_strata.workflows.backfill.verdict import verdict

        now = datetime.now(UTC)
        swept = sweep(self.build_backfill(), self.dataset, now, owner(context))
        proof = swept.proof
        self.log.info("%s", backfill_days_table(proof))
        self.log.info("%s", backfill_proof_table(proof))
        for index, why in swept.again.items():
            self.log.warning(
                "%s %s: its objects were read again, and each of their documents was looked up by its id.", index, why
            )
        if swept.found.objects:
            became = f"{swept.quarantined:,} in quarantine, the others loaded" if swept.quarantined else "now loaded"
            self.log.warning("%s: %s; %s.", _READ_AGAIN if swept.again else _UNTOLD, swept.found, became)
        if swept.warning:
            self.log.warning("%s", swept.warning)
        add_counts("arrivals", self.dataset.name, {"untold": swept.found.objects})
        if notify := self.dataset.cycle.notify:
            causes = told_causes(proof.causes) if proof.causes else ""
            read, dead, share = proof.counts.read, proof.counts.dead, notify.dead_letter_share
            alarms = dead_letters(self.dataset, read=read, dead=dead, share=share, causes=causes)
            tell(context, self.dataset, alarms, "arrived")
        if not proof.holds:
            self.log.error("%s", backfill_problems_table(proof))
            raise Refused(verdict(proof))
        self.log.info("%s", verdict(proof))
        yesterday = newest_complete(now, self.dataset.zone)
        held = {self.dataset.raw.names.date_in(one.index): one for one in proof.days}
        if swept.first <= yesterday and (day := held.get(yesterday)):
            counts = {"documents": day.created + day.existed, "dead_letters": proof.counts.dead}
            tell_days(context, self.dataset.name, "arrived", [yesterday], **counts)
        return {
            "first": f"{swept.first}",
            "last": f"{swept.last}",
            "found": swept.found.objects,
            "size": swept.found.size,
            "again": sorted(swept.again),
            **asdict(proof.counts),
            "verdict": verdict(proof),
        }
