"""How many documents of a raw day are of which hour, by the server's own count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from opensearch_strata.archive.export.reading.by_numbers import Numbers, Query
from opensearch_strata.connections import decisive
from opensearch_strata.errors import Refused

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

HOUR = 3_600_000
"""Milliseconds."""
MOST_HOURS = 200_000
"""The most hours that a manifest names: 22 years of each hour take 6 MB of it."""

_SLICES = 200
_PAGE = 10_000  # hours of one answer; a server gives at most search.max_buckets of them, 65,535 by default
_CYCLE = 146_097 * 24  # hours of 400 years, after which the calendar repeats itself


_AMONG = {"first": {"min": {"field": "_seq_no"}}, "last": {"max": {"field": "_seq_no"}}}


class _Hour(NamedTuple):
    """Documents of an hour.

    :param at: its begin, epoch milliseconds
    :param first: the least of their sequence numbers
    :param last: the greatest of them
    """

    at: int
    documents: int
    first: int
    last: int

    @classmethod
    def of(cls, bucket: Mapping[str, Any]) -> Self:
        return cls(int(bucket["key"]), bucket["doc_count"], *(int(bucket[end]["value"]) for end in ("first", "last")))


@dataclass(frozen=True)
class Slice:
    """Documents of some consecutive hours.

    :param query: matches these documents
    :param numbers: sequence numbers between which they lie, in any shard
    :param documents: how many there are
    """

    query: Query
    numbers: Numbers
    documents: int


@dataclass(frozen=True)
class Hours:
    """Documents by hour.

    :param counts: begin of the hour in epoch milliseconds -> documents
    :param first: time of the first document, epoch milliseconds; None if none has a time
    :param last: time of the last document, epoch milliseconds
    :param slices: the same documents in slices, those without a time in one of their own
    """

    counts: dict[int, int]
    undated: int
    first: int | None
    last: int | None
    slices: tuple[Slice, ...]

    @property
    def named(self) -> dict[str, int]:
        """As a manifest has them: UTC hour -> documents."""
        hours = {hour_name(at): count for at, count in self.counts.items()}
        return {**hours, **({"": self.undated} if self.undated else {})}


def hour_name(at: int) -> str:
    """An hour as manifests name it: like ``2013-01-05T10``, a year outside of 0 to 9999 as ISO 8601 has it (+056315).

    :param at: its begin, epoch milliseconds
    """
    cycles, hours = divmod(at // HOUR, _CYCLE)
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    year = when.year + 400 * cycles
    return f"{year:04}{when:-%m-%dT%H}" if 0 <= year <= 9999 else f"{year:+07}{when:-%m-%dT%H}"


def count_by_hour(client: OpenSearch, index: str, timestamp: str, documents: int) -> Hours:
    """Ask the primaries.

    :param index: exact name
    :param timestamp: path of the time field
    :param documents: of the whole index
    :raises Refused: documents have several times each, so that no hour holds them alone; or there are too many hours
    :raises IncompleteAnswer: OpenSearch did not answer in full
    """
    aggs: dict[str, Any] = {
        "undated": {"missing": {"field": timestamp}, "aggs": _AMONG},
        "first": {"min": {"field": timestamp}},
        "last": {"max": {"field": timestamp}},
    }
    found = decisive.search(client, index, {"size": 0, "aggs": aggs})["aggregations"]
    undated = found["undated"]
    first, last = (None if found[end]["value"] is None else int(found[end]["value"]) for end in ("first", "last"))
    hours: list[_Hour] = []
    if first is not None and last is not None:
        for page in _pages(client, index, timestamp, first, last):
            hours += map(_Hour.of, page)
            if len(hours) > MOST_HOURS:
                raise Refused(
                    f"{index} was kept: its documents are of more than {MOST_HOURS:,} different hours, too many for a "
                    f"manifest. Check what its producers write to {timestamp}."
                )
    dated = sum(hour.documents for hour in hours)
    if dated + undated["doc_count"] != documents:
        raise Refused(
            f"{index} was kept: it holds {documents:,} documents, but {dated:,} times of {timestamp}. Some have "
            f"several times, so they cannot be counted by hour."
        )
    slices = [*_slices(timestamp, hours, documents)]
    if undated["doc_count"]:
        without = {"bool": {"must_not": [{"exists": {"field": timestamp}}]}}
        slices.append(Slice(without, _numbers([_Hour.of({**undated, "key": 0})]), undated["doc_count"]))
    return Hours({hour.at: hour.documents for hour in hours}, undated["doc_count"], first, last, tuple(slices))


def _pages(client: OpenSearch, index: str, timestamp: str, first: int, last: int) -> Iterator[list[Mapping[str, Any]]]:
    """Buckets of all hours with documents, in order. Most days need one histogram; where the times lie far apart, pages
    of a composite aggregation, which costs more but never exceeds what a server gives in one answer."""
    by_hour: dict[str, Any] = {"field": timestamp, "fixed_interval": "1h"}
    if last - first < _PAGE * HOUR:
        aggs: dict[str, Any] = {"hours": {"date_histogram": {**by_hour, "min_doc_count": 1}, "aggs": _AMONG}}
        yield decisive.search(client, index, {"size": 0, "aggs": aggs})["aggregations"]["hours"]["buckets"]
        return
    composite: dict[str, Any] = {"size": _PAGE, "sources": [{"at": {"date_histogram": by_hour}}]}
    query: Query = {"match_all": {}}
    while True:
        body = {"size": 0, "query": query, "aggs": {"hours": {"composite": composite, "aggs": _AMONG}}}
        buckets = decisive.search(client, index, body)["aggregations"]["hours"]["buckets"]
        yield [{**bucket, "key": bucket["key"]["at"]} for bucket in buckets]
        if len(buckets) < _PAGE:
            return
        at = int(buckets[-1]["key"]["at"])
        composite["after"] = {"at": at}
        query = {"range": {timestamp: {"gte": at + HOUR, "format": "epoch_millis"}}}  # the rest need not be looked at


def _slices(timestamp: str, hours: list[_Hour], documents: int) -> Iterator[Slice]:
    """One for each hour; where there are very many, several hours share one."""
    least = documents / _SLICES if len(hours) > _SLICES else 0
    some: list[_Hour] = []
    count = 0
    for place, hour in enumerate(hours):
        some.append(hour)
        count += hour.documents
        if count >= least or place == len(hours) - 1:
            ends = {"gte": some[0].at, "lt": hour.at + HOUR, "format": "epoch_millis"}
            yield Slice({"range": {timestamp: ends}}, _numbers(some), count)
            some, count = [], 0


def _numbers(hours: list[_Hour]) -> Numbers:
    return min(hour.first for hour in hours), max(hour.last for hour in hours) + 1
