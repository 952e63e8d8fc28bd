"""Two real nodes: copies that lag behind their primary, and nodes that die at the worst moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from opensearchpy import OpenSearch

from local.server.cluster import EmbeddedCluster
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.month.rows_of_day import carried
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.workflows.cycle import Retirement, retire_expired
from opensearch_strata.workflows.expired import Expired
from tests.streams import Stream, dataset_of, measurements

DAY = date(2024, 5, 6)
TODAY = DAY + timedelta(days=90)

pytestmark = pytest.mark.long  # each starts two nodes


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with patch.dict("os.environ", OPENSEARCH_JAVA_OPTS="-XX:TieredStopAtLevel=1"), EmbeddedCluster(2) as started:
        yield started


@pytest.fixture(scope="module")
def nodes(cluster: EmbeddedCluster) -> Iterator[list[OpenSearch]]:
    """A client of each node; a node searches the copy of its own where it may."""
    clients = [build_client(ClientSettings.from_url(node.url)) for node in cluster.nodes]
    yield clients
    for client in clients:
        client.close()


@pytest.fixture
def name() -> str:
    return f"n{uuid4().hex[:8]}"


@pytest.fixture
def slow_copies(nodes: list[OpenSearch]) -> Iterator[Any]:
    """A switch: from then on segments travel to replicas slowly, as in a busy network or behind a large merge."""

    def throttle(rate: str | None) -> None:
        nodes[0].cluster.put_settings(body={"persistent": {"indices.replication.max_bytes_per_sec": rate}})

    yield lambda: throttle("1kb")
    throttle(None)


def replicated(client: OpenSearch, name: str, **raw: str) -> Stream:
    """A stream whose raw day and month have a primary on node-1 and a replica on node-0."""
    stream = Stream(client, dataset_of(name, history={"replicas": 1}))
    settings = {"index.number_of_replicas": 1, **raw}
    properties = {field: {"type": kind} for field, kind in stream.types.items()}
    client.indices.create(
        index=stream.dataset.raw_index(DAY), body={"settings": settings, "mappings": {"properties": properties}}
    )
    healthy(client, stream.dataset.raw_index(DAY))
    return stream


def healthy(client: OpenSearch, index: str, status: str = "green") -> None:
    client.cluster.health(index=index, params={"wait_for_status": status})


def replica_holder(nodes: list[OpenSearch], index: str) -> OpenSearch:
    """The client of the node that holds the replica."""
    (node,) = [shard["node"] for shard in nodes[0].cat.shards(index=index, format="json") if shard["prirep"] == "r"]
    return nodes[int(node.removeprefix("node-"))]


def seen_by(client: OpenSearch, index: str, preference: str) -> int:
    params = {"preference": preference}
    return int(
        client.search(index=index, body={"size": 0, "track_total_hits": True}, params=params)["hits"]["total"]["value"]
    )


def retired(client: OpenSearch, stream: Stream) -> Retirement:
    expired = Expired({stream.dataset.raw_index(DAY): DAY})
    (lot,) = retire_expired(client, stream.dataset, expired, TODAY, apply=True)
    return lot


def test_a_copy_that_lags_is_not_believed(nodes: list[OpenSearch], name: str, slow_copies: Any) -> None:
    stream = replicated(nodes[0], name, **{"index.replication.type": "SEGMENT"})
    index = stream.dataset.raw_index(DAY)
    stream.write(measurements(count=300))
    condense(nodes[0], stream.dataset, DAY)
    slow_copies()
    stream.write(measurements(count=3000, seed=1))
    reader = replica_holder(nodes, index)
    assert seen_by(reader, index, "_primary") == 3300
    assert seen_by(reader, index, "_replica") < 3300, "the copy must lag for this test to say anything"
    lot = retired(reader, stream)
    assert lot.outcome == "deleted", lot.note
    assert carried(nodes[0], stream.dataset, DAY).documents == 3300


def test_rows_that_only_a_lagging_copy_still_has_prove_nothing(
    nodes: list[OpenSearch], name: str, slow_copies: Any
) -> None:
    template = {
        "index_patterns": [f"{name}-history-*"],
        "template": {"settings": {"index.replication.type": "SEGMENT"}},
    }
    nodes[0].indices.put_index_template(name=name, body=template)
    try:
        stream = replicated(nodes[0], name)
        stream.write(measurements(count=600))
        condense(nodes[0], stream.dataset, DAY)
        month = stream.dataset.month_index(DAY)
        healthy(nodes[0], month)
        reader = replica_holder(nodes, month)
        assert verify(reader, stream.dataset, DAY).state == "verified"
        time.sleep(1)
        slow_copies()
        query = {"query": {"term": {"device": "d1"}}}
        nodes[0].delete_by_query(index=month, body=query, params={"refresh": "true"})
        # Rows that are large enough for the copy to take long, of another dataset's day.
        filler = [{"index": {}}, {"transform._id": "other", "device": "x" * 900}] * 500
        nodes[0].bulk(index=month, body=filler, params={"refresh": "true"})
        nodes[0].delete_by_query(index=month, body={"query": {"term": {"transform._id": "other"}}})
        assert seen_by(reader, month, "_replica") != seen_by(reader, month, "_primary")
        assert verify(reader, stream.dataset, DAY).state == "differs"
    finally:
        nodes[0].indices.delete_index_template(name=name)


def test_a_primary_that_dies_loses_nothing(cluster: EmbeddedCluster, nodes: list[OpenSearch], name: str) -> None:
    stream = replicated(nodes[0], name)
    index, month = stream.dataset.raw_index(DAY), stream.dataset.month_index(DAY)
    stream.write(measurements(count=600))
    condense(nodes[0], stream.dataset, DAY)
    healthy(nodes[0], month)
    cluster.nodes[1].kill()
    try:
        lot = retired(nodes[0], stream)  # the month has one copy less than it should have
        assert lot.outcome == "kept"
        assert stream.exists()
    finally:
        cluster.nodes[1].start()
    healthy(nodes[0], index)
    healthy(nodes[0], month)
    assert retired(nodes[0], stream).outcome == "deleted"
    assert carried(nodes[0], stream.dataset, DAY).documents == 600
