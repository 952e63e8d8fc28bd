"""A raw day read out in ranges of sequence numbers, each of them together with a query.

Every document of a shard has a sequence number of its own. A range of them is one search that needs no cursor: it can
be asked again after any fault, and is the same on every OpenSearch. Nothing may write to the day between the first
range and the last; who calls this compares the highest numbers before and after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearch_strata.archive.export.reading.pages import USUAL_PAGE, Pace, PageSize, ahead, require_sources, size_of
from opensearch_strata.archive.targets.raw_indices import patient
from opensearch_strata.connections.raw_hits import RawHit, search_raw
from opensearch_strata.errors import Refused

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Query = Mapping[str, Any]
Numbers = tuple[int, int]
"""Sequence numbers of a shard: the first one, and the one after the last."""


class Part(NamedTuple):
    """Documents of an index.

    :param numbers: sequence numbers between which they lie, of each primary shard
    :param query: a filter that they match; None: all of them
    """

    numbers: Sequence[Numbers]
    query: Query | None = None


def read_documents(
    client: OpenSearch, index: str, parts: Sequence[Part], page: PageSize = USUAL_PAGE
) -> Iterator[tuple[int, list[RawHit]]]:
    """Every document of some parts of an index, a page at a time, in no particular order within a part.

    :param index: exact name
    :param parts: one is read behind the other
    :param page: what a page may be
    :returns: the place of the part, and documents of it
    :raises Refused: a document has no ``_source``
    :raises IncompleteAnswer: OpenSearch did not answer in full for too long
    """
    pace = Pace(page)

    def read(place: int, shard: int, first: int, last: int) -> tuple[int, list[list[RawHit]]]:
        return place, _read(client, index, shard, first, last, parts[place].query, pace)

    for place, pages in ahead(partial(read, *of) for of in _ranges(parts, pace)):
        for hits in pages:
            require_sources(index, hits)
            yield place, hits


def _ranges(parts: Sequence[Part], pace: Pace) -> Iterator[tuple[int, int, int, int]]:
    """Place of the part, shard, first number and exclusive last number of each range."""
    for place, part in enumerate(parts):
        for shard, (first, end) in enumerate(part.numbers):
            while first < end:
                last = min(first + pace.width, end)
                yield place, shard, first, last
                first = last


def _read(
    client: OpenSearch, index: str, shard: int, first: int, last: int, query: Query | None, pace: Pace
) -> list[list[RawHit]]:
    numbers = {"range": {"_seq_no": {"gte": first, "lt": last}}}
    body = {"size": pace.most, "sort": ["_doc"], "query": {"bool": {"filter": [numbers, *([query] if query else [])]}}}
    found = patient(partial(search_raw, client, index, body, shard))
    if found.total > len(found.hits):  # numbers of several shards meet in an index that was shrunk
        middle = (first + last) // 2
        if middle == first:
            raise Refused(
                f"{index} has more than {pace.most:,} documents with the sequence number {first}; it was kept."
            )
        halves = ((first, middle), (middle, last))
        return [page for one in halves for page in _read(client, index, shard, *one, query, pace)]
    pace.learn(last - first, len(found.hits), size_of(found.hits))
    return [found.hits]
