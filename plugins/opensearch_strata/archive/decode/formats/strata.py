"""Raw days in our own archives: the lines of :mod:`~opensearch_strata.archive.lines`, with a manifest next to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from opensearch_strata.archive.decode.formats.records import Record, Skipped, records
from opensearch_strata.archive.events import Broken, Event

_TEXT = rb'\s*:\s*"(?:[^"\\]|\\.){0,2048}"\s*,\s*'
_LINE = re.compile(
    rb'(?:\A|\n)\{\s*"_id"' + _TEXT + rb'(?:"_routing"' + _TEXT + rb")?"
    rb'(?:"_newlines":\[[\d,]*\],)?(?:"_exact":"[\w+/=]*",)?"_source"\s*:\s*\{'
)


def matches(head: bytes) -> bool:
    """Whether a line begins with ``_id`` and continues with ``_source``, with or without a routing between them."""
    return _LINE.search(head) is not None


def events(blocks: Iterable[bytes]) -> Iterator[Event | Broken]:
    """Yield an event for each document, with the ``_id`` and the routing that it had.

    :raises Damaged: if the blocks raise it
    """
    for number, found in enumerate(records(blocks)):
        if isinstance(found, Skipped):
            yield Broken(number, found.reason, found.raw)
        else:
            yield _event(number, found)


def _event(number: int, found: Record) -> Event | Broken:
    document_id, source = found.value.get("_id"), found.value.get("_source")
    if not isinstance(document_id, str) or not document_id or not isinstance(source, dict):
        return Broken(number, "It is not an archived document: _id or _source is missing.", found.raw)
    routing = found.value.get("_routing")
    if routing is not None and not isinstance(routing, str):
        return Broken(number, "It is not an archived document: _routing is not a text.", found.raw)
    return Event(number, 0, source, found.raw, document_id=document_id, routing=routing)
