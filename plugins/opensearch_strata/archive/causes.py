"""Why records could not be loaded: how many for each reason, and what was said of the first of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_LONGEST = 400  # characters of a sentence that the ledger keeps
_WORDS = {
    "broken": "broken",
    "unparsed": "that the parser cannot read",
    "no_time": "without a time",
    "bad_value": "with a value that does not fit",
    "rejected": "rejected by OpenSearch",
    "dropped": "kept out by an ingest pipeline",
}


@dataclass(frozen=True)
class Cause:
    """One reason.

    :param records: how many
    :param first: what was said of the first of them, a sentence
    """

    records: int
    first: str


Causes = Mapping[str, Cause]
"""Reason of dead letters, a code, -> how many and the first."""


def one(reason: str, detail: str) -> dict[str, Cause]:
    """A single record.

    :param reason: a word that those of one kind share
    :param detail: a sentence; a long one is shortened
    """
    return {reason: Cause(1, detail if len(detail) <= _LONGEST else f"{detail[:_LONGEST]}…")}


def summed(parts: Iterable[Causes]) -> dict[str, Cause]:
    """All together; of each reason the sentence that came first stays.

    :param parts: in the order in which they came
    """
    total: dict[str, Cause] = {}
    for part in parts:
        for reason, cause in part.items():
            known = total.get(reason)
            total[reason] = Cause(known.records + cause.records, known.first) if known else cause
    return total


def told_causes(causes: Causes) -> str:
    """For a person, the most frequent reason first: ``3 rejected by OpenSearch, the first: <sentence>``."""
    ordered = sorted(causes.items(), key=lambda item: -item[1].records)
    return " ".join(
        f"{cause.records:,} {_WORDS.get(reason, reason)}{f', the first: {_ended(cause.first)}' if cause.first else '.'}"
        for reason, cause in ordered
    )


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "…")) else f"{sentence}."
