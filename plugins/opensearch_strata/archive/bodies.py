"""Bodies of bulk requests: documents joined to bytes, cut at a size. Pure.

https://docs.opensearch.org/latest/api-reference/document-apis/bulk/
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import orjson

if TYPE_CHECKING:
    from opensearch_strata.archive.shape import Document

Owner = TypeVar("Owner")

_EASY = 5 / 9  # of the limit: from here on a body ends with the record; a record that goes on may fill it up


class Body(Generic[Owner]):
    """Documents of one bulk request in their order, each with whoever is to hear what became of it.

    Every action is ``create``: a document that is there already stays as it is, and answers 409.

    :param ids: False leaves ids out, as time series of OpenSearch Serverless demand
    """

    __slots__ = ("_lines", "documents", "ids", "owners", "size")

    def __init__(self, ids: bool = True) -> None:
        self.ids = ids
        self.documents: list[Document] = []
        self.owners: list[Owner] = []
        self.size = 0
        """Bytes of the body as it is sent, before any compression."""
        self._lines: list[bytes] = []

    def __len__(self) -> int:
        return len(self.documents)

    def add(self, document: Document, owner: Owner) -> None:
        """Append a document."""
        line = _action(document, self.ids)
        self.documents.append(document)
        self.owners.append(owner)
        self._lines.append(line)
        self.size += len(line) + len(document.source) + 2

    def is_full(self, limit: int, *, at_border: bool) -> bool:
        """Whether this goes out before another document is added.

        A body that ends with a record is one from which a load can go on, so most bodies do: from 5/9 of the limit on
        the next border ends them (5 of 9 MB).

        :param limit: bytes
        :param at_border: the next document begins a record
        """
        return self.size >= (limit * _EASY if at_border else limit)

    def payload(self) -> bytes:
        """The bytes to send: a line that says what to do and a line of source for each document."""
        lines = [b""] * (2 * len(self) + 1)
        lines[:-1:2] = self._lines
        lines[1::2] = [document.source for document in self.documents]
        return b"\n".join(lines)

    def part(self, positions: Iterable[int]) -> Self:
        """A body of some of the documents, in the order given."""
        part = type(self)(self.ids)
        for position in positions:
            part.documents.append(self.documents[position])
            part.owners.append(self.owners[position])
            part._lines.append(self._lines[position])
        part.size = sum(map(len, part._lines)) + sum(len(document.source) + 2 for document in part.documents)
        return part

    def halves(self) -> tuple[Self, Self]:
        """Two bodies of half as many documents each."""
        middle = len(self) // 2
        return self.part(range(middle)), self.part(range(middle, len(self)))


def _action(document: Document, ids: bool) -> bytes:
    if not ids:
        return _opening(document.index) + b"}}"
    # Ids of our own archives are whatever somebody once chose: quotes and line ends are for orjson to escape.
    return b'%b,"_id":%b}}' % (_opening(document.index), orjson.dumps(document.id))


@lru_cache(maxsize=1024)
def _opening(index: str) -> bytes:
    return b'{"create":{"_index":' + orjson.dumps(index)
