"""The little that the later steps of a backfill must know of its plan. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, Self

from opensearch_strata.archive.spans import Span
from opensearch_strata.definition.days import days_between


@dataclass(frozen=True)
class PlanRef:
    """A plan whose batches are in the ledger; small enough to be handed from task to task.

    :param span: event times that are loaded, epoch milliseconds; the end is exclusive
    :param dead_letters: s3://bucket/prefix/ for what cannot be loaded
    :param batches: how many there are, numbered from 0 on
    :param held: days of the range that the objects may hold, as far as their keys tell: first and last of each run
    """

    plan_id: str
    source: str
    first: date
    last: date
    span: Span
    dead_letters: str
    batches: int
    held: tuple[tuple[date, date], ...]

    @property
    def days(self) -> list[date]:
        """The days whose events are loaded."""
        return days_between(self.first, self.last)

    @property
    def held_days(self) -> list[date]:
        """The days that are known to be needed before anything is read."""
        return [day for first, last in self.held for day in days_between(first, last)]

    @property
    def planned_at(self) -> int:
        """When the plan was made, epoch milliseconds."""
        made = datetime.strptime(self.plan_id.partition("-")[0], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
        return int(made.timestamp() * 1000)

    def as_json(self) -> dict[str, Any]:
        """The same as a small JSON object."""
        held = [[f"{first}", f"{last}"] for first, last in self.held]
        days = {"first": f"{self.first}", "last": f"{self.last}", "held": held}
        return {**asdict(self), **days, "span": list(self.span)}

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Self:
        """What :meth:`as_json` gave.

        :param value: a JSON object, parsed
        """
        first, last = date.fromisoformat(value["first"]), date.fromisoformat(value["last"])
        start, end = value["span"]
        held = tuple((date.fromisoformat(one), date.fromisoformat(other)) for one, other in value["held"])
        return cls(**{**value, "first": first, "last": last, "span": (start, end), "held": held})
