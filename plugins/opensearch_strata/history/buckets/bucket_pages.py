"""The buckets of a raw day, page by page, read by several searches at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime
from datetime import time as time_of_day
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import StrataError
from opensearch_strata.errors.judging import is_transient
from opensearch_strata.history.buckets import aggregation
from opensearch_strata.history.buckets.at_once import searches_at_once
from opensearch_strata.history.buckets.group_ranges import Border, BorderSearch, from_border
from opensearch_strata.history.buckets.slices import DayWalk, Slice, SliceWalk
from opensearch_strata.history.raw_day.inspection import RawDay

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Body = dict[str, Any]
Buckets = list[dict[str, Any]]
T = TypeVar("T")
Build = Callable[[Body, dict[str, Any] | None, int], Body]
"""Builds the search body of a page from a query, the ``after_key`` of the previous page and the number of buckets."""

_KEYS = 2  # pages that are fetched as one if only the keys of buckets are asked for
_TRIES = 3  # how often a slice is tried, with all other slices in between
_FAILURES = 3  # after so many slices in a row that failed, it is not the slices


def too_many_buckets(error: BaseException) -> bool:
    """Whether a search asked for more than the cluster's ``search.max_buckets``; the server answers with a 503."""
    from opensearchpy.exceptions import TransportError

    return isinstance(error, TransportError) and "too_many_buckets_exception" in str(error.info)


def _too_slow(error: BaseException) -> bool:
    """Whether a search was not answered in time. The same search would most likely not be answered either."""
    from opensearchpy.exceptions import ConnectionTimeout

    return isinstance(error, ConnectionTimeout)


def _passes(error: BaseException) -> bool:
    """Whether a request failed for a reason that may pass, as opposed to a finding about the day."""
    if isinstance(error, StrataError):
        return isinstance(error, decisive.IncompleteAnswer)
    return is_transient(error)


def _again(attempts: int, *but: Callable[[BaseException], bool]) -> Retrying:
    """Retries while a node is short of memory or threads for a moment.

    :param but: faults that are not retried
    """
    return Retrying(
        retry=retry_if_exception(lambda error: is_transient(error) and not any(known(error) for known in but)),
        wait=wait_random_exponential(multiplier=0.5, max=30),
        stop=stop_after_attempt(attempts),
        reraise=True,
    )


PATIENTLY = _again(7, too_many_buckets)
_PAGES_PATIENTLY = _again(7, too_many_buckets, _too_slow)


@dataclass(frozen=True)
class Page:
    """Buckets of a slice.

    :param first: whether this is the first page of its slice; a slice without documents has one page without buckets
    """

    part: Slice
    buckets: Buckets
    first: bool

    @property
    def documents(self) -> int:
        """Number of documents in its buckets."""
        return sum(bucket["doc_count"] for bucket in self.buckets)


