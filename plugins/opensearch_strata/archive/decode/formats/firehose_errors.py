"""Records that Firehose could not deliver; their original data is read again.

One JSON object for each, in the error prefix (Amazon Data Firehose Developer Guide, "Handle data delivery failures",
"Handle failure in data transformation", "Troubleshoot decompression"): ``attemptsMade``, ``arrivalTimestamp``,
``errorCode``, ``errorMessage``, ``attemptEndingTimestamp``, ``rawData`` in base64, and more fields depending on the
destination. A failed format conversion calls them ``ErrorCode`` and ``ErrorMessage``, formerly ``lastErrorCode`` and
``lastErrorMessage`` ("Handling errors for data format conversion"). Only ``rawData`` is needed.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from opensearch_strata.archive.decode.byte_stream import BYTE_ORDER_MARK, KEPT, Damaged, Source
from opensearch_strata.archive.decode.formats import cloudwatch, export_task, json, lines
from opensearch_strata.archive.decode.formats.installed import installed_formats
from opensearch_strata.archive.decode.formats.records import OBJECT_BEGINS, Record, Skipped, records
from opensearch_strata.archive.decode.layers import DecompressionLimits, TooLarge, decoded
from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.archive.json_bytes import dumps

_BEGIN = re.compile(OBJECT_BEGINS + rb'\s*"[A-Za-z]+"\s*:')
_MARKS = [re.compile(mark) for mark in (rb'"rawData"\s*:\s*"', rb'"(?:e|E|lastE)rrorCode"\s*:')]
_NAMES = ("error", "Error", "lastError")
_HEAD = 2**16
_SHOWN = 200  # characters
_LIMITS = DecompressionLimits(ratio=100, free=2**25)  # a record of Firehose is at most 1,000 KiB

Begins = Callable[[str], bool]


def matches(head: bytes) -> bool:
    """Whether the keys of an error object are present, and not as fields of an event in a line of our function."""
    return bool(_BEGIN.search(head)) and all(mark.search(head) for mark in _MARKS) and not cloudwatch.has_line(head)


def events(blocks: Iterable[bytes], begins: Begins | None = None) -> Iterator[Event | Broken]:
    """Yield the events in the data of every failed record; record numbers are those of the error objects.

    :param begins: says whether a line of plain text begins an entry; without it, every line is one
    :raises Damaged: if the blocks raise it
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
                # An event without an id is identified by its bytes, and is read again from them, in this format.
                raw = item.raw and _wrapped(item.raw)
                yield item._replace(record=number, ordinal=ordinal, raw=raw)
                ordinal += 1
    except (ValueError, Damaged, TooLarge) as error:
        problem = f"Its rawData cannot be read: {error}{_failure(found)}"
        yield Broken(number, problem, found.raw[:KEPT])


def _data(found: Record) -> bytes:
    """The data that was to be delivered; an envelope without its error object is its own data.

    :raises ValueError: there is no such data
    """
    if "rawData" not in found.value:
        return found.raw
    try:
        return base64.b64decode(found.value["rawData"], validate=True)
    except (TypeError, binascii.Error) as error:
        raise ValueError("it is not valid base64.") from error


def _failure(found: Record) -> str:
    """What Firehose says of the failure, as one more sentence; empty if it says nothing."""
    said = [found.value.get(f"{prefix}{what}") for what in ("Code", "Message") for prefix in _NAMES]
    told = ", ".join(str(text)[:_SHOWN].rstrip(".") for text in said if text)
    return f" Firehose could not deliver it: {told}." if told else ""


def _content(data: bytes, begins: Begins | None) -> Iterator[Event | Broken]:
    content = Source(decoded([data], _LIMITS))
    if content.head(3) == BYTE_ORDER_MARK:
        content.exactly(3)
    head = content.head(_HEAD)
    contents: tuple[Any, ...] = (cloudwatch, *installed_formats().values(), json, export_task, lines)
    contained = next((kind for kind in contents if kind.matches(head)), None)
    if contained is None:
        raise ValueError("it has no known format.")
    if contained is lines and begins:
        return lines.entries(content.rest(), begins)
    events: Iterator[Event | Broken] = contained.events(content.rest())
    return events


def _wrapped(raw: bytes) -> bytes:
    """An error object with only this data."""
    return dumps({"rawData": base64.b64encode(raw).decode()})
