"""Loaders that are killed, that run beside each other, and that come too late: every event is there once."""

from __future__ import annotations

import multiprocessing
import random
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.process import BaseProcess
from typing import Any

import orjson
import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.ledger.loads import Counts
from opensearch_strata.archive.load import batch
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from tests.archives import s3_environment
from tests.faults import loader
from tests.faults.archives import SPAN, Archive, cloudwatch, events, message, ndjson
from tests.faults.proxy import FaultyProxy
from tests.faults.rules import answered_late, late, serverless_time_series

KILLS = 10
EVENTS = 8000


class Loaders:
    """Processes that load an archive through a proxy. A fork server spares each of them the imports."""

    def __init__(self, archive: Archive, url: str, s3_url: str, **settings: Any) -> None:
        self._job = {
            "environment": s3_environment(s3_url),
            "dataset": archive.dataset.model_dump(mode="json"),
            "url": url,
            "ledger": archive.ledger_index,
            "lease": archive.lease,
            "objects": [[list(one.place), one.size, one.modified] for one in archive.objects],
            "span": SPAN,
            "dead_letters": archive.dead_letters_url,
            "ledger_url": archive.url,
            "settings": {"in_flight": 2, "body_bytes": 15_000, "patience": 30, "renew_every": 0.1, **settings},
        }
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["tests.faults.loader", "boto3", "opensearchpy"])

    def start(self) -> BaseProcess:
        """A loader that has begun to load."""
        begins = self._processes.Event()
        process = self._processes.Process(target=loader.load, args=(self._job, begins), daemon=True)
        process.start()
        assert begins.wait(30)
        return process


def until_checkpoint(archive: Archive, record: int = 1) -> None:
    """Wait until the first object is known to be loaded up to this record."""
    place = archive.objects[0].place
    while not (row := archive.ledger.rows([place]).get(place)) or row.resume < record:
        time.sleep(0.02)


def fill(archive: Archive) -> None:
    quarter = EVENTS // 4
    archive.put(cloudwatch(events(range(quarter))))
    archive.put(ndjson(range(quarter, 2 * quarter)))
    archive.put(cloudwatch(events(range(2 * quarter, 3 * quarter)), per_record=150))
    for start in range(3 * quarter, EVENTS, 100):
        archive.put(ndjson(range(start, start + 100)))


@pytest.mark.long
def test_ten_kills_at_random_moments_and_a_resume(archive: Archive, proxy: FaultyProxy, s3_url: str) -> None:
    archive.lease = 0.5
    fill(archive)
    proxy.add(late(0.05))
    loaders = Loaders(archive, proxy.url, s3_url)
    rng = random.Random(2013)
    in_the_middle = 0
    for _ in range(KILLS):
        victim = loaders.start()
        time.sleep(rng.uniform(0.1, 1))
        victim.kill()
        victim.join()
        in_the_middle += victim.exitcode == -9
    assert in_the_middle == KILLS, "some loaders were done before they were killed"
    stored = len(archive.stored())
    assert 0 < stored < EVENTS
    proxy.clear()
    for _ in range(2):  # an object that two in a row were killed with is left to a run of its own
        last = loaders.start()
        last.join(60)
    assert last.exitcode == 0
    archive.assert_done()
    archive.assert_loaded(range(EVENTS))
    rows = archive.rows()
    assert sum((row.counts for row in rows), Counts()).read == EVENTS
    assert max(row.attempt for row in rows) > 2


def test_a_resumed_object_goes_on_from_its_checkpoint(
    archive: Archive, proxy: FaultyProxy, through: OpenSearch, s3_url: str
) -> None:
    archive.lease = 0.5
    archive.put(cloudwatch(events(range(4000))))
    proxy.add(late(0.03))
    victim = Loaders(archive, proxy.url, s3_url).start()
    until_checkpoint(archive, 30)
    victim.kill()
    victim.join()
    resume = archive.rows()[0].resume
    proxy.clear()
    proxy.bulks.clear()
    archive.load(through).require_success()
    archive.assert_loaded(range(4000))
    row = archive.rows()[0]
    assert row.counts.read == 4000
    assert row.attempt == 2
    assert sum(proxy.bulks) <= 4000 - 10 * (resume - 1)  # record 0 is the control message


def test_dead_letters_before_a_checkpoint_outlive_the_loader(
    archive: Archive, proxy: FaultyProxy, through: OpenSearch, s3_url: str
) -> None:
    """What the ledger calls resolved is in S3 by then, whether a parser or OpenSearch would not take it."""
    archive.lease = 0.5
    found = events(range(4000))
    bad = [7, 1234, 3999]
    found[7]["message"] = "no JSON"
    for number in bad[1:]:
        found[number]["message"] = orjson.dumps(message(number, load="heavy")).decode()
    archive.put(cloudwatch(found))
    proxy.add(late(0.03))
    victim = Loaders(archive, proxy.url, s3_url).start()
    until_checkpoint(archive, 130)
    victim.kill()
    victim.join()
    resume = archive.rows()[0].resume
    proxy.clear()
    proxy.bulks.clear()
    archive.load(through).require_success()
    assert sum(proxy.bulks) <= 4000 - 10 * (resume - 1)
    archive.assert_done()
    archive.assert_loaded(number for number in range(4000) if number not in bad)
    assert sorted((letter.record, letter.reason) for letter in archive.letters()) == [
        (1, "unparsed"),
        (124, "rejected"),
        (400, "rejected"),
    ]


