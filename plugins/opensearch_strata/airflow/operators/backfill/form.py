"""The form of a backfill, checked before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from opensearch_strata.airflow.operators.forms import checked_form
from opensearch_strata.definition.loading.intake import split_s3_url
from opensearch_strata.definition.loading.post_load import Then
from opensearch_strata.definition.loading.restore_request import ARCHIVE_SOURCE, MOST_KEPT, keeping_problem

MOST_MAPPED = 1024
"""The largest number of items over which Airflow maps a task (``core.max_map_length``)."""


class BackfillForm(BaseModel):
    """The params of ``archive_backfill``.

    :param source: ``s3://bucket/prefix/``, or ``archive``: the dataset's archive; None for the dataset's own source
    :param from_day: first day, in the dataset's time zone; None only for a redrive
    :param to_day: last day, inclusive
    :param keep_until: for how many days restored raw days are kept, from now on; None for the usual number
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    source: str | None = None
    then: Then = "keep"
    redrive: bool = False
    from_day: date | None = None
    to_day: date | None = None
    keep_until: int | None = Field(None, ge=0, le=MOST_KEPT)
    dry_run: bool = True
    max_batches: int = Field(MOST_MAPPED, ge=1, le=MOST_MAPPED)
    max_concurrent_bulks: int = Field(3, ge=1, le=8)

    @field_validator("source")
    @classmethod
    def _is_s3(cls, url: str | None) -> str | None:
        if url not in (None, ARCHIVE_SOURCE):
            split_s3_url(url)
        return url

    @model_validator(mode="after")
    def _range_fits(self) -> Self:
        if self.redrive:
            if self.from_day or self.to_day or self.keep_until is not None or self.then != "keep":
                raise ValueError(
                    "redrive loads all dead letters of the dataset, whatever their day, and nothing else; leave "
                    "from_day, to_day and keep_until empty, and set then to keep"
                )
        elif self.from_day is None or self.to_day is None:
            raise ValueError("from_day and to_day say what to load; fill in both, with the same day to load just one")
        elif self.from_day > self.to_day:
            raise ValueError(f"from_day {self.from_day} is later than to_day {self.to_day}; swap them")
        elif problem := keeping_problem(self.source, self.then, self.keep_until):
            raise ValueError(f"keep_until {problem}")
        elif self.then != "keep" and (self.to_day - self.from_day).days >= MOST_MAPPED:
            raise ValueError(f"then: {self.then} settles at most {MOST_MAPPED} days per run; choose a shorter range")
        return self

    @property
    def days(self) -> tuple[date, date]:
        """First and last day of a run that loads archives."""
        assert self.from_day
        assert self.to_day
        return self.from_day, self.to_day

    @classmethod
    def checked(cls, params: Mapping[str, Any]) -> Self:
        """Build the form from the params of a run.

        :raises DefinitionError: there is an unknown key or a value that does not fit; one sentence for each
        """
        return checked_form(cls, params)
