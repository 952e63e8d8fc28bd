"""When the daily cycle of a dataset runs and what it may delete: part of its definition. Pure models, no I/O.

Airflow reads the schedule when it parses the DAG, where one value that it cannot take would take every DAG of the file
away; so only what it surely takes passes here.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator, model_validator

from opensearch_strata.definition.strict import Strict

_OLDEST, _NEWEST = date(1970, 1, 1), date(2199, 12, 31)
_PRESETS = {"@daily": "0 0 * * *", "@midnight": "0 0 * * *"}
_DAILY = re.compile(r"[0-5]?\d (?:[01]?\d|2[0-3]) \* \* \*")


def _read_day(value: object) -> object:
    """A day, or its text as JSON has it, where it is one that Airflow can reckon with."""
    if isinstance(value, date) and not isinstance(value, datetime):
        found = value
    elif isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        found = date.fromisoformat(value)
    else:
        return value  # which pydantic refuses
    if not _OLDEST <= found <= _NEWEST:
        raise ValueError(
            f"{found} is not between {_OLDEST} and {_NEWEST}; write a day of this time, and leave end_date out where "
            f"the schedule has no end"
        )
    return found


Day = Annotated[date, BeforeValidator(_read_day)]


class Cycle(Strict):
    """When the daily cycle runs, whether it may delete and how much."""

    schedule: str = Field("0 3 * * *", description="Cron expression, once a day, in the dataset's time zone.")
    start_date: Day = Field(description="First day that the schedule covers.")
    end_date: Day | None = Field(None, description="Last day that the schedule covers.")
    delete: bool = Field(False, description="Delete raw days that have left the window, each behind its proof.")
    delete_confirmed: str | None = Field(
        None, description="The line that a dry run prints; it confirms window, index pattern and zone of deletions."
    )
    max_deletes_per_run: int = Field(7, ge=1, le=1000, description="At most so many raw days are deleted in a run.")
    history_copies: int | None = Field(
        None,
        ge=1,
        description="Live copies of each shard of a history month that a deletion demands; left out: all that are "
        "configured, and no fewer than the raw day has.",
    )
    opensearch_conn_id: str = Field("opensearch_default", pattern=r"^[\w.:/-]{1,200}$")

    @property
    def cron(self) -> str:
        """The schedule in the five fields of cron."""
        return _PRESETS.get(self.schedule, self.schedule)

    @field_validator("schedule")
    @classmethod
    def _is_once_a_day(cls, text: str) -> str:
        plain = " ".join(text.split())
        if not _DAILY.fullmatch(_PRESETS.get(plain, plain)):
            raise ValueError(
                f"{text!r} does not run once each day; a cycle is about one day, so write minute and hour, like "
                f"0 3 * * *"
            )
        return plain

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Cycle:
        if self.end_date and self.end_date < self.start_date:
            raise ValueError(f"end_date {self.end_date} is before start_date {self.start_date}; exchange them")
        return self
