"""OpenSearch itself stopped and started while a load is under way: a node of its own, since others need theirs."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from local.places import server_folder
from local.server.opensearch import EmbeddedOpenSearch
from opensearch_strata.archive.backfill_proof import BackfillProof
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.workflows.backfill.backfill import Backfill
from tests.faults.archives import INTAKE, Archive, cloudwatch, events
from tests.faults.proxy import FaultyProxy
from tests.faults.rules import late
from tests.streams import DAY, Stream, dataset_of

EVENTS = 6000


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedOpenSearch]:
    """A small node whose data outlives a stop."""
    monkeypatch.setenv("OPENSEARCH_JAVA_OPTS", "-XX:TieredStopAtLevel=1")
    folder = Path(tempfile.mkdtemp(prefix="restarted-", dir=server_folder()))
    with EmbeddedOpenSearch(folder, heap="400m") as started:
        yield started
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.long
def test_a_load_outlives_a_restart_of_opensearch(node: EmbeddedOpenSearch, s3: Any, bucket: str) -> None:
    with FaultyProxy(node.url) as proxy, build_client(ClientSettings.from_url(proxy.url)) as client:
        proxy.add(late(0.1))
        stream = Stream(client, dataset_of("restarted", intake={**INTAKE, "source": f"s3://{bucket}/logs/"}))
        stream.create()
        archive = Archive(s3, bucket, stream, patience=120)
        archive.put(cloudwatch(events(range(EVENTS))))
        restarting = threading.Thread(target=restart_mid_load, args=(node, proxy))
        restarting.start()
        result = archive.load(patience=120)
        restarting.join()
        result.require_success()
        archive.assert_done()
        archive.assert_loaded(range(EVENTS))


@pytest.mark.long
def test_what_a_dying_node_forgot_is_loaded_again(node: EmbeddedOpenSearch, s3: Any, bucket: str) -> None:
    """A raw day that is not written to the disk at once loses operations at the end, as if they had never been."""
    with build_client(ClientSettings.from_url(node.url)) as client:
        stream = Stream(client, dataset_of("forgetful", intake={**INTAKE, "source": f"s3://{bucket}/logs/"}))
        raw = stream.dataset.raw_index(DAY)
        stream.create()
        careless = {"index.translog.durability": "async", "index.translog.sync_interval": "1h"}
        client.indices.put_settings(index=raw, body=careless)
        archive = Archive(s3, bucket, stream)
        archive.put(cloudwatch(events(range(100))))
        assert backfilled(client, stream, s3).holds
        client.indices.flush(index=raw)
        archive.put(cloudwatch(events(range(100, 150))))
        assert backfilled(client, stream, s3).holds
        node.kill()
        node.start()
        assert archive.stored() == Counter(range(100))
        plan = Backfill(client, stream.dataset, lambda: s3).plan(None, DAY, DAY)
        assert plan.again == {raw: "has fewer documents than were created"}
        assert backfilled(client, stream, s3).holds
        assert archive.stored() == Counter(range(150))


def backfilled(client: OpenSearch, stream: Stream, s3: Any) -> BackfillProof:
    """Load what is not loaded, by its plan, and prove it."""
    backfill = Backfill(client, stream.dataset, lambda: s3)
    ref = backfill.write(backfill.plan(None, DAY, DAY))
    backfill.prepare(ref, "test/run")
    for number in range(ref.batches):
        backfill.load(ref, number, "test/run", settings=LoadSettings()).require_success()
    backfill.end("test/run")
    return backfill.prove(ref)


def restart_mid_load(node: EmbeddedOpenSearch, proxy: FaultyProxy) -> None:
    """Once a good part of the load is there. The server has answered what it was asked, or it has not."""
    while sum(proxy.bulks) < EVENTS // 3:
        time.sleep(0.02)
    node.stop()
    node.start()
