"""Parts of a pattern, and whether the next character always tells which of them is to come. Pure.

For each part ``first`` says what it may begin with, as a bit for each character of ASCII and one for all others. What
may follow it is handed down; a choice that it does not decide is refused with a sentence that says what to write.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Character:
    """One character of a set: a bit for each of ASCII, one for all others."""

    bits: int
    text: str
    is_literal: bool = False
    is_empty = False

    @property
    def first(self) -> int:
        return self.bits

    def written(self) -> str:
        return self.text

    def require_told(self, follow: int, pattern: str) -> None:
        """Nothing to choose."""


@dataclass
class Sequence:
    """One part behind the other."""

    parts: list[Node]

    @property
    def is_empty(self) -> bool:
        """Whether it fits an empty text."""
        return all(part.is_empty for part in self.parts)

    @property
    def first(self) -> int:
        """What it may begin with."""
        return _first_of(self.parts, 0)

    def written(self) -> str:
        text, position = "", 0
        while position < len(self.parts):
            part = self.parts[position]
            literal = self._literal(position + 1) if _ends_lazily(part) else 0
            inner = "".join(one.written() for one in self.parts[position : position + 1 + literal])
            text += f"(?>{inner})" if literal else inner
            position += 1 + literal
        return text

    def require_told(self, follow: int, pattern: str, *, is_cut: bool = False) -> None:
        position = 0
        while position < len(self.parts):
            part = self.parts[position]
            if _ends_lazily(part):
                literal = self._literal(position + 1)
                if not literal and not (is_cut and part is self.parts[-1]):
                    raise ValueError(
                        f"{pattern!r}: {part.written()!r} ends at the first place where the text behind it is found, "
                        "and there must be such a text, without a choice; say one, or what it may not hold, like [^ ]*"
                    )
                if isinstance(part, Group) and isinstance(part.inner, Sequence):
                    part.inner.require_told(0, pattern, is_cut=True)
                position += 1 + literal
                continue
            part.require_told(_first_of(self.parts, position + 1, follow), pattern)
            position += 1

    def _literal(self, position: int) -> int:
        """How many parts from there on are plain characters."""
        found = 0
        for part in self.parts[position:]:
            if not (isinstance(part, Character) and part.is_literal):
                break
            found += 1
        return found


@dataclass
class Choice:
    """One of several."""

    branches: list[Sequence]

    @property
    def is_empty(self) -> bool:
        return any(branch.is_empty for branch in self.branches)

    @property
    def first(self) -> int:
        bits = 0
        for branch in self.branches:
            bits |= branch.first
        return bits

    def written(self) -> str:
        return f"(?:{'|'.join(branch.written() for branch in self.branches)})"

    def require_told(self, follow: int, pattern: str) -> None:
        seen = 0
        for branch in self.branches:
            begins = branch.first | (follow if branch.is_empty else 0)
            if seen & begins:
                raise ValueError(
                    f"{pattern!r}: {branch.written()!r} may begin like another choice of {self.written()!r}; put what "
                    "they share before the choice, so that the next character tells which it is"
                )
            seen |= begins
            branch.require_told(follow, pattern)


@dataclass
class Group:
    """A part that has a name, or an empty one."""

    name: str
    inner: Sequence | Choice

    @property
    def is_empty(self) -> bool:
        return self.inner.is_empty

    @property
    def first(self) -> int:
        return self.inner.first

    def written(self) -> str:
        inner = self.inner.written()
        return f"(?P<{self.name}>{inner})" if self.name else f"(?:{inner})"

    def require_told(self, follow: int, pattern: str) -> None:
        self.inner.require_told(follow, pattern)


@dataclass
class Repeat:
    """A part several times.

    :param times: as it is written: ``*``, ``{2,3}``
    :param most: None: as often as it likes
    """

    inner: Character | Group
    times: str
    least: int
    most: int | None
    is_lazy: bool

    @property
    def is_empty(self) -> bool:
        return self.least == 0 or self.inner.is_empty

    @property
    def first(self) -> int:
        return self.inner.first

    def written(self) -> str:
        return f"{self.inner.written()}{self.times}{'?' if self.is_lazy else ''}"

    def require_told(self, follow: int, pattern: str) -> None:
        if self.inner.is_empty:
            raise ValueError(
                f"{pattern!r}: what {self.written()!r} repeats may be nothing; let it be at least a character"
            )
        again = self.inner.first if self.most is None or self.most > 1 else 0
        self.inner.require_told(follow | again, pattern)
        if not self.is_lazy and self.most != self.least and self.inner.first & follow:
            raise ValueError(
                f"{pattern!r}: where {self.written()!r} ends is not told by the next character, since what follows may "
                'begin alike; say what it may not hold, like [^ ]* or [^"]*, or end it at the first place of the text '
                "behind it by .*?"
            )


Node = Character | Group | Repeat | Choice | Sequence


def _first_of(parts: list[Node], position: int, follow: int = 0) -> int:
    bits = 0
    for part in parts[position:]:
        bits |= part.first
        if not part.is_empty:
            return bits
    return bits | follow


def _ends_lazily(part: Node) -> bool:
    """Whether it is, or is a group that ends with, a repeated character that takes as little as it can."""
    while isinstance(part, Group) and isinstance(part.inner, Sequence) and part.inner.parts:
        part = part.inner.parts[-1]
    return isinstance(part, Repeat) and part.is_lazy
