"""The proof of a backfill as it is told: its lines, its raw days, and whether they hold. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from opensearch_strata.archive.causes import Causes
from opensearch_strata.archive.ledger.rows import Counts
from opensearch_strata.errors.amounts import counted


@dataclass(frozen=True)
class BackfillCheck:
    """One line of the proof.

    :param named: the first things that do not hold, one sentence each
    """

    name: str
    wanted: Any
    found: Any
    holds: bool
    named: tuple[str, ...] = ()


@dataclass(frozen=True)
class DayProof:
    """A raw day compared with the ledger.

    :param created: documents that the objects of this proof created in it
    :param existed: documents of these objects that already existed in it
    :param by_all: documents that all objects of the dataset created in it, whenever they were loaded. If it was
        deleted and restored since, those that they created in one and the same index of that name
    :param documents: documents that it holds after a refresh; None if it is gone
    :param fate: ``same``: it is the index that was loaded into; ``anew``: it is another index with the same name;
        ``retired``: it was deleted, and history carries it, condensed and proven
    :param replaced: operations by others that deleted or replaced documents since the first of the loads began (a lower
        bound); if 0, every single document is there as it was created
    """

    index: str
    created: int
    existed: int
    by_all: int
    documents: int | None
    fate: Literal["same", "anew", "retired"] = "same"
    replaced: int = 0

    @property
    def others(self) -> int:
        """Documents beyond those that the ledger knows.

        They are not a fault: a producer wrote them, or an attempt that was interrupted before it could record them; the
        next attempt then counted them as already there.
        """
        return max(0, (self.documents or 0) - self.by_all)

    @property
    def holds(self) -> bool:
        """Whether every document that was created still exists or is carried by history."""
        if self.fate != "same":
            return self.fate == "retired"
        return self.documents is not None and self.documents >= self.by_all

    @property
    def verdict(self) -> str:
        """``verified``, ``retired (condensed and proven)``, or what is wrong."""
        if self.fate == "retired":
            return "retired (condensed and proven)"
        if self.documents is None:
            return "gone"
        if self.fate == "anew":
            return "deleted and recreated"
        return "verified" if self.holds else f"{self.by_all - self.documents:,} lost"

    @property
    def loss(self) -> str:
        """What is lost, in words."""
        if self.fate == "anew":
            return f"{self.index}: was deleted and recreated since it was loaded"
        return f"{self.index}: {counted(self.by_all, 'document')} created, {self.documents or 0:,} found"


@dataclass(frozen=True)
class BackfillProof:
    """All lines of the proof.

    :param counts: sum over the objects that are done
    :param causes: why dead letters of these objects could not be loaded
    :param later: objects that arrived since the plan and that nobody has loaded
    :param objects: that the proof is about, those of ``later`` not included
    """

    checks: list[BackfillCheck]
    days: list[DayProof]
    counts: Counts
    causes: Causes = field(default_factory=dict)
    later: int = 0
    objects: int = 0

    @property
    def failed(self) -> list[BackfillCheck]:
        """The lines that do not hold."""
        return [check for check in self.checks if not check.holds]

    @property
    def holds(self) -> bool:
        """Whether all lines hold."""
        return not self.failed

    @property
    def replaced(self) -> list[DayProof]:
        """Days in which others deleted or replaced documents since the load began."""
        return [day for day in self.days if day.holds and day.replaced]
