"""The task that finds the day of a run."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from opensearch_strata.airflow.operators.base import TimedOperator
from opensearch_strata.definition.consent import consent_of
from opensearch_strata.definition.days import day_of, require_complete
from opensearch_strata.errors import DefinitionError
from opensearch_strata.presentation.tables import Table

if TYPE_CHECKING:
    from airflow.sdk import Context

    from opensearch_strata.definition.dataset import Dataset


# Airflow lets unknown keys through, but a misspelled dry_run must not be taken for one that was left out.
KNOWN_PARAMS = frozenset({"day", "dry_run", "redefine", "allow_poorer"})


class ResolveDayOperator(TimedOperator):
    """Find the day of a run: ``params.day``, else the partition key, else the start of the data interval.

    Returns ``{"day", "dry_run", "redefine", "allow_poorer"}``. Every run is dry until a person has confirmed the
    deletions of the dataset (see :mod:`opensearch_strata.definition.consent`). After that, a scheduled run is not dry:
    the param ``dry_run`` is only for runs that a person triggers, where it is on by default.

    :param dataset: the definition
    """

    purpose = "find the day"
    ui_color = "#e5e7eb"

    def __init__(self, *, dataset: Dataset, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset

    @property
    def dataset_name(self) -> str:
        """Name of the dataset."""
        return self.dataset.name

    def execute(self, context: Context) -> dict[str, Any]:
        """Resolve and check.

        :raises DefinitionError: an unknown param, no day, or a day that is not a date
        :raises Refused: the day has not ended yet
        """
        params, run = context["params"], context["dag_run"]
        if unknown := sorted(set(run.conf or {}) - KNOWN_PARAMS):
            raise DefinitionError(f"The run was given {unknown}, which this DAG does not know; correct the spelling.")
        day = self._day(context)
        require_complete(day, datetime.now(UTC), self.dataset.zone)
        consent = consent_of(self.dataset)
        deletes = run.run_type == "scheduled" or not params["dry_run"]
        if deletes and not consent.given:
            self.log.warning("%s", consent.sentence)
        resolved = {
            "day": day.isoformat(),
            "dry_run": not (deletes and consent.given),
            "redefine": bool(params["redefine"]),
            "allow_poorer": bool(params["allow_poorer"]),
        }
        row = (self.dataset.name, run.run_type.value, *resolved.values())
        self.log.info("%s", Table("What this run is about", ("dataset", "run", *resolved), [row]))
        self.log.info("resolved", dataset=self.dataset.name, **resolved)
        return resolved

    def _day(self, context: Context) -> date:
        own, said = context["dag_run"].partition_key, context["params"].get("day")
        if own and said and own != said and context["dag_run"].run_type == "backfill":
            raise DefinitionError(
                f"This run of a backfill is for {own}, but it was given the day {said}, like every other run of that "
                f"backfill. Nothing was done. Leave Day empty in a backfill; to run one day, trigger a single run."
            )
        text = context["params"].get("day") or context["dag_run"].partition_key
        if text:
            try:
                return date.fromisoformat(text)
            except ValueError:
                raise DefinitionError(f"{text!r} is not a day; write it like 2013-03-02.") from None
        start = context.get("data_interval_start")
        if start is None:
            raise DefinitionError("The run has no day; trigger it again with the param day, such as 2013-03-02.")
        return day_of(start, self.dataset.zone)
