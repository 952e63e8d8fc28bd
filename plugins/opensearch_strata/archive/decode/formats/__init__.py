"""What can be in an object, by name: formats of this package and installed ones. A format is a module with two
functions, see docs/formats.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from opensearch_strata.archive.decode.formats import (
    cloudwatch,
    elasticdump,
    export_task,
    firehose_errors,
    json,
    lines,
    strata,
)
from opensearch_strata.archive.decode.formats.installed import installed_format, installed_formats
from opensearch_strata.archive.events import Broken, Event


class Format(Protocol):
    """A module of this package, or an installed one."""

    def matches(self, head: bytes, /) -> bool:
        """Whether the content, of which these are the first bytes (up to 64 KiB), is of this format."""

    def events(self, blocks: Iterable[bytes], /) -> Iterator[Event | Broken]:
        """Everything in the content: an event, or what could not be read, with the record's number."""


FORMATS: dict[str, Format] = {
    "strata": strata,
    "elasticdump": elasticdump,
    "firehose_errors": firehose_errors,
    "cloudwatch": cloudwatch,
    "json": json,
    "export_task": export_task,
    "lines": lines,
}
"""The first that matches counts, what is more special comes first."""

_BEFORE_INSTALLED = ("strata", "elasticdump", "firehose_errors", "cloudwatch")
"""Envelopes, which no other format means to take; what any JSON or text is, is asked behind the installed ones."""


def format_of(name: str) -> Format:
    """A format.

    :param name: as a dataset says it
    :raises DefinitionError: it is not ours, and not installed or not fit for use
    """
    return FORMATS[name] if name in FORMATS else installed_format(name)


def in_order() -> list[tuple[str, Format]]:
    """Names and formats in the order in which content is compared with them.

    :raises DefinitionError: an installed one is not fit for use
    """
    first = [(name, FORMATS[name]) for name in _BEFORE_INSTALLED]
    last = [(name, kind) for name, kind in FORMATS.items() if name not in _BEFORE_INSTALLED]
    return [*first, *installed_formats().items(), *last]


def detected(head: bytes) -> str | None:
    """The format of content, None if it is of none.

    :param head: its first bytes, up to 64 KiB
    :raises DefinitionError: an installed format is not fit for use
    """
    return next((name for name, kind in in_order() if kind.matches(head)), None)
