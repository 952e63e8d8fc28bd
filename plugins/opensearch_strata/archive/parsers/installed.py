"""Parsers in other distributions, found by entry point; a fault in their code costs one message."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Entries, Message, Parsed, Parser, Unreadable
from opensearch_strata.definition.extensions import extension
from opensearch_strata.errors import DefinitionError


@dataclass(frozen=True)
class InstalledParser:
    """A parser in another distribution.

    :param told: its name in messages
    :param module: has ``parser``, and optionally ``begins`` and ``REMEMBERS``
    """

    told: str
    module: Any

    @property
    def remembers(self) -> bool:
        """Whether what it reads from a message depends on earlier messages."""
        return bool(getattr(self.module, "REMEMBERS", False))

    @property
    def entries(self) -> Entries | None:
        """Decides whether a line begins an entry; None: every line is one."""
        if not callable(begins := getattr(self.module, "begins", None)):
            return None

        def guarded(line: str) -> bool:
            try:
                return bool(begins(line))
            except Exception as error:
                raise DefinitionError(
                    f"It cannot be determined where entries begin: begins of {self.told} raises {error!r}. Fix or "
                    f"uninstall the distribution."
                ) from error

        return Entries(guarded)

    def made(self, zone: ZoneInfo) -> Parser:
        """Create the parser for one log stream of an object.

        :param zone: zone of times that do not name one
        """
        parse: Parser = self.module.parser(zone)

        def guarded(message: Message) -> Parsed | None:
            try:
                parsed = parse(message)
            except Unreadable:
                raise
            except Exception as error:
                raise Unreadable(f"makes {self.told} raise {error!r}") from error
            if parsed is not None and not _is_sound(parsed):
                raise Unreadable(
                    f"makes {self.told} return a {type(parsed).__name__} that is not a valid Parsed(fields, time)"
                )
            return parsed

        return guarded


def _is_sound(parsed: Any) -> bool:
    if not isinstance(parsed, Parsed) or not isinstance(parsed.fields, dict):
        return False
    return (parsed.time is None or type(parsed.time) is int) and all(isinstance(name, str) for name in parsed.fields)


@cache
def installed_parser(name: str) -> InstalledParser:
    """Return an installed parser.

    :param name: name of its entry point
    :raises DefinitionError: it is not installed, or it cannot be used
    """
    found = extension("parser", name)
    return InstalledParser(found.told, found.loaded(("parser",)))
