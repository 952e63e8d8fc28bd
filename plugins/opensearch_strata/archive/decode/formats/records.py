"""JSON objects one after another, however they are separated: not at all, by lines, commas, or in an array. Pure.

Fast if the data is good: a record is assumed to end where the next one seems to begin, and orjson decides. Linear in
any case: if it did not end there, the next such place is tried, then twice the length; if orjson finds something after
the end of an object, it reports where that end is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from opensearch_strata.archive.decode.byte_stream import KEPT, LONGEST, Damaged
from opensearch_strata.archive.json_bytes import IS_STRICT, loads
from opensearch_strata.errors.amounts import size

# Quotes and line breaks inside a string are escaped, so none of these patterns matches in the middle of a string.
# Each begins with one fixed byte, which re finds ten times as fast as either of two.
_END = re.compile(rb'\}(?=\s*(?:\xef\xbb\xbf\s*)?\{\s*")')
_END_IN_ARRAY = re.compile(rb'\}(?=\s*(?:,\s*)?(?:\xef\xbb\xbf\s*)?\{\s*")')
# For use after something that cannot be read; AWS's own objects are found even if the one before lacks its end.
_AWS = rb'|(?=\{\s*"(?:messageType|attemptsMade)"\s*:)'
_NEXT = re.compile(_END.pattern + rb"|\n(?=(?:\xef\xbb\xbf)?\{)" + _AWS)
_NEXT_IN_ARRAY = re.compile(_END_IN_ARRAY.pattern + rb"|\n(?=(?:\xef\xbb\xbf)?\{)" + _AWS)
_NEXT_OR_LINE = re.compile(_END.pattern + rb"|\n" + _AWS)
# The last three bytes are a byte order mark, which some tools write before each file or record.
_BETWEEN = re.compile(rb"[\s,\xef\xbb\xbf]*")
_BETWEEN_IN_ARRAY = re.compile(rb"[\s,\[\]\xef\xbb\xbf]*")
OBJECT_BEGINS = rb"(?:\A\s*|\}\s*|\n[^\S\n]*)\{"
"""Pattern for the opening brace of an object at the beginning of the content or of a line, or after another object. No
whitespace is examined twice, however much of it there is."""
_OVERLAP = 64  # bytes that are kept for a match across the border between two blocks
_LEAST = 2**18  # bytes per read
_TRIES = 4  # ends that are tried one by one
_SHORTEST = 2**12  # bytes
_TOO_LONG = f"It is longer than {size(LONGEST)}."


class Record(NamedTuple):
    """A JSON object.

    :param raw: its exact bytes
    """

    raw: bytes
    value: dict[str, Any]


class Skipped(NamedTuple):
    """Bytes that are not a JSON object; at most the first MiB of them."""

    raw: bytes
    reason: str


class _Unfinished(ValueError):  # noqa: N818 - the name says what happened
    """The bytes are the beginning of an object."""


def records(blocks: Iterable[bytes]) -> Iterator[Record | Skipped]:
    """Yield every object, and everything else that is found.

    After an object that cannot be read, reading continues where the next one seems to begin: after a closing brace, or
    at a line that begins with a brace.

    :param blocks: blocks of the content, of any size
    :raises Damaged: if the blocks raise it; its ``tail`` is the incomplete object
    """
    return RecordWalk(blocks).walk()


class RecordWalk:
    """The walk itself, over a buffer in which ``_start`` is the position of the next byte."""

    def __init__(self, blocks: Iterable[bytes], in_array: bool = False) -> None:
        self._blocks = iter(blocks)
        self._buffer = b""
        self._start = 0
        self._ended = False
        self._damage: Damaged | None = None
        self._end, self._next, self._between = _END, _NEXT, _BETWEEN
        if in_array:
            self._be_in_array()
        self._most = LONGEST  # bytes that are parsed in one try

    def walk(self) -> Iterator[Record | Skipped]:
        while not self._buffer.strip() and not self._ended:
            self._more()
        if self._buffer.lstrip().startswith(b"["):
            self._be_in_array()
        while True:
            between = self._between.match(self._buffer, self._start)
            self._start = between.end() if between else self._start
            found = self._found() if self._start < len(self._buffer) else None
            if found is not None:
                yield found
            elif self._ended:
                break
            else:
                self._more()
        self._raise_damage()

    def _be_in_array(self) -> None:
        self._end, self._next, self._between = _END_IN_ARRAY, _NEXT_IN_ARRAY, _BETWEEN_IN_ARRAY

    def _raise_damage(self) -> None:
        if self._damage:
            self._damage.tail = self._buffer[self._start :][:KEPT]
            raise self._damage

    def _more(self) -> None:
        """Read at least as much again as is left, so that no byte is moved more than a few times."""
        pieces, size = [self._buffer[self._start :]], 0
        wanted = max(len(pieces[0]), _LEAST)
        try:
            for block in self._blocks:
                pieces.append(block)
                size += len(block)
                if size >= wanted:
                    break
            else:
                self._ended = True
        except Damaged as damage:
            self._damage, self._ended = damage, True
        self._buffer, self._start = b"".join(pieces), 0

    def _found(self) -> Record | Skipped | None:
        """Return what begins here; None: more must be read or, at the end, it was cut off."""
        start = least = self._start
        if self._buffer[start] != ord("{"):
            return self._skipped("It is not a JSON object.", _NEXT_OR_LINE)
        tries = 0
        while (end := self._thought_end(least)) is not None:
            try:
                value, length = _parsed(self._buffer[start:end])
            except _Unfinished:
                if end == len(self._buffer):
                    return self._unfinished()
                tries += 1
                least = end if tries <= _TRIES else start + 2 * (end - start)
                self._most = max(self._most, 2 * (end - start))
            except ValueError as error:
                self._most = _SHORTEST
                return self._skipped(f"It is not a JSON object: {error}.", self._next)
            else:
                self._most = LONGEST if length == end - start else max(_SHORTEST, 2 * length)
                self._start = start + length
                if length > LONGEST:
                    return Skipped(self._buffer[start : start + KEPT], _TOO_LONG)
                return Record(self._buffer[start : self._start].rstrip(), value)
        return self._unfinished()

    def _thought_end(self, least: int) -> int | None:
        """Return where the object may end, after ``least``; None if that is not yet known."""
        most = self._start + self._most
        match = self._end.search(self._buffer, least, most)
        if match:
            return match.end()
        if most < len(self._buffer):
            return most
        return len(self._buffer) if self._ended else None

    def _unfinished(self) -> Skipped | None:
        if not self._ended:
            too_long = len(self._buffer) - self._start > LONGEST
            return self._skipped(_TOO_LONG, self._next) if too_long else None
        if self._next is _NEXT and _NEXT.search(self._buffer, self._start + 1):
            return self._skipped("It is not a JSON object: it has no end.", _NEXT)
        if self._damage:
            return None
        return self._skipped("It ends in the middle of a JSON object.", _NEXT)

    def _skipped(self, reason: str, until: re.Pattern[bytes]) -> Skipped:
        """Skip what is here, up to where something else may begin. An object that seems to begin right here is skipped
        too."""
        kept, opens = b"", self._buffer[self._start] == ord("{")
        while True:
            match = until.search(self._buffer, self._start + (opens and not kept))
            end = match.end() if match else len(self._buffer) - (0 if self._ended else _OVERLAP)
            if end > self._start:
                kept += self._buffer[self._start : min(end, self._start + KEPT - len(kept))]
                self._start = end
            if match or self._ended:
                return Skipped(kept.rstrip(), reason)
            self._more()


def _parsed(data: bytes) -> tuple[dict[str, Any], int]:
    """Parse the object at the beginning of the data; return it and its length in bytes.

    :raises _Unfinished: the data ends before the object does
    :raises ValueError: there is no object
    """
    if not IS_STRICT:
        return _leniently_parsed(data)
    try:
        return loads(data), len(data)
    except json.JSONDecodeError as error:
        if error.msg == "unexpected end of data":
            raise _Unfinished from error
        if error.msg == "depth limit exceeded":
            raise
        if error.msg != "unexpected content after document":
            return _leniently_parsed(data)
        length = error.pos if data.isascii() else len(data.decode()[: error.pos].encode())
        return loads(data[:length]), len(data[:length].rstrip())


def _leniently_parsed(data: bytes) -> tuple[dict[str, Any], int]:
    """Do the same with the standard library, for what orjson refuses, or where there is no orjson: bytes that are not
    UTF-8 and halves of surrogate pairs become U+FFFD, NaN and the infinities become null."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        value, end = _DECODER.raw_decode(text)
        length = end if text.isascii() else len(text[:end].encode("utf-8", "surrogateescape"))
        if not IS_STRICT and not _may_hold_surrogates(text):
            return value, length
        plain = _SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False))
    except json.JSONDecodeError as error:
        if error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip()):
            raise _Unfinished from error
        raise
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return loads(plain), length


def _finite(text: str) -> float | None:
    number = float(text)
    return number if abs(number) < float("inf") else None


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=lambda _: None)
_SURROGATE = re.compile("[\ud800-\udfff]")


def _may_hold_surrogates(text: str) -> bool:
    """Whether a JSON text may have halves of surrogate pairs, as they are or escaped."""
    return r"\ud" in text or r"\uD" in text or not (text.isascii() or _SURROGATE.search(text) is None)
