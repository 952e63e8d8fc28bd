"""What history carries of each raw day, month by month, to decide whether one may stand for the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.index_names import day_of_transform
from opensearch_strata.history.month.marks import Mark, parts_of_version, rows_version
from opensearch_strata.history.month.row_ids import RAW_UUID
from opensearch_strata.history.query.sources.all_rows import ALL_ROWS, NotedRows

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

# A month has 31 days, but rows with foreign ids, which somebody else wrote, must not crowd them out.
_MOST_DAYS = 1000


@dataclass(frozen=True)
class DayRows:
    """The rows of one raw day.

    :param documents: how many raw documents they stand for
    :param number: how many rows there are
    :param version: see :func:`opensearch_strata.history.month.marks.rows_version`
    :param sources: UUIDs of the raw indices that they came from; rows from before version 0.2 do not state it
    :param first: when the first of their buckets begins, epoch milliseconds; None if no row has a time
    :param last: when the last of their buckets begins
    """

    documents: int
    number: int
    version: str
    sources: frozenset[str] = frozenset()
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True)
class MonthDays:
    """What one month carries.

    :param documents: how many raw documents the rows stand for, by raw day
    :param rows: details of the rows, for the days that were asked for
    :param as_marked: whether the rows are those that the marks of the month name, and no others
    :param foreign: whether there are rows of no raw day, which somebody else wrote
    """

    documents: Mapping[date, int] = field(default_factory=dict)
    rows: Mapping[date, DayRows] = field(default_factory=dict)
    as_marked: bool = False
    foreign: bool = False


def days_of_month(client: OpenSearch, dataset: Dataset, index: str, uuid: str, *, known: Iterable[date]) -> MonthDays:
    """The days whose rows are in a month, found with a single search.

    :param index: name of the month index
    :param uuid: UUID of the month index
    :param known: days for which the number of documents is enough, which costs nothing
    :raises NotFoundError: there is no such month
    """
    ids = [dataset.transform_id(day) for day in known]
    return _days(client, dataset, index, uuid, {"bool": {"must_not": [{"terms": {"transform._id": ids}}]}})


@dataclass(frozen=True)
class MarkedMonth:
    """A month with one shard, all of whose rows may be those that its marks name.

    :param documents: how many rows it has
    """

    index: str
    uuid: str
    documents: int
    marks: Mapping[date, Mark]

    @cached_property
    def noted(self) -> NotedRows | None:
        """The rows that the marks name; None if they do not name this many rows."""
        versions = [parts_of_version(mark.rows_version) for mark in self.marks.values()]
        known = [version for version in versions if version and version.uuid == self.uuid]
        noted = NotedRows.of(known)
        return noted if len(known) == len(versions) and noted.rows == self.documents else None


def days_as_marked(client: OpenSearch, months: Iterable[MarkedMonth]) -> dict[str, MonthDays]:
    """Name -> what a month carries according to its marks, of the months whose rows are exactly those of their marks.

    This takes no look at the rows of each day, see :mod:`opensearch_strata.history.query.sources.all_rows`.
    """
    likely = [(month, noted) for month in months if (noted := month.noted)]
    try:
        answers = decisive.multi_search(client, [(month.index, ALL_ROWS) for month, _ in likely])
    except decisive.IncompleteAnswer:  # an index is just going or coming: a closer look tells
        return {}
    found = zip(likely, answers, strict=True)
    same = [month for (month, noted), answer in found if answer and noted.are_all_of(answer)]
    return {
        month.index: MonthDays({day: mark.documents for day, mark in month.marks.items()}, as_marked=True)
        for month in same
    }


def rows_of_days(
    client: OpenSearch, dataset: Dataset, index: str, uuid: str, days: Iterable[date]
) -> Mapping[date, DayRows]:
    """The rows of some days of a month, as they are now.

    :raises NotFoundError: there is no such month
    """
    ids = [dataset.transform_id(day) for day in days]
    return _days(client, dataset, index, uuid, {"terms": {"transform._id": ids}}).rows


def _days(client: OpenSearch, dataset: Dataset, index: str, uuid: str, wanted: Mapping[str, Any]) -> MonthDays:
    days = {"field": "transform._id", "size": _MOST_DAYS}
    more = {
        "rows": {"value_count": {"field": "transform._id"}},
        "versions": {"sum": {"field": "_seq_no"}},
        "newest": {"max": {"field": "_seq_no"}},
        "sources": {"terms": {"field": RAW_UUID, "size": 100}},
        "first": {"min": {"field": "@timestamp"}},
        "last": {"max": {"field": "@timestamp"}},
    }
    # The `doc_count` of a bucket of rows is the number of raw documents, because rows have a _doc_count.
    aggs = {"days": {"terms": days}, "wanted": {"filter": wanted, "aggs": {"days": {"terms": days, "aggs": more}}}}
    found = decisive.search(client, index, {"size": 0, "track_total_hits": False, "aggs": aggs})["aggregations"]
    documents = {day: b["doc_count"] for b in found["days"]["buckets"] if (day := _day(dataset, b))}
    rows = {day: _rows(b, uuid) for b in found["wanted"]["days"]["buckets"] if (day := _day(dataset, b))}
    return MonthDays(documents, rows, foreign=len(documents) < len(found["days"]["buckets"]))


def _day(dataset: Dataset, bucket: Mapping[str, Any]) -> date | None:
    return day_of_transform(dataset.name, bucket["key"])


def _rows(bucket: Mapping[str, Any], uuid: str) -> DayRows:
    first, last = (bucket[end]["value"] for end in ("first", "last"))
    number, *sequence = (int(bucket[key]["value"] or 0) for key in ("rows", "versions", "newest"))
    return DayRows(
        documents=bucket["doc_count"],
        number=number,
        version=rows_version(uuid, number, *sequence),
        sources=frozenset(source["key"] for source in bucket["sources"]["buckets"]),
        first=None if first is None else int(first),
        last=None if last is None else int(last),
    )
