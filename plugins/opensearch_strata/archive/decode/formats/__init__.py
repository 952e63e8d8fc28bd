"""The formats of objects by name: those of this package and installed ones. A format is a module with two functions;
see docs/formats.md."""

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
from opensearch_strata.archive.decode.formats.delivered import cloudtrail, parquet
from opensearch_strata.archive.decode.formats.installed import installed_format, installed_formats
from opensearch_strata.archive.events import Broken, Event


class Format(Protocol):
    """A module of this package, or an installed one."""

    def matches(self, head: bytes, /) -> bool:
        """Whether the content that begins with these bytes (up to 64 KiB) has this format."""

    def events(self, blocks: Iterable[bytes], /) -> Iterator[Event | Broken]:
        """Yield everything in the content: events, and records that could not be read, each with its record number."""


FORMATS: dict[str, Format] = {
    "strata": strata,
    "elasticdump": elasticdump,
    "firehose_errors": firehose_errors,
    "cloudwatch": cloudwatch,
    "cloudtrail": cloudtrail,
    "parquet": parquet,
    "json": json,
    "export_task": export_task,
    "lines": lines,
}
"""The first match counts, so the more specific formats come first."""

_BEFORE_INSTALLED = ("strata", "elasticdump", "firehose_errors", "cloudwatch", "cloudtrail", "parquet")
"""Envelopes and binary files, which no other format is meant to match; those that match any JSON or text come after
installed ones."""


def format_of(name: str) -> Format:
    """Return a format.

    :param name: as a dataset states it
    :raises DefinitionError: it is not one of ours, and it is not installed or cannot be used
    """
    return FORMATS[name] if name in FORMATS else installed_format(name)


def in_order() -> list[tuple[str, Format]]:
    """Names and formats, in the order in which they are tried on content.

    :raises DefinitionError: an installed one cannot be used
    """
    first = [(name, FORMATS[name]) for name in _BEFORE_INSTALLED]
    last = [(name, kind) for name, kind in FORMATS.items() if name not in _BEFORE_INSTALLED]
    return [*first, *installed_formats().items(), *last]


def detected(head: bytes) -> str | None:
    """The name of the content's format, None if it has none of them.

    :param head: its first bytes, up to 64 KiB
    :raises DefinitionError: an installed format cannot be used
    """
    return next((name for name, kind in in_order() if kind.matches(head)), None)
