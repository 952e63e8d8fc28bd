"""Bodies of bulk requests: documents joined to bytes, cut at a size. Pure.

https://docs.opensearch.org/latest/api-reference/document-apis/bulk/
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import orjson

from opensearch_strata.archive.events import Event

if TYPE_CHECKING:
    from opensearch_strata.archive.documents.builder import Document

Owner = TypeVar("Owner")

_EASY = 5 / 9  # of the limit: from here on a body ends with the record; a record that goes on may fill it up


class Body(Generic[Owner]):
    """Documents of one bulk request in their order, each with whoever is to hear what became of it.

    Every action is ``create``: a document that is there already stays as it is, and answers 409.

    Only what is sent is kept, and what a dead letter needs. Sources as orjson hands them out would take 8 KB each,
    however short they are (orjson 3.13).

    :param with_ids: False leaves ids out, as time series of OpenSearch Serverless demand
    """

    __slots__ = ("_lines", "events", "ids", "indices", "owners", "size", "with_ids")

    def __init__(self, with_ids: bool = True) -> None:
        self.with_ids = with_ids
        self.indices: list[str] = []
        self.ids: list[str] = []
        self.events: list[Event] = []
        self.owners: list[Owner] = []
        self.size = 0
        """Bytes of the body as it is sent, before any compression."""
        self._lines: list[bytes] = []

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, document: Document, owner: Owner) -> None:
        """Append a document."""
        index, identity, source, _, event = document
        # An id of our own archives is whatever somebody once chose: quotes and line ends are for orjson to escape.
        name = b',"_id":' + orjson.dumps(identity) if self.with_ids else b""
        line = b"%b%b}}\n%b\n" % (_opening(index), name, source)
        self.indices.append(index)
        self.ids.append(identity)
        known = event.document_id
        self.events.append(Event(event.record, event.ordinal, "", event.raw, document_id=known) if event.raw else event)
        self.owners.append(owner)
        self._lines.append(line)
        self.size += len(line)

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
        return b"".join(self._lines)

    def source(self, position: int) -> bytes:
        """A document as it is sent: JSON.

        :param position: of the document in the body, from 0
        """
        return self._lines[position].split(b"\n", 1)[1]

    def part(self, positions: Iterable[int]) -> Self:
        """A body of some of the documents, in the order given.

        :param positions: of the documents in the body, from 0
        """
        part = type(self)(self.with_ids)
        for position in positions:
            part.indices.append(self.indices[position])
            part.ids.append(self.ids[position])
            part.events.append(self.events[position])
            part.owners.append(self.owners[position])
            part._lines.append(self._lines[position])
        part.size = sum(map(len, part._lines))
        return part

    def halves(self) -> tuple[Self, Self]:
        """Two bodies of half as many documents each."""
        middle = len(self) // 2
        return self.part(range(middle)), self.part(range(middle, len(self)))


@lru_cache(maxsize=1024)
def _opening(index: str) -> bytes:
    return b'{"create":{"_index":' + orjson.dumps(index)
