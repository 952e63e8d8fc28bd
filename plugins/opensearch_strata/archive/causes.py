"""Why records could not be loaded: the number of records for each reason, and the first one's error. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_LONGEST = 400  # characters of a sentence in the ledger
_WORDS = {
    "broken": "broken",
    "unparsed": "that the parser cannot read",
    "no_time": "without a time",
    "time_out_of_range": "with a time that cannot be",
    "bad_value": "with a value that does not fit",
    "rejected": "rejected by OpenSearch",
    "dropped": "kept out by an ingest pipeline",
}


@dataclass(frozen=True)
class Cause:
    """One reason.

    :param records: the number of records
    :param first: the error of the first of them, a sentence
    """

    records: int
    first: str


Causes = Mapping[str, Cause]
"""Reason code of dead letters -> their number and the first one's error."""


def one(reason: str, detail: str) -> dict[str, Cause]:
    """The cause for a single record.

    :param reason: a code that all records of one kind share
    :param detail: a sentence; it is shortened if it is long
    """
    return {reason: Cause(1, detail if len(detail) <= _LONGEST else f"{detail[:_LONGEST]}…")}


def summed(parts: Iterable[Causes]) -> dict[str, Cause]:
    """Add causes up; for each reason, the earliest sentence is kept.

    :param parts: in the order in which they occurred
    """
    total: dict[str, Cause] = {}
    for part in parts:
        for reason, cause in part.items():
            known = total.get(reason)
            total[reason] = Cause(known.records + cause.records, known.first) if known else cause
    return total


def told_causes(causes: Causes) -> str:
    """Describe causes for a person, most frequent first: ``3 rejected by OpenSearch, the first: <sentence>``."""
    ordered = sorted(causes.items(), key=lambda item: -item[1].records)
    return " ".join(
        f"{cause.records:,} {_WORDS.get(reason, reason)}{f', the first: {_ended(cause.first)}' if cause.first else '.'}"
        for reason, cause in ordered
    )


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "…")) else f"{sentence}."