class Pages:
    """All pages of a raw day, slice by slice. Several threads may ask for slices: each slice goes to one of them.

    :param build: builds the search body of a page, whose buckets are in the aggregation ``rows``
    """

    def __init__(self, client: OpenSearch, dataset: Dataset, raw: RawDay, build: Build) -> None:
        self._client = client
        self._dataset = dataset
        self._raw = raw
        self._timestamp = dataset.raw.timestamp
        self._build = build
        self._size = aggregation.PAGE_SIZE
        self._lock = Lock()
        self._tries: dict[Slice, int] = {}
        self._failures = 0
        self.search_seconds = 0.0
        self.given_up = Event()
        bucket = int(dataset.history.bucket_length.total_seconds() * 1000)
        whole = raw.documents <= self._size  # a day never has more rows than documents
        self.at_once = 1 if whole else searches_at_once(client, dataset, len(raw.sequence))
        """How many threads should ask."""
        walk = SliceWalk(bucket, *self._span(), whole=whole, shares=2 * self.at_once)
        self._walk = DayWalk(walk, [] if whole else self._borders_at_noon(bucket))

    def _span(self) -> tuple[int, int]:
        """First and last event time in epoch milliseconds; zeros if no document has one."""
        time_of = {"field": self._timestamp}
        answer = self._search({"size": 0, "aggs": {"first": {"min": time_of}, "last": {"max": time_of}}})
        found = answer["aggregations"]
        return int(found["first"]["value"] or 0), int(found["last"]["value"] or 0)

    def _borders_at_noon(self, bucket: int) -> list[Border]:
        """Where to cut the groups of the day, by those that it has at noon; empty if that takes a single search.

        :param bucket: length of a bucket in milliseconds
        """
        noon = datetime.combine(self._raw.day, time_of_day(12), self._dataset.zone)
        start = int(noon.timestamp() * 1000) // bucket * bucket
        cuts = BorderSearch(self._dataset.history.group_by, self._size)
        for buckets in self._of(Slice(start, start + bucket, 1), self._keys, _KEYS):
            cuts.see(buckets)
        return self._usable(cuts.borders)

    def _keys(self, query: Body, after: dict[str, Any] | None, size: int) -> Body:
        """A page with only the groups and times."""
        body = aggregation.rows_body(self._dataset, query, after, size)
        del body["aggs"]["rows"]["aggs"]
        return body

    def _usable(self, borders: list[Border]) -> list[Border]:
        """The borders, or none if the server does not accept the queries that they need.

        It refuses ranges of keywords if ``search.allow_expensive_queries`` is off, and of fields that are not indexed
        in older releases. Then all groups are read together, which takes longer.
        """
        from opensearchpy.exceptions import TransportError

        if borders:
            try:
                self._search({"size": 0, "track_total_hits": False, "query": from_border(borders[-1])})
            except TransportError as error:
                if is_transient(error):
                    raise
                return []
        return borders

    def next(self) -> Slice | None:
        """A slice for the thread that asks; None if it is not needed any more."""
        return None if self.given_up.is_set() else self._walk.next()

    def pages_of(self, part: Slice) -> Iterator[Page]:
        """The pages of a slice, of which there is at least one."""
        cuts = BorderSearch(self._dataset.history.group_by, self._size)
        for place, buckets in enumerate(self._of(part, self._build)):
            cuts.see(buckets)
            yield Page(part, buckets, first=not place)
            if self.given_up.is_set():
                return
        if part.end is not None:
            self._walk.learn(part, cuts.buckets, cuts.documents, self._usable(cuts.borders) if part.units == 1 else [])
            if not cuts.buckets:
                self._skip(part, part.end)
        self._failures = 0

    def put_back(self, part: Slice, error: BaseException) -> bool:
        """Let a slice that failed be tried again after all others, as long as others do not fail as well.

        :param error: what happened
        :returns: whether it will be tried again
        """
        with self._lock:
            self._failures += 1
            self._tries[part] = self._tries.get(part, 0) + 1
            if not _passes(error) or self._failures >= _FAILURES or self._tries[part] >= _TRIES:
                return False
        self._walk.put_back(part)
        return True

    def _of(self, part: Slice, build: Build, pages: int = 1) -> Iterator[Buckets]:
        query, after, first = part.query(self._timestamp), None, True
        while first or after is not None:
            buckets, after = self._page(build, query, after, pages)
            if first or buckets:
                yield buckets
            first = False

    def _page(
        self, build: Build, query: Body, after: dict[str, Any] | None, pages: int
    ) -> tuple[Buckets, dict[str, Any] | None]:
        """Fetch a page, as large as the cluster allows and can answer in time.

        :param pages: how many pages to fetch as one
        :returns: its buckets and the key after which the next page begins, None if there is none. The server gives a
            key with any bucket, and would look at all documents once more to say that none is left
        """
        from opensearchpy.exceptions import TransportError

        while True:
            size = self._size
            try:
                body = build(query, after, pages * size)
                found = self._search(body, _PAGES_PATIENTLY)["aggregations"]["rows"]
            except TransportError as error:
                if size < 2 or not (too_many_buckets(error) or _too_slow(error)):
                    raise
                self._size = min(self._size, size // 2)
            else:
                is_full = len(found["buckets"]) >= pages * size
                return found["buckets"], found.get("after_key") if is_full else None

    def _skip(self, part: Slice, moment: int) -> None:
        """After a slice without documents, continue at the next document."""
        later = Slice(moment, None, 1, part.groups).query(self._timestamp)
        body = {"size": 0, "query": later, "aggs": {"first": {"min": {"field": self._timestamp}}}}
        self._walk.skip(part, self._search(body)["aggregations"]["first"]["value"])

    def _search(self, body: Body, tries: Retrying = PATIENTLY) -> decisive.Answer:
        started = time.perf_counter()
        answer = tries(decisive.search, self._client, self._raw.index, body)
        with self._lock:
            self.search_seconds += time.perf_counter() - started
        return answer


def each_page(
    pages: Pages,
    work: Callable[[Page], T],
    take: Callable[[Sequence[T]], None],
    on_documents: Callable[[int], None] = lambda _: None,
) -> None:
    """Do something for every page, several at the same time, in no particular order.

    A slice that fails for a reason that may pass is done again at the end. If it fails for good, the other threads stop
    after their current page.

    :param work: called by several threads at the same time, and more than once for the pages of a slice that failed
    :param take: called with the results of all pages of a slice, by one thread at a time; what it does not keep needs
        no memory
    :param on_documents: called with the number of documents of each slice that is done
    """
    taking = Lock()

    def worker() -> None:
        while part := pages.next():
            documents, made = 0, []
            try:
                for page in pages.pages_of(part):
                    made.append(work(page))
                    documents += page.documents
            except Exception as error:
                if not pages.put_back(part, error):
                    raise
                continue
            with taking:
                take(made)
            if documents:
                on_documents(documents)

    with ThreadPoolExecutor(pages.at_once, thread_name_prefix="pages") as pool:
        running = [pool.submit(worker) for _ in range(pages.at_once)]
        try:
            for done in as_completed(running):
                done.result()
        except BaseException:  # Ctrl-C, or a page failed
            pages.given_up.set()
            raise
