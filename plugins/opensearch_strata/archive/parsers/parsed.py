"""What a parser is, and what it returns. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

_MOST_DIGITS = 20

LONGEST_HEAD = 2**16
"""The most characters before a log's free text; no server writes nearly as many."""


class Parsed(NamedTuple):
    """A message that was parsed.

    :param fields: name -> value, in a dictionary that the caller may change
    :param time: epoch milliseconds, None if the message states no time
    """

    fields: dict[str, Any]
    time: int | None


class Unreadable(ValueError):  # noqa: N818 - the name says what the message is
    """A parser cannot read a message; the text says why, in the words that follow "it ..."."""


FAULTS = (ValueError, OverflowError, RecursionError)
"""Exceptions that end the parsing of a message: :class:`Unreadable`, and those that a parser did not foresee."""


def problem_of(parser: str, fault: Exception) -> str:
    """The sentence for a message that a parser cannot read.

    :param parser: its name
    :param fault: one of :data:`FAULTS`
    """
    why = str(fault) if isinstance(fault, Unreadable) else f"contains something that is not expected ({fault})"
    return f"The parser {parser} cannot read the message: it {why}."


def number_or_text(text: str) -> int | str:
    """Turn digits into a number and leave anything else as it is; more digits than a 64-bit number has stay text.

    :param text: a value as it is in a message
    """
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else text


fast_namedtuple = tuple.__new__
"""Creates a named tuple from a class and its values in half the time that the class itself takes."""

Message = str | dict[str, Any]

Parser = Callable[[Message], Parsed | None]
"""Parses one message; returns None for one that belongs to the log but is not an event, like the banner of a file.

A parser may remember earlier messages, so each log stream of an object gets its own parser.

:raises Unreadable: it cannot parse the message
"""


class NearParser:
    """A parser of times that may lack their year. Called like any other, it leaves such a time as it is written.

    :param read: parses a message, given epoch milliseconds at which it existed, or None; raises as a parser does
    """

    def __init__(self, read: Callable[[Message, int | None], Parsed | None]) -> None:
        self.read = read

    def __call__(self, message: Message) -> Parsed | None:
        """Parse one message of which only the text is known."""
        return self.read(message, None)


def parsed_before(message: Message) -> Parsed:
    """What a parser made of a message before it was stored: its fields. Text becomes the field ``message``."""
    return Parsed({"message": message} if isinstance(message, str) else dict(message), None)


def text_of(message: Message) -> str:
    """Return a message that must be text, without the line break at its end.

    :raises Unreadable: it contains fields
    """
    if isinstance(message, str):
        return message.removesuffix("\n")
    raise Unreadable("contains fields where a line of text is expected")


class Entries:
    """Decides which lines of a text object begin an entry; called for each line in order. Each object needs its own.

    :param begins: decides this for a single line
    """

    def __init__(self, begins: Callable[[str], bool]) -> None:
        self._begins = begins

    def __call__(self, line: str) -> bool:
        """Whether this line begins an entry."""
        return self._begins(line)

    @property
    def doubts(self) -> str:
        """A sentence about lines that may begin an entry but were taken as part of another one; empty if none did."""
        return ""
