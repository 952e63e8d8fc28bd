"""Bodies to a real OpenSearch, through a proxy that lets them go wrong: every document is accounted for once."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import orjson
import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.bulk import delivery
from opensearch_strata.archive.bulk.body import Body
from opensearch_strata.archive.bulk.delivery import Resolved
from opensearch_strata.archive.bulk.learned_limits import LearnedLimits
from opensearch_strata.archive.bulk.sender import Sender
from opensearch_strata.archive.documents.shaper import Document
from opensearch_strata.archive.events import Event
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.errors import Refused, TransientError
from tests.faults.proxy import Answer, FaultyProxy, Request, Rule
from tests.faults.rules import (
    FLOOD_STAGE,
    REJECTED_EXECUTION,
    answered_late,
    cut_after,
    cut_before,
    garbled,
    half_written,
    items_refused,
    larger_than,
    late,
    one_item_less,
    one_item_more,
    refused,
    serverless_time_series,
    sometimes,
    web_page,
)
from tests.streams import Stream

DOCUMENTS = 1000
PER_BODY = 50


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of milliseconds, not seconds."""
    monkeypatch.setattr(delivery, "_BACK_OFF", lambda state: 0.002)
    monkeypatch.setattr(delivery, "_UNTIL_LIFTED", lambda state: 0.02)


class Account:
    """What a sender said became of each document, by its number."""

    def __init__(self) -> None:
        self.created: Counter[int] = Counter()
        self.existed: Counter[int] = Counter()
        self.rejected: dict[int, str] = {}
        self._guard = threading.Lock()

    def hear(self, resolved: Resolved[int]) -> None:
        owners = resolved.body.owners
        with self._guard:
            self.created.update(owners[at] for at in resolved.created)
            self.existed.update(owners[at] for at in resolved.existed)
            for at, why in resolved.rejected.items():
                assert owners[at] not in self.rejected
                self.rejected[owners[at]] = why

    @property
    def all(self) -> Counter[int]:
        return self.created + self.existed + Counter(self.rejected.keys())


def documents(index: str, count: int = DOCUMENTS, **more: Any) -> list[Document]:
    return [
        Document(index, f"id-{number}", orjson.dumps({"load": number, **more}), date(2024, 5, 6), Event(number, 0, ""))
        for number in range(count)
    ]


def bodies(found: list[Document], ids: bool = True, per_body: int = PER_BODY) -> Iterator[Body[int]]:
    for start in range(0, len(found), per_body):
        body: Body[int] = Body(ids)
        for number, document in enumerate(found[start : start + per_body], start):
            body.add(document, number)
        yield body


def send(
    url: str, found: list[Document], in_flight: int = 3, patience: float = 30, timeout: float = 30, ids: bool = True
) -> tuple[Account, LearnedLimits]:
    account, limits = Account(), LearnedLimits(in_flight, 1_000_000)
    client = build_client(ClientSettings.from_url(url, timeout=timeout))
    with client, Sender(client, account.hear, limits, patience) as sender:
        for body in bodies(found, ids):
            sender.send(body)
        sender.drain()
    return account, limits


def stored(client: OpenSearch, index: str) -> list[int]:
    client.indices.refresh(index=index)
    body = {"size": 10_000, "_source": ["load"], "query": {"match_all": {}}}
    return sorted(hit["_source"]["load"] for hit in client.search(index=index, body=body)["hits"]["hits"])


@pytest.fixture
def index(stream: Stream) -> str:
    return stream.create()


def assert_all_there(account: Account, client: OpenSearch, index: str, count: int = DOCUMENTS) -> None:
    assert account.all == Counter(range(count))
    assert not account.rejected
    assert stored(client, index) == list(range(count))


def test_documents_are_created_once_and_there_the_second_time(
    opensearch_url: str, client: OpenSearch, index: str
) -> None:
    first, _ = send(opensearch_url, documents(index))
    assert first.created == Counter(range(DOCUMENTS))
    again, _ = send(opensearch_url, documents(index, load=-1))
    assert again.existed == Counter(range(DOCUMENTS))
    assert_all_there(first, client, index)


