"""Records that Firehose could not deliver, with the data as it was: read again.

One JSON object for each, in the error prefix (Amazon Data Firehose Developer Guide, "Handle data delivery failures"):
``attemptsMade``, ``arrivalTimestamp``, ``errorCode``, ``errorMessage``, ``attemptEndingTimestamp`` and ``rawData`` in
base64, and more fields by destination. Of these only ``rawData`` is needed.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from opensearch_strata.archive.decode.byte_stream import BYTE_ORDER_MARK, KEPT, Damaged, Source
from opensearch_strata.archive.decode.formats import cloudwatch, export_task, json, lines
from opensearch_strata.archive.decode.formats.installed import installed_formats
from opensearch_strata.archive.decode.formats.records import OBJECT_BEGINS, Record, Skipped, records
from opensearch_strata.archive.decode.layers import DecompressionLimits, TooLarge, decoded
from opensearch_strata.archive.events import Broken, Event

_BEGIN = re.compile(OBJECT_BEGINS + rb'\s*"[A-Za-z]+"\s*:')
_MARKS = [re.compile(mark) for mark in (rb'"rawData"\s*:\s*"', rb'"errorCode"\s*:')]
_HEAD = 2**16
_LIMITS = DecompressionLimits(ratio=100, free=2**25)  # a record of Firehose is at most 1,000 KiB

Begins = Callable[[str], bool]


def matches(head: bytes) -> bool:
    """Whether an error object's keys are there."""
    return bool(_BEGIN.search(head)) and all(mark.search(head) for mark in _MARKS)


def events(blocks: Iterable[bytes], begins: Begins | None = None) -> Iterator[Event | Broken]:
    """The events in the data of every record that failed; record numbers are those of the error objects.

    :param begins: says of a line of plain text whether it begins an entry; without it, every line is one
    :raises Damaged: as the blocks do
    """
    for number, found in enumerate(records(blocks)):
        if isinstance(found, Skipped):
            yield Broken(number, found.reason, found.raw)
        else:
            yield from _delivered(number, found, begins)


def _delivered(number: int, found: Record, begins: Begins | None) -> Iterator[Event | Broken]:
    ordinal = 0
    try:
        for item in _content(_data(found), begins):
            if isinstance(item, Broken):
                yield Broken(number, f"In its rawData: {item.reason}", _wrapped(item.raw))
            else:
                # An event without an id is known by its bytes, and is read again from them: in this format.
                raw = item.raw and _wrapped(item.raw)
                yield item._replace(record=number, ordinal=ordinal, raw=raw)
                ordinal += 1
    except (ValueError, Damaged, TooLarge) as error:
        yield Broken(number, f"Its rawData cannot be read: {error}", found.raw[:KEPT])


def _data(found: Record) -> bytes:
    """What was to be delivered; an envelope that is here without its error object is its own data.

    :raises ValueError: there is none
    """
    if "rawData" not in found.value:
        return found.raw
    try:
        return base64.b64decode(found.value["rawData"], validate=True)
    except (TypeError, binascii.Error) as error:
        raise ValueError("it is no base64.") from error


def _content(data: bytes, begins: Begins | None) -> Iterator[Event | Broken]:
    content = Source(decoded([data], _LIMITS))
    if content.head(3) == BYTE_ORDER_MARK:
        content.exactly(3)
    head = content.head(_HEAD)
    contents: tuple[Any, ...] = (cloudwatch, *installed_formats().values(), json, export_task, lines)
    contained = next((kind for kind in contents if kind.matches(head)), None)
    if contained is None:
        raise ValueError("it is of no known format.")
    if contained is lines and begins:
        return lines.entries(content.rest(), begins)
    events: Iterator[Event | Broken] = contained.events(content.rest())
    return events


def _wrapped(raw: bytes) -> bytes:
    """An error object of these data alone."""
    return orjson.dumps({"rawData": base64.b64encode(raw).decode()})
