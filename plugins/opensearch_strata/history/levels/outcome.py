"""What was found or done about the levels of a day or a month. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["look", "compare", "build"]
"""``look``: by notes and versions only; ``compare``: read every row too, change nothing; ``build``: write what is not
complete."""

State = Literal["complete", "built", "missing", "differs", "left out"]


@dataclass(frozen=True)
class LevelOfUnit:
    """One level of a day or month.

    :param state: ``complete``: it is noted, and its rows are those of the note; ``built``: now; ``missing``: it is to
        be built; ``differs``: its rows are not what base rows give; ``left out``: it cannot be merged
    :param documents: how many raw documents its rows stand for
    :param note: what differs, or why it cannot be merged
    """

    name: str
    state: State
    rows: int = 0
    documents: int = 0
    note: str = ""


@dataclass(frozen=True)
class UnitLevels:
    """The levels of a day or month.

    :param unit: the day as text, or the month
    :param documents: how many raw documents the base rows stand for
    :param note: why nothing can be merged from them; empty if something can
    :param failed: whether that is an error, and not that there is nothing
    """

    unit: str
    documents: int = 0
    levels: Sequence[LevelOfUnit] = field(default_factory=tuple)
    note: str = ""
    failed: bool = False

    @property
    def problem(self) -> str:
        """What a person must look at, in sentences; empty if there is nothing. A level that is left out is not."""
        differing = [one for one in self.levels if one.state == "differs"]
        told = [f"The level {one.name} of {self.unit} differs: {one.note}" for one in differing]
        return " ".join([*([self.note] if self.note and (self.documents or self.failed) else []), *told])
