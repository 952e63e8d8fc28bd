"""Text by lines, and by entries of several lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from opensearch_strata.archive.source import KEPT, LONGEST, Damaged


def lines_of(blocks: Iterable[bytes]) -> Iterator[bytes]:
    r"""Every line without its ``\n``, also a last one that has none. Of a line longer than :data:`LONGEST` a bit more
    than that.

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
                yield b"".join(pieces)
                last = lines.pop()
                yield from lines
                pieces, size = [last], len(last)
    except Damaged as damage:
        damage.tail = b"".join(pieces)[:KEPT]
        raise
    if size:
        yield b"".join(pieces)


def entries_of(blocks: Iterable[bytes], begins: Callable[[bytes], bool]) -> Iterator[tuple[int, bytes]]:
    r"""Lines joined by ``\n`` to entries, each with the number of its first line; blank lines at its end are left out.

    :param begins: says of a line whether it begins an entry, asked for each that is not blank; the first of these does
        in any case
    :raises Damaged: as the blocks do; its ``tail`` is the entry that was not completed
    """
    entry: list[bytes] = []
    number = size = 0
    try:
        for position, line in enumerate(lines_of(blocks)):
            is_blank = not line.strip()
            if is_blank or (not begins(line) and entry):
                if entry and size <= LONGEST:
                    entry.append(line)
                    size += len(line) + 1
                continue
            if entry:
                yield number, _joined(entry)
            number, entry, size = position, [line], len(line)
    except Damaged as damage:
        damage.tail = b"\n".join([*entry, damage.tail])[:KEPT]
        raise
    if entry:
        yield number, _joined(entry)


def _joined(entry: list[bytes]) -> bytes:
    while not entry[-1].strip():
        entry.pop()
    return b"\n".join(entry)
