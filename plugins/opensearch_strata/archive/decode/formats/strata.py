"""Raw days in our own archives: ``{"_id": ..., "_source": {...}}`` on each line, with a manifest next to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import orjson

from opensearch_strata.archive.decode.formats.records import Record, Skipped, records
from opensearch_strata.archive.events import Broken, Event

_LINE = re.compile(rb'(?:\A|\n)\{\s*"_id"\s*:\s*"(?:[^"\\]|\\.){0,2048}"\s*,\s*"_source"\s*:\s*\{')


def line(document_id: str, source: bytes) -> bytes:
    r"""The line for a document, including its ``\n``.

    :param source: ``_source`` as JSON on one line
    """
    return b'{"_id":' + orjson.dumps(document_id) + b',"_source":' + source + b"}\n"


def matches(head: bytes) -> bool:
    """Whether a line begins with ``_id`` and continues with ``_source``."""
    return _LINE.search(head) is not None


def events(blocks: Iterable[bytes]) -> Iterator[Event | Broken]:
    """Yield an event for each document, with the ``_id`` that it had.

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
    return Event(number, 0, source, found.raw, document_id=document_id)
