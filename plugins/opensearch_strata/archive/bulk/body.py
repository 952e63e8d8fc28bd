"""Bodies of bulk requests: documents serialized into bytes and cut at a size limit. Pure.

https://docs.opensearch.org/latest/api-reference/document-apis/bulk/
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import orjson

from opensearch_strata.archive.events import Event

if TYPE_CHECKING:
    from opensearch_strata.archive.documents.shaper import Document

Owner = TypeVar("Owner")

_EASY = 5 / 9  # of the limit: above this a body ends at the next record border; one long record may fill up the rest


class Body(Generic[Owner]):
    """The documents of one bulk request, in order, each with the owner that is notified of its outcome.

    Every action is ``create``: a document that already exists stays as it is, and the response has status 409 for it.

    Only the bytes to send are kept, plus what a dead letter needs. The sources that orjson returns would each take
    8 KiB, however short they are (orjson 3.13).

    :param with_ids: False omits the ids, as time series collections of OpenSearch Serverless require
    """

    __slots__ = ("_lines", "events", "ids", "indices", "owners", "singles", "size", "with_ids")

    def __init__(self, with_ids: bool = True) -> None:
        self.with_ids = with_ids
        self.indices: list[str] = []
        self.ids: list[str] = []
        self.events: list[Event] = []
        self.owners: list[Owner] = []
        self.singles: set[int] = set()
        """Positions of documents whose source has line feeds: a request for several documents cannot hold them."""
        self.size = 0
        """Bytes of the body, before any compression."""
        self._lines: list[bytes] = []

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, document: Document, owner: Owner) -> None:
        """Append a document."""
        index, identity, source, _, event = document
        # Ids in archives of our own may be any text that somebody once chose, so orjson escapes quotes and newlines.
        name = b',"_id":' + orjson.dumps(identity) if self.with_ids else b""
        if event.routing is not None:
            name += b',"routing":' + orjson.dumps(event.routing)
        if event.raw:
            known, routing = event.document_id, event.routing
            event = Event(event.record, event.ordinal, "", event.raw, document_id=known, routing=routing)
        self.add_line(index, identity, name, source, event, owner)

    def add_line(self, index: str, identity: str, name: bytes, source: bytes, event: Event, owner: Owner) -> None:
        """Append a document of which the action is known already.

        :param index: the index that it is to be created in
        :param identity: its id
        :param name: the rest of the action, like ``,"_id":"a","routing":"b"``
        :param source: JSON
        :param event: what a dead letter needs of it
        :param owner: the one that is notified of the outcome
        """
        line = b"%b%b}}\n%b\n" % (_opening(index), name, source)
        if b"\n" in source:
            self.singles.add(len(self._lines))
        self.indices.append(index)
        self.ids.append(identity)
        self.events.append(event)
        self.owners.append(owner)
        self._lines.append(line)
        self.size += len(line)

    def is_full(self, limit: int, *, at_border: bool) -> bool:
        """Whether this body must be sent before another document is added.

        A load can resume after a body that ends at a record border, so most bodies end there: once a body has reached
        5/9 of the limit (5 of 9 MB), the next border ends it.

        :param limit: bytes
        :param at_border: the next document is the first one of a record
        """
        return self.size >= (limit * _EASY if at_border else limit)

    def payload(self) -> bytes:
        """The bytes to send: an action line and a source line for each document."""
        return b"".join(self._lines)

    def source(self, position: int) -> bytes:
        """A document's source as it is sent, as JSON.

        :param position: of the document in the body, counted from 0
        """
        return self._lines[position].split(b"\n", 1)[1][:-1]

    def part(self, positions: Iterable[int]) -> Self:
        """A body with some of the documents, in the given order.

        :param positions: of the documents in the body, counted from 0
        """
        part = type(self)(self.with_ids)
        for position in positions:
            if position in self.singles:
                part.singles.add(len(part))
            part.indices.append(self.indices[position])
            part.ids.append(self.ids[position])
            part.events.append(self.events[position])
            part.owners.append(self.owners[position])
            part._lines.append(self._lines[position])
        part.size = sum(map(len, part._lines))
        return part

    def halves(self) -> tuple[Self, Self]:
        """Two bodies with half of the documents each."""
        middle = len(self) // 2
        return self.part(range(middle)), self.part(range(middle, len(self)))


@lru_cache(maxsize=1024)
def _opening(index: str) -> bytes:
    return b'{"create":{"_index":' + orjson.dumps(index)
