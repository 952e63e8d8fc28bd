"""Rows of a level, merged by the server from base rows or from those of a finer level."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.levels import Level
from opensearch_strata.errors import Refused
from opensearch_strata.history.buckets import aggregation
from opensearch_strata.history.buckets.bucket_pages import PATIENTLY, too_many_buckets
from opensearch_strata.history.buckets.scripts import Body
from opensearch_strata.history.levels.merge.pieces import WITHOUT_TIME, Piece, after_cut, between, pieces_of
from opensearch_strata.history.month.level_notes import LEVEL

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_MILLISECOND = timedelta(milliseconds=1)
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_ROWS = 100_000  # base rows that one search merges: about a second for eleven metrics


@dataclass(frozen=True)
class RowsOfUnit:
    """The rows that a unit of a level is merged from: those of one raw day, or of the raw days of a month.

    :param index: name of the index that holds them
    :param ids: what they have as ``transform._id``
    :param unit: the raw day, or the first day of the month
    :param level: the level that they are of; None for base rows
    """

    index: str
    ids: Sequence[str]
    unit: date
    level: Level | None = None

    @property
    def query(self) -> list[Body]:
        """The filters that find all of them."""
        of_level = [{"term": {LEVEL: self.level.name}}] if self.level else []
        return [{"terms": {"transform._id": list(self.ids)}}, *of_level]


@dataclass(frozen=True)
class Bucket:
    """What was merged for one row of a level.

    :param keys: group values in the order of the level, then the time as epoch milliseconds; None where missing
    :param found: the bucket as the server answered it, with the aggregations that were asked for
    """

    level: Level
    keys: tuple[Any, ...]
    found: Mapping[str, Any]


@dataclass(frozen=True)
class Days:
    """When the rows of a unit are.

    :param local: the local days to which rows count
    :param has_more: whether there are rows without a time
    :param rows: how many base rows there are
    """

    local: Sequence[date]
    has_more: bool
    rows: int


def days_of(client: OpenSearch, dataset: Dataset, base: RowsOfUnit, rows: int) -> Days:
    """The local days to which base rows count, in whatever raw days they are.

    :param base: base rows
    :param rows: how many they are
    """
    histogram = {"field": "@timestamp", "calendar_interval": "1d", "time_zone": dataset.time_zone}
    days: set[date] = set()
    has_more = False
    after: Body | None = None
    while True:
        source: Body = {"day": {"date_histogram": {**histogram, "missing_bucket": True}}}
        composite: Body = {"size": 1000, "sources": [source], **({"after": after} if after else {})}
        body = {"size": 0, "track_total_hits": False, "query": {"bool": {"filter": base.query}}}
        body["aggs"] = {"days": {"composite": composite}}
        found = PATIENTLY(decisive.search, client, base.index, body)["aggregations"]["days"]
        for bucket in found["buckets"]:
            begin = bucket["key"]["day"]
            if begin is None:
                has_more = True
            else:  # the first moment of a local day; a zone may skip midnight
                days.add((_EPOCH + begin * _MILLISECOND).astimezone(dataset.zone).date())
        after = found.get("after_key")
        if after is None:
            return Days(sorted(days | after_cut(dataset, days)), has_more, rows)


class Merge:
    """Merges the rows of a unit into those of a level.

    :param source: the rows
    :param days: when they are
    :param aggs: aggregations over the rows of each bucket
    """

    def __init__(
        self,
        client: OpenSearch,
        dataset: Dataset,
        level: Level,
        source: RowsOfUnit,
        days: Days,
        aggs: Mapping[str, Body],
    ) -> None:
        self._client = client
        self._dataset = dataset
        self._level = level
        self._source = source
        self._days = days
        self._aggs = dict(aggs)
        self._size = aggregation.PAGE_SIZE
        self._base = dataset.history.bucket_length

    def pages(self) -> Iterator[list[Bucket]]:
        """Every bucket of the level that has rows, page by page.

        :raises Refused: its buckets would cut those of base rows
        """
        # Rows of levels begin at local midnight, and base rows and their like at UTC boundaries.
        finer = self._source.level
        bucket = self._base if finer is None or finer.length == self._base < _DAY else timedelta()
        is_base = self._level.length == self._base < _DAY  # buckets of base rows, wherever midnights are
        unit = date.max if is_base else self._source.unit  # so that they begin the day that begins inside them
        for piece in pieces_of(self._dataset, self._level, unit, self._days.local, bucket):
            yield from self._of_piece(piece, is_base=is_base)
        if self._days.has_more:
            yield from self._pages(WITHOUT_TIME, None, lambda _: None)

    def _of_piece(self, piece: Piece, *, is_base: bool) -> Iterator[list[Bucket]]:
        length = self._level.length
        if length is None or length == _DAY:
            yield from self._pages(between(piece.start, piece.end), None, lambda _: piece.time)
            return
        if not (piece.is_whole or is_base):
            raise Refused(
                f"Days in {self._dataset.time_zone} begin inside buckets of {self._dataset.history.bucket}, so parts "
                f"of a day of {self._level.bucket} cannot be merged. Base rows are read instead."
            )
        bucket = length // _MILLISECOND
        for start, end in self._parts(piece, bucket):
            yield from self._pages(between(start, end), self._histogram(bucket, piece.start), lambda key: key)

    def _parts(self, piece: Piece, bucket: int) -> Iterator[tuple[int, int]]:
        """A piece in parts of whole buckets, so that no search merges too many rows to answer in time."""
        buckets = -(-(piece.end - piece.start) // bucket)
        parts = 1 if self._source.level else max(1, self._days.rows // _MOST_ROWS)
        step = max(1, buckets // parts) * bucket
        for start in range(piece.start, piece.end, step):
            yield start, min(start + step, piece.end)

    def _histogram(self, length: int, origin: int) -> Body:
        body: Body = {"field": "@timestamp", "fixed_interval": f"{length}ms", "missing_bucket": True}
        return {**body, "offset": f"{offset}ms"} if (offset := origin % length) else body

    def _pages(
        self, rows: Body, histogram: Body | None, time_of: Callable[[int | None], int | None]
    ) -> Iterator[list[Bucket]]:
        """The buckets of some rows.

        :param rows: the query that finds them among those of the source
        :param histogram: divides their time; None if they all have the same
        :param time_of: the time of a row of the level by the key of its bucket
        """
        groups = self._level.group_by
        sources: list[Body] = [{group: {"terms": {"field": group, "missing_bucket": True}}} for group in groups]
        if histogram:
            sources.append({"@timestamp": {"date_histogram": histogram}})
        query = {"bool": {"filter": [*self._source.query, rows]}}
        if not sources:
            found = self._search(query, {"whole": {"filter": {"match_all": {}}, "aggs": self._aggs}})["whole"]
            if found["doc_count"]:
                yield [Bucket(self._level, (time_of(None),), found)]
            return
        after: Body | None = None
        while True:
            found, size = self._page(query, sources, after)
            yield [
                Bucket(self._level, (*map(bucket["key"].get, groups), time_of(bucket["key"].get("@timestamp"))), bucket)
                for bucket in found["buckets"]
            ]
            after = found.get("after_key")
            if after is None or len(found["buckets"]) < size:
                return

    def _page(self, query: Body, sources: list[Body], after: Body | None) -> tuple[Body, int]:
        """A page, as large as the cluster allows."""
        from opensearchpy.exceptions import TransportError

        while True:
            size = self._size
            composite: Body = {"size": size, "sources": sources, **({"after": after} if after else {})}
            try:
                return self._search(query, {"page": {"composite": composite, "aggs": self._aggs}})["page"], size
            except TransportError as error:
                if size < 2 or not too_many_buckets(error):
                    raise
                self._size = size // 2

    def _search(self, query: Body, aggs: Body) -> Body:
        body = {"size": 0, "track_total_hits": False, "query": query, "aggs": aggs}
        found: Body = PATIENTLY(decisive.search, self._client, self._source.index, body)["aggregations"]
        return found
