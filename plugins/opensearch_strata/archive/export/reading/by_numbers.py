"""A raw day read out in ranges of sequence numbers, each of them together with a query.

Every document of a shard has a sequence number of its own. A range of them is one search that needs no cursor: it can
be asked again after any fault, and is the same on every OpenSearch. Nothing may write to the day between the first
range and the last; who calls this compares the highest numbers before and after.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    yield from _pages(client, index, parts, _ranges(parts, pace), pace)


class _Range(NamedTuple):
    """Sequence numbers of a shard, for a part at a place.

    :param end: the number after the last one
    """

    place: int
    shard: int
    first: int
    end: int


class _Found(NamedTuple):
    """What a range holds.

    :param total: its documents, which may be more than those that fit into one page
    """

    range: _Range
    hits: list[RawHit]
    total: int


def _ranges(parts: Sequence[Part], pace: Pace) -> Iterator[_Range]:
    for place, part in enumerate(parts):
        for shard, (first, end) in enumerate(part.numbers):
            while first < end:
                last = min(first + pace.width, end)
                yield _Range(place, shard, first, last)
                first = last


def _pages(
    client: OpenSearch, index: str, parts: Sequence[Part], ranges: Iterable[_Range], pace: Pace
) -> Iterator[tuple[int, list[RawHit]]]:
    """The documents of ranges. A range with more documents than a page is read again in smaller ones, of which only as
    many are under way as of the others: an hour whose documents begin late may hold most of a day.
    """
    reads = (partial(_read, client, index, parts[one.place].query, one, pace) for one in ranges)
    for found in ahead(reads):
        if found.total > len(found.hits):
            yield from _pages(client, index, parts, _cut(index, found, pace.most), pace)
        else:
            require_sources(index, found.hits)
            yield found.range.place, found.hits


def _read(client: OpenSearch, index: str, query: Query | None, asked: _Range, pace: Pace) -> _Found:
    numbers = {"range": {"_seq_no": {"gte": asked.first, "lt": asked.end}}}
    body = {"size": pace.most, "sort": ["_doc"], "query": {"bool": {"filter": [numbers, *([query] if query else [])]}}}
    found = patient(partial(search_raw, client, index, body, asked.shard))
    size = size_of(found.hits) * found.total // max(1, len(found.hits))  # also of those that did not fit in
    pace.learn(asked.end - asked.first, found.total, size)
    return _Found(asked, found.hits, found.total)


def _cut(index: str, found: _Found, most: int) -> list[_Range]:
    """Smaller ranges, each of which holds about half of a page.

    :raises Refused: it is one number, which several shards had in an index that was shrunk
    """
    place, shard, first, end = found.range
    if end - first == 1:
        raise Refused(f"{index} has more than {most:,} documents with the sequence number {first}; it was kept.")
    width = max(1, (end - first) * most // (2 * found.total))
    return [_Range(place, shard, start, min(start + width, end)) for start in range(first, end, width)]
