"""The state of raw days: which index one is, how much it holds, and how often its documents were deleted or replaced.

Every write and every deletion raises the sequence number of its shard; creating a document also raises the number of
documents. So the difference between the two comes from deleted or replaced documents. As long as neither the UUID nor
that difference changes, every document that was created is still there, unchanged. The difference can also grow because
of a term that is too long for Lucene or because a primary was lost; then documents are looked up once more than
necessary.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from opensearch_strata.archive.ledger.rows import Removals
from opensearch_strata.connections import decisive
from opensearch_strata.connections.retrying import part_of, patiently
from opensearch_strata.errors import Refused

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_TRIES = 5  # how often a look is repeated that concurrent writes disturb
_AT_ONCE = 40  # names in one request
_PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class DayCount:
    """The state of one raw day at one moment.

    :param uuid: of the index
    :param documents: number of documents that it holds
    :param removed: operations since it was created that added no document (a lower bound): a replaced document counts
        once, a deleted one twice
    """

    uuid: str
    documents: int
    removed: int

    @property
    def removals(self) -> Removals:
        """The part of it that is recorded in the ledger."""
        return Removals(self.uuid, self.removed)


def counts_of_days(client: OpenSearch, names: Sequence[str]) -> dict[str, DayCount | None]:
    """Name -> state of the raw day; None if it does not exist.

    :param names: of indices
    :raises Refused: an index is closed
    :raises TransientError: an index cannot be read right now
    """
    return patiently(lambda: _counts(client, names), _PATIENCE)


def _counts(client: OpenSearch, names: Sequence[str]) -> dict[str, DayCount | None]:
    found: dict[str, DayCount | None] = {}
    for start in range(0, len(names), _AT_ONCE):
        part = list(names[start : start + _AT_ONCE])
        for _ in range(_TRIES):
            moved = _look(client, part, found)
            if not moved:
                break
            part = moved
    return found


def _look(client: OpenSearch, names: Sequence[str], found: dict[str, DayCount | None]) -> list[str]:
    """Look once and return the names that were written to in the meantime, for which ``found`` has a lower bound."""
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
        operations = sum(shards.sequence) + len(shards.sequence)  # sequence numbers start at 0; -1 means none yet
        found[name] = DayCount(shards.uuid, held, max(0, operations - held))
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


class RemovalsBefore:
    """The state of raw days before a load sent them its first document. Safe to use from several threads.

    :param serverless: the raw days are on Serverless, which does not report their state; then none are known
    """

    def __init__(self, client: OpenSearch, *, serverless: bool) -> None:
        self._client, self._serverless = client, serverless
        self._known: dict[str, Removals] = {}
        self._lock = Lock()

    def learn(self, indices: Collection[str]) -> None:
        """Note the state of indices. Call this before anything is sent to them. States already known are kept.

        If this fails, the caller waits and tries again, as it does for the request that follows.

        :param indices: names of raw days
        """
        from opensearchpy import NotFoundError

        if self._serverless or set(indices) <= self._known.keys():
            return
        with self._lock:
            new = sorted(set(indices) - self._known.keys())
            try:
                looked = _counts(self._client, new)
            except NotFoundError as error:
                if error.error != "unsupported_operation_exception":
                    raise
                self._serverless = True  # the raw days are in a Serverless collection, the ledger is elsewhere
                return
            self._known |= {name: count.removals for name, count in looked.items() if count}

    def of(self, indices: Collection[str]) -> dict[str, Removals]:
        """The removals of indices, as far as they are known.

        :param indices: names of raw days
        """
        return {index: self._known[index] for index in indices if index in self._known}
