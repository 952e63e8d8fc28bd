"""Which of Airflow's trigger forms somebody may want for a day, and what to write into it. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from opensearch_strata.airflow.ui.sources import dag_id_of
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.loading.restore_request import ARCHIVE_SOURCE
from opensearch_strata.workflows.overview.kinds import Cell


@dataclass(frozen=True)
class Form:
    """A trigger form.

    :param label: what it does, for a button
    :param dag_id: whose form it is
    :param conf: what to write into it; as it stands, it deletes nothing, and a load only shows its plan
    :param why: a sentence
    """

    label: str
    dag_id: str
    why: str
    conf: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The conf as JSON, as Airflow's form takes it under *Advanced Options*."""
        return json.dumps(self.conf)


def forms_of(dataset: Dataset, cell: Cell) -> list[Form]:
    """The forms for a day, the likeliest first. As they stand, none deletes or loads anything.

    :param cell: what the day is
    """
    day = f"{cell.day}"
    span = {"dataset": dataset.name, "from_day": day, "to_day": day, "dry_run": True}
    found = []
    if cell.documents is not None:
        found.append(_cycle(dataset, cell.day))
        if cell.rows:
            again = {"day": day, "dry_run": True, "redefine": True}
            why = "Rebuilds the rows of the day, for instance after a change of its metrics. Rows never get poorer."
            found.append(Form("Reaggregate", dag_id_of(dataset.name), why, again))
    if cell.objects and dataset.archive:
        why = "Shows what restoring the raw day would take; with dry_run false, restores it for a while."
        found.append(Form("Restore", "archive_backfill", why, {**span, "source": ARCHIVE_SOURCE}))
    if dataset.intake.source:
        why = "Shows what the source holds of the day; with dry_run false, loads it. Nothing is stored twice."
        found.append(Form("Backfill", "archive_backfill", why, span))
    audit = {"dataset": dataset.name, "from_day": day, "to_day": day, "restore": 0, "apply": False}
    why = "Reads the day in full, and compares it with its rows and its archive. Changes nothing."
    found.append(Form("Audit", "history_audit", why, audit))
    return found


def loading_forms_of(dataset: Dataset) -> list[Form]:
    """The forms for loads of a dataset. As they stand, they only show their plans.

    :param dataset: with or without a source
    """
    if not dataset.intake.source:
        return []
    plain = {"dataset": dataset.name, "dry_run": True}
    load = "Shows what the source holds of From to To; with dry_run false, loads it."
    again = "Shows which dead letters there are; with dry_run false, loads them again."
    return [
        Form("Backfill", "archive_backfill", load, plain),
        Form("Redrive", "archive_backfill", again, {**plain, "redrive": True}),
    ]


def _cycle(dataset: Dataset, day: date) -> Form:
    why = "Condenses and proves the day, and shows what would be deleted, but deletes nothing."
    return Form("Run the cycle", dag_id_of(dataset.name), why, {"day": f"{day}", "dry_run": True})
