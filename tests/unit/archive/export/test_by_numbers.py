"""Ranges of sequence numbers: every document once, and never more pages in memory than are read at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.export.reading import by_numbers, pages
from opensearch_strata.archive.export.reading.by_numbers import Part
from opensearch_strata.archive.export.reading.pages import PageSize
from opensearch_strata.connections.raw_hits import RawHit, RawPage
from opensearch_strata.errors import Refused

ENOUGH = 12
"""Pages that may be under way: those of two levels, each with two that are read, those that wait, and one in use."""


class Shard:
    """A shard whose documents have sequence numbers, and belong to hours.

    :param hours: of each number
    """

    def __init__(self, hours: Sequence[int]) -> None:
        self.hours = hours
        self.under_way = self.most = 0
        self._guard = Lock()

    def search(self, _client: Any, _index: str, body: Mapping[str, Any], _shard: int | None) -> RawPage:
        numbers, hour = (one for one in body["query"]["bool"]["filter"])
        span = numbers["range"]["_seq_no"]
        found = [n for n in range(span["gte"], span["lt"]) if self.hours[n] == hour["term"]["hour"]]
        hits = [RawHit(f"{n}", msgspec.Raw(b"{}")) for n in found[: body["size"]]]
        with self._guard:
            self.under_way += bool(hits)
            self.most = max(self.most, self.under_way)
        return RawPage(hits, len(found))

    def used(self) -> None:
        with self._guard:
            self.under_way -= 1


def read(shard: Shard, parts: Sequence[Part], page: int) -> Iterator[tuple[int, list[RawHit]]]:
    client: Any = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_numbers, "search_raw", shard.search)
        for place, hits in by_numbers.read_documents(client, "i", parts, PageSize(page)):
            if hits:
                shard.used()
            yield place, hits


def of_hour(hour: int, numbers: int) -> Part:
    return Part([(0, numbers)], {"term": {"hour": hour}})


@given(st.lists(st.integers(0, 3), max_size=300), st.integers(1, 40), st.integers(1, 200))
def test_every_document_of_every_hour_comes_once(hours: list[int], page: int, page_bytes: int) -> None:
    shard = Shard(hours)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "PAGE_BYTES", page_bytes)
        found = [
            (place, int(hit.id))
            for place, hits in read(shard, [of_hour(hour, len(hours)) for hour in range(4)], page)
            for hit in hits
        ]
    assert sorted(found) == sorted((hour, number) for number, hour in enumerate(hours))


def test_an_hour_that_begins_late_does_not_come_at_once() -> None:
    """Ranges without any document become wider and wider; the first one with some may then hold most of the day."""
    shard = Shard([0] * 100_000 + [1] * 100_000)
    documents = 0
    for _, hits in read(shard, [of_hour(1, 200_000)], 1000):
        documents += len(hits)
        assert len(hits) <= 1000
    assert documents == 100_000
    overflowed = shard.under_way  # answers that held only a part of their range
    assert shard.most - overflowed <= ENOUGH


def test_a_number_that_many_documents_have_is_refused() -> None:
    class Shrunk(Shard):
        def search(self, *_: Any) -> RawPage:
            return RawPage([RawHit("a", msgspec.Raw(b"{}"))], 5)

    with pytest.raises(Refused, match="i has more than 1 documents with the sequence number 0; it was kept"):
        list(read(Shrunk([0]), [Part([(0, 1)])], 1))
