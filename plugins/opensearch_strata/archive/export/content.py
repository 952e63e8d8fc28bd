"""What a set of documents amounts to, in whatever order they come: their number, bytes and digest. Pure."""

from __future__ import annotations

from collections.abc import Iterable
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

    def add(self, lines: Iterable[bytes]) -> None:
        """Add documents.

        :param lines: of the archive, each with its line feed
        """
        total, length, count = 0, 0, 0
        for line in lines:
            total += int.from_bytes(sha256(line).digest(), "big")
            length += len(line)
            count += 1
        self._sum = (self._sum + total) % _MODULUS
        self.size += length
        self.documents += count

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
