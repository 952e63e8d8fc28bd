r"""Regular expressions that never go back, so that no line takes longer than its length. Pure.

A part of those of Python: text, ``.``, ``\d \w \s \D \W \S``, escaped characters, ``[...]``, ``(?P<name>...)``,
``(?:...)``, ``(...)``, ``|``, ``* + ? {m} {m,} {m,n}`` and ``(?s:...)``, where ``.`` is also a line break. At each
place the next character must tell how to go on (LL(1)): where a repeated part may end, what follows must not begin like
that part. One exception: ``.*?`` and ``.+?``, of one character at a time, end for good at the first place where the
literal text behind them is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

_OTHER = 1 << 128  # all characters beyond ASCII
_END = 1 << 129
_ALL = (1 << 129) - 1
_BREAK = 1 << ord("\n")
_MOST = 4000  # characters of a pattern
_DEEPEST = 20
_REPEATS = 1000
_GROUP = re.compile(r"\(\?P<([A-Za-z_][A-Za-z0-9_]*)>|\(\?:|\(\?s:|\((?!\?)")
_TIMES = re.compile(r"\*|\+|\?|\{(\d{1,4})(,(\d{0,4}))?\}")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}


class Pattern(NamedTuple):
    """A pattern, ready to be used.

    :param text: as it was stated
    :param fits: of Python; match a text with its ``fullmatch``
    :param names: of the groups
    """

    text: str
    fits: re.Pattern[str]
    names: tuple[str, ...]


@lru_cache
def compiled(text: str) -> Pattern:
    """A pattern of its text.

    :raises ValueError: it is none, or not one of these; says where and what to write instead
    """
    if len(text) > _MOST:
        raise ValueError(f"is longer than {_MOST} characters")
    reader = _Reader(_between_anchors(text))
    whole = reader.whole()
    if len(set(reader.names)) != len(reader.names):
        raise ValueError(f"{text!r} names a group twice; name each once")
    whole.require_told(_END, text)
    return Pattern(text, re.compile(whole.written(), re.ASCII), tuple(reader.names))


def _between_anchors(text: str) -> str:
    """Without ^ and $ at its ends, which say what is so anyway."""
    before = text.removesuffix("$")
    is_sign = (len(before) - len(before.rstrip("\\"))) % 2
    return (text if is_sign else before).removeprefix("^")


@dataclass
class _Character:
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
class _Sequence:
    parts: list[_Node]

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
                if isinstance(part, _Group) and isinstance(part.inner, _Sequence):
                    part.inner.require_told(0, pattern, is_cut=True)
                position += 1 + literal
                continue
            part.require_told(_first_of(self.parts, position + 1, follow), pattern)
            position += 1

    def _literal(self, position: int) -> int:
        """How many parts from there on are plain characters."""
        found = 0
        for part in self.parts[position:]:
            if not (isinstance(part, _Character) and part.is_literal):
                break
            found += 1
        return found


@dataclass
class _Choice:
    branches: list[_Sequence]

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
class _Group:
    name: str
    inner: _Sequence | _Choice

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
class _Repeat:
    inner: _Character | _Group
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


_Node = _Character | _Group | _Repeat | _Choice | _Sequence


def _first_of(parts: list[_Node], position: int, follow: int = 0) -> int:
    bits = 0
    for part in parts[position:]:
        bits |= part.first
        if not part.is_empty:
            return bits
    return bits | follow


def _ends_lazily(part: _Node) -> bool:
    """Whether it is, or is a group that ends with, a repeated character that takes as little as it can."""
    while isinstance(part, _Group) and isinstance(part.inner, _Sequence) and part.inner.parts:
        part = part.inner.parts[-1]
    return isinstance(part, _Repeat) and part.is_lazy


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._dot = _ALL & ~_BREAK
        self.names: list[str] = []

    def whole(self) -> _Sequence | _Choice:
        found = self._choice()
        if self._at < len(self._text):
            raise self._wrong("closes a group that is not open")
        return found

    def _wrong(self, what: str) -> ValueError:
        shown = self._text[self._at : self._at + 12]
        return ValueError(f"{self._text!r}: {shown!r} at character {self._at + 1} {what}")

    def _choice(self) -> _Sequence | _Choice:
        branches = [self._sequence()]
        while self._text.startswith("|", self._at):
            self._at += 1
            branches.append(self._sequence())
        return _Choice(branches) if len(branches) > 1 else branches[0]

    def _sequence(self) -> _Sequence:
        parts: list[_Node] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            parts.append(self._repeated(self._one()))
        return _Sequence(parts)

    def _repeated(self, part: _Character | _Group) -> _Node:
        times = _TIMES.match(self._text, self._at)
        if times is None:
            return part
        self._at = times.end()
        lazy = self._text.startswith("?", self._at)
        self._at += lazy
        if self._text[self._at : self._at + 1] == "+" or _TIMES.match(self._text, self._at):
            raise self._wrong("repeats what is repeated already")
        least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(times[0], (int(times[1] or 0), None))
        if times[1]:
            most = least if times[2] is None else int(times[3]) if times[3] else None
        if max(least, most or 0) > _REPEATS or (most is not None and most < least):
            raise self._wrong(f"must repeat at most {_REPEATS} times, and not less than its least")
        if lazy and not isinstance(part, _Character):
            raise self._wrong("lets a group take as little as it can; only one character, like .*?, may")
        return _Repeat(part, times[0], least, most, lazy)

    def _one(self) -> _Character | _Group:
        character = self._text[self._at]
        if character == "(":
            return self._group()
        if character == "[":
            return self._set()
        if character == ".":
            self._at += 1
            text = "." if not self._dot & _BREAK else "(?s:.)"
            return _Character(self._dot, text)
        if character == "\\":
            bits, text = self._escaped()
            return _Character(bits, text, is_literal=bits.bit_count() == 1 and bits != _OTHER)
        if _TIMES.match(self._text, self._at):
            raise self._wrong("has nothing to repeat; the sign itself is written with a backslash before it")
        if character in "^$":
            raise self._wrong("is not needed, a pattern fits whole lines; the sign itself is written with a backslash")
        self._at += 1
        return _Character(_bit(character), re.escape(character), is_literal=True)

    def _group(self) -> _Group:
        opened = _GROUP.match(self._text, self._at)
        if opened is None:
            raise self._wrong("is no group known here; these are (?P<name>...), (?:...) and (?s:...)")
        self._at, dot = opened.end(), self._dot
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong(f"lies deeper than {_DEEPEST} groups")
        if opened[0] == "(?s:":
            self._dot = _ALL
        if opened[1]:
            self.names.append(opened[1])
        inner = self._choice()
        if not self._text.startswith(")", self._at):
            raise self._wrong("should close a group")
        self._at, self._dot = self._at + 1, dot
        self._depth -= 1
        return _Group(opened[1] or "", inner)

    def _escaped(self) -> tuple[int, str]:
        character = self._text[self._at + 1 : self._at + 2]
        if kind := _KINDS.get(character):
            self._at += 2
            return kind, f"\\{character}"
        if character in _ESCAPED or (character and not character.isalnum()):
            self._at += 2
            meant = _ESCAPED.get(character, character)
            return _bit(meant), re.escape(meant)
        raise self._wrong("is no escape known here; these are \\d \\w \\s \\D \\W \\S \\t \\n \\r and signs")

    def _set(self) -> _Character:
        start = self._at
        self._at += 1
        is_inverse = self._text.startswith("^", self._at)
        self._at += is_inverse
        bits, text = 0, ""
        while not self._text.startswith("]", self._at) or not text:
            if self._at >= len(self._text):
                self._at = start
                raise self._wrong("is a set that does not end")
            low_bits, low = self._member()
            if self._text.startswith("-", self._at) and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                _, high = self._member()
                if len(low) > 2 or len(high) > 2 or low[-1] > high[-1] or low[0] + low[-1] in _CLASSES:
                    raise self._wrong("is behind a range that does not go from a character to a later one")
                text += f"{low}-{high}"
                bits |= _range(low[-1], high[-1])
                continue
            text += low
            bits |= low_bits
        self._at += 1
        if is_inverse:  # characters beyond ASCII may be named, but never all of them
            bits = _ALL & ~bits | _OTHER
        return _Character(bits, f"[{'^' if is_inverse else ''}{text}]")

    def _member(self) -> tuple[int, str]:
        character = self._text[self._at]
        if character == "\\":
            return self._escaped()
        self._at += 1
        return _bit(character), re.escape(character)


def _bit(character: str) -> int:
    return 1 << ord(character) if ord(character) < 128 else _OTHER


def _range(low: str, high: str) -> int:
    bits = 0
    for code in range(ord(low), min(ord(high), 127) + 1):
        bits |= 1 << code
    return bits | (_OTHER if ord(high) > 127 else 0)


def _kind(text: str) -> int:
    fits = re.compile(text, re.ASCII)
    return sum(1 << code for code in range(128) if fits.match(chr(code))) | (_OTHER if fits.match("é") else 0)


_KINDS = {name: _kind(f"\\{name}") for name in "dwsDWS"}
_CLASSES = frozenset(f"\\{name}" for name in _KINDS)
