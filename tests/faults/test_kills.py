"""Loaders that are killed, that run beside each other, and that come too late: every event is there once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.ledger_rows import Counts
from tests.faults.archives import QUICK, SPAN, Archive, cloudwatch, events, ndjson
from tests.faults.proxy import FaultyProxy
from tests.faults.rules import late, sometimes, cut_after
from tests.streams import StreamFactory

ROOT = Path(__file__).parents[2]
KILLS = 10
EVENTS = 8000


class Loaders:
    """Processes that load an archive through a proxy."""

    def __init__(self, archive: Archive, url: str, s3_url: str) -> None:
        settings = {"in_flight": 2, "body_bytes": 15_000, "patience": 30, "renew_every": 0.1}
        self._job = {
            "dataset": archive.dataset.model_dump(mode="json"),
            "url": url,
            "ledger": archive.ledger_index,
            "lease": archive.lease,
            "objects": [[list(one.place), one.size, one.modified] for one in archive.objects],
            "span": SPAN,
            "dead_letters": archive.dead_letters_url,
            "settings": settings,
        }
        login = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
        paths = f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"
        self._environment = {**os.environ, **login, "AWS_ENDPOINT_URL": s3_url, "PYTHONPATH": paths}

    def start(self) -> subprocess.Popen[str]:
        """A loader that has begun to load."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.loader"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment,
            cwd=ROOT,
        )
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(self._job))
        process.stdin.close()
        assert process.stdout.readline() == "begins\n"
        return process


@pytest.fixture
def short_leases(s3: Any, bucket: str, make_stream: StreamFactory) -> Archive:
    """An archive whose leases expire within a second."""
    from tests.faults.archives import INTAKE

    stream = make_stream(intake={**INTAKE, "source": f"s3://{bucket}/logs/"})
    stream.create()
    return Archive(s3, bucket, stream, lease=0.8)


def fill(archive: Archive) -> None:
    quarter = EVENTS // 4
    archive.put(cloudwatch(events(range(quarter))))
    archive.put(ndjson(range(quarter, 2 * quarter)))
    archive.put(cloudwatch(events(range(2 * quarter, 3 * quarter)), per_record=150))
    for start in range(3 * quarter, EVENTS, 100):
        archive.put(ndjson(range(start, start + 100)))


def test_ten_kills_at_random_moments_and_a_resume(short_leases: Archive, proxy: FaultyProxy, s3_url: str):
    archive = short_leases
    fill(archive)
    proxy.add(late(0.05))
    loaders = Loaders(archive, proxy.url, s3_url)
    rng = random.Random(2013)
    in_the_middle = 0
    for _ in range(KILLS):
        loader = loaders.start()
        time.sleep(rng.uniform(0, 0.8))
        loader.kill()
        in_the_middle += loader.wait() == -9
    assert in_the_middle == KILLS, "some loaders were done before they were killed"
    stored = len(archive.stored())
    assert 0 < stored < EVENTS
    proxy.clear()
    last = loaders.start()
    out, problems = last.communicate(timeout=60)
    assert last.returncode == 0, problems
    archive.assert_done()
    archive.assert_loaded(range(EVENTS))
    rows = archive.rows()
    assert sum((row.counts for row in rows), Counts()).read == EVENTS
    assert max(row.attempt for row in rows) > 2


def test_a_resumed_object_goes_on_from_its_checkpoint(short_leases: Archive, proxy: FaultyProxy, s3_url: str):
    archive = short_leases
    archive.put(cloudwatch(events(range(4000))))
    proxy.add(late(0.03))
    loader = Loaders(archive, proxy.url, s3_url).start()
    (place,) = [listed.place for listed in archive.objects]
    while not (row := archive.ledger.rows([place]).get(place)) or row.resume < 30:
        time.sleep(0.02)
    loader.kill()
    loader.wait()
    resume = archive.rows()[0].resume
    proxy.clear()
    proxy.bulks.clear()
    archive.load()
    archive.assert_loaded(range(4000))
    row = archive.rows()[0]
    assert row.counts.read == 4000
    assert row.attempt == 2
    assert row.counts.existed < 4000 - 10 * resume


def test_the_same_range_by_two_runs_at_once(archive: Archive, proxy: FaultyProxy, through: OpenSearch):
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


def test_a_loader_that_comes_too_late_leaves_the_object_to_the_other(short_leases: Archive, proxy, through, caplog):
    """Its ledger is away for longer than its lease, so another one takes over; both end well."""
    archive = short_leases
    archive.put(cloudwatch(events(range(3000))))
    proxy.add(late(0.05))
    with FaultyProxy(proxy.url) as to_ledger, ThreadPoolExecutor(2) as pool:
        from opensearch_strata.client import ClientSettings, build_client

        slow = build_client(ClientSettings.from_url(to_ledger.url, max_retries=0))
        first = pool.submit(archive.load, through, "first", archive.ledger_of(slow))
        while not archive.ledger.rows([archive.objects[0].place]):
            time.sleep(0.01)
        with to_ledger.away():
            time.sleep(1)
            second = pool.submit(archive.load, through, "second")
            while archive.rows()[0].owner != "second":
                time.sleep(0.01)
        results = [run.result(timeout=60) for run in (first, second)]
    archive.assert_done()
    archive.assert_loaded(range(3000))
    assert [len(result.rows) for result in results] == [0, 1]
    assert [len(result.skipped) for result in results] == [1, 0]
    assert "somebody else took over" in caplog.text


def test_an_interrupted_load_hands_its_objects_back(archive: Archive, proxy, through):
    """Its leases last for half a minute, but the next run need not wait for that."""
    archive.put(cloudwatch(events(range(3000))))
    proxy.add(late(0.02))
    count = 0

    def interrupt(progress: Any) -> None:
        raise KeyboardInterrupt

    from opensearch_strata.archive import load

    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "Meter", lambda *args: Interrupting(10))
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
