"""What the later steps of a backfill need to know about its plan. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, Self

from opensearch_strata.archive.spans import Span
from opensearch_strata.definition.days import days_between


@dataclass(frozen=True)
class PlanRef:
    """A reference to a plan whose batches are in the ledger; small enough to be passed from task to task.

    :param span: event times to load, epoch milliseconds; the end is exclusive
    :param dead_letters: s3://bucket/prefix/ for records that cannot be loaded
    :param batches: number of batches; they are numbered from 0
    :param held: days of the range that the objects may hold events of, as far as their keys show it: first and last
        day of each run of consecutive days
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
        """The raw days that are known to be needed before anything is read."""
        return [day for first, last in self.held for day in days_between(first, last)]

    @property
    def planned_at(self) -> int:
        """When the plan was made, epoch milliseconds."""
        made = datetime.strptime(self.plan_id.partition("-")[0], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
        return int(made.timestamp() * 1000)

    def as_json(self) -> dict[str, Any]:
        """The reference as a small JSON object."""
        held = [[f"{first}", f"{last}"] for first, last in self.held]
        days = {"first": f"{self.first}", "last": f"{self.last}", "held": held}
        return {**asdict(self), **days, "span": list(self.span)}

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Self:
        """The reference that :meth:`as_json` turned into JSON.

        :param value: the parsed JSON object
        """
        first, last = date.fromisoformat(value["first"]), date.fromisoformat(value["last"])
        start, end = value["span"]
        held = tuple((date.fromisoformat(one), date.fromisoformat(other)) for one, other in value["held"])
        return cls(**{**value, "first": first, "last": last, "span": (start, end), "held": held})
