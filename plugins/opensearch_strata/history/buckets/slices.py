"""A raw day divided by time: every document is in exactly one slice, and no bucket is cut. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any

from opensearch_strata.history.buckets.pace import Pace

_MATCH_ALL: dict[str, Any] = {"match_all": {}}
_SHARES = 4  # a slice takes at most 1 / _SHARES of what is left: two slices for each of two threads
_EXACT = 2**53  # beyond this the server's extremes are not exact, because they are doubles


@dataclass(frozen=True)
class Slice:
    """A part of the timeline between bucket borders.

    :param start: epoch milliseconds; None for everything earlier, and everything without a time
    :param end: epoch milliseconds, exclusive; None for everything later
    :param units: how many buckets of time it spans, if it has two borders
    """

    start: int | None
    end: int | None
    units: int

    def query(self, timestamp: str) -> dict[str, Any]:
        """The query that finds its documents.

        :param timestamp: their time field, in raw documents or in rows
        """
        limits: dict[str, Any] = {"gte": self.start} if self.start is not None else {}
        if self.end is not None:
            limits["lt"] = self.end
        if not limits:
            return _MATCH_ALL
        found = {"range": {timestamp: {**limits, "format": "epoch_millis"}}}
        if self.start is not None:
            return found
        without_time = {"bool": {"must_not": {"exists": {"field": timestamp}}}}
        return {"bool": {"should": [found, without_time], "minimum_should_match": 1}}


class SliceWalk:
    """Hands out the slices of a day in order, to any number of threads.

    A composite aggregation looks at every document of its query again for each page. The length of a slice is chosen
    from the previous slices so that it fills about one page. So all searches together look at each document about once.

    :param bucket: length of a bucket in milliseconds
    :param first: earliest event, epoch milliseconds
    :param last: latest event, epoch milliseconds
    :param whole: the day has no more rows than fit into a page, so a single slice covers everything
    """

    def __init__(self, bucket: int, first: int, last: int, *, whole: bool = False) -> None:
        self._bucket = bucket
        self._start: int | None = None
        self._done = False
        self._next = first // bucket
        self._last = self._next if whole else last // bucket
        self._pace = Pace(most=2**62)
        self._lock = Lock()

    def next(self) -> Slice | None:
        """The next slice; None if there are no more."""
        with self._lock:
            if self._done:
                return None
            left = self._last + 1 - self._next
            start, units = self._start, max(1, min(self._pace.units, left // _SHARES))
            self._next += units
            self._done = self._next > self._last
            self._start = None if self._done else self._next * self._bucket
            return Slice(start, self._start, units)

    def learn(self, part: Slice, buckets: int) -> None:
        """Adjust the length of the next slices to the number of buckets that a slice had."""
        with self._lock:
            if buckets:
                self._pace.learn(part.units, buckets)

    def skip(self, moment: float) -> None:
        """Extend the next slice to the next event, because nothing happened before it.

        :param moment: time of the next event, epoch milliseconds, as returned by the server's ``min``
        """
        margin = 0 if abs(moment) < _EXACT else 4096
        with self._lock:
            self._next = max(self._next, (int(moment) - margin) // self._bucket)
