"""A raw day read out in the order in which its shards store it.

A point in time keeps a shard as it is, whatever is merged meanwhile, and Lucene numbers its documents from 0 on. A
window of these numbers is one search that needs no cursor: it costs what it returns, and can be asked again and beside
others. Documents that follow one another in the store are the cheapest to read, because the server then decompresses
each block of them once. If several threads wrote the day, sequence numbers do not follow one another there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from opensearch_strata.archive.export.reading.pages import USUAL_PAGE, Pace, PageSize, ahead, require_sources, size_of
from opensearch_strata.archive.targets.raw_indices import patient
from opensearch_strata.connections import decisive
from opensearch_strata.connections.raw_hits import RawHit, raw_hits_at
from opensearch_strata.errors import TransientError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


class _Window(NamedTuple):
    """Documents of a window.

    :param over: whether the shard has none from its beginning on
    """

    pages: list[list[RawHit]]
    over: bool


def read_as_stored(client: OpenSearch, index: str, shards: int, page: PageSize = USUAL_PAGE) -> Iterator[list[RawHit]]:
    """Every document of an index, a page at a time, shard by shard.

    :param index: exact name
    :param shards: number of its primary shards
    :param page: what a page may be
    :raises Refused: a document has no ``_source``
    :raises TransientError: OpenSearch did not answer in full for too long, or lost the point in time
    """
    pace = Pace(page)
    for shard in range(shards):
        with (
            _point(client, index, shard) as point,
            closing(ahead(_windows(client, index, point, pace))) as windows,
        ):
            for window in takewhile(lambda window: not window.over, windows):
                for hits in window.pages:
                    require_sources(index, hits)
                    yield hits


@contextmanager
def _point(client: OpenSearch, index: str, shard: int) -> Iterator[str]:
    point = patient(partial(decisive.open_point, client, index, shard))
    try:
        yield point
    finally:
        decisive.close_point(client, point)


def _windows(client: OpenSearch, index: str, point: str, pace: Pace) -> Iterator[Callable[[], _Window]]:
    first = 0
    while True:
        end = first + pace.width
        yield partial(_read, client, index, point, first, end, pace)
        first = end


def _read(client: OpenSearch, index: str, point: str, first: int, end: int, pace: Pace) -> _Window:
    from opensearchpy import NotFoundError

    pages: list[list[RawHit]] = []
    after, last = first - 1, False
    while not last:
        size = pace.expected(end - after - 1)
        body = {"size": size, "sort": ["_doc"], "search_after": [after], "track_total_hits": False}
        try:
            hits = patient(partial(raw_hits_at, client, index, point, body))
        except NotFoundError as error:
            raise TransientError(
                f"OpenSearch no longer holds {index} as it was when reading began: a node left or was restarted. "
                f"Nothing counts of what was read; run again."
            ) from error
        if not hits and after == first - 1:
            return _Window([], over=True)
        last = len(hits) < size or _number(hits[-1]) >= end - 1
        within = hits[: bisect_left(hits, end, key=_number)]
        if within:
            pages.append(within)
            after = _number(within[-1])
    pace.learn(end - first, sum(map(len, pages)), sum(map(size_of, pages)))
    return _Window(pages, over=False)


def _number(hit: RawHit) -> int:
    return int(bytes(hit.sort)[1:-1])
