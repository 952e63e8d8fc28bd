"""A raw day divided by time and by groups: every document is in exactly one slice, and no bucket is cut. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from opensearch_strata.history.buckets.group_ranges import ALL_GROUPS, Border, GroupRange
from opensearch_strata.history.buckets.pace import Pace

_MATCH_ALL: dict[str, Any] = {"match_all": {}}
_EXACT = 2**53  # beyond this the server's extremes are not exact, because they are doubles


@dataclass(frozen=True)
class Slice:
    """A part of the timeline between bucket borders, of some or all groups.

    :param start: epoch milliseconds; None for everything earlier, and everything without a time
    :param end: epoch milliseconds, exclusive; None for everything later
    :param units: how many buckets of time it spans, if it has two borders
    """

    start: int | None
    end: int | None
    units: int
    groups: GroupRange = ALL_GROUPS

    def query(self, timestamp: str) -> dict[str, Any]:
        """The query that finds its documents.

        :param timestamp: their time field, in raw documents or in rows
        """
        time = self._time_query(timestamp)
        if self.groups == ALL_GROUPS:
            return time
        clauses = self.groups.clauses()
        return {"bool": {**clauses, "filter": [time, *clauses.get("filter", [])]}}

    def _time_query(self, timestamp: str) -> dict[str, Any]:
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
    """The slices of one range of groups, in the order of time.

    A composite aggregation looks at every document of its query again for each page. The length of a slice is chosen
    from the previous slices so that it fills about one page. So all searches together look at each document about once.

    :param bucket: length of a bucket in milliseconds
    :param first: earliest event, epoch milliseconds
    :param last: latest event, epoch milliseconds
    :param whole: the day has no more rows than fit into a page, so a single slice covers everything
    :param shares: a slice takes at most this part of what is left
    """

    def __init__(
        self,
        bucket: int,
        first: int,
        last: int,
        *,
        whole: bool = False,
        groups: GroupRange = ALL_GROUPS,
        shares: int = 4,
    ) -> None:
        self._bucket = bucket
        self.groups = groups
        self._shares = shares
        self._start: int | None = None
        self.done = False
        self.place = first // bucket
        """The next bucket of time, counted from the epoch."""
        self._last = self.place if whole else last // bucket
        self._pace = Pace(most=2**62)

    def next(self) -> Slice | None:
        """The next slice; None if there are no more."""
        if self.done:
            return None
        left = self._last + 1 - self.place
        start, units = self._start, max(1, min(self._pace.units, left // self._shares))
        self.place += units
        self.done = self.place > self._last
        self._start = None if self.done else self.place * self._bucket
        return Slice(start, self._start, units, self.groups)

    def learn(self, part: Slice, buckets: int, documents: int = 0) -> None:
        """Adjust the length of the next slices to what a slice had.

        :param buckets: number of its buckets
        :param documents: number of its documents
        """
        if buckets:
            self._pace.learn(part.units, buckets, documents)

    def skip(self, moment: float | None) -> None:
        """Extend the next slice to the next event, because nothing happened before it.

        :param moment: time of the next event, epoch milliseconds, as returned by the server's ``min``; None if there is
            none, so that one slice covers what is left
        """
        if moment is None:
            self.place = max(self.place, self._last)
            return
        margin = 0 if abs(moment) < _EXACT else 4096
        self.place = max(self.place, (int(moment) - margin) // self._bucket)

    def split(self, borders: Sequence[Border]) -> list[SliceWalk]:
        """Walks that divide what is left of this one by groups; it has no more slices itself.

        :param borders: where the parts of its range after the first one begin
        """
        if self.done:
            return []
        self.done = True
        walks = []
        ranges = self.groups.cut(borders)
        # No thread is left with much of the day if there are far more walks than threads.
        shares = max(1, min(self._shares, 4 * self._shares // len(ranges)))
        for groups in ranges:
            walk = SliceWalk(self._bucket, 0, self._last * self._bucket, groups=groups, shares=shares)
            walk.place, walk._start = self.place, self._start
            walks.append(walk)
        return walks


class DayWalk:
    """Hands out the slices of a day to any number of threads: of each range of groups the earliest, so that the same
    stretch of time is read by neighboring searches.

    If one bucket of time has more groups than fit into a page, or more documents than a search should look at, no
    shorter slice helps: then the groups are divided as well.

    :param whole: walk over all groups
    :param borders: where ranges of groups begin, as far as they are known beforehand
    """

    def __init__(self, whole: SliceWalk, borders: Sequence[Border] = ()) -> None:
        self._lock = Lock()
        self._walks = {ALL_GROUPS: whole}
        self._put_back: list[Slice] = []
        if borders:
            self._split(whole, borders)

    def next(self) -> Slice | None:
        """The next slice; None if there are no more at the moment. What was put back comes last."""
        with self._lock:
            walks = [walk for walk in self._walks.values() if not walk.done]
            if walks:
                return min(walks, key=lambda walk: walk.place).next()
            return self._put_back.pop(0) if self._put_back else None

    def put_back(self, part: Slice) -> None:
        """Hand out a slice once more, when all others have been handed out."""
        with self._lock:
            self._put_back.append(part)

    def learn(self, part: Slice, buckets: int, documents: int, borders: Sequence[Border]) -> None:
        """Adjust the next slices to what a slice had.

        :param buckets: number of its buckets
        :param documents: number of its documents
        :param borders: where its range of groups should have been cut
        """
        with self._lock:
            walk = self._walks[part.groups]
            walk.learn(part, buckets, documents)
            if borders and part.units == 1 and not walk.done:
                self._split(walk, borders)

    def skip(self, part: Slice, moment: float | None) -> None:
        """Extend the next slice of the same groups to the next event, because nothing happened before it.

        :param part: the slice without documents
        :param moment: time of the next event, see :meth:`SliceWalk.skip`
        """
        with self._lock:
            self._walks[part.groups].skip(moment)

    def _split(self, walk: SliceWalk, borders: Sequence[Border]) -> None:
        for one in walk.split(borders):
            self._walks[one.groups] = one
