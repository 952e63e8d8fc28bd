"""What a parser is, and what it gives. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

_MOST_DIGITS = 20

LONGEST_HEAD = 2**16
"""Characters of what stands before a log's free text: no server writes nearly as many."""


class Parsed(NamedTuple):
    """A message that was read.

    :param fields: name -> value, in a dictionary that the caller may change
    :param time: epoch milliseconds, None if the message says no time
    """

    fields: dict[str, Any]
    time: int | None


class Unreadable(ValueError):  # noqa: N818 - reads as what the message is
    """A parser cannot read a message; says why, in the words that follow "it ..."."""


FAULTS = (ValueError, OverflowError, RecursionError)
"""What ends the reading of a message: :class:`Unreadable`, and what a parser did not see coming."""


def problem_of(parser: str, fault: Exception) -> str:
    """The sentence for a message that a parser cannot read.

    :param parser: its name
    :param fault: one of :data:`FAULTS`
    """
    why = str(fault) if isinstance(fault, Unreadable) else f"holds something that it does not expect ({fault})"
    return f"The parser {parser} cannot read the message: it {why}."


def number_or_text(text: str) -> int | str:
    """Digits as a number, anything else as it is; more digits than a number of 64 bits has are text.

    :param text: a value as a message has it
    """
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else text


fast_namedtuple = tuple.__new__
"""Makes a named tuple of a class and its values in half the time that the class itself takes."""

Message = str | dict[str, Any]

Parser = Callable[[Message], Parsed | None]
"""Reads one message; None for what belongs to the log but is no event, like the banner of a file.

A parser may remember earlier messages, so each log stream of an object gets one of its own.

:raises Unreadable: it cannot
"""


def text_of(message: Message) -> str:
    """A message that must be text, without the line break that ends it.

    :raises Unreadable: it holds fields
    """
    if isinstance(message, str):
        return message.removesuffix("\n")
    raise Unreadable("holds fields where a line of text is expected")


class Entries:
    """Which lines of a text object begin an entry, asked line by line in their order: each object gets one.

    :param begins: says it of a line by itself
    """

    def __init__(self, begins: Callable[[str], bool]) -> None:
        self._begins = begins

    def __call__(self, line: str) -> bool:
        """Whether this line begins an entry."""
        return self._begins(line)

    @property
    def doubts(self) -> str:
        """A sentence on lines that may have begun an entry and were taken as a part of one; empty: there were none."""
        return ""
