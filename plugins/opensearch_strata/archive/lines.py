r"""A line of the archive: ``{"_id":…,"_routing":…,"_source":<the very bytes>}`` and a line feed. Pure.

A line contains no other line feed. If ``_source`` contains some, between its tokens, they are written as blanks, and
``_newlines`` gives their positions, so that a restore puts them back.

OpenSearch takes a ``_source`` that no strict parser reads. Then ``_exact`` has its bytes in base64, and ``_source`` the
nearest JSON, so that one such document does not keep other tools from reading its object.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import msgspec
import orjson

from opensearch_strata.connections.loose_json import is_strict, strict_form

if TYPE_CHECKING:
    from opensearch_strata.connections.raw_hits import RawHit

Hit = tuple[str, str | None, bytes]
"""``_id``, custom routing and ``_source`` of a document."""

RawLine = tuple[bytes, bytes | None, bytes]
"""The same, but ``_id`` and routing as the JSON texts that are in the line."""

_TEXT = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_HEAD = re.compile(
    rb'\{"_id":('
    + _TEXT
    + rb')(?:,"_routing":('
    + _TEXT
    + rb'))?(?:,"_newlines":(\[[\d,]*\]))?(?:,"_exact":"([\w+/=]*)")?,"_source":'
)


class _Line(msgspec.Struct, rename=lambda name: f"_{name}"):
    id: str
    source: msgspec.Raw
    routing: str | None = None
    newlines: tuple[int, ...] = ()
    exact: str | None = None


_DECODER = msgspec.json.Decoder(_Line)


def line_of(
    document_id: str, source: bytes | msgspec.Raw, routing: str | None = None, *, strict: bool | None = None
) -> bytes:
    r"""The line of a document, with its line feed.

    :param document_id: its ``_id``
    :param source: its ``_source``, JSON
    :param routing: its custom routing, if it has one
    :param strict: whether ``_source`` is JSON to everybody; by default, it is looked at
    """
    head = b'{"_id":' + orjson.dumps(document_id)
    if routing is not None:
        head += b',"_routing":' + orjson.dumps(routing)
    if not (is_strict(bytes(source)) if strict is None else strict):
        head += b',"_exact":"%b"' % b64encode(source)
        source = strict_form(bytes(source))
    line = b"".join((head, b',"_source":', source, b"}\n"))
    if line.find(b"\n") == len(line) - 1:
        return line
    text = bytes(source)
    positions = [position for position, byte in enumerate(text) if byte == 10]
    head += b',"_newlines":' + orjson.dumps(positions)
    return b"".join((head, b',"_source":', text.replace(b"\n", b" "), b"}\n"))


def lines_of(hits: Iterable[RawHit]) -> list[bytes]:
    """The lines of documents, as :func:`line_of` makes them, but without a call for each of most of them.

    :param hits: documents of an index
    """
    join, text = b"".join, orjson.dumps
    lines = []
    for hit in hits:
        if hit.strict and hit.routing is None:
            line = join((b'{"_id":', text(hit.id), b',"_source":', hit.source, b"}\n"))
            if line.find(b"\n") == len(line) - 1:
                lines.append(line)
                continue
        lines.append(line_of(hit.id, hit.source, hit.routing, strict=hit.strict))
    return lines


def document_of(line: bytes) -> Hit:
    """``_id``, routing and ``_source`` of a line.

    :param line: with or without its line feed
    :raises ValueError: it is not a line of an archive
    """
    try:
        found = _DECODER.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"It is not a line of an archive: {error}.") from error
    if found.exact is not None:
        return found.id, found.routing, b64decode(found.exact, validate=True)
    return found.id, found.routing, _with_newlines(bytes(found.source), found.newlines)


def raw_document_of(line: bytes) -> RawLine:
    """``_id``, routing and ``_source`` of a line that :func:`line_of` wrote; ``_source`` is not looked into.

    :param line: with its line feed
    :raises ValueError: it was not written by :func:`line_of`
    """
    head = _HEAD.match(line)
    if head is None or line[-2:] != b"}\n":
        raise ValueError("It is not a line as archives have them.")
    identity, routing, newlines, exact = head.groups()
    if exact is not None:
        return identity, routing, b64decode(exact, validate=True)
    source = line[head.end() : -2]
    return identity, routing, _with_newlines(source, orjson.loads(newlines)) if newlines else source


def lines_in(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Whole lines, many at a time, each with its line feed; the last one may lack it.

    :param blocks: of the decoded object
    """
    begun: list[bytes] = []
    for block in blocks:
        end = block.rfind(b"\n") + 1
        if end:
            yield BytesIO(b"".join([*begun, block[:end]])).readlines()
            begun = []
        begun.append(block[end:])
    if last := b"".join(begun):
        yield [last]


def _with_newlines(source: bytes, positions: Sequence[int]) -> bytes:
    if not positions:
        return source
    changed = bytearray(source)
    for position in positions:
        if position >= len(changed) or changed[position] != 32:
            raise ValueError(f"It has no blank at position {position} of _source, where _newlines has a line feed.")
        changed[position] = 10
    return bytes(changed)