FAULTS: dict[str, Callable[[], Rule]] = {
    "429": lambda: sometimes(refused(429, REJECTED_EXECUTION), 0.5),
    "429 for some": lambda: sometimes(items_refused(429, REJECTED_EXECUTION), 0.7),
    "503 for some": lambda: sometimes(items_refused(503, "unavailable_shards_exception"), 0.5),
    "502": lambda: sometimes(refused(502, "bad_gateway"), 0.3),
    "500 for some": lambda: sometimes(items_refused(500, "null_pointer_exception", share=0.2), 0.2),
    "reset before": lambda: sometimes(cut_before, 0.3),
    "reset after": lambda: sometimes(cut_after, 0.3),
    "half an answer": lambda: sometimes(half_written, 0.3),
    "a garbled answer": lambda: sometimes(garbled, 0.3),
    "an item less": lambda: sometimes(one_item_less, 0.3),
    "an item more": lambda: sometimes(one_item_more, 0.3),
    "a web page": lambda: sometimes(web_page, 0.3),
    "latency": lambda: sometimes(late(0.05), 0.3),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_storm_costs_no_document(proxy: FaultyProxy, client: OpenSearch, index: str, fault: str) -> None:
    proxy.add(FAULTS[fault]())
    account, _ = send(proxy.url, documents(index))
    assert_all_there(account, client, index)


def test_only_refused_documents_are_sent_again(proxy: FaultyProxy, client: OpenSearch, index: str) -> None:
    proxy.add(items_refused(429, REJECTED_EXECUTION, share=0.5), times=1)
    account, _ = send(proxy.url, documents(index, count=PER_BODY))
    assert_all_there(account, client, index, PER_BODY)
    assert account.created == Counter(range(PER_BODY))
    first, second = proxy.bulks
    assert (first, second < first) == (PER_BODY, True)


@pytest.mark.parametrize("overload", [refused, items_refused])
def test_too_much_load_means_fewer_at_once(
    proxy: FaultyProxy, client: OpenSearch, index: str, overload: Callable[..., Rule]
) -> None:
    proxy.add(late(0.01))
    proxy.add(overload(429, REJECTED_EXECUTION), times=8)
    account, limits = send(proxy.url, documents(index, count=200), in_flight=4)
    assert_all_there(account, client, index, 200)
    assert proxy.most_at_once <= 4
    assert limits.window < 4


def test_an_unanswered_request_is_sent_again_and_doubles_nothing(
    proxy: FaultyProxy, client: OpenSearch, index: str
) -> None:
    proxy.add(answered_late(0.6), times=1)
    account, _ = send(proxy.url, documents(index, count=PER_BODY), timeout=0.3)
    assert_all_there(account, client, index, PER_BODY)
    assert account.existed == Counter(range(PER_BODY))


def test_a_body_that_is_too_large_goes_in_halves_and_the_limit_is_remembered(
    proxy: FaultyProxy, client: OpenSearch, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opensearch_strata.archive.bulk.learned_limits.SMALLEST_BODY", 100)
    proxy.add(larger_than(1500))
    account, limits = send(proxy.url, documents(index), in_flight=1)
    assert_all_there(account, client, index)
    assert limits.body_bytes <= 1500
    assert sum(size > 1500 for size in proxy.sizes) < 5


def test_a_document_that_is_too_large_by_itself_is_rejected_with_the_reason(
    proxy: FaultyProxy, client: OpenSearch, index: str
) -> None:
    found = documents(index, count=20)
    found[7] = found[7]._replace(source=orjson.dumps({"load": 7, "site": "x" * 5000}))
    proxy.add(larger_than(3000))
    account, _ = send(proxy.url, found)
    assert account.all == Counter(range(20))
    assert list(account.rejected) == [7]
    assert "too large" in account.rejected[7]
    assert "Request size exceeded 3000 bytes" in account.rejected[7]


def test_a_document_that_does_not_fit_the_mapping_is_rejected_with_the_servers_reason(
    opensearch_url: str, client: OpenSearch, index: str
) -> None:
    found = documents(index, count=100)
    found[3] = found[3]._replace(source=b'{"load":"many"}')
    account, _ = send(opensearch_url, found)
    assert account.all == Counter(range(100))
    assert list(account.rejected) == [3]
    assert "400" in account.rejected[3]
    assert "failed to parse field [load]" in account.rejected[3]
    assert len(stored(client, index)) == 99


def test_a_document_over_which_the_server_fails_again_and_again_is_given_up(proxy: FaultyProxy, index: str) -> None:
    proxy.add(items_refused(500, "null_pointer_exception", share=1))
    account, _ = send(proxy.url, documents(index, count=10))
    assert list(account.rejected) == list(range(10))
    assert len(proxy.bulks) == 6


BLOCKS: dict[str, Callable[[], Rule]] = {
    "flood stage": lambda: items_refused(429, "cluster_block_exception", why=FLOOD_STAGE),
    "403": lambda: items_refused(403, "cluster_block_exception", why="blocked by: [FORBIDDEN/8/index write (api)];"),
    "whole request": lambda: refused(403, "cluster_block_exception", "blocked by: [FORBIDDEN/6/cluster read-only];"),
    "no index": lambda: items_refused(404, "index_not_found_exception", why="no such index [x]"),
    "closed": lambda: items_refused(400, "index_closed_exception", why="closed"),
}


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_waited_for_and_said_once(
    proxy: FaultyProxy, client: OpenSearch, index: str, block: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    proxy.add(BLOCKS[block](), times=6)
    account, _ = send(proxy.url, documents(index, count=200), in_flight=2)
    assert_all_there(account, client, index, 200)
    paused = [record.message for record in caplog.records if "paused" in record.message]
    assert 1 <= len(paused) <= 3
    assert [record.message for record in caplog.records if "resumed" in record.message]


def test_a_real_write_block_is_waited_for(opensearch_url: str, client: OpenSearch, stream: Stream, index: str) -> None:
    stream.set_block("read_only_allow_delete", True)
    lifted = threading.Timer(0.5, stream.set_block, ["read_only_allow_delete", None])
    lifted.start()
    account, _ = send(opensearch_url, documents(index, count=200))
    lifted.join()
    assert_all_there(account, client, index, 200)


def test_a_block_that_is_not_lifted_ends_the_load_with_a_sentence(
    opensearch_url: str, stream: Stream, index: str
) -> None:
    stream.set_block("write", True)
    began = time.monotonic()
    with pytest.raises(TransientError, match=r"accepted no documents for 0 s.*index write.*load the same range again"):
        send(opensearch_url, documents(index), patience=0.3)
    assert time.monotonic() - began < 3
    stream.set_block("write", None)


def test_a_server_that_is_away_is_waited_for(proxy: FaultyProxy, client: OpenSearch, index: str) -> None:
    proxy.add(late(0.01))
    back = threading.Event()

    def be_away() -> None:
        time.sleep(0.05)
        with proxy.away():
            time.sleep(0.5)
        back.set()

    threading.Thread(target=be_away).start()
    account, _ = send(proxy.url, documents(index))
    assert back.is_set()
    assert_all_there(account, client, index)


@pytest.mark.parametrize("status", [401, 403])
def test_who_may_not_write_is_told_at_once_and_no_document_is_to_blame(
    proxy: FaultyProxy, index: str, status: int
) -> None:
    proxy.add(items_refused(status, "security_exception", share=1, why="no permissions for [indices:data/write/bulk]"))
    account = Account()
    with pytest.raises(Refused, match="no permissions"):
        send(proxy.url, documents(index))
    assert not account.rejected
    assert len(proxy.bulks) <= 4


def test_a_failure_ends_the_waiting_of_the_others(proxy: FaultyProxy, index: str) -> None:
    proxy.add(refused(403, "cluster_block_exception"))
    proxy.add(lambda request, forward: late(0.2)(request, refused_for_good), times=1)
    began = time.monotonic()
    with pytest.raises(Refused, match="no permissions"):
        send(proxy.url, documents(index, count=2 * PER_BODY), in_flight=2, patience=20)
    assert time.monotonic() - began < 5


def refused_for_good(request: Request) -> Answer:
    """Nobody may do this."""
    return refused(403, "security_exception", "no permissions for [indices:data/write/bulk]")(request, refused_for_good)


def test_a_time_series_collection_takes_no_ids_and_says_so(proxy: FaultyProxy, client: OpenSearch, index: str) -> None:
    proxy.add(serverless_time_series, path="")
    with pytest.raises(Refused, match="accepts no ids; load it without them"):
        send(proxy.url, documents(index))
    account, _ = send(proxy.url, documents(index), ids=False)
    assert_all_there(account, client, index)


def test_a_load_that_ends_early_does_not_wait_for_what_is_blocked(
    opensearch_url: str, client: OpenSearch, stream: Stream, index: str
) -> None:
    stream.set_block("write", True)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), Sender(client, Account().hear, LearnedLimits(2, 10_000), 600) as sender:  # noqa: PT012
        sender.send(next(bodies(documents(index))))
        time.sleep(0.2)
        raise KeyboardInterrupt
    assert time.monotonic() - began < 3
    stream.set_block("write", None)
