"""Objects in batches, each of which one task loads. Pure.

A batch is a run of neighbouring keys, so its events have neighbouring times: it writes to few raw days, and its ids,
which begin with the time, are looked up close to those of the events before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from opensearch_strata.archive.store.listing import Amount
from opensearch_strata.archive.store.objects import ListedObject

_OBJECT_COST = 64 << 10  # bytes that could be loaded in the time that a request for an object takes


@dataclass(frozen=True)
class PlanLimits:
    """How a plan is cut into batches.

    :param batches: maximum number of batches; Airflow maps at most 1,024 tasks (``core.max_map_length``)
    :param batch_bytes: approximate minimum size of a batch, so that its work outweighs the start of a task
    :param objects: maximum number of objects, since they are held in memory
    """

    batches: int = 1024
    batch_bytes: int = 64 << 20
    objects: int = 500_000


USUAL_LIMITS = PlanLimits()


@dataclass(frozen=True)
class Batch:
    """Objects that one task loads.

    :param number: counted from 0
    :param arrived: when the first and the last of them arrived, epoch milliseconds
    """

    number: int
    objects: tuple[ListedObject, ...]
    arrived: tuple[int, int]

    @property
    def size(self) -> int:
        """Bytes in S3."""
        return sum(listed.size for listed in self.objects)

    @property
    def label(self) -> str:
        """A label for people: when the objects arrived, how many there are, and how large they are."""
        first, last = (datetime.fromtimestamp(moment / 1000, UTC) for moment in self.arrived)
        return f"{first:%Y-%m-%d %H:%M} .. {last:%Y-%m-%d %H:%M}, {Amount(len(self.objects), self.size)}"


def batches_of(
    objects: Sequence[ListedObject], limits: PlanLimits, arrived: Callable[[ListedObject], int]
) -> list[Batch]:
    """Cut objects into batches.

    :param arrived: when an object arrived, epoch milliseconds
    """
    found = []
    for number, run in enumerate(runs(objects, limits)):
        arrivals = [arrived(listed) for listed in run]
        found.append(Batch(number, tuple(run), (min(arrivals), max(arrivals))))
    return found


def runs(objects: Sequence[ListedObject], limits: PlanLimits) -> list[list[ListedObject]]:
    """Cut objects into runs of neighbours of about equal size; no run is off by more than its largest object."""
    costs = [listed.size + _OBJECT_COST for listed in objects]
    total = sum(costs)
    number = min(limits.batches, max(1, round(total / limits.batch_bytes)))
    found: dict[int, list[ListedObject]] = {}
    before = 0
    for listed, cost in zip(objects, costs, strict=True):
        found.setdefault((2 * before + cost) * number // (2 * total), []).append(listed)
        before += cost
    return list(found.values())
