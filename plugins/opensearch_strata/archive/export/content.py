"""What a set of documents amounts to, in whatever order they come: their number, bytes and digest. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

_MODULUS = 1 << 256


@dataclass
class Content:
    """Documents, summed up. Equal contents are the same documents, however they were read.

    The digest is the sum of the documents' SHA-256 modulo 2^256: it does not depend on their order, and two equal
    documents do not cancel each other out.

    :param documents: how many
    :param size: bytes of their lines
    """

    documents: int = 0
    size: int = 0
    _sum: int = 0

    def add(self, lines: Sequence[bytes]) -> None:
        """Add documents.

        :param lines: of the archive, each with its line feed
        """
        total = sum(map(int.from_bytes, [sha256(line).digest() for line in lines]))
        self._sum = (self._sum + total) % _MODULUS
        self.size += sum(map(len, lines))
        self.documents += len(lines)

    def join(self, other: Content) -> None:
        """Add the documents of another set.

        :param other: is left as it is
        """
        self._sum = (self._sum + other._sum) % _MODULUS
        self.size += other.size
        self.documents += other.documents

    @property
    def digest(self) -> str:
        """64 hexadecimal digits."""
        return f"{self._sum:064x}"