@pytest.mark.long
def test_without_ids_a_kill_doubles_no_more_than_one_request(archive: Archive, proxy: FaultyProxy, s3_url: str) -> None:
    """A time series collection of Serverless takes no ids: what was answered is written down before more is sent."""
    archive.lease = 0.5
    archive.put(cloudwatch(events(range(3000))))
    proxy.add(serverless_time_series, path="")
    proxy.add(answered_late(0.1))
    loaders = Loaders(archive, proxy.url, s3_url, ids=False)
    for kill in range(3):
        victim = loaders.start()
        until_checkpoint(archive, 50 * (kill + 1))
        time.sleep(0.05)
        victim.kill()
        victim.join()
    proxy.clear()
    archive.load(ids=False).require_success()
    archive.assert_done()
    stored = archive.stored()
    assert set(stored) == set(range(3000))
    assert 0 < stored.total() - 3000 <= 3 * max(proxy.bulks)


@pytest.mark.long
def test_the_same_range_by_two_runs_at_once(archive: Archive, proxy: FaultyProxy, through: OpenSearch) -> None:
    fill(archive)
    proxy.add(late(0.02))
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(archive.load, through) for _ in range(2)]
        results = [run.result(timeout=60) for run in runs]
    for result in results:
        result.require_success()
        assert len(result.rows) + len(result.skipped) == len(archive.objects)
    archive.assert_done()
    archive.assert_loaded(range(EVENTS))
    total = results[0].counts + results[1].counts
    assert (total.read, total.created, total.existed) == (EVENTS, EVENTS, 0)
    assert {row.attempt for row in archive.rows()} == {1}


def test_a_loader_that_comes_too_late_leaves_the_object_to_the_other(
    archive: Archive, proxy: FaultyProxy, through: OpenSearch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its ledger is away for longer than its lease, so another one takes over; both end well."""
    archive.lease = 1.2
    archive.put(cloudwatch(events(range(3000))))
    proxy.add(late(0.05))
    with FaultyProxy(proxy.url) as to_ledger, ThreadPoolExecutor(2) as pool:
        slow = build_client(ClientSettings.from_url(to_ledger.url, max_retries=0))
        first = pool.submit(archive.load, through, "first", archive.ledger_of(slow))
        until_checkpoint(archive)
        with to_ledger.away():
            time.sleep(1)
            second = pool.submit(archive.load, through, "second", archive.ledger_of(through))
            while archive.rows()[0].owner != "second":
                time.sleep(0.01)
        results = [run.result(timeout=60) for run in (first, second)]
    archive.assert_done()
    archive.assert_loaded(range(3000))
    assert [len(result.rows) for result in results] == [0, 1]
    assert [len(result.skipped) for result in results] == [1, 0]
    assert "Somebody else took over" in caplog.text


def test_an_interrupted_load_hands_its_objects_back(archive: Archive, proxy: FaultyProxy, through: OpenSearch) -> None:
    """Its leases last for half a minute, but the next run need not wait for that."""
    archive.put(cloudwatch(events(range(3000))))
    proxy.add(late(0.02))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "Meter", lambda *args: Interrupting(10))
        with pytest.raises(KeyboardInterrupt):
            archive.load(through)
    (row,) = archive.rows()
    assert (row.state, row.lease_until) == ("failed", 0)
    assert "interrupted" in row.error
    assert row.counts.balanced
    began = time.monotonic()
    archive.load().require_success()
    assert time.monotonic() - began < 10
    archive.assert_done()
    archive.assert_loaded(range(3000))


class Interrupting:
    """Ctrl-C at the tenth tick."""

    def __init__(self, ticks: int) -> None:
        self._left = ticks

    def leave_out(self, objects: int, size: int) -> None: ...

    def tick(self, *args: Any) -> float:
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt
        return 0.0


def test_who_waits_for_the_lease_of_another_machine_says_so_and_no_end(archive: Archive) -> None:
    listed = archive.put(ndjson(range(50)))
    archive.lease = 2
    (row,) = archive.ledger.claim([(listed.place, listed.size)], SPAN, "run-b/0").claimed
    archive.ledger.renew([replace(row, process="elsewhere/boot/pid:[1]/1/1")])
    archive.load(progress_every=0)
    waits = [progress for progress in archive.progress if progress.waiting]
    assert waits
    assert {progress.eta for progress in waits} == {None}
    assert re.fullmatch(
        r"waiting for 1 object that run-b/0 is loading; unless renewed, the last lease expires in [012] s",
        waits[0].waiting,
    )
    assert archive.progress[-1].waiting == ""
    archive.assert_loaded(range(50))
    archive.assert_done()
