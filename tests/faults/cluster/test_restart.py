"""OpenSearch itself stopped and started while a load is under way: a node of its own, since others need theirs."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.places import server_folder
from local.server.opensearch import EmbeddedOpenSearch
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from tests.faults.archives import INTAKE, Archive, cloudwatch, events
from tests.faults.proxy import FaultyProxy
from tests.faults.rules import late
from tests.streams import Stream, dataset_of

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


def restart_mid_load(node: EmbeddedOpenSearch, proxy: FaultyProxy) -> None:
    """Once a good part of the load is there. The server has answered what it was asked, or it has not."""
    while sum(proxy.bulks) < EVENTS // 3:
        time.sleep(0.02)
    node.stop()
    node.start()
