"""JSON objects that hold their events in an array: ``{"Records": [{...}, {...}]}``, as CloudTrail writes them.

Each element is a separate record, so an array may have any length: only one element is in memory at a time. Anything
next to the array is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from opensearch_strata.archive.decode.byte_stream import KEPT
from opensearch_strata.archive.decode.formats.records import Record, RecordWalk, Skipped
from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.archive.json_bytes import dumps

_TEXT = re.compile(rb'[^"\\]+')
_SCALAR = re.compile(rb'[^\s,:"{}\[\]]+')
_BLANK = re.compile(rb"[\s,]*")
_BLANK_IN_VALUE = re.compile(rb"[\s,:]*")
_BLANK_OUTSIDE = re.compile(rb"[\s,\[\]\xef\xbb\xbf]*")  # also byte order marks
_COLON = re.compile(rb"\s*:\s*")
_NOTHING = re.compile(rb"")
_LONGEST_KEY = 2**10


def events(blocks: Iterable[bytes], path: str) -> Iterator[Event | Broken]:
    """Yield an event for each element of the arrays; record numbers continue through all objects.

    :param path: name of the field that holds the array, with dots if it is nested in objects
    :raises Damaged: if the blocks raise it
    """
    for number, found in enumerate(_Unwrapping(blocks, path).walk()):
        if isinstance(found, Skipped):
            yield Broken(number, found.reason, found.raw)
        else:
            yield Event(number, 0, found.value, rewrapped(found.value, path))


def rewrapped(value: dict[str, Any], path: str) -> bytes:
    """An object that holds only this element, so that reading it gives the same event again."""
    names = path.split(".")
    holder: Any = [value]
    for name in reversed(names):
        holder = {name: holder}
    return dumps(holder)


class _Unwrapping(RecordWalk):
    def __init__(self, blocks: Iterable[bytes], path: str) -> None:
        super().__init__(blocks, in_array=True)
        self._path = path
        self._names = path.encode().split(b".")
        self._opening = re.compile(rb'\{\s*"%b"\s*:\s*[\[{]' % re.escape(self._names[0]))
        self._passed = bytearray()  # the first bytes of an object that were passed
        self._is_told = False  # whether what is missing at the end was reported

    def walk(self) -> Iterator[Record | Skipped]:
        while self._byte(_BLANK_OUTSIDE) is not None:
            yield from self._object()
        self._raise_damage()

    def _object(self) -> Iterator[Record | Skipped]:
        """Yield the elements of one object, or what is found instead."""
        self._passed.clear()
        if self._byte() != ord("{"):
            yield self._skipped("It is not a JSON object.", self._next)
            return
        self._pass(1)
        level, was_there = 0, False
        while True:
            byte = self._byte()
            if byte == ord("}"):
                self._pass(1)
                if not level:
                    break
                level -= 1
            elif byte == ord('"'):
                key = self._text()
                byte, rest = self._byte(_COLON), self._names[level:]
                if byte == ord("[") and key == b".".join(rest):
                    was_there = True
                    self._start += 1
                    yield from self._elements()
                elif byte == ord("{") and len(rest) > 1 and key == rest[0]:
                    level += 1
                    self._pass(1)
                else:
                    self._value()
            elif byte is not None:
                if not (was_there and self._is_object_of_its_own()):
                    yield self._skipped("It is not a JSON object.", self._next)
                return
            else:
                if not self._damage and not self._is_told:
                    yield Skipped(bytes(self._passed), "It ends in the middle of a JSON object.")
                return
        if not was_there:
            yield Skipped(bytes(self._passed), f"It does not have the array {self._path!r} that intake.unwrap names.")

    def _elements(self) -> Iterator[Record | Skipped]:
        """Yield the elements up to the end of the array."""
        after_damage = False
        while (byte := self._byte()) is not None:
            if byte == ord("]"):
                self._start += 1
                return
            if byte == ord("}") or (after_damage and self._is_object_of_its_own()):
                return  # the array lacks its end, or the end was lost with an element
            if byte != ord("{"):
                self._passed.clear()
                self._value()
                yield Skipped(bytes(self._passed), "It is not a JSON object.")
                continue
            while (found := self._found()) is None and not self._ended:
                self._more()
            if found is None:
                return  # cut off: it becomes the tail
            self._is_told = isinstance(found, Skipped)
            after_damage |= self._is_told
            yield found

    def _is_object_of_its_own(self) -> bool:
        """Whether another object with an array begins here, rather than an element."""
        return self._opening.match(self._buffer, self._start) is not None

    def _byte(self, between: re.Pattern[bytes] = _BLANK) -> int | None:
        """Return the next byte that ``between`` does not match; None at the end."""
        while True:
            if (match := between.match(self._buffer, self._start)) and match[0]:
                self._pass(len(match[0]))
            if self._start < len(self._buffer):
                return self._buffer[self._start]
            if self._ended:
                return None
            self._more()

    def _pass(self, count: int) -> None:
        """Pass some bytes, and keep the first bytes that were passed."""
        self._passed += self._buffer[self._start : self._start + min(count, KEPT - len(self._passed))]
        self._start += count

    def _text(self) -> bytes:
        """Pass a string with its quotes; return the beginning of it."""
        self._pass(1)
        text = b""
        while (byte := self._byte(_NOTHING)) not in (None, ord('"')):
            match = _TEXT.match(self._buffer, self._start)
            count = match.end() - self._start if match else 2  # what a backslash escapes
            if byte == ord("\\") and len(self._buffer) - self._start < count:
                self._more()
            if len(text) < _LONGEST_KEY:
                text += self._buffer[self._start : self._start + count]
            self._pass(count)
        if byte is not None:
            self._pass(1)
        return text

    def _value(self) -> None:
        """Pass a value that is not needed."""
        depth = 0
        while (byte := self._byte(_BLANK_IN_VALUE if depth else _BLANK)) is not None:
            if byte == ord('"'):
                self._text()
            elif byte in b"{[":
                depth += 1
                self._pass(1)
            elif byte in b"}]":
                if not depth:
                    return  # a key without a value
                depth -= 1
                self._pass(1)
            else:
                match = _SCALAR.match(self._buffer, self._start)
                self._pass(match.end() - self._start if match else 1)
            if not depth:
                return
