"""Parts of a pattern, and the check that the next character always decides which of them comes next. Pure.

For each part, ``first`` holds the characters it may begin with: one bit for each ASCII character and one for all
others. The characters that may follow a part are passed down. A choice that the next character does not decide is
refused with a sentence that says what to write instead.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Character:
    """One character of a set: a bit for each ASCII character, and one for all others."""

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
    """Parts one after the other."""

    parts: list[Node]

    @property
    def is_empty(self) -> bool:
        """Whether it matches an empty text."""
        return all(part.is_empty for part in self.parts)

    @property
    def first(self) -> int:
        """The characters that it may begin with."""
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
                        f"{pattern!r}: {part.written()!r} ends at the first place where the text after it occurs, so "
                        "literal text without a choice must follow it; add such text, or say what it may not contain, "
                        "like [^ ]*"
                    )
                if isinstance(part, Group) and isinstance(part.inner, Sequence):
                    part.inner.require_told(0, pattern, is_cut=True)
                position += 1 + literal
                continue
            part.require_told(_first_of(self.parts, position + 1, follow), pattern)
            position += 1

    def _literal(self, position: int) -> int:
        """How many parts in a row, from this position on, are literal characters."""
        found = 0
        for part in self.parts[position:]:
            if not (isinstance(part, Character) and part.is_literal):
                break
            found += 1
        return found


@dataclass
class Choice:
    """One of several branches."""

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
                    "they share before the choice, so that the next character decides between them"
                )
            seen |= begins
            branch.require_told(follow, pattern)


@dataclass
class Group:
    """A group; its name is empty if it has none."""

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
    """A repeated part.

    :param times: as it is written: ``*``, ``{2,3}``
    :param most: None if there is no limit
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
                f"{pattern!r}: what {self.written()!r} repeats may be empty; make it at least one character long"
            )
        again = self.inner.first if self.most is None or self.most > 1 else 0
        self.inner.require_told(follow | again, pattern)
        if not self.is_lazy and self.most != self.least and self.inner.first & follow:
            raise ValueError(
                f"{pattern!r}: the next character does not decide where {self.written()!r} ends, since what follows "
                'may begin alike; say what it may not contain, like [^ ]* or [^"]*, or use .*? to end it at the first '
                "place where the text after it occurs"
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
    """Whether the part is, or is a group that ends with, a character with a lazy quantifier."""
    while isinstance(part, Group) and isinstance(part.inner, Sequence) and part.inner.parts:
        part = part.inner.parts[-1]
    return isinstance(part, Repeat) and part.is_lazy
