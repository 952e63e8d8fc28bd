"""How many documents of a raw day are of which hour, by the server's own count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.export.reading.by_numbers import Numbers, Query
from opensearch_strata.connections import decisive
from opensearch_strata.errors import Refused

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

HOUR = 3_600_000
"""Milliseconds."""
_SLICES = 200


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
        hours = {f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%dT%H}": count for at, count in self.counts.items()}
        return {**hours, **({"": self.undated} if self.undated else {})}


def count_by_hour(client: OpenSearch, index: str, timestamp: str, documents: int) -> Hours:
    """Ask the primaries.

    :param index: exact name
    :param timestamp: path of the time field
    :param documents: of the whole index
    :raises Refused: documents have several times each, so that no hour holds them alone
    :raises IncompleteAnswer: OpenSearch did not answer in full
    """
    among = {"first": {"min": {"field": "_seq_no"}}, "last": {"max": {"field": "_seq_no"}}}
    aggs: dict[str, Any] = {
        "hours": {"date_histogram": {"field": timestamp, "fixed_interval": "1h", "min_doc_count": 1}, "aggs": among},
        "undated": {"missing": {"field": timestamp}, "aggs": among},
        "first": {"min": {"field": timestamp}},
        "last": {"max": {"field": timestamp}},
    }
    found = decisive.search(client, index, {"size": 0, "aggs": aggs})["aggregations"]
    buckets, undated = found["hours"]["buckets"], found["undated"]
    dated = sum(bucket["doc_count"] for bucket in buckets)
    if dated + undated["doc_count"] != documents:
        raise Refused(
            f"{index} was kept: it holds {documents:,} documents, but {dated:,} times of {timestamp}. Some have "
            f"several times, so they cannot be counted by hour."
        )
    slices = [*_slices(timestamp, buckets, documents)]
    if undated["doc_count"]:
        without = {"bool": {"must_not": [{"exists": {"field": timestamp}}]}}
        slices.append(Slice(without, _numbers([undated]), undated["doc_count"]))
    first, last = (int(found[end]["value"]) if buckets else None for end in ("first", "last"))
    counts = {int(bucket["key"]): bucket["doc_count"] for bucket in buckets}
    return Hours(counts, undated["doc_count"], first, last, tuple(slices))


def _slices(timestamp: str, buckets: list[dict[str, Any]], documents: int) -> Iterator[Slice]:
    """One for each hour; where there are very many, several hours share one."""
    least = documents / _SLICES if len(buckets) > _SLICES else 0
    some: list[dict[str, Any]] = []
    for place, bucket in enumerate(buckets):
        some.append(bucket)
        count = sum(one["doc_count"] for one in some)
        if count >= least or place == len(buckets) - 1:
            ends = {"gte": int(some[0]["key"]), "lt": int(bucket["key"]) + HOUR, "format": "epoch_millis"}
            yield Slice({"range": {timestamp: ends}}, _numbers(some), count)
            some = []


def _numbers(buckets: list[dict[str, Any]]) -> Numbers:
    firsts, lasts = ([int(bucket[end]["value"]) for bucket in buckets] for end in ("first", "last"))
    return min(firsts), max(lasts) + 1
