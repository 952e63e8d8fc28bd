"""Windows of document numbers: every document once and in order, whatever is deleted between them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opensearchpy import NotFoundError

from opensearch_strata.archive.export.reading import as_stored, pages
from opensearch_strata.archive.export.reading.pages import Pace, PageSize
from opensearch_strata.connections import decisive
from opensearch_strata.connections.raw_hits import RawHit
from opensearch_strata.errors import Refused, TransientError


class Shards:
    """Shards whose documents have some numbers, and the requests that were made to them.

    :param numbers: of the documents of each shard, ascending
    """

    def __init__(self, numbers: list[list[int]]) -> None:
        self.numbers = numbers
        self.open: set[str] = set()
        self.sizes: list[int] = []
        self.source = b"{}"

    def open_point(self, _client: Any, _index: str, shard: int) -> str:
        self.open.add(f"{shard}")
        return f"{shard}"

    def close_point(self, _client: Any, point: str) -> None:
        self.open.remove(point)

    def hits_at(self, _client: Any, _index: str, point: str, body: Mapping[str, Any]) -> list[RawHit]:
        assert point in self.open
        self.sizes.append(body["size"])
        (after,) = body["search_after"]
        found = [number for number in self.numbers[int(point)] if number > after][: body["size"]]
        return [self._hit(point, number) for number in found]

    def _hit(self, point: str, number: int) -> RawHit:
        source, sort = msgspec.Raw(self.source), msgspec.Raw(b"[%d]" % number)
        return RawHit(f"{point}/{number}", source, sort=sort)


def read(shards: Shards, page: int, page_bytes: int = 100) -> list[str]:
    """Ids of the documents that are read."""
    client: Any = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "PAGE_BYTES", page_bytes)
        patch.setattr(decisive, "open_point", shards.open_point)
        patch.setattr(decisive, "close_point", shards.close_point)
        patch.setattr(as_stored, "raw_hits_at", shards.hits_at)
        found = as_stored.read_as_stored(client, "i", len(shards.numbers), PageSize(page))
        return [hit.id for hit in chain.from_iterable(found)]


NUMBERS: st.SearchStrategy[list[int]] = st.lists(st.integers(0, 60), unique=True).map(sorted) | st.builds(
    list, st.builds(range, st.integers(0, 300))
)


@given(st.lists(NUMBERS, min_size=1, max_size=3), st.integers(1, 40), st.integers(1, 100))
def test_every_document_comes_once_and_in_order(numbers: list[list[int]], page: int, page_bytes: int) -> None:
    shards = Shards(numbers)
    found = read(shards, page, page_bytes)
    assert found == [f"{shard}/{number}" for shard, some in enumerate(numbers) for number in some]
    assert max(shards.sizes) <= page
    assert not shards.open


def test_a_whole_shard_takes_one_search_for_each_window() -> None:
    shards = Shards([list(range(10_000))])
    assert len(read(shards, 1000, 2_000_000)) == 10_000
    assert len(shards.sizes) <= 10_000 / 1000 + 2 * 4  # some before the pace is known, some after the end


def test_no_page_is_much_larger_than_the_average_of_the_index_allows() -> None:
    """Many small documents, then large ones: a page of as many would take more memory than a node has."""
    pace = Pace(PageSize(10_000, average=12_000))
    for _ in range(20):
        pace.learn(pace.width, pace.width, pace.width * 60)
    assert pace.width * 60_000 < 10 * pages.PAGE_BYTES
    assert Pace(PageSize(10_000, average=0)).most == 10_000
    assert Pace(PageSize(10_000, average=10**9)).most == 1


def test_a_window_without_documents_is_not_the_end() -> None:
    assert read(Shards([[0, 5000, 90_000]]), 10) == ["0/0", "0/5000", "0/90000"]


def test_what_was_opened_is_closed_if_nobody_reads_on() -> None:
    shards = Shards([list(range(5000))])
    shards.source = b""
    with pytest.raises(Refused, match="does not store the _source"):
        read(shards, 100)
    assert not shards.open


def test_a_lost_point_in_time_is_said_in_a_sentence() -> None:
    class Lost(Shards):
        def hits_at(self, *_: Any) -> list[RawHit]:
            raise NotFoundError(404, "search_phase_execution_exception", "No search context found for id [1]")

    shards = Lost([[1]])
    with pytest.raises(TransientError, match="no longer holds i as it was"):
        read(shards, 100)
    assert not shards.open
