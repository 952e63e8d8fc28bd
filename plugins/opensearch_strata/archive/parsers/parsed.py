"""What a parser is, and what it gives. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Parsed(NamedTuple):
    """A message that was read.

    :param fields: name -> value, in a dictionary that the caller may change
    :param time: epoch milliseconds, None if the message says no time
    """

    fields: dict[str, Any]
    time: int | None


class Unreadable(ValueError):  # noqa: N818 - reads as what the message is
    """A parser cannot read a message; says why, in the words that follow "it ..."."""


quickly = tuple.__new__
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
