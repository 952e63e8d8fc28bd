"""A raw day read out as it is stored, in ranges of sequence numbers.

Every document of a shard has a sequence number of its own. A range of them is one search that needs no cursor: it costs
what it returns, can be asked again after any fault, and is the same on every OpenSearch. Nothing may write to the day
between the first range and the last; who calls this compares the highest numbers before and after.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearch_strata.archive.targets.raw_indices import patient
from opensearch_strata.connections.raw_hits import RawHit, RawPage, search_raw
from opensearch_strata.errors import Refused

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

PAGE_BYTES = 6 << 20
"""Bytes of ``_source`` that a page aims at."""
PAGE_DOCUMENTS = 10_000
"""The most hits of a search unless ``index.max_result_window`` says otherwise."""

_FIRST = 500  # documents of the first page, whose size nobody knows
_PARALLEL = 2
_WAITING = 1  # pages beyond those being read

Query = Mapping[str, Any]
Numbers = tuple[int, int]
"""Sequence numbers of a shard: the first one, and the one after the last."""


class _Pace:
    """How many sequence numbers the next range takes, by what the last ones held."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.width = min(_FIRST, most)

    def learn(self, width: int, documents: int, size: int) -> None:
        """What a range of numbers held.

        :param width: numbers of the range
        :param size: bytes of its documents
        """
        by_bytes = PAGE_BYTES * width // size if size else width * 8
        by_documents = self._most * width // documents if documents else width * 8
        wanted = min(by_bytes, by_documents, self.width * 8)
        self.width = max(wanted, 1)


class Part(NamedTuple):
    """Documents of an index.

    :param numbers: sequence numbers between which they lie, of each primary shard
    :param query: a filter that they match; None: all of them
    """

    numbers: Sequence[Numbers]
    query: Query | None = None


def read_documents(
    client: OpenSearch, index: str, parts: Sequence[Part], page: int = PAGE_DOCUMENTS
) -> Iterator[tuple[int, list[RawHit]]]:
    """Every document of some parts of an index, a page at a time, in no particular order within a part.

    :param index: exact name
    :param parts: one is read behind the other
    :param page: the most documents in a page, as the index allows
    :returns: the place of the part, and documents of it
    :raises Refused: a document has no ``_source``
    :raises IncompleteAnswer: OpenSearch did not answer in full for too long
    """
    pace = _Pace(page)
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="strata-read") as pool:
        waiting: deque[tuple[int, Future[list[RawPage]]]] = deque()
        try:
            for place, shard, first, last in _ranges(parts, pace):
                query = parts[place].query
                reading = pool.submit(_read, client, index, shard, first, last, query, page, pace.learn)
                waiting.append((place, reading))
                if len(waiting) > _PARALLEL + _WAITING:
                    yield from _hits(index, waiting.popleft())
            while waiting:
                yield from _hits(index, waiting.popleft())
        finally:
            for _, reading in waiting:
                reading.cancel()


def _ranges(parts: Sequence[Part], pace: _Pace) -> Iterator[tuple[int, int, int, int]]:
    """Place of the part, shard, first number and exclusive last number of each range."""
    for place, part in enumerate(parts):
        for shard, (first, end) in enumerate(part.numbers):
            while first < end:
                last = min(first + pace.width, end)
                yield place, shard, first, last
                first = last


def _read(
    client: OpenSearch,
    index: str,
    shard: int,
    first: int,
    last: int,
    query: Query | None,
    page: int,
    learn: Callable[[int, int, int], None],
) -> list[RawPage]:
    numbers = {"range": {"_seq_no": {"gte": first, "lt": last}}}
    body = {"size": page, "sort": ["_doc"], "query": {"bool": {"filter": [numbers, *([query] if query else [])]}}}
    found = patient(partial(search_raw, client, index, body, shard))
    if found.total > len(found.hits):  # numbers of several shards meet in an index that was shrunk
        middle = (first + last) // 2
        if middle == first:
            raise Refused(f"{index} has more than {page:,} documents with the sequence number {first}; it was kept.")
        halves = ((first, middle), (middle, last))
        return [part for one in halves for part in _read(client, index, shard, *one, query, page, learn)]
    learn(last - first, len(found.hits), sum(len(hit.source) for hit in found.hits))
    return [found]


def _hits(index: str, reading: tuple[int, Future[list[RawPage]]]) -> Iterator[tuple[int, list[RawHit]]]:
    place, pages = reading
    for page in pages.result():
        if not all(hit.source for hit in page.hits):
            raise Refused(f"{index} does not store the _source of every document, so it cannot be archived.")
        yield place, page.hits
