"""Storms between the loader and OpenSearch: everything arrives, once, and the accounts balance."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import pytest
from opensearchpy import OpenSearch

from tests.faults.archives import Archive, cloudwatch, events, ndjson
from tests.faults.proxy import FaultyProxy, Rule
from tests.faults.rules import (
    REJECTED_EXECUTION,
    cut_after,
    cut_before,
    half_written,
    items_refused,
    larger_than,
    late,
    refused,
    sometimes,
)
from tests.streams import DAY

EVENTS = 3000

STORMS: dict[str, Callable[[], Rule]] = {
    "429": lambda: sometimes(refused(429, REJECTED_EXECUTION), 0.5),
    "429 of items": lambda: sometimes(items_refused(429, REJECTED_EXECUTION), 0.7),
    "413": lambda: larger_than(9000),
    "latency": lambda: sometimes(late(0.1), 0.3),
    "resets": lambda: sometimes(cut_before, 0.3),
    "resets after": lambda: sometimes(cut_after, 0.3),
    "half answers": lambda: sometimes(half_written, 0.3),
}


@pytest.fixture
def filled(archive: Archive) -> Archive:
    """Objects of both kinds: with event ids and without."""
    archive.put(cloudwatch(events(range(1000))))
    archive.put(ndjson(range(1000, 2000)))
    archive.put(cloudwatch(events(range(2000, EVENTS)), per_record=300))
    return archive


@pytest.mark.parametrize("storm", STORMS)
def test_a_storm_costs_nothing_and_doubles_nothing(
    filled: Archive, proxy: FaultyProxy, through: OpenSearch, storm: str
) -> None:
    proxy.add(STORMS[storm]())
    result = filled.load(through)
    result.require_success()
    filled.assert_done()
    filled.assert_loaded(range(EVENTS))
    assert result.counts.read == EVENTS
    assert result.counts.created + result.counts.existed == EVENTS


def test_a_calm_load_creates_everything_and_a_second_one_reads_nothing(filled: Archive) -> None:
    first = filled.load()
    assert (first.counts.created, first.counts.existed, first.counts.dead) == (EVENTS, 0, 0)
    filled.assert_loaded(range(EVENTS))
    end = filled.progress[-1]
    assert (end.objects_done, end.objects, end.events) == (3, 3, EVENTS)
    assert end.bytes_read == end.bytes == sum(listed.size for listed in filled.objects)
    second = filled.load()
    assert second.rows == []
    assert (filled.progress[-1].objects, filled.progress[-1].bytes) == (0, 0)
    assert len(second.skipped) == len(filled.objects)
    assert sum(row.days[filled.dataset.raw_index(DAY)] for row in filled.rows()) == EVENTS


def test_an_outage_is_waited_for(
    filled: Archive, proxy: FaultyProxy, through: OpenSearch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    proxy.add(late(0.03))
    was_away = threading.Event()

    def be_away() -> None:
        time.sleep(0.2)
        with proxy.away():
            time.sleep(1.5)
            was_away.set()

    threading.Thread(target=be_away).start()
    result = filled.load(through, ledger=filled.ledger_of(through))
    assert was_away.is_set()
    result.require_success()
    filled.assert_done()
    filled.assert_loaded(range(EVENTS))
    assert "OpenSearch cannot be reached" in caplog.text
