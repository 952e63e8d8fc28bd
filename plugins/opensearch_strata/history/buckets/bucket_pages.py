"""The buckets of a raw day, page by page, read by several searches at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors.judging import is_transient
from opensearch_strata.history.buckets import aggregation
from opensearch_strata.history.buckets.slices import Slice, SliceWalk
from opensearch_strata.history.raw_day.inspection import RawDay

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Body = dict[str, Any]
Buckets = list[dict[str, Any]]
T = TypeVar("T")
Build = Callable[[Body, dict[str, Any] | None, int], Body]
"""Builds the search body of a page from a query, the ``after_key`` of the previous page and the number of buckets."""

# Searches at the same time: enough to keep a small node busy, few enough to leave a large one to its other users.
PARALLEL = 2


def too_many_buckets(error: BaseException) -> bool:
    """Whether a search asked for more than the cluster's ``search.max_buckets``; the server answers with a 503."""
    from opensearchpy.exceptions import TransportError

    return isinstance(error, TransportError) and "too_many_buckets_exception" in str(error.info)


# Retries a search if a node is short of memory or threads for a moment.
PATIENTLY = Retrying(
    retry=retry_if_exception(lambda error: is_transient(error) and not too_many_buckets(error)),
    wait=wait_random_exponential(multiplier=0.5, max=30),
    stop=stop_after_attempt(7),
    reraise=True,
)


@dataclass(frozen=True)
class Page:
    """Buckets of a slice.

    :param first: whether this is the first page of its slice; a slice without documents has one page without buckets
    """

    part: Slice
    buckets: Buckets
    first: bool


class Pages:
    """All pages of a raw day. Several threads may iterate over the same object: each page goes to one of them.

    :param build: builds the search body of a page, whose buckets are in the aggregation ``rows``
    """

    def __init__(self, client: OpenSearch, dataset: Dataset, raw: RawDay, build: Build) -> None:
        self._client = client
        self._raw = raw
        self._timestamp = dataset.raw.timestamp
        self._build = build
        self._size = aggregation.PAGE_SIZE
        self._lock = Lock()
        self.search_seconds = 0.0
        self.given_up = Event()
        bucket = int(dataset.history.bucket_length.total_seconds() * 1000)
        # A day never has more rows than documents.
        self._walk = SliceWalk(bucket, *self._span(), whole=raw.documents <= self._size)

    def _span(self) -> tuple[int, int]:
        """First and last event time in epoch milliseconds; zeros if no document has one."""
        time_of = {"field": self._timestamp}
        answer = self._search({"size": 0, "aggs": {"first": {"min": time_of}, "last": {"max": time_of}}})
        found = answer["aggregations"]
        return int(found["first"]["value"] or 0), int(found["last"]["value"] or 0)

    def __iter__(self) -> Iterator[Page]:
        while part := self._walk.next():
            found = 0
            for place, buckets in enumerate(self._of(part)):
                found += len(buckets)
                yield Page(part, buckets, first=not place)
                if self.given_up.is_set():
                    return
            self._walk.learn(part, found)
            if not found and part.end is not None:
                self._skip(part.end)

    def _of(self, part: Slice) -> Iterator[Buckets]:
        query, after, first = part.query(self._timestamp), None, True
        while first or after is not None:
            found = self._page(query, after)
            after = found.get("after_key")
            if first or found["buckets"]:
                yield found["buckets"]
            first = False

    def _page(self, query: Body, after: dict[str, Any] | None) -> dict[str, Any]:
        """Fetch a page, as large as the cluster allows."""
        from opensearchpy.exceptions import TransportError

        while True:
            size = self._size
            try:
                found: dict[str, Any] = self._search(self._build(query, after, size))["aggregations"]["rows"]
            except TransportError as error:
                if size < 2 or not too_many_buckets(error):
                    raise
                self._size = min(self._size, size // 2)
            else:
                return found

    def _skip(self, moment: int) -> None:
        """After a slice without documents, continue at the next document."""
        later = Slice(moment, None, 1).query(self._timestamp)
        body = {"size": 0, "query": later, "aggs": {"first": {"min": {"field": self._timestamp}}}}
        following = self._search(body)["aggregations"]["first"]["value"]
        if following is not None:
            self._walk.skip(following)

    def _search(self, body: Body) -> decisive.Answer:
        started = time.perf_counter()
        answer = PATIENTLY(decisive.search, self._client, self._raw.index, body)
        with self._lock:
            self.search_seconds += time.perf_counter() - started
        return answer


def each_page(pages: Pages, work: Callable[[Page], T], parallel: int | None = None) -> list[T]:
    """The results of ``work`` for every page, in no particular order.

    If it fails for one page, the other threads stop after their current page.

    :param work: called by several threads at the same time
    :param parallel: how many threads
    """

    def worker() -> list[T]:
        return [work(page) for page in pages]

    workers = parallel or PARALLEL
    with ThreadPoolExecutor(workers, thread_name_prefix="pages") as pool:
        running = [pool.submit(worker) for _ in range(workers)]
        try:
            return [made for done in as_completed(running) for made in done.result()]
        except BaseException:  # Ctrl-C, or a page failed
            pages.given_up.set()
            raise
