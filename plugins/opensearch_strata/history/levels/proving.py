"""Builds rows of levels of a day or month, and compares every one with the rows that it is merged from.

Each page of rows is merged by the server's script, checked against the server's own sums and extremes of the same rows,
written, read back by the ids that the rows must have, and compared value by value. So a level is proven as it is built;
and a level that is there can be proven in the same way, without being written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.levels import Level
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.history.buckets.bucket_pages import PATIENTLY
from opensearch_strata.history.buckets.scripts import level_metric
from opensearch_strata.history.levels.comparison import (
    fields_of,
    server_difference,
    server_metrics,
    stored_difference,
    where,
)
from opensearch_strata.history.levels.merge.merging import Bucket, Days, Merge, RowsOfUnit
from opensearch_strata.history.levels.rows import level_row
from opensearch_strata.history.levels.stored import StoredLevel, identities_of, stored_levels, values_by_id
from opensearch_strata.history.month.bulk import Action, send_rows
from opensearch_strata.history.month.level_notes import LEVEL
from opensearch_strata.history.verify.comparison import Found

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_AT_ONCE = 2000
_MERGES = 2  # at the same time: enough to keep a small node busy, few enough to leave a large one to its other users


@dataclass
class ProvenLevel:
    """What the comparison of a level found.

    :param expected: for how many raw documents its rows must stand: as many as the base rows
    :param identities: ids of the rows that it must have
    :param documents: for how many raw documents they stand
    :param missing: rows that it lacks
    :param differing: rows that differ from what they must be
    :param surplus: rows that it must not have
    :param version: of its rows, see :class:`opensearch_strata.history.levels.stored.StoredLevel`
    """

    expected: int
    identities: set[str] = field(default_factory=set)
    documents: int = 0
    missing: Found = field(default_factory=Found)
    differing: Found = field(default_factory=Found)
    surplus: int = 0
    version: str = ""

    @property
    def rows(self) -> int:
        """How many rows it must have."""
        return len(self.identities)

    @property
    def holds(self) -> bool:
        """Whether its rows are exactly those that it must have."""
        return not (self.missing.count or self.differing.count or self.surplus) and self.documents == self.expected

    @property
    def difference(self) -> str:
        """What differs, as half a sentence, if something does."""
        told = {"missing": self.missing.count, "different": self.differing.count, "unfounded": self.surplus}
        named = next(iter([*self.differing.named, *self.missing.named]), "")
        counts = ", ".join(f"{counted(count, 'row')} {what}" for what, count in told.items() if count)
        if not counts:
            return f"it stands for {counted(self.documents, 'document')}, the base rows for {self.expected:,}"
        return f"{counts}{f' (first: {named})' if named else ''}"


@dataclass(frozen=True)
class Target:
    """Where rows of levels are.

    :param index: exact name
    :param uuid: its UUID, which no other index of that name has
    :param unit_id: what the rows have as ``transform._id``
    """

    index: str
    uuid: str
    unit_id: str


def prove_levels(
    client: OpenSearch,
    dataset: Dataset,
    sources: Mapping[Level, RowsOfUnit],
    days: Days,
    target: Target,
    documents: int,
    *,
    write: bool,
) -> dict[Level, ProvenLevel | Refused]:
    """Compare the rows of levels with what they are merged from; with ``write``, write them before.

    :param dataset: as the base rows are, see :func:`opensearch_strata.history.levels.merge.definitions.as_stored`
    :param sources: level -> what it is merged from
    :param days: when the rows are
    :param documents: for how many raw documents the base rows stand
    :param write: write every row; those that do not belong to the levels are left to :func:`finished`
    :returns: what was found of each level; why a level cannot be merged
    :raises TransientError: the index of levels was deleted or recreated meanwhile
    """
    aggs = {"metrics": level_metric(dataset), **server_metrics(dataset)}
    merges = {level: Merge(client, dataset, level, source, days, aggs) for level, source in sources.items()}
    found: dict[Level, ProvenLevel | Refused] = {level: ProvenLevel(documents) for level in sources}
    waiting: list[Bucket] = []
    for level, page in _ahead({level: merge.pages() for level, merge in merges.items()}):
        if isinstance(page, Refused):
            found[level] = page
            continue
        waiting += page
        while len(waiting) >= _AT_ONCE:
            _prove(client, dataset, target, found, waiting[:_AT_ONCE], write=write)
            del waiting[:_AT_ONCE]
    if waiting:
        _prove(client, dataset, target, found, waiting, write=write)
    return found


def _ahead(
    sources: Mapping[Level, Iterator[list[Bucket]]],
) -> Iterator[tuple[Level, list[Bucket] | Refused]]:
    """The pages of some levels, or why there are none; those of one level are merged while others are worked on."""
    with ThreadPoolExecutor(max(1, min(len(sources), _MERGES)), thread_name_prefix="levels") as pool:
        coming = {level: pool.submit(next, pages, None) for level, pages in sources.items()}
        while coming:
            for level, page in [*coming.items()]:
                try:
                    found = page.result()
                except Refused as error:
                    del coming[level]
                    yield level, error
                    continue
                if found is None:
                    del coming[level]
                    continue
                coming[level] = pool.submit(next, sources[level], None)
                yield level, found


def _prove(
    client: OpenSearch,
    dataset: Dataset,
    target: Target,
    found: Mapping[Level, ProvenLevel | Refused],
    buckets: Sequence[Bucket],
    *,
    write: bool,
) -> None:
    """Write some rows, read them back, and compare them."""
    rows = {}
    for bucket in buckets:
        identity, row = level_row(dataset, bucket.level, target.unit_id, bucket.keys, bucket.found)
        rows[identity] = (bucket, row)
    if write:
        send(client, target, [(identity, row) for identity, (_, row) in rows.items()])
        decisive.refresh(client, target.index)
    there = values_by_id(client, target.index, list(rows), fields_of(dataset))
    for identity, (bucket, row) in rows.items():
        proven = found[bucket.level]
        if isinstance(proven, Refused):
            continue
        proven.identities.add(identity)
        proven.documents += row["_doc_count"]
        time, told = bucket.keys[-1], where(bucket.level, bucket.keys)
        if identity not in there:
            proven.missing.add(time, told)
        elif differs := server_difference(dataset, bucket.found, row) or stored_difference(
            dataset, bucket.level, row, there[identity]
        ):
            proven.differing.add(time, f"{told}: {differs}")


def finished(
    client: OpenSearch, found: Mapping[Level, ProvenLevel], target: Target, *, write: bool
) -> dict[str, StoredLevel]:
    """Note of each level its version, and how many rows it has too many. Returns all levels that the index holds.

    :param found: see :func:`prove_levels`
    :param write: delete those rows before
    """
    stored = stored_levels(client, target.index, [target.unit_id], target.uuid).get(target.unit_id, {})
    surplus = [level for level, proven in found.items() if _surplus(stored, level, proven)]
    if surplus and write:
        for level in surplus:
            of_level = [{"term": {LEVEL: level.name}}]
            strangers = identities_of(client, target.index, target.unit_id, of_level) - found[level].identities
            send(client, target, [(identity, None) for identity in strangers])
        decisive.refresh(client, target.index)
        stored = stored_levels(client, target.index, [target.unit_id], target.uuid).get(target.unit_id, {})
    for level, proven in found.items():
        proven.surplus = _surplus(stored, level, proven)
        proven.version = stored[level.name].version if level.name in stored else ""
    return stored


def _surplus(stored: Mapping[str, StoredLevel], level: Level, proven: ProvenLevel) -> int:
    there = stored[level.name].rows if level.name in stored else 0
    return there - (proven.rows - proven.missing.count)


def send(client: OpenSearch, target: Target, rows: Iterable[tuple[str, Any]]) -> None:
    """Write rows of levels, and delete those whose document is None.

    :param rows: ``_id`` and document
    :raises TransientError: the index was deleted or recreated meanwhile; a bulk request would create it anew
    """
    remaining = iter(rows)
    while batch := list(islice(remaining, _AT_ONCE)):
        require_there(client, target)
        actions: list[Action] = [(identity, source, {}) for identity, source in batch]
        PATIENTLY(send_rows, client, target.index, actions)


def require_there(client: OpenSearch, target: Target) -> None:
    """Make sure that an index of levels is still the one that was looked at.

    :raises TransientError: it was deleted or recreated
    """
    from opensearchpy import NotFoundError

    try:
        uuid = PATIENTLY(decisive.uuid_of, client, target.index)
    except NotFoundError:
        uuid = ""
    if uuid != target.uuid:
        raise TransientError(
            f"{target.index} was deleted or recreated while levels were written to it. Base rows were not touched, and "
            f"are read instead; run it again."
        )
