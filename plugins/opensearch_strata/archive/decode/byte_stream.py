"""Bytes that arrive in blocks, taken as they are needed, and what is said of them when they end too early. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opensearch_strata.errors import StrataError

LONGEST = 16 * 2**20
"""Bytes of the longest record that is read; CloudWatch Logs and Firehose stay far below."""

KEPT = 2**20
"""Bytes that are kept of what cannot be read."""


BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Begins files in UTF-8 of some tools; of files that were put one behind the other, each."""


class TooLarge(StrataError):  # noqa: N818 - reads as what happened
    """An object unpacks to more than its limits allow; it may be a decompression bomb."""


class Damaged(StrataError):  # noqa: N818 - reads as what happened
    """The content ends before its end: cut off, overwritten, or followed by something else.

    Raised once everything before has been given.

    :param at: bytes of the layer's input up to there
    :param at_end: whether the input ends there, so that nothing behind it was left unread
    :param tail: bytes of a last record that remained incomplete, at most :data:`KEPT`
    """

    def __init__(self, message: str, at: int = 0, *, at_end: bool = False) -> None:
        super().__init__(message)
        self.at = at
        self.at_end = at_end
        self.tail = b""


def damaged(layer: str, what: str, at: int, *, at_end: bool = False) -> Damaged:
    """The error for a layer of which something is wrong at a byte of its input, or which ends too early there."""
    sentence = f"The {layer} layer {what}, at byte {at} of its input; what was complete before was read."
    return Damaged(sentence, at, at_end=at_end)


class Source:
    """Blocks of bytes as one stream; damage of a layer beneath ends it and is kept in ``damage``."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._block = b""
        self._next = 0
        self._before = 0
        self.damage: Damaged | None = None

    @property
    def at(self) -> int:
        """How many bytes were taken."""
        return self._before + self._next

    def head(self, count: int) -> bytes:
        """The next bytes without taking them; fewer than asked for at the end only."""
        pieces, size = [self._block[self._next : self._next + count]], len(self._block) - self._next
        if size < count:
            pieces[0] = self._block[self._next :]
            while size < count and (block := self._pull()):
                pieces.append(block)
                size += len(block)
            self._before += self._next
            self._block, self._next = b"".join(pieces), 0
            return self._block[:count]
        return pieces[0]

    def take(self, count: int) -> bytes:
        """Some of the next bytes, at most so many; none at the end only."""
        if self._next == len(self._block):
            self._before += self._next
            self._block, self._next = self._pull(), 0
        taken = self._block[self._next : self._next + count]
        self._next += len(taken)
        return taken

    def exactly(self, count: int) -> bytes:
        """So many of the next bytes; fewer at the end only."""
        taken = self.head(count)
        self._next += len(taken)
        return taken

    def back(self, count: int) -> None:
        """Give the last bytes of the last :meth:`take` back."""
        self._next -= count

    def ends_in_zeros(self) -> bool:
        """Whether nothing or only zeros are left, as padding; zeros are taken."""
        if (head := self.head(1)) != b"\0":
            return not head
        while block := self.take(2**16):
            if other := block.lstrip(b"\0"):
                self.back(len(other))
                return False
        return True

    def rest(self) -> Iterator[bytes]:
        """Everything that is left, block by block.

        :raises Damaged: after the last block, if a layer beneath is
        """
        while block := self.take(2**20):
            yield block
        if self.damage:
            raise self.damage

    def _pull(self) -> bytes:
        try:
            for block in self._blocks:
                if block:
                    return block
        except Damaged as damage:
            self.damage = damage
        return b""
