"""The task that loads new objects; it waits without a worker while the queue is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opensearch_strata.airflow.alarms import tell
from opensearch_strata.airflow.links import RawDaysLink, link_raw_days
from opensearch_strata.airflow.metrics import add_counts, set_gauges
from opensearch_strata.airflow.operators.arrivals.base import ArrivalsOperator
from opensearch_strata.airflow.operators.backfill.base import owner
from opensearch_strata.errors import Refused, TransientError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from opensearch_strata.archive.arrivals.drained import Drained
    from opensearch_strata.workflows.arrivals.arrivals import Arrivals
    from opensearch_strata.workflows.arrivals.standing import Standing

_POLL = 10.0  # seconds between two looks at an empty queue


class DrainOperator(ArrivalsOperator):
    """Load the objects that the queue tells of, until it is empty or the time is over.

    Returns the numbers of :class:`~opensearch_strata.archive.arrivals.drained.Drained` and how the queue stands.

    :param seconds: after which nothing more is received
    :param empty: seconds without a message after which the queue counts as empty
    :param wait: seconds for which an empty queue is watched before the task ends
    """

    purpose = "load what the queue tells"
    reads = ("source",)
    writes = ("raw",)
    operator_extra_links = (RawDaysLink(),)

    def __init__(self, *, seconds: float = 600, empty: float = 10, wait: float = 3600, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seconds, self.empty, self.wait = seconds, empty, wait
        self._is_loading = False

    def execute(self, context: Context) -> dict[str, Any]:
        """Load, or defer while the queue is empty.

        :raises Refused: OpenSearch, S3 or SQS forbids it, or the queue does not exist
        :raises TransientError: worth a retry
        """
        arrivals = self.build_arrivals()
        if arrivals.state().waiting:
            return self._drain(context, arrivals)
        from opensearch_strata.airflow.triggers.queue import QueueTrigger

        intake = self.dataset.intake
        self.log.info("waiting for messages", queue=intake.queue)
        self.defer(
            trigger=QueueTrigger(intake.aws_conn_id, intake.queue or "", self.wait, _POLL),
            method_name="execute_complete",
        )
        raise AssertionError("defer() does not return")

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Load what the trigger saw.

        :param event: ``{"waiting"}``, or ``{"error", "transient"}``
        :raises Refused: as :meth:`execute` does
        :raises TransientError: as :meth:`execute` does
        """
        if "error" in event:
            raise (TransientError if event["transient"] else Refused)(event["error"])
        arrivals = self.build_arrivals()
        if not event["waiting"]:
            return self._told(context, arrivals, None)
        return self._drain(context, arrivals)

    def _drain(self, context: Context, arrivals: Arrivals) -> dict[str, Any]:
        from opensearch_strata.archive.arrivals.drain import DrainLimits

        link_raw_days(context, self.hook.settings.url, self.dataset)
        self._is_loading = True
        try:
            drained = arrivals.drain(owner(context), DrainLimits(self.seconds, self.empty))
        finally:
            self._is_loading = False
        return self._told(context, arrivals, drained)

    def _told(self, context: Context, arrivals: Arrivals, drained: Drained | None) -> dict[str, Any]:
        """Log what was done and how the queue stands, as lines, as metrics, and as alarms if need be."""
        from opensearch_strata.workflows.arrivals.standing import standing

        stand = standing(self.hook.client, self.dataset, arrivals.state())
        if drained:
            self.log.info("%s", drained)
        self._measure(stand, drained)
        if drained:
            self._tell(context, stand, drained)
        if stand.warning:
            self.log.warning("%s", stand.warning)
        self.log.info("%s: %s", self.dataset.name, stand.sentence)
        return {**(drained.as_json() if drained else {"messages": 0}), **stand.as_json()}

    def _tell(self, context: Context, stand: Standing, drained: Drained) -> None:
        """Tell whom the dataset names of dead letters and of a queue that is not emptied in time."""
        from opensearch_strata.archive.causes import told_causes
        from opensearch_strata.workflows.alarms.of_loads import dead_letters, old_messages

        dataset, notify = self.dataset, self.dataset.cycle.notify
        if notify is None:
            return
        counts, waiting = drained.counts, stand.queue.waiting
        alarms = dead_letters(
            dataset,
            read=counts.read,
            dead=counts.dead,
            share=notify.dead_letter_share,
            causes=told_causes(drained.causes) if drained.causes else "",
        )
        alarms += old_messages(dataset, oldest=drained.oldest, waiting=waiting, minutes=notify.queue_minutes)
        tell(context, dataset, alarms, "arrived")

    def _measure(self, stand: Standing, drained: Drained | None) -> None:
        """Send Airflow's metrics: gauges of the queue, and counters of what was done."""
        gauges = {
            "waiting": stand.queue.waiting,
            "in_flight": stand.queue.in_flight,
            "dead_letters": stand.queue.dead_letters,
            "newest_event_age": None if stand.lag is None else round(stand.lag),
            "oldest_message_age": round(drained.oldest) if drained else 0,
        }
        set_gauges("arrivals", self.dataset.name, gauges)
        if drained:
            add_counts("arrivals", self.dataset.name, _counters(drained))

    def on_kill(self) -> None:
        """Stop the load; what is in hand goes back to the queue and to the ledger.

        :raises SystemExit: a load is under way
        """
        # Airflow calls this from a signal handler in the thread that loads, and then waits for only a few seconds.
        if self._is_loading:
            raise SystemExit("The load was stopped. What is loaded stays; the next run loads the rest.")


def _counters(drained: Drained) -> dict[str, int]:
    """What Airflow's counters of a pass are named, and their values."""
    return {
        "messages": drained.messages,
        "documents": drained.counts.created,
        "dead_events": drained.counts.dead,
        "quarantined": drained.quarantined,
        "of_no_dataset": drained.aside["no_dataset"],
    }
