"""Splits text into lines, and into entries of several lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from opensearch_strata.archive.decode.byte_stream import BYTE_ORDER_MARK, KEPT, LONGEST, Damaged


def lines_of(blocks: Iterable[bytes]) -> Iterator[bytes]:
    r"""Yield every line without its ``\n`` and without a byte order mark, including a last line that has no end. Of a
    line longer than :data:`LONGEST`, only a little more than that is yielded.

    :param blocks: blocks of the content, of any size
    :raises Damaged: if the blocks raise it; its ``tail`` is the incomplete line
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
    r"""Join lines with ``\n`` into entries, each with the number of its first line; final blank lines are left out.

    :param blocks: blocks of the content, of any size
    :param begins: says whether a line begins an entry; called for each line that is not blank. The first of these
        always begins one
    :raises Damaged: if the blocks raise it; its ``tail`` is the incomplete entry
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
