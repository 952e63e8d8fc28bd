"""A person's consent to the deletions of a dataset: given, not confirmed yet, or not given. Pure.

``cycle.delete: true`` alone deletes nothing. A person confirms it by copying a line that a dry run prints into the
dataset, as ``cycle.delete_confirmed``. The line names the window, the index pattern and the time zone of this dataset
and ends with a code computed from them. If any of them changes, or if the file is copied, the line no longer matches,
and the next run only shows what it would delete and asks again. The consent is in the file and nowhere else: it is
reviewed like the rest of the definition, applies to Airflow and the shell alike, and cannot be lost with a cluster.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from opensearch_strata.definition.dataset import Dataset


@dataclass(frozen=True)
class Consent:
    """Whether raw days of a dataset may be deleted.

    :param given: whether a person confirmed it for the window, pattern and time zone that the dataset has now
    :param asked: whether ``cycle.delete`` is set, so that only the confirmation may be missing
    :param sentence: what applies now, and what to do if deletions are wanted
    :param line: the line that confirms it, for the dataset's ``cycle``; empty unless only that is missing
    """

    given: bool
    asked: bool
    sentence: str
    line: str = ""


def confirmation(dataset: Dataset) -> str:
    """The text of ``cycle.delete_confirmed`` that matches the dataset as it is now."""
    raw = dataset.raw
    about = [dataset.name, raw.index, raw.day_format, raw.window_days, dataset.time_zone]
    code = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:8]
    days = f"{raw.window_days} day{'' if raw.window_days == 1 else 's'}"
    return f"keep {days} of {raw.index} in {dataset.time_zone}, {code}"


def consent_of(dataset: Dataset) -> Consent:
    """The consent that a dataset's definition gives to deletions."""
    name, cycle = dataset.name, dataset.cycle
    if not cycle.delete:
        return Consent(
            False,
            False,
            f"Nothing of {name} is deleted: cycle.delete is false. To have raw days deleted, set it to true in the "
            f"dataset; the next run then shows which ones it would delete, and asks.",
        )
    if cycle.delete_confirmed is None or " ".join(cycle.delete_confirmed.split()) != confirmation(dataset):
        why = "it is not confirmed yet"
        if cycle.delete_confirmed is not None:
            why = f"it was confirmed for something else ({cycle.delete_confirmed!r})"
        return Consent(
            False,
            True,
            f"Nothing of {name} is deleted yet: cycle.delete is true, but {why}. A dry run shows what would be "
            f"deleted, and the line that confirms it.",
            f'delete_confirmed: "{confirmation(dataset)}"',
        )
    kept = f"{dataset.raw.window_days} complete day{'' if dataset.raw.window_days == 1 else 's'}"
    return Consent(
        True, True, f"Raw days of {name} older than the newest {kept} are deleted, each after its proof (confirmed)."
    )


def request(dataset: Dataset) -> str:
    """The question of a run that may not delete yet, shown after the table of what it would delete."""
    consent = consent_of(dataset)
    if not consent.asked:
        return (
            f"Nothing of {dataset.name} is deleted: cycle.delete is false. The table shows which raw days would be "
            f"deleted. If that is wanted, set it to true in the dataset, and the next run prints the line that "
            f"confirms it."
        )
    return (
        f"Nothing was deleted. If these days, and from now on every day that leaves this window, may be deleted, put "
        f"this line below `cycle:` of {dataset.name}: {consent.line}"
    )
