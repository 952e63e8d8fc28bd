"""How raw days stand: which index it is, what it holds, and how often a document of it was deleted or replaced.

Every write and every deletion raises the sequence number of its shard, a document that is created raises the number of
documents too. So what is between the two is deleted or replaced documents, and while neither the UUID nor that
difference changes, every document that was created is there as it was. It may also grow by a term that is too long for
Lucene, and by a primary that is lost: then documents are looked up once more than need be.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from opensearch_strata.archive.ledger.rows import DayMark
from opensearch_strata.connections import decisive
from opensearch_strata.connections.retrying import part_of, patiently
from opensearch_strata.errors import Refused

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_TRIES = 5  # of a look that writers come between
_AT_ONCE = 40  # names of a request
_PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Standing:
    """One raw day at a moment.

    :param uuid: of the index
    :param documents: that it holds
    :param removed: operations since it was made that added no document, at least: a document that was replaced counts
        once, a deleted one twice
    """

    uuid: str
    documents: int
    removed: int

    @property
    def mark(self) -> DayMark:
        """What is written down of it."""
        return DayMark(self.uuid, self.removed)


def standings(client: OpenSearch, names: Sequence[str]) -> dict[str, Standing | None]:
    """Name -> how the raw day stands; None if it is not there.

    :param names: of indices
    :raises Refused: one is closed
    :raises TransientError: one cannot be read right now
    """
    return patiently(lambda: _standings(client, names), _PATIENCE)


def _standings(client: OpenSearch, names: Sequence[str]) -> dict[str, Standing | None]:
    found: dict[str, Standing | None] = {}
    for start in range(0, len(names), _AT_ONCE):
        part = list(names[start : start + _AT_ONCE])
        for _ in range(_TRIES):
            moved = _look(client, part, found)
            if not moved:
                break
            part = moved
    return found


def _look(client: OpenSearch, names: Sequence[str], found: dict[str, Standing | None]) -> list[str]:
    """Look once; the names of those that somebody wrote to meanwhile, of which the least is noted."""
    decisive.refresh(client, ",".join(names), ignore_unavailable="true")
    before = decisive.primaries_in(client, names)
    documents = _documents(client, names)
    after = decisive.primaries_in(client, names)
    moved = []
    for name in names:
        held, shards = documents[name], before.get(name)
        if held is None or shards is None:
            found[name] = None
            continue
        operations = sum(shards.sequence) + len(shards.sequence)  # numbers begin at 0; -1: none yet
        found[name] = Standing(shards.uuid, held, max(0, operations - held))
        if after.get(name) is None or after[name].sequence != shards.sequence or after[name].uuid != shards.uuid:
            moved.append(name)
    return moved


def _documents(client: OpenSearch, names: Sequence[str]) -> dict[str, int | None]:
    body = {"size": 0, "track_total_hits": True}
    try:
        answers = decisive.multi_search(client, [(name, body) for name in names])
    except decisive.IncompleteAnswer as error:
        if error.kind != "index_closed_exception":
            raise
        raise Refused(
            f"{error.index} is closed, so its documents cannot be counted. Nothing was changed. Open it first."
        ) from None
    totals = [None if answer is None else int(part_of(answer, "hits", "total", "value")) for answer in answers]
    return dict(zip(names, totals, strict=True))


class DayMarks:
    """What raw days were like before a load sent them its first document. Safe to use from several threads.

    :param serverless: where nobody tells; nothing is known then
    """

    def __init__(self, client: OpenSearch, *, serverless: bool) -> None:
        self._client, self._serverless = client, serverless
        self._known: dict[str, DayMark] = {}
        self._lock = Lock()

    def learn(self, indices: Collection[str]) -> None:
        """To be called before anything is sent to indices; those that are known stay as they are.

        Whatever it fails with is the caller's to wait out, as it is with what is to be sent then.

        :param indices: names of raw days
        """
        from opensearchpy import NotFoundError

        if self._serverless or set(indices) <= self._known.keys():
            return
        with self._lock:
            new = sorted(set(indices) - self._known.keys())
            try:
                looked = _standings(self._client, new)
            except NotFoundError as error:
                if error.error != "unsupported_operation_exception":
                    raise
                self._serverless = True  # a collection, whose ledger is elsewhere
                return
            self._known |= {name: standing.mark for name, standing in looked.items() if standing}

    def of(self, indices: Collection[str]) -> dict[str, DayMark]:
        """What is known of indices.

        :param indices: names of raw days
        """
        return {index: self._known[index] for index in indices if index in self._known}
