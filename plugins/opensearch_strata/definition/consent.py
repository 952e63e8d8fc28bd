"""A person's word for the deletions of a dataset: given, not confirmed yet, or not given. Pure.

``cycle.delete: true`` alone deletes nothing. It is confirmed by a line that a dry run prints and that a person copies
into the dataset, ``cycle.delete_confirmed``. The line speaks of the window, the index pattern and the zone of this
dataset and ends with a code of them: after a change of any, or in a copy of the file, it no longer fits, and the next
run only shows what it would delete and asks again. The word is in the file and nowhere else: it is reviewed like the
rest of the definition, counts for Airflow and the shell alike, and cannot get lost with a cluster.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from opensearch_strata.definition.dataset import Dataset


@dataclass(frozen=True)
class Consent:
    """Whether raw days of a dataset may be deleted.

    :param given: whether a person said so for the window, pattern and zone that the dataset has now
    :param asked: whether ``cycle.delete`` is set, so that only the confirmation is missing or there
    :param sentence: what holds, and what to do where deletions are wanted
    """

    given: bool
    asked: bool
    sentence: str


def confirmation(dataset: Dataset) -> str:
    """The text of ``cycle.delete_confirmed`` that fits the dataset as it is now."""
    raw = dataset.raw
    about = [dataset.name, raw.index, raw.day_format, raw.window_days, dataset.time_zone]
    code = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:8]
    days = f"{raw.window_days} day{'' if raw.window_days == 1 else 's'}"
    return f"keep {days} of {raw.index} in {dataset.time_zone}, {code}"


def consent_of(dataset: Dataset) -> Consent:
    """What a person said about the deletions of a dataset."""
    name, cycle = dataset.name, dataset.cycle
    if not cycle.delete:
        return Consent(
            False,
            False,
            f"Nothing of {name} is deleted: cycle.delete is false. Set it to true in the dataset where raw days are to "
            f"leave; the run after that shows which they would be, and asks.",
        )
    if cycle.delete_confirmed is None or " ".join(cycle.delete_confirmed.split()) != confirmation(dataset):
        why = "is not confirmed yet"
        if cycle.delete_confirmed is not None:
            why = f"was confirmed for something else ({cycle.delete_confirmed!r})"
        return Consent(
            False,
            True,
            f"Nothing of {name} is deleted yet: cycle.delete is true, but {why}. A dry run shows what would go, and "
            f"the line that confirms it.",
        )
    kept = f"{dataset.raw.window_days} complete day{'' if dataset.raw.window_days == 1 else 's'}"
    return Consent(
        True, True, f"Raw days of {name} older than the newest {kept} are deleted, each behind its proof (confirmed)."
    )


def request(dataset: Dataset) -> str:
    """The question that a run asks which may not delete yet, behind the table of what it would delete."""
    if not consent_of(dataset).asked:
        return (
            f"Nothing of {dataset.name} is deleted: cycle.delete is false. The table shows which raw days would leave; "
            f"if they are to, set it to true in the dataset, and the next run gives the line that confirms it."
        )
    return (
        f"Nothing was deleted. If these days, and from now on every day that leaves this window, may go, put this line "
        f'below `cycle:` of {dataset.name}: delete_confirmed: "{confirmation(dataset)}"'
    )
