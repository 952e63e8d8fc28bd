"""The proof of a backfill as it is told: its lines, its raw days, and whether they hold. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from opensearch_strata.archive.causes import Causes
from opensearch_strata.archive.ledger.loads import Counts
from opensearch_strata.errors.amounts import counted

QUARANTINED = "objects in quarantine"
"""Name of the check for objects that were read and could not be loaded."""

Fate = Literal["same", "anew", "reset", "unknown", "retired", "altered", "uncarried"]
"""What became of a raw day since it was loaded; see :class:`DayProof`."""

_GONE = {
    "retired": "retired (condensed and proven)",
    "altered": "retired, with documents removed before",
    "uncarried": "gone, not all of it in history",
}
_OTHER = {"anew": "deleted and recreated", "reset": "restored or reset", "unknown": "not known"}


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
        ``reset``: it has the same UUID, but a snapshot was restored into it, or a shard was begun anew or lost
        operations; ``unknown``: a load did not record its state; ``retired``: it was deleted, and history carries it,
        condensed and proven; ``altered``: likewise, but documents had been deleted or replaced when it was proven;
        ``uncarried``: history carries it, but fewer documents than were created in it
    :param replaced: operations by others that deleted or replaced documents since the first of the loads began (a lower
        bound); if 0, every single document is there as it was created, or was when the day was retired
    :param by_state: whether that was compared for each index of that name that was retired. It is not known if the
        month was made again from its copy, or the day was proven by a release that did not note it; then only the
        number of documents was compared
    """

    index: str
    created: int
    existed: int
    by_all: int
    documents: int | None
    fate: Fate = "same"
    replaced: int = 0
    by_state: bool = True

    @property
    def others(self) -> int:
        """Documents beyond those that the ledger knows.

        They are not a fault: a producer wrote them, or an attempt that was interrupted before it could record them; the
        next attempt then counted them as already there.
        """
        return max(0, (self.documents or 0) - self.by_all)

    @property
    def lost(self) -> bool:
        """Whether documents that were created are certain to be missing."""
        if self.fate in ("anew", "uncarried"):
            return True
        return self.fate not in ("retired", "altered") and (self.documents is None or self.documents < self.by_all)

    @property
    def holds(self) -> bool:
        """Whether every document that was created still exists, unchanged, or is carried by history."""
        return self.fate == "retired" or (self.fate == "same" and not self.replaced and not self.lost)

    @property
    def verdict(self) -> str:
        """``verified``, ``retired (condensed and proven)``, or what is wrong."""
        if self.fate in _GONE:
            return _GONE[self.fate]
        if self.documents is None:
            return "gone"
        if self.fate != "anew" and self.documents < self.by_all:
            return f"{self.by_all - self.documents:,} lost"
        if self.fate != "same":
            return _OTHER[self.fate]
        return f"{self.replaced:,} deleted or replaced" if self.replaced else "verified"

    @property
    def loss(self) -> str:
        """What is lost, or may be, in words."""
        match self.fate:
            case "anew" if self.documents is not None:
                return f"{self.index}: was deleted and recreated since it was loaded"
            case "uncarried":
                return f"{self.index}: was deleted after documents were created that history does not carry"
            case "altered":
                removed = counted(max(1, self.replaced), "operation")
                return f"{self.index}: {removed} or more deleted or replaced documents before it was proven and deleted"
            case _ if self.lost:
                return f"{self.index}: {counted(self.by_all, 'document')} created, {self.documents or 0:,} found"
            case "reset":
                return f"{self.index}: a snapshot was restored into it, or a shard of it was begun anew"
            case "unknown":
                return f"{self.index}: its state before the load is not in the ledger"
        return f"{self.index}: {counted(self.replaced, 'operation')} or more deleted or replaced documents"


@dataclass(frozen=True)
class BackfillProof:
    """All lines of the proof.

    :param counts: sum over the objects that are done
    :param causes: why dead letters of these objects could not be loaded
    :param later: objects that arrived since the plan and that nobody has loaded
    :param objects: that the proof is about, those of ``later`` not included
    :param by_state: whether the state of the raw days was compared. On Serverless, which does not report it, counts and
        samples decide
    :param again: what to do if it does not hold, as an imperative
    """

    checks: list[BackfillCheck]
    days: list[DayProof]
    counts: Counts
    causes: Causes = field(default_factory=dict)
    later: int = 0
    objects: int = 0
    by_state: bool = True
    again: str = "run it again"

    @property
    def failed(self) -> list[BackfillCheck]:
        """The lines that do not hold."""
        return [check for check in self.checks if not check.holds]

    @property
    def holds(self) -> bool:
        """Whether all lines hold."""
        return not self.failed

    @property
    def broken(self) -> list[DayProof]:
        """The raw days that do not hold, or may not hold, what was created in them."""
        return [day for day in self.days if not day.holds]
