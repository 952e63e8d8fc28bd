"""The floor of an export: the day is read in pages that are thrown away, without looking into them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any

import orjson
from opensearchpy import OpenSearch

from benchmarks.material.bench_day import BenchDay

READERS = 2
PAGES = (5000, 10_000)
"""Documents of a page: as many as Strata reads of this workload at once, and the most that the server returns."""

_TOTAL = re.compile(r'"total":\{"value":(\d+)')
_LAST = re.compile(r'"sort":\[(\d+)\]\}\]\}\}\Z')
_HIT = '"_source":{'


def by_numbers(day: BenchDay, page: int, checked: bool) -> int:
    """Read the day in ranges of sequence numbers, as an export does it.

    :param page: sequence numbers of a range
    :param checked: count the hits of each page; otherwise the server's own total is trusted
    :returns: number of documents
    """
    ask = partial(_ask, day.workload.client, f"/{day.index}/_search")

    def read(shard: int, first: int) -> int:
        numbers = {"range": {"_seq_no": {"gte": first, "lt": first + page}}}
        body = {"size": page, "sort": ["_doc"], "track_total_hits": True, "query": {"bool": {"filter": [numbers]}}}
        text = ask(body, preference=f"_shards:{shard}|_primary")
        found = _TOTAL.search(text, 0, 1000)
        return text.count(_HIT) if checked or not found else int(found[1])

    ranges = [
        partial(read, shard, first)
        for shard, highest in enumerate(day.primaries.sequence)
        for first in range(0, highest + 1, page)
    ]
    return _sum(ranges)


def by_shard_doc(day: BenchDay, page: int, checked: bool) -> int:
    """Read the day from a point in time in the order of `_shard_doc`: each reader has its part of the hours.

    :param page: documents of a page
    :param checked: count the hits of each page; otherwise only those of a reader's last one, as all others are full
    :returns: number of documents
    """
    client = day.workload.client
    pit = client.create_pit(index=day.index, params={"keep_alive": "10m", "preference": "_primary"})["pit_id"]
    begin = datetime.combine(day.workload.days[0], time.min)
    hours = 24 // READERS

    def read(reader: int) -> int:
        ends = {"gte": begin + timedelta(hours=hours * reader), "lt": begin + timedelta(hours=hours * (reader + 1))}
        times = {"range": {day.workload.dataset.raw.timestamp: {name: end.isoformat() for name, end in ends.items()}}}
        body: dict[str, Any] = {
            "size": page,
            "sort": [{"_shard_doc": "asc"}],
            "track_total_hits": False,
            "pit": {"id": pit, "keep_alive": "10m"},
            "query": {"bool": {"filter": [times]}},
        }
        documents, text = 0, ""
        while True:
            following = _ask(client, "/_search", body)
            last = _LAST.search(following, len(following) - 100)
            if last is None:
                break
            if text:
                documents += text.count(_HIT) if checked else page
            text, body = following, {**body, "search_after": [int(last[1])]}
        return documents + text.count(_HIT)

    try:
        return _sum(partial(read, reader) for reader in range(READERS))
    finally:
        client.delete_pit(body={"pit_id": [pit]})


Way = Callable[[BenchDay, int, bool], int]
"""Reads a day in pages of some size, counting each of them or not, and returns the number of documents."""

WAYS: dict[str, tuple[Way, int]] = {
    **{f"`_seq_no` ranges, pages of {page:,}": (by_numbers, page) for page in PAGES},
    **{f"PIT and `_shard_doc`, pages of {page:,}": (by_shard_doc, page) for page in PAGES},
}
"""Name -> how it reads, and documents of a page."""


def _sum(reads: Iterable[Callable[[], int]]) -> int:
    with ThreadPoolExecutor(READERS) as pool:
        return sum(pool.map(lambda read: read(), reads))


def _ask(client: OpenSearch, path: str, body: dict[str, Any], **params: str) -> str:
    """The text of an answer, which nothing parses."""
    wanted = {"request_cache": "false", "allow_partial_search_results": "false", **params}
    if "pit" in body:
        del wanted["request_cache"]
    connection = client.transport.get_connection()
    headers = {"content-type": "application/json"}
    text: str = connection.perform_request("POST", path, wanted, orjson.dumps(body), headers=headers)[2]
    return text
