"""Parsers of other distributions, by entry point; what their code does wrong costs one message."""

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
    """A parser of another distribution.

    :param told: how sentences name it
    :param module: with ``parser``, and ``begins`` and ``REMEMBERS`` if it has them
    """

    told: str
    module: Any

    @property
    def remembers(self) -> bool:
        """Whether what it reads from a message depends on those before."""
        return bool(getattr(self.module, "REMEMBERS", False))

    @property
    def entries(self) -> Entries | None:
        """What says whether a line begins an entry; None: every line is one."""
        if not callable(begins := getattr(self.module, "begins", None)):
            return None

        def guarded(line: str) -> bool:
            try:
                return bool(begins(line))
            except Exception as error:
                raise DefinitionError(
                    f"Where entries begin cannot be told: begins of {self.told} raises {error!r}. Mend or uninstall "
                    f"the distribution."
                ) from error

        return Entries(guarded)

    def made(self, zone: ZoneInfo) -> Parser:
        """The parser of one log stream of an object.

        :param zone: of times that name none
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
                raise Unreadable(f"makes {self.told} give a {type(parsed).__name__} that is not Parsed(fields, time)")
            return parsed

        return guarded


def _is_sound(parsed: Any) -> bool:
    if not isinstance(parsed, Parsed) or not isinstance(parsed.fields, dict):
        return False
    return (parsed.time is None or type(parsed.time) is int) and all(isinstance(name, str) for name in parsed.fields)


@cache
def installed_parser(name: str) -> InstalledParser:
    """One that is installed.

    :param name: of its entry point
    :raises DefinitionError: there is none, or it cannot be used
    """
    found = extension("parser", name)
    return InstalledParser(found.told, found.loaded(("parser",)))
