"""What can be in an object, by name. A format is a module with two functions, see docs/formats.md."""

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
from opensearch_strata.archive.events import Broken, Event


class Format(Protocol):
    """A module of this package."""

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
"""The first that matches counts, what is more special comes first; ``lines``, which takes any text, is asked last
wherever it stands."""


def detected(head: bytes) -> str | None:
    """The format of content that begins with these bytes (up to 64 KiB), None if it is of none."""
    in_order = sorted(FORMATS.items(), key=lambda named: named[1] is lines)
    return next((name for name, kind in in_order if kind.matches(head)), None)
