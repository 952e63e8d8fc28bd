"""When the daily cycle of a dataset runs and what it may delete, as part of its definition. Pure models, no I/O.

Airflow reads the schedule when it parses the DAG file, where a single value that it cannot use would remove every DAG
in the file. So this module accepts only values that Airflow is certain to accept.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator, model_validator

from opensearch_strata.definition.sections.notify import Notify
from opensearch_strata.definition.strict_model import Strict

_OLDEST, _NEWEST = date(1970, 1, 1), date(2199, 12, 31)
_PRESETS = {"@daily": "0 0 * * *", "@midnight": "0 0 * * *"}
_DAILY = re.compile(r"[0-5]?\d (?:[01]?\d|2[0-3]) \* \* \*")


def _read_day(value: object) -> object:
    """Read a day, or its text in JSON, and refuse one that Airflow cannot compute with."""
    if isinstance(value, date) and not isinstance(value, datetime):
        found = value
    elif isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        found = date.fromisoformat(value)
    else:
        return value  # pydantic refuses it
    if not _OLDEST <= found <= _NEWEST:
        raise ValueError(
            f"{found} is not between {_OLDEST} and {_NEWEST}; write a day in this range, and leave end_date out if the "
            f"schedule has no end"
        )
    return found


Day = Annotated[date, BeforeValidator(_read_day)]


def once_a_day(text: str) -> str:
    """A cron expression that runs once a day, with single spaces.

    :param text: a minute and an hour in the five fields of cron, or ``@daily``
    :raises ValueError: it runs more or less often, or is no cron expression
    """
    plain = " ".join(text.split())
    if not _DAILY.fullmatch(_PRESETS.get(plain, plain)):
        raise ValueError(f"{text!r} does not run exactly once a day; write a minute and an hour, like 0 3 * * *")
    return plain


def in_five_fields(schedule: str) -> str:
    """A schedule of :func:`once_a_day` in the five fields of cron.

    :param schedule: as it is written
    """
    return _PRESETS.get(schedule, schedule)


class Cycle(Strict):
    """When the daily cycle runs, whether it may delete raw days, and how many."""

    schedule: str = Field("0 3 * * *", description="Cron expression, once a day, in the dataset's time zone.")
    start_date: Day = Field(description="First day that the schedule covers.")
    end_date: Day | None = Field(None, description="Last day that the schedule covers.")
    delete: bool = Field(False, description="Delete raw days that have left the window, each after its proof.")
    delete_confirmed: str | None = Field(
        None,
        description="The line that a dry run prints; it confirms the window, index pattern and time zone of deletions.",
    )
    max_deletes_per_run: int = Field(7, ge=1, le=1000, description="The most raw days that one run deletes.")
    history_copies: int | None = Field(
        None,
        ge=1,
        description="Live copies of each shard of a history month that a deletion requires. Left out: all configured "
        "copies, and no fewer than the raw day has.",
    )
    owner: Annotated[str, Field(pattern=r"^[\w .@/-]{1,100}$")] | None = Field(
        None, description="Who answers for the dataset, as Airflow shows it; by default, Airflow's own default."
    )
    owner_link: Annotated[str, Field(pattern=r"^(https?://|mailto:)[^\s<>\"']{1,500}$")] | None = Field(
        None, description="Where the owner is reached: https://… or mailto:…"
    )
    notify: Notify | None = Field(None, description="Who is told when something is wrong; nobody if left out.")
    opensearch_conn_id: str = Field("opensearch_default", pattern=r"^[\w.:/-]{1,200}$")

    @property
    def cron(self) -> str:
        """The schedule in the five fields of cron."""
        return in_five_fields(self.schedule)

    @field_validator("schedule")
    @classmethod
    def _is_once_a_day(cls, text: str) -> str:
        return once_a_day(text)

    @model_validator(mode="after")
    def _parts_fit(self) -> Cycle:
        if self.owner_link and not self.owner:
            raise ValueError("owner_link leads to an owner, and there is none; add owner")
        if self.end_date and self.end_date < self.start_date:
            raise ValueError(f"end_date {self.end_date} is before start_date {self.start_date}; swap them")
        return self
