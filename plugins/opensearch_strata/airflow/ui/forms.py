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
    :param conf: what to write into it; the run is dry, so that it only shows what it would do
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
    """The forms for a day, the likeliest first. All of them begin dry.

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
        why = "Loads the raw day back from its archive, and keeps it for some days."
        found.append(Form("Restore", "archive_backfill", why, {**span, "source": ARCHIVE_SOURCE}))
    if dataset.intake.source:
        why = "Loads what the source of the dataset holds of the day. What is there already is not loaded twice."
        found.append(Form("Backfill", "archive_backfill", why, span))
    audit = {"dataset": dataset.name, "from_day": day, "to_day": day, "restore": 0, "apply": False}
    why = "Reads the day in full, and compares it with its rows and its archive. Changes nothing."
    found.append(Form("Audit", "history_audit", why, audit))
    return found


def _cycle(dataset: Dataset, day: date) -> Form:
    why = "Condenses and proves the day, and shows what would be deleted, but deletes nothing."
    return Form("Run the cycle", dag_id_of(dataset.name), why, {"day": f"{day}", "dry_run": True})
