r"""Regular expressions that never backtrack, so that the time for a line is proportional to its length. Pure.

They are a subset of Python's: text, ``.``, ``\d \w \s \D \W \S``, escaped characters, ``[...]``, ``(?P<name>...)``,
``(?:...)``, ``(...)``, ``|``, ``* + ? {m} {m,} {m,n}`` and ``(?s:...)``, in which ``.`` also matches a line break. At
each place the next character must decide how to continue (LL(1)): where a repeated part may end, what follows must not
begin like that part. There is one exception: ``.*?`` and ``.+?``, which repeat a single character, end irrevocably at
the first place where the literal text after them occurs.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from opensearch_strata.definition.notation.pattern_parts import Character, Choice, Group, Node, Repeat, Sequence

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
    """A pattern that is ready for use.

    :param text: the pattern as it was written
    :param fits: the compiled pattern of Python; match a text with its ``fullmatch``
    :param names: names of the groups
    """

    text: str
    fits: re.Pattern[str]
    names: tuple[str, ...]


@lru_cache
def compiled(text: str) -> Pattern:
    """Compile the text of a pattern.

    :param text: a regular expression with named groups, in the subset of the syntax that ``docs/formats.md`` lists
    :raises ValueError: it is not one, or is outside the subset; says where, and what to write instead
    """
    if len(text) > _MOST:
        raise ValueError(f"is longer than {_MOST} characters")
    reader = _Reader(_between_anchors(text))
    whole = reader.whole()
    if len(set(reader.names)) != len(reader.names):
        raise ValueError(f"{text!r} uses the name of a group twice; use each name once")
    whole.require_told(_END, text)
    return Pattern(text, re.compile(whole.written(), re.ASCII), tuple(reader.names))


def _between_anchors(text: str) -> str:
    """The text without ^ and $ at its ends, which are implied anyway."""
    before = text.removesuffix("$")
    is_sign = (len(before) - len(before.rstrip("\\"))) % 2
    return (text if is_sign else before).removeprefix("^")


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._dot = _ALL & ~_BREAK
        self.names: list[str] = []

    def whole(self) -> Sequence | Choice:
        found = self._choice()
        if self._at < len(self._text):
            raise self._wrong("closes a group that is not open")
        return found

    def _wrong(self, what: str) -> ValueError:
        shown = self._text[self._at : self._at + 12]
        return ValueError(f"{self._text!r}: {shown!r} at character {self._at + 1} {what}")

    def _choice(self) -> Sequence | Choice:
        branches = [self._sequence()]
        while self._text.startswith("|", self._at):
            self._at += 1
            branches.append(self._sequence())
        return Choice(branches) if len(branches) > 1 else branches[0]

    def _sequence(self) -> Sequence:
        parts: list[Node] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            parts.append(self._repeated(self._one()))
        return Sequence(parts)

    def _repeated(self, part: Character | Group) -> Node:
        times = _TIMES.match(self._text, self._at)
        if times is None:
            return part
        self._at = times.end()
        lazy = self._text.startswith("?", self._at)
        self._at += lazy
        if self._text[self._at : self._at + 1] == "+" or _TIMES.match(self._text, self._at):
            raise self._wrong("repeats something that is already repeated")
        least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(times[0], (int(times[1] or 0), None))
        if times[1]:
            most = least if times[2] is None else int(times[3]) if times[3] else None
        if max(least, most or 0) > _REPEATS or (most is not None and most < least):
            raise self._wrong(f"must repeat at most {_REPEATS} times, and its maximum must not be below its minimum")
        if lazy and not isinstance(part, Character):
            raise self._wrong("makes the repetition of a group lazy; only that of one character may be, like .*?")
        return Repeat(part, times[0], least, most, lazy)

    def _one(self) -> Character | Group:
        character = self._text[self._at]
        if character == "(":
            return self._group()
        if character == "[":
            return self._set()
        if character == ".":
            self._at += 1
            text = "." if not self._dot & _BREAK else "(?s:.)"
            return Character(self._dot, text)
        if character == "\\":
            bits, text = self._escaped()
            return Character(bits, text, is_literal=bits.bit_count() == 1 and bits != _OTHER)
        if _TIMES.match(self._text, self._at):
            raise self._wrong("has nothing to repeat; to match the character itself, put a backslash before it")
        if character in "^$":
            raise self._wrong(
                "is not needed, because a pattern matches whole lines; to match the character itself, put a backslash "
                "before it"
            )
        self._at += 1
        return Character(_bit(character), re.escape(character), is_literal=True)

    def _group(self) -> Group:
        opened = _GROUP.match(self._text, self._at)
        if opened is None:
            raise self._wrong("is not a supported group; use (?P<name>...), (?:...) or (?s:...)")
        self._at, dot = opened.end(), self._dot
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong(f"is nested deeper than {_DEEPEST} groups")
        if opened[0] == "(?s:":
            self._dot = _ALL
        if opened[1]:
            self.names.append(opened[1])
        inner = self._choice()
        if not self._text.startswith(")", self._at):
            raise self._wrong("should close a group")
        self._at, self._dot = self._at + 1, dot
        self._depth -= 1
        return Group(opened[1] or "", inner)

    def _escaped(self) -> tuple[int, str]:
        character = self._text[self._at + 1 : self._at + 2]
        if kind := _KINDS.get(character):
            self._at += 2
            return kind, f"\\{character}"
        if character in _ESCAPED or (character and not character.isalnum()):
            self._at += 2
            meant = _ESCAPED.get(character, character)
            return _bit(meant), re.escape(meant)
        raise self._wrong("is not a supported escape; use \\d \\w \\s \\D \\W \\S \\t \\n \\r or a symbol")

    def _set(self) -> Character:
        start = self._at
        self._at += 1
        is_inverse = self._text.startswith("^", self._at)
        self._at += is_inverse
        bits, text = 0, ""
        while not self._text.startswith("]", self._at) or not text:
            if self._at >= len(self._text):
                self._at = start
                raise self._wrong("begins a set that is not closed")
            low_bits, low = self._member()
            if self._text.startswith("-", self._at) and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                _, high = self._member()
                if len(low) > 2 or len(high) > 2 or low[-1] > high[-1] or low[0] + low[-1] in _CLASSES:
                    raise self._wrong("follows a range that does not go from one character to a later one")
                text += f"{low}-{high}"
                bits |= _range(low[-1], high[-1])
                continue
            text += low
            bits |= low_bits
        self._at += 1
        if is_inverse:  # a set may name characters beyond ASCII, but never all of them
            bits = _ALL & ~bits | _OTHER
        return Character(bits, f"[{'^' if is_inverse else ''}{text}]")

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
