"""The form of an audit, checked before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from opensearch_strata.airflow.operators.forms import checked_form

MOST_RESTORED = 20
"""The most archived days of a dataset that a run restores."""


class AuditForm(BaseModel):
    """The params of ``history_audit``.

    :param dataset: None: all of them
    :param from_day: the first day to audit; None: the first that is known
    :param to_day: the last day to audit, inclusive
    :param restore: how many archived days of each dataset are restored
    :param apply: condense late documents anew, and mark what is proven
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str | None = None
    from_day: date | None = None
    to_day: date | None = None
    restore: int = Field(1, ge=0, le=MOST_RESTORED)
    apply: bool = True

    @model_validator(mode="after")
    def _range_fits(self) -> Self:
        if self.from_day and self.to_day and self.from_day > self.to_day:
            raise ValueError(f"from_day {self.from_day} is later than to_day {self.to_day}; swap them")
        return self

    @classmethod
    def checked(cls, params: Mapping[str, Any]) -> Self:
        """Check what a person filled in.

        :param params: name -> value
        :raises DefinitionError: there is an unknown key or a value that does not fit; one sentence for each
        """
        return checked_form(cls, params)
