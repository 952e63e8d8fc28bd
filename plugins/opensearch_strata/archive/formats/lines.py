r"""Plain text: a line, ended by ``\n`` or ``\r\n``, is an event; or several, where a parser says which begin one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.archive.formats.text import entries_of, lines_of
from opensearch_strata.archive.source import KEPT, LONGEST

_NO_TEXT = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")
_MOST_NO_TEXT = 0.3  # share of characters: statements in a client's own charset are text, packed data is none


def matches(head: bytes) -> bool:
    """Whether it is text: mostly printable characters. Any packed or random data has more than twice that limit."""
    text = head.decode("utf-8", "replace")
    return len(_NO_TEXT.findall(text)) <= _MOST_NO_TEXT * len(text)


def events(blocks: Iterable[bytes]) -> Iterator[Event | Broken]:
    """An event for each line that is not blank; its record is the line's number, from 0 on.

    :raises Damaged: as the blocks do
    """
    for number, line in enumerate(lines_of(blocks)):
        if line.strip():
            yield _event(number, line.removesuffix(b"\r"))


def entries(blocks: Iterable[bytes], begins: Callable[[str], bool]) -> Iterator[Event | Broken]:
    r"""An event for each entry; the lines that do not begin one are joined to it by ``\n``.

    :param begins: says of a line whether it begins an entry
    :raises Damaged: as the blocks do
    """
    for number, entry in entries_of(blocks, lambda line: begins(_text(line.removesuffix(b"\r")))):
        yield _event(number, entry.replace(b"\r\n", b"\n").removesuffix(b"\r"))


def _event(number: int, raw: bytes) -> Event | Broken:
    if len(raw) > LONGEST:
        return Broken(number, f"It is longer than {LONGEST} bytes.", raw[:KEPT])
    return Event(number, 0, _text(raw), raw)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")
