r"""Plain text: a line, ended by ``\n`` or ``\r\n``, is an event; or several, where a parser says which begin one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from opensearch_strata.archive.decode.byte_stream import KEPT, LONGEST
from opensearch_strata.archive.decode.formats.text import entries_of, lines_of
from opensearch_strata.archive.events import Broken, Event

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_MOST_CONTROL = 0.02  # share of bytes; a tenth of packed or random ones, none of most text in any charset


def matches(head: bytes) -> bool:
    """Whether it is text, of any charset that has ASCII's control characters."""
    return len(_CONTROL.findall(head)) <= max(1, _MOST_CONTROL * len(head))


def events(blocks: Iterable[bytes]) -> Iterator[Event | Broken]:
    """An event for each line that is not blank; its record is the line's number, from 0 on.

    :raises Damaged: as the blocks do
    """
    for number, line in enumerate(lines_of(blocks)):
        if line.strip():
            yield _event(number, line.removesuffix(b"\r"))


def entries(blocks: Iterable[bytes], begins: Callable[[str], bool]) -> Iterator[Event | Broken]:
    r"""An event for each entry; the lines that do not begin one are joined to it by ``\n``.

    A ``\r`` is part of the ends of lines only where the entry's first line has it: else it is part of a statement.

    :param begins: says of a line whether it begins an entry
    :raises Damaged: as the blocks do
    """
    for number, entry in entries_of(blocks, lambda line: begins(_text(line.removesuffix(b"\r")))):
        yield _event(number, _without_carriage_returns(entry))


def _without_carriage_returns(entry: bytes) -> bytes:
    first, _, _ = entry.partition(b"\n")
    return entry.replace(b"\r\n", b"\n").removesuffix(b"\r") if first.endswith(b"\r") else entry


def _event(number: int, raw: bytes) -> Event | Broken:
    if len(raw) > LONGEST:
        return Broken(number, f"It is longer than {LONGEST} bytes.", raw[:KEPT])
    return Event(number, 0, _text(raw), raw)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")
