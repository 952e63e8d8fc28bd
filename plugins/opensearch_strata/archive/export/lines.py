r"""A line of the archive: ``{"_id":…,"_routing":…,"_source":<the very bytes>}`` and a line feed. Pure.

A line holds no line feed of its own. Where ``_source`` has some, between its tokens, they are written as blanks, and
``_newlines`` names their places, so that a restore puts them back.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import orjson

Hit = tuple[str, str | None, bytes]
"""``_id``, custom routing and ``_source`` of a document."""


class Line(msgspec.Struct, rename=lambda name: f"_{name}"):
    """A line as it is read back.

    :param newlines: places of line feeds in ``source``, from 0 on
    """

    id: str
    source: msgspec.Raw
    routing: str | None = None
    newlines: tuple[int, ...] = ()


_DECODER = msgspec.json.Decoder(Line)


def line_of(document_id: str, source: bytes, routing: str | None = None) -> bytes:
    r"""The line of a document, with its line feed.

    :param document_id: its ``_id``
    :param source: its ``_source``, JSON
    :param routing: its custom routing, if it has one
    """
    head = b'{"_id":' + orjson.dumps(document_id)
    if routing is not None:
        head += b',"_routing":' + orjson.dumps(routing)
    if b"\n" in source:
        places = [place for place, byte in enumerate(source) if byte == 10]
        head += b',"_newlines":' + orjson.dumps(places)
        source = source.replace(b"\n", b" ")
    return head + b',"_source":' + source + b"}\n"


def document_of(line: bytes) -> Hit:
    """``_id``, routing and ``_source`` of a line.

    :param line: with or without its line feed
    :raises msgspec.DecodeError: it is not a line of an archive
    """
    found = _DECODER.decode(line)
    source = bytes(found.source)
    if found.newlines:
        changed = bytearray(source)
        for place in found.newlines:
            changed[place] = 10
        source = bytes(changed)
    return found.id, found.routing, source


def sort_key(field: str) -> Callable[[bytes], bytes]:
    """Brings lines with the same value of a field together, which makes them compress far better. A guess suffices.

    :param field: path of the field; its last name is looked for in the line
    """
    name = b'"' + orjson.dumps(field.rpartition(".")[2])[1:-1] + b'":'
    start = len(name)

    def key(line: bytes) -> bytes:
        place = line.find(name)
        return line[place + start : place + start + 48] if place >= 0 else b""

    return key
