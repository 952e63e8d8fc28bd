"""What an audit finds: a day, a sentence, how bad it is, and what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Literal

Severity = Literal["lost", "would be lost", "look", "fine"]
"""``lost``: documents or rows that existed are in no place any more. ``would be lost``: one copy of them is missing or
wrong, so that the next fault would lose them. ``look``: nothing is at risk, but something is not as it should be."""

SEVERITIES: tuple[Severity, ...] = ("lost", "would be lost", "look", "fine")
"""The worst one first."""

NOTHING_TO_DO = ""
"""The cure of a finding that is fine."""

Kind = Literal[
    "unreadable", "missing", "rows", "mark", "archive", "storage class", "ledger", "late", "beyond the window",
    "restored", "leftover", "copy", "definition", "levels", "unfinished", "day",
]  # fmt: skip
"""What a finding is about. ``unfinished``: something could not be looked at, so that the audit fails for want of it."""


@dataclass(frozen=True)
class Finding:
    """One line of an audit.

    :param day: the first day that it is about; None if it is not about a day
    :param finding: a sentence
    :param cure: what to do, sentences or commands; ``{first}`` and ``{last}`` in it stand for the days. Empty if there
        is nothing to do
    :param last: the last day that it is about, if there are several consecutive ones
    :param is_passing: whether another audit may find something else although nobody changes anything
    """

    kind: Kind
    day: date | None
    finding: str
    severity: Severity
    cure: str = NOTHING_TO_DO
    last: date | None = None
    is_passing: bool = False

    @property
    def days(self) -> str:
        """``2013-01-05`` or ``2013-01-05 .. 2013-01-09``; empty if it is not about a day."""
        if self.day is None:
            return ""
        return f"{self.day}" if self.last in (None, self.day) else f"{self.day} .. {self.last}"

    @property
    def what_to_do(self) -> str:
        """The cure, with the days that it is about."""
        if self.day is None:
            return self.cure
        return self.cure.replace("{first}", f"{self.day}").replace("{last}", f"{self.last or self.day}")

    def as_json(self) -> dict[str, Any]:
        """As a small JSON object."""
        return {
            "day": f"{self.day}" if self.day else None,
            "last": f"{self.last or self.day}" if self.day else None,
            "kind": self.kind,
            "finding": self.finding,
            "severity": self.severity,
            "cure": self.what_to_do,
        }


def joined(findings: Iterable[Finding]) -> list[Finding]:
    """The worst findings first, then by day. Equal findings of consecutive days become one.

    :param findings: in any order
    """
    runs: list[Finding] = []
    for found in sorted(findings, key=_alike):
        before = runs[-1] if runs else None
        if (
            before
            and found.day
            and _ends_before(before, found.day)
            and replace(before, day=None, last=None) == replace(found, day=None, last=None)
        ):
            runs[-1] = replace(before, last=found.last or found.day)
        else:
            runs.append(found)
    return sorted(runs, key=_order)


def _ends_before(one: Finding, day: date) -> bool:
    last = one.last or one.day
    return last is not None and last + timedelta(days=1) == day


def _alike(found: Finding) -> tuple[int, str, str, str, date]:
    return SEVERITIES.index(found.severity), found.kind, found.finding, found.cure, found.day or date.min


def _order(found: Finding) -> tuple[int, date, str, str]:
    return SEVERITIES.index(found.severity), found.day or date.min, found.kind, found.finding


def counts_of(findings: Sequence[Finding]) -> dict[Severity, int]:
    """How many findings there are of each severity, the worst one first.

    :param findings: joined or not
    """
    return {severity: sum(found.severity == severity for found in findings) for severity in SEVERITIES}


def is_bad(found: Finding) -> bool:
    """Whether something is lost, or would be.

    :param found: of an audit
    """
    return found.severity in ("lost", "would be lost")


def failed(findings: Iterable[Finding]) -> bool:
    """Whether anything is lost or would be, or could not be looked at.

    :param findings: of an audit
    """
    return any(is_bad(found) or found.kind == "unfinished" for found in findings)
