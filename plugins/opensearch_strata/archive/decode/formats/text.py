"""Text by lines, and by entries of several lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from opensearch_strata.archive.decode.byte_stream import BYTE_ORDER_MARK, KEPT, LONGEST, Damaged


def lines_of(blocks: Iterable[bytes]) -> Iterator[bytes]:
    r"""Every line without its ``\n`` and a byte order mark, also a last one that has no end. Of a line longer than
    :data:`LONGEST` a bit more than that.

    :param blocks: of the content, of any size
    :raises Damaged: as the blocks do; its ``tail`` is the line that was not completed
    """
    pieces: list[bytes] = []
    size = 0
    try:
        for block in blocks:
            first, *lines = block.split(b"\n")
            if size <= LONGEST:
                pieces.append(first)
                size += len(first)
            if lines:
                yield b"".join(pieces).removeprefix(BYTE_ORDER_MARK)
                last = lines.pop()
                yield from map(_unmarked, lines) if BYTE_ORDER_MARK in block else lines
                pieces, size = [last], len(last)
    except Damaged as damage:
        damage.tail = b"".join(pieces)[:KEPT]
        raise
    if size:
        yield b"".join(pieces).removeprefix(BYTE_ORDER_MARK)


def _unmarked(line: bytes) -> bytes:
    return line.removeprefix(BYTE_ORDER_MARK)


def entries_of(blocks: Iterable[bytes], begins: Callable[[bytes], bool]) -> Iterator[tuple[int, bytes]]:
    r"""Lines joined by ``\n`` to entries, each with the number of its first line; blank lines at its end are left out.

    :param blocks: of the content, of any size
    :param begins: says of a line whether it begins an entry, asked for each that is not blank; the first of these does
        in any case
    :raises Damaged: as the blocks do; its ``tail`` is the entry that was not completed
    """
    entry = bytearray()
    number = -1
    try:
        for position, line in enumerate(lines_of(blocks)):
            is_blank = not line.strip()
            if is_blank or (not begins(line) and number >= 0):
                if number >= 0 and len(entry) <= LONGEST:
                    entry += b"\n"
                    entry += line
                continue
            if number >= 0:
                yield number, _without_blank_lines(entry)
            number, entry = position, bytearray(line)
    except Damaged as damage:
        before = b"" if number < 0 else bytes(entry[:KEPT]) + b"\n"
        damage.tail = (before + damage.tail)[:KEPT]
        raise
    if number >= 0:
        yield number, _without_blank_lines(entry)


def _without_blank_lines(entry: bytearray) -> bytes:
    """The entry without the blank lines at its end."""
    end = entry.find(b"\n", len(entry.rstrip()))
    return bytes(entry if end < 0 else entry[:end])
