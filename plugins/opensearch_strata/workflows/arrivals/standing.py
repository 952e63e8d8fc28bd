"""How a dataset with a queue stands: what waits in the queue, and how new the newest event in OpenSearch is."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.arrivals.queue import QueueState
from opensearch_strata.connections import decisive
from opensearch_strata.definition.days import moment
from opensearch_strata.errors.amounts import counted
from opensearch_strata.history.raw_day.inspection import newest_raw_day

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset

_FEW_RECEIVES = 3  # a redrive policy with fewer sends messages away that a restart, an outage or a deploy met twice


@dataclass(frozen=True)
class Standing:
    """How the queue of a dataset stands, and what is in OpenSearch.

    :param newest: time of the newest event in the newest raw day, epoch milliseconds; None if there is none
    """

    queue: QueueState
    newest: int | None

    @property
    def lag(self) -> float | None:
        """Age of the newest event in seconds; None if there is none."""
        return None if self.newest is None else time.time() - self.newest / 1000

    @property
    def warning(self) -> str:
        """What somebody should look at, in sentences; empty if there is nothing."""
        told = []
        if self.queue.dead_letters:
            told.append(
                f"{counted(self.queue.dead_letters, 'message')} in the dead-letter queue: see the log for the reasons, "
                f"mend the cause, then move them back (`aws sqs start-message-move-task`)."
            )
        if self.queue.most_receives is None:
            told.append("The queue has no dead-letter queue: what is not understood comes back until it expires.")
        elif self.queue.most_receives < _FEW_RECEIVES:
            told.append(
                f"The redrive policy gives up a message at receive {self.queue.most_receives}; set maxReceiveCount to "
                f"{_FEW_RECEIVES + 2} or more, so that restarts cost no message."
            )
        return " ".join(told)

    @property
    def sentence(self) -> str:
        """How it stands, in a line."""
        state = self.queue
        letters = "" if state.dead_letters is None else f", {state.dead_letters:,} in the dead-letter queue"
        return (
            f"queue: {state.waiting:,} waiting, {state.in_flight:,} in flight{letters}; newest event "
            f"{moment(self.newest) if self.newest else 'none'}"
        )

    def as_json(self) -> dict[str, Any]:
        """The numbers as a small JSON object."""
        return {**asdict(self.queue), "newest_event": self.newest, "warning": self.warning}


def standing(client: OpenSearch, dataset: Dataset, queue: QueueState) -> Standing:
    """How a dataset stands.

    :raises TransientError: OpenSearch does not answer
    """
    day = newest_raw_day(client, dataset)
    if day is None:
        return Standing(queue, None)
    body = {"size": 0, "aggs": {"newest": {"max": {"field": dataset.raw.timestamp}}}}
    answer = decisive.search(client, dataset.raw_index(day), body, ignore_unavailable="true")
    value = answer.get("aggregations", {}).get("newest", {}).get("value")
    return Standing(queue, None if value is None else int(value))
