"""What the later steps of a backfill need to know about its plan. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    :param archived: of a restore: all days of the range that are archived, in the same form; empty for other loads
    :param keep_until: until when a restore wants its days, ISO 8601
    :param keep_exactly: whether that holds even if an earlier restore wants a day for longer
    """

    plan_id: str
    source: str
    first: date
    last: date
    span: Span
    dead_letters: str
    batches: int
    held: tuple[tuple[date, date], ...]
    archived: tuple[tuple[date, date], ...] = ()
    keep_until: str = ""
    keep_exactly: bool = False

    @property
    def days(self) -> list[date]:
        """The days whose events are loaded."""
        return days_between(self.first, self.last)

    @property
    def held_days(self) -> list[date]:
        """The raw days that are known to be needed before anything is read."""
        return _days_of(self.held)

    @property
    def archived_days(self) -> list[date]:
        """The days of a restore that are archived."""
        return _days_of(self.archived)

    @property
    def planned_at(self) -> int:
        """When the plan was made, epoch milliseconds."""
        made = datetime.strptime(self.plan_id.partition("-")[0], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
        return int(made.timestamp() * 1000)

    def as_json(self) -> dict[str, Any]:
        """The reference as a small JSON object."""
        held, archived = ([[f"{one}", f"{other}"] for one, other in runs] for runs in (self.held, self.archived))
        days = {"first": f"{self.first}", "last": f"{self.last}", "held": held, "archived": archived}
        return {**asdict(self), **days, "span": list(self.span)}

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Self:
        """The reference that :meth:`as_json` turned into JSON.

        :param value: the parsed JSON object
        """
        first, last = date.fromisoformat(value["first"]), date.fromisoformat(value["last"])
        start, end = value["span"]
        held, archived = (
            tuple((date.fromisoformat(one), date.fromisoformat(other)) for one, other in value.get(runs, ()))
            for runs in ("held", "archived")
        )
        days = {"first": first, "last": last, "held": held, "archived": archived}
        return cls(**{**value, **days, "span": (start, end)})


def _days_of(runs: Iterable[tuple[date, date]]) -> list[date]:
    return [day for first, last in runs for day in days_between(first, last)]
