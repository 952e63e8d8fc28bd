r"""Plain text: each line, ended by ``\n`` or ``\r\n``, is an event, or several are if a parser says which begin one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from opensearch_strata.archive.decode.byte_stream import KEPT, LONGEST
from opensearch_strata.archive.decode.formats.text import entries_of, lines_of
from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.errors.amounts import size

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_MOST_CONTROL = 0.02  # share of bytes; a tenth in compressed or random data, none in most text in any charset


def matches(head: bytes) -> bool:
    """Whether the content is text, in any charset that has ASCII's control characters."""
    return len(_CONTROL.findall(head)) <= max(1, _MOST_CONTROL * len(head))


def events(blocks: Iterable[bytes]) -> Iterator[Event | Broken]:
    """Yield an event for each line that is not blank; its record is the line's number, counted from 0.

    :raises Damaged: if the blocks raise it
    """
    for number, line in enumerate(lines_of(blocks)):
        if line.strip():
            yield _event(number, line.removesuffix(b"\r"))


def entries(blocks: Iterable[bytes], begins: Callable[[str], bool]) -> Iterator[Event | Broken]:
    r"""Yield an event for each entry; lines that do not begin one are joined to it with ``\n``.

    A ``\r`` is part of the line ends only if the entry's first line has it; otherwise it is part of a statement.

    :param begins: says whether a line begins an entry
    :raises Damaged: if the blocks raise it
    """
    for number, entry in entries_of(blocks, lambda line: begins(_text(line.removesuffix(b"\r")))):
        yield _event(number, _without_carriage_returns(entry))


def _without_carriage_returns(entry: bytes) -> bytes:
    first, _, _ = entry.partition(b"\n")
    return entry.replace(b"\r\n", b"\n").removesuffix(b"\r") if first.endswith(b"\r") else entry


def _event(number: int, raw: bytes) -> Event | Broken:
    if len(raw) > LONGEST:
        return Broken(number, f"It is longer than {size(LONGEST)}.", raw[:KEPT])
    return Event(number, 0, _text(raw), raw)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")
