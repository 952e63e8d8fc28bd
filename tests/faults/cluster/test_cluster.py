"""A cluster that takes nothing for a while: the load pauses and goes on; and one that takes no ids."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import pytest
from opensearchpy import NotFoundError, OpenSearch

from opensearch_strata.errors import Refused, TransientError
from tests.faults.archives import Archive, cloudwatch, events, ndjson
from tests.faults.proxy import FaultyProxy
from tests.faults.rules import late, refused, serverless_time_series

EVENTS = 2000


@pytest.fixture
def filled(archive: Archive) -> Archive:
    archive.put(cloudwatch(events(range(EVENTS // 2))))
    archive.put(ndjson(range(EVENTS // 2, EVENTS)))
    return archive


def meanwhile(*steps: Callable[[], object]) -> threading.Thread:
    """Do this a little later, and that a little after it."""

    def run() -> None:
        for step in steps:
            time.sleep(0.5)
            step()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_disk_watermark_pauses_the_load_until_it_is_lifted(
    filled: Archive, proxy: FaultyProxy, through: OpenSearch, caplog: pytest.LogCaptureFixture
) -> None:
    """As the server does it itself when a disk runs full: it sets this block on every index with a shard there."""
    caplog.set_level(logging.INFO)
    proxy.add(late(0.03))
    stream = filled.stream
    stream.set_block("read_only_allow_delete", True)
    lifting = meanwhile(lambda: stream.set_block("read_only_allow_delete", None))
    result = filled.load(through)
    lifting.join()
    result.require_success()
    filled.assert_done()
    filled.assert_loaded(range(EVENTS))
    assert filled.letters() == []
    assert "Loading is paused" in caplog.text
    assert "read-only-allow-delete block" in caplog.text
    assert "Loading has resumed" in caplog.text


def test_a_block_that_stays_ends_the_load_and_the_next_run_goes_on(
    filled: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    filled.stream.set_block("write", True)
    with pytest.raises(TransientError, match="index write"):
        filled.load(patience=0.5)
    assert {row.state for row in filled.rows()} == {"failed"}
    filled.stream.set_block("write", None)
    filled.load().require_success()
    filled.assert_done()
    filled.assert_loaded(range(EVENTS))
    assert filled.letters() == []


def test_an_index_that_is_not_there_and_may_not_be_made_is_waited_for(
    filled: Archive, proxy: FaultyProxy, through: OpenSearch
) -> None:
    proxy.add(
        refused(404, "index_not_found_exception", "no such index, and action.auto_create_index is false"), times=5
    )
    filled.load(through).require_success()
    filled.assert_loaded(range(EVENTS))


def test_a_ledger_that_is_write_blocked_for_a_while_is_waited_for(
    filled: Archive, proxy: FaultyProxy, through: OpenSearch
) -> None:
    proxy.add(late(0.1))
    client, index = filled.stream.client, filled.ledger_index

    def block(on: bool | None) -> None:
        client.indices.put_settings(index=index, body={"index.blocks.write": on})

    blocking = meanwhile(lambda: block(True), lambda: block(None))
    filled.load(through).require_success()
    blocking.join()
    filled.assert_done()
    filled.assert_loaded(range(EVENTS))


def test_a_ledger_that_stays_blocked_ends_the_load_and_nothing_is_lost(
    filled: Archive, proxy: FaultyProxy, through: OpenSearch
) -> None:
    client, index = filled.stream.client, filled.ledger_index
    filled.patience = 0.5
    client.indices.put_settings(index=index, body={"index.blocks.write": True})
    with pytest.raises(TransientError, match=r"ledger .* could not be used"):
        filled.load(through)
    client.indices.put_settings(index=index, body={"index.blocks.write": None})
    filled.load().require_success()
    filled.assert_done()
    filled.assert_loaded(range(EVENTS))


def test_a_ledger_that_is_deleted_mid_load_comes_back(filled: Archive, proxy: FaultyProxy, through: OpenSearch) -> None:
    proxy.add(late(0.1))
    client, index = filled.stream.client, filled.ledger_index
    deleting = meanwhile(lambda: client.indices.delete(index=index))
    filled.load(through).require_success()
    deleting.join()
    filled.assert_done()
    filled.assert_loaded(range(EVENTS))
    mapping = client.indices.get_mapping(index=index)[index]["mappings"]
    assert mapping["dynamic"] == "strict"


def test_a_ledger_that_was_never_there_is_made(filled: Archive) -> None:
    filled.stream.client.indices.delete(index=filled.ledger_index)
    with pytest.raises(NotFoundError):
        filled.stream.client.indices.get(index=filled.ledger_index)
    filled.load().require_success()
    filled.assert_done()
    filled.assert_loaded(range(EVENTS))


def test_a_time_series_collection_is_loaded_without_ids(
    filled: Archive, proxy: FaultyProxy, through: OpenSearch
) -> None:
    """Its ledger is elsewhere, because such a collection cannot hold one."""
    proxy.add(serverless_time_series, path="")
    with pytest.raises(Refused, match="accepts no ids"):
        filled.load(through)
    result = filled.load(through, ids=False)
    result.require_success()
    filled.assert_done()
    filled.assert_loaded(range(EVENTS))
    assert (proxy.most_at_once, result.counts.created) == (1, EVENTS)
