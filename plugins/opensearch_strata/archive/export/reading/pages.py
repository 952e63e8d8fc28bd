"""Pages of documents: how large they are, and how several are read at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from opensearch_strata.connections.raw_hits import RawHit
from opensearch_strata.errors import Refused

PAGE_BYTES = 6 << 20
"""Bytes of ``_source`` that a page aims at."""
PAGE_DOCUMENTS = 10_000
"""The most hits of a search unless ``index.max_result_window`` says otherwise."""

_FIRST = 100  # documents of the first page, whose size nobody knows
_PARALLEL = 2
_WAITING = 1  # pages beyond those being read
_MARGIN = 16  # documents that are asked for beyond those that are expected

_UNEVEN = 2  # how much larger than the average of the index the documents of a page may be

_T = TypeVar("_T")


class PageSize(NamedTuple):
    """What a page of documents may be.

    :param most: documents
    :param average: bytes of an average document of the index, about; 0 if nobody knows
    """

    most: int = PAGE_DOCUMENTS
    average: int = 0


USUAL_PAGE = PageSize()
"""A page of documents of whose sizes nobody knows anything."""


class Pace:
    """How many numbers the next range takes, by what the last ones held.

    Documents of very different sizes lie side by side, and a page of large ones where small ones were expected takes
    memory of the server and of the worker. So no page has more documents than the average of the whole index allows.

    :param page: the most documents in a page
    """

    def __init__(self, page: PageSize) -> None:
        self.most = max(1, min(page.most, _UNEVEN * PAGE_BYTES // max(1, page.average)))
        self.width = min(_FIRST, self.most)
        self._density = 1.0

    def learn(self, width: int, documents: int, size: int) -> None:
        """What a range of numbers held.

        :param width: numbers of the range
        :param size: bytes of its documents
        """
        by_bytes = PAGE_BYTES * width // size if size else width * 8
        by_documents = self.most * width // documents if documents else width * 8
        wanted = min(by_bytes, by_documents, self.width * 8)
        self.width = max(wanted, 1)
        self._density = documents / width

    def expected(self, width: int) -> int:
        """Documents of a range, about, and at least one.

        :param width: numbers of the range
        """
        some = width if self._density >= 1 else int(width * self._density) + _MARGIN
        return max(1, min(some, width, self.most))


def ahead(reads: Iterable[Callable[[], _T]]) -> Generator[_T]:
    """What calls return, in their order; some of them run beside the caller's work.

    :param reads: the next one is taken when there is room for it
    """
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="strata-read") as pool:
        waiting: deque[Future[_T]] = deque()
        try:
            for read in reads:
                waiting.append(pool.submit(read))
                if len(waiting) > _PARALLEL + _WAITING:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for reading in waiting:
                reading.cancel()


def size_of(hits: Iterable[RawHit]) -> int:
    """Bytes of the documents of a page."""
    return sum(len(hit.source) for hit in hits)


def require_sources(index: str, hits: Sequence[RawHit]) -> None:
    """Demand that every document is there as a whole.

    :param index: exact name
    :raises Refused: a document has no ``_source``
    """
    if not all(hit.source for hit in hits):
        raise Refused(f"{index} does not store the _source of every document, so it cannot be archived.")
