"""Bodies of bulk requests: documents serialized into bytes and cut at a size limit. Pure.

https://docs.opensearch.org/latest/api-reference/document-apis/bulk/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, NamedTuple, Self, TypeVar

import orjson

from opensearch_strata.archive.events import Event

if TYPE_CHECKING:
    from opensearch_strata.archive.documents.shaper import Document

Owner = TypeVar("Owner")

EASY = 5 / 9
"""Share of the limit above which a body ends at the next record border; one long record may fill up the rest."""


class Run(NamedTuple):
    """Documents of one index, column by column.

    :param ids: their ids
    :param lines: for each, the line of its action and that of its source, as they are sent
    :param records: numbers of their records
    :param routings: position -> custom routing, for those that have one, counted from 0
    :param singles: positions of those whose source has line feeds
    """

    ids: list[str]
    lines: list[bytes]
    records: list[int]
    routings: Mapping[int, str]
    singles: Iterable[int]


class Body(Generic[Owner]):
    """The documents of one bulk request, in order, each with the owner that is notified of its outcome.

    Every action is ``create``: a document that already exists stays as it is, and the response has status 409 for it.

    Only the bytes to send are kept, plus what a dead letter needs. The sources that orjson returns would each take
    8 KiB, however short they are (orjson 3.13).

    :param with_ids: False omits the ids, as time series collections of OpenSearch Serverless require
    """

    __slots__ = ("_events", "_lines", "_routings", "ids", "indices", "owners", "singles", "size", "with_ids")

    def __init__(self, with_ids: bool = True) -> None:
        self.with_ids = with_ids
        self.indices: list[str] = []
        self.ids: list[str] = []
        self.owners: list[Owner] = []
        self.singles: set[int] = set()
        """Positions of documents whose source has line feeds: a request for several documents cannot hold them."""
        self.size = 0
        """Bytes of the body, before any compression."""
        self._lines: list[bytes] = []
        self._events: list[Event | int] = []  # of documents from archives, which are very many, the record alone
        self._routings: dict[int, str] = {}  # of the latter

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, document: Document, owner: Owner) -> None:
        """Append a document."""
        index, identity, source, _, event = document
        # Ids in archives of our own may be any text that somebody once chose, so orjson escapes quotes and newlines.
        name = b',"_id":' + orjson.dumps(identity) if self.with_ids else b""
        if event.routing is not None:
            name += b',"routing":' + orjson.dumps(event.routing)
        line = b"%b%b}}\n%b\n" % (opening(index), name, source)
        if b"\n" in source:
            self.singles.add(len(self._lines))
        self.indices.append(index)
        self.ids.append(identity)
        if event.raw:
            known, routing = event.document_id, event.routing
            event = Event(event.record, event.ordinal, "", event.raw, document_id=known, routing=routing)
        self._events.append(event)
        self.owners.append(owner)
        self._lines.append(line)
        self.size += len(line)

    def extend(self, index: str, run: Run, owner: Owner) -> None:
        """Append documents of which the requests are known already.

        :param index: the index that they are to be created in
        :param run: the documents, in order
        :param owner: the one that is notified of their outcomes
        """
        before = len(self._lines)
        self.singles.update(before + position for position in run.singles)
        self._routings.update({before + position: routing for position, routing in run.routings.items()})
        self.indices += [index] * len(run.lines)
        self.owners += [owner] * len(run.lines)
        self.ids += run.ids
        self._events += run.records
        self._lines += run.lines
        self.size += sum(map(len, run.lines))

    def is_full(self, limit: int, *, at_border: bool) -> bool:
        """Whether this body must be sent before another document is added.

        A load can resume after a body that ends at a record border, so most bodies end there: once a body has reached
        5/9 of the limit (5 of 9 MB), the next border ends it.

        :param limit: bytes
        :param at_border: the next document is the first one of a record
        """
        return self.size >= (limit * EASY if at_border else limit)

    def payload(self) -> bytes:
        """The bytes to send: an action line and a source line for each document."""
        return b"".join(self._lines)

    def source(self, position: int) -> bytes:
        """A document's source as it is sent, as JSON.

        :param position: of the document in the body, counted from 0
        """
        return self._lines[position].split(b"\n", 1)[1][:-1]

    def event(self, position: int) -> Event:
        """What a document was made from, without its contents if these are not needed for a dead letter.

        :param position: of the document in the body, counted from 0
        """
        event = self._events[position]
        if isinstance(event, int):
            return Event(event, 0, "", document_id=self.ids[position], routing=self._routings.get(position))
        return event

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
            part._events.append(self._events[position])
            if position in self._routings:
                part._routings[len(part)] = self._routings[position]
            part.owners.append(self.owners[position])
            part._lines.append(self._lines[position])
        part.size = sum(map(len, part._lines))
        return part

    def halves(self) -> tuple[Self, Self]:
        """Two bodies with half of the documents each."""
        middle = len(self) // 2
        return self.part(range(middle)), self.part(range(middle, len(self)))


@lru_cache(maxsize=1024)
def opening(index: str) -> bytes:
    """How the action of a document begins: up to the name of its index.

    :param index: the index that it is to be created in
    """
    return b'{"create":{"_index":' + orjson.dumps(index)
