"""Bytes that arrive in blocks and are taken as needed, and the errors for bytes that end too early. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opensearch_strata.errors import StrataError

LONGEST = 16 * 2**20
"""Bytes of the longest record that is read; CloudWatch Logs and Firehose stay far below it."""

KEPT = 2**20
"""Bytes that are kept of a record that cannot be read."""


BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Some tools write it at the beginning of files in UTF-8; of concatenated files, each begins with it."""


class TooLarge(StrataError):  # noqa: N818 - the name says what happened
    """An object unpacks to more than its limits allow; it may be a decompression bomb."""


class Damaged(StrataError):  # noqa: N818 - the name says what happened
    """The content ends prematurely: it is cut off, overwritten, or followed by something else.

    Raised after everything before the damage has been yielded.

    :param at: bytes of the layer's input before the damage
    :param at_end: whether the input ends there, so that nothing after it was left unread
    :param tail: bytes of an incomplete last record, at most :data:`KEPT`
    """

    def __init__(self, message: str, at: int = 0, *, at_end: bool = False) -> None:
        super().__init__(message)
        self.at = at
        self.at_end = at_end
        self.tail = b""


def damaged(layer: str, what: str, at: int, *, at_end: bool = False) -> Damaged:
    """The error for a layer in which something is wrong at a byte of its input, or which ends too early there."""
    sentence = f"The {layer} layer {what}, at byte {at} of its input; everything complete before that was read."
    return Damaged(sentence, at, at_end=at_end)


class Source:
    """Blocks of bytes as one stream; damage in an underlying layer ends it and is kept in ``damage``."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._block = b""
        self._next = 0
        self._before = 0
        self.damage: Damaged | None = None

    @property
    def at(self) -> int:
        """The number of bytes that were taken."""
        return self._before + self._next

    def head(self, count: int) -> bytes:
        """Return the next bytes without taking them; fewer than requested only at the end."""
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
        """Take some of the next bytes, at most ``count``; none only at the end."""
        if self._next == len(self._block):
            self._before += self._next
            self._block, self._next = self._pull(), 0
        taken = self._block[self._next : self._next + count]
        self._next += len(taken)
        return taken

    def exactly(self, count: int) -> bytes:
        """Take the next ``count`` bytes; fewer only at the end."""
        taken = self.head(count)
        self._next += len(taken)
        return taken

    def back(self, count: int) -> None:
        """Put back the last ``count`` bytes of the last :meth:`take`."""
        self._next -= count

    def ends_in_zeros(self) -> bool:
        """Whether nothing is left but zeros, as padding; the zeros are taken."""
        if (head := self.head(1)) != b"\0":
            return not head
        while block := self.take(2**16):
            if other := block.lstrip(b"\0"):
                self.back(len(other))
                return False
        return True

    def rest(self) -> Iterator[bytes]:
        """Yield everything that is left, block by block.

        :raises Damaged: after the last block, if an underlying layer is damaged
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
