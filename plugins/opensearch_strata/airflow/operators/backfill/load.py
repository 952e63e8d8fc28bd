"""The task that loads one batch of objects into raw days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from opensearch_strata.airflow.links import RawDaysLink, link_raw_days
from opensearch_strata.airflow.metrics import add_counts
from opensearch_strata.airflow.operators.backfill.base import PlannedOperator, owner
from opensearch_strata.presentation.tables import Table

if TYPE_CHECKING:
    from airflow.sdk import Context

    from opensearch_strata.archive.load.batch_result import BatchResult
    from opensearch_strata.archive.load.progress import Progress


class LoadOperator(PlannedOperator):
    """Load a batch. Safe to repeat: loaded objects are left out, and the others continue where they stopped.

    Returns ``{"objects", "skipped", "read", "created", "existed", "filtered", "dead", "unwanted", "seconds"}``. The
    unwanted events are among the filtered.

    :param batch: ``{"number", "label"}``, one of the batches that ``plan`` returned
    """

    purpose = "objects to documents"
    reads = ("source",)
    writes = ("raw",)
    template_fields: Sequence[str] = ("form", "plan", "batch")
    operator_extra_links = (RawDaysLink(),)

    def __init__(self, *, batch: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.batch = batch
        self._is_loading = False

    def execute(self, context: Context) -> dict[str, Any]:
        """Load.

        :raises Refused: at least one object failed for good, or OpenSearch forbids it; all other objects are loaded
        :raises TransientError: worth a retry
        """
        from opensearch_strata.archive.load.batch import LoadSettings

        link_raw_days(context, self.hook.settings.url, self.dataset)
        settings = LoadSettings(in_flight=self.asked.max_concurrent_bulks)
        self._is_loading = True
        try:
            result = self.backfill.load(
                self.ref, self.batch["number"], owner(context), settings=settings, on_progress=self._tell
            )
        finally:
            self._is_loading = False
        self.log.info("%s", _table(self.batch["label"], result))
        add_counts("backfill", self.dataset.name, _counters(result))
        result.require_success()
        counts = result.counts
        self.log.info("loaded", objects=len(result.rows), created=counts.created, existed=counts.existed)
        return {
            "objects": len(result.rows),
            "skipped": len(result.skipped),
            **asdict(counts),
            "seconds": round(result.seconds, 1),
        }

    def _tell(self, progress: Progress) -> None:
        self.log.info("%s", progress)

    def on_kill(self) -> None:
        """Stop the load; work in progress is recorded as far as it is certain, and the objects are handed back.

        :raises SystemExit: a load is under way
        """
        # Airflow calls this from a signal handler in the thread that loads, and then waits for only a few seconds.
        if self._is_loading:
            raise SystemExit("The load was stopped. What is loaded stays; clear the task to load the rest.")


def _counters(result: BatchResult) -> dict[str, int]:
    """What Airflow's counters of a batch are named, and their values."""
    # Not those that failed: the next try counts them from their beginning.
    done, quarantined = result.in_state("done"), result.in_state("quarantined")
    return {
        "objects": len(done),
        "bytes": sum(row.size for row in done),
        "events": sum(row.counts.read for row in done),
        "documents": sum(row.counts.created for row in done),
        "dead_letters": sum(row.counts.dead for row in done),
        "quarantined": len(quarantined),
    }


def _table(label: str, result: BatchResult) -> Table:
    counts = result.counts
    objects = (len(result.in_state(state)) for state in ("done", "failed", "quarantined"))
    events = {
        "created": counts.created,
        "already there": counts.existed,
        "filtered": counts.filtered,
        **({"of these unwanted": counts.unwanted} if counts.unwanted else {}),
        "dead": counts.dead,
    }
    columns = ("done", "failed", "quarantined", "loaded before", *events, "time")
    row = (*objects, len(result.skipped), *events.values(), f"{result.seconds:,.1f} s")
    return Table(f"Objects and events of {label}", columns, [row])
