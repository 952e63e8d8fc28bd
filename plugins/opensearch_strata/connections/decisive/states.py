"""The state of raw days: which index one is, how much it holds, and how often its documents were deleted or replaced.

Every write and every deletion gets the next sequence number of its shard, and a document keeps the number of the
operation that wrote it. So of the operations up to some number, those that no document bears come from deleted or
replaced documents. As long as neither their number, nor the UUID of the index, nor the history of its shards changes,
every document that was created is still there, unchanged. The number can also grow because of a term that is too long
for Lucene or because a primary was lost; then documents are looked up once more than necessary.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections.decisive.completeness import IncompleteAnswer
from opensearch_strata.connections.decisive.searches import multi_search, refresh, search
from opensearch_strata.connections.decisive.shards import Primaries, primaries, primaries_in
from opensearch_strata.connections.removals import Removals
from opensearch_strata.connections.retrying import part_of, patiently
from opensearch_strata.errors import Refused

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_AT_ONCE = 40  # names in one request
_PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class DayCount:
    """The state of one raw day at one moment.

    :param documents: number of documents that it holds
    :param removals: which index it is, and how many of its documents were removed
    """

    documents: int
    removals: Removals

    @property
    def uuid(self) -> str:
        """UUID of the index."""
        return self.removals.uuid


def counts_of_days(client: OpenSearch, names: Sequence[str]) -> dict[str, DayCount | None]:
    """Name -> state of the raw day; None if it does not exist, or the name is an alias.

    :param names: of indices
    :raises Refused: an index is closed
    :raises TransientError: an index cannot be read right now
    """
    return patiently(lambda: counts_at_once(client, names), _PATIENCE)


def counts_at_once(client: OpenSearch, names: Sequence[str]) -> dict[str, DayCount | None]:
    """The same as :func:`counts_of_days`, without patience.

    :param names: of indices
    :raises Refused: an index is closed
    :raises TransientError: an index cannot be read right now
    """
    found: dict[str, DayCount | None] = {}
    for start in range(0, len(names), _AT_ONCE):
        found |= _look(client, names[start : start + _AT_ONCE])
    return found


def _look(client: OpenSearch, names: Sequence[str]) -> dict[str, DayCount | None]:
    """Look once. Others may write meanwhile: what was complete before the refresh is what is searched for."""
    shards = primaries_in(client, names)
    refresh(client, ",".join(names), ignore_unavailable="true")
    asked = [
        (name, number, last)
        for name in names
        for number, last in (enumerate(shards[name].completed) if name in shards else [(None, -1)])
    ]
    found: dict[str, list[Mapping[str, Any]]] = {name: [] for name in names}
    for (name, *_), answer in zip(asked, _answers(client, asked), strict=True):
        if answer is None:  # deleted meanwhile
            shards.pop(name, None)
        else:
            found[name].append(answer)
    return {name: _state(shards[name], found[name]) if name in shards else None for name in names}


def count_of_index(client: OpenSearch, name: str) -> DayCount | None:
    """The state of one raw day, by plain searches, for which whoever proves it has the permission; None if it is gone.

    :param name: of the index
    :raises TransientError: the index cannot be read right now
    """
    from opensearchpy import NotFoundError

    try:
        shards = primaries(client, name)
        refresh(client, name)
        answers = [search(client, name, _counting(last), shard=number) for number, last in enumerate(shards.completed)]
    except NotFoundError:
        return None
    return _state(shards, answers)


def _state(shards: Primaries, answers: Sequence[Mapping[str, Any]]) -> DayCount:
    """The state of an index by what each of its shards answered to :func:`_counting`."""
    documents = sum(int(part_of(answer, "hits", "total", "value")) for answer in answers)
    borne = sum(int(part_of(answer, "aggregations", "complete", "borne", "value")) for answer in answers)
    operations = sum(shards.completed) + len(shards.completed)  # sequence numbers start at 0; -1 means none yet
    history = hashlib.sha256(" ".join(shards.history).encode()).hexdigest()[:16] if all(shards.history) else ""
    return DayCount(documents, Removals(shards.uuid, operations - borne, history, operations))


def _answers(client: OpenSearch, asked: Sequence[tuple[str, int | None, int]]) -> list[Mapping[str, Any] | None]:
    """How many documents a shard holds, and how many of them bear a number up to the given one."""
    searches = [(name, _counting(last)) for name, _, last in asked]
    try:
        return [*multi_search(client, searches, [number for _, number, _ in asked])]
    except IncompleteAnswer as error:
        if error.kind != "index_closed_exception":
            raise
        raise Refused(
            f"{error.index} is closed, so its documents cannot be counted. Nothing was changed. Open it first."
        ) from None


def _counting(last: int) -> dict[str, Any]:
    # The count of a bucket itself would follow the documents' own _doc_count.
    borne = {"value_count": {"field": "_seq_no"}}
    complete = {"filter": {"range": {"_seq_no": {"lte": last}}}, "aggs": {"borne": borne}}
    return {"size": 0, "track_total_hits": True, "aggs": {"complete": complete}}
