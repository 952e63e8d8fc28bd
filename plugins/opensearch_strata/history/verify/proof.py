"""The proof of a day as it is told: its lines, and what they come to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from opensearch_strata.history.month.rows_of_day import NOTHING, Carried
from opensearch_strata.history.raw_day.inspection import RawDay

ProofState = Literal["verified", "differs", "held", "missing", "empty"]


@dataclass(frozen=True)
class Check:
    """One line of the proof.

    :param named: the first of the cases that it counts, in words
    """

    name: str
    raw: Any
    history: Any
    holds: bool
    named: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proof:
    """All lines of a day's proof. ``missing`` and ``empty`` are separate states that never count as verified.

    ``held`` is a day whose rows carry everything that searches see, but whose documents hold something that searches do
    not see.

    :param raw: the raw day that was read, with its UUID and sequence numbers; None if missing
    :param carried: what its rows carried, and their version, when they were read
    :param rows: how many rows carry it
    :param null_rows: how many rows are of documents without a group value or a time; they count like all others
    :param genuine_documents: how many documents are carried by rows with a transform's ids
    :param metrics: metric -> ``{count, min?, max?, sum?, bins?, registers?}`` over all rows, as readers get them
    :param without_levels: why levels of a verified day are not complete, in sentences; base rows are proven all the
        same, and read instead
    :param mended: whether the rows were condensed anew before they were proven
    """

    index: str
    day: date
    state: ProofState
    raw: RawDay | None
    checks: list[Check] = field(default_factory=list)
    rows: int = 0
    null_rows: int = 0
    genuine_documents: int = 0
    carried: Carried = NOTHING
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    without_levels: str = ""
    mended: bool = False

    @property
    def failed(self) -> list[Check]:
        """The lines that do not hold."""
        return [check for check in self.checks if not check.holds]

    @property
    def named(self) -> list[str]:
        """The first case of each line that does not hold, in words."""
        return [f"{check.name}: {named}" for check in self.failed for named in check.named]

    @property
    def told(self) -> list[str]:
        """What keeps a ``held`` day, one phrase for each problem."""
        return [named for check in self.failed for named in check.named]

    @property
    def mendable(self) -> bool:
        """Whether condensing can repair the day: its rows differ, but carry no more documents than the raw day."""
        return self.state == "differs" and self.raw is not None and self.raw.documents >= self.genuine_documents
