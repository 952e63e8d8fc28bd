"""What the disks of a cluster have room for, and how often documents are held."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.targets import disk
from opensearch_strata.definition.dataset import Dataset
from tests.servers.recording_server import Answer, serving
from tests.stores import DAY
from tests.streams import dataset_of


def test_room_on_the_disks(client: OpenSearch) -> None:
    there = next(iter(client.nodes.stats(metric="fs")["nodes"].values()))["fs"]["total"]
    free = disk.free_below_watermark(client)
    assert free == pytest.approx(there["available_in_bytes"], rel=0.05)


STATS = {
    "nodes": {
        "a": {"roles": ["data", "ingest"], "fs": {"total": {"total_in_bytes": 1000, "available_in_bytes": 600}}},
        "b": {"roles": ["data"], "fs": {"total": {"total_in_bytes": 1000, "available_in_bytes": 50}}},
        "c": {"roles": ["cluster_manager"], "fs": {"total": {"total_in_bytes": 9000, "available_in_bytes": 9000}}},
    }
}
WATERMARK = "cluster.routing.allocation.disk.watermark.high"
WATCHED = "cluster.routing.allocation.disk.threshold_enabled"


@pytest.mark.parametrize(
    ("settings", "free"),
    [
        ({"defaults": {WATERMARK: "90%", WATCHED: "true"}}, 500),
        ({"defaults": {WATERMARK: "90%"}, "persistent": {WATERMARK: "80%"}}, 400),
        ({"defaults": {WATERMARK: "90%"}, "persistent": {WATERMARK: "80%"}, "transient": {WATERMARK: "30b"}}, 590),
        ({"defaults": {WATERMARK: "90%", WATCHED: "false"}}, 650),
    ],
)
def test_only_data_nodes_below_the_high_watermark_count(settings: dict[str, Any], free: int) -> None:
    with serving(Answer(200, STATS), Answer(200, settings)) as server, OpenSearch(server.url) as cluster:
        assert disk.free_below_watermark(cluster) == free


@pytest.mark.parametrize(
    ("nodes", "settings", "expected"),
    [
        (1, {"index.number_of_replicas": "1"}, 1),
        (2, {"index.number_of_replicas": "1"}, 2),
        (3, {"index.number_of_replicas": "2"}, 3),
        (3, {"index.number_of_replicas": "0"}, 1),
        (3, {"index.number_of_replicas": "0", "index.auto_expand_replicas": "0-1"}, 2),
        (3, {"index.number_of_replicas": "0", "index.auto_expand_replicas": "0-all"}, 3),
        (3, {"index.number_of_replicas": "1", "index.auto_expand_replicas": "false"}, 2),
    ],
)
def test_copies_of_raw_days_that_exist(nodes: int, settings: dict[str, str], expected: int) -> None:
    found = {
        "shop-2024.05.01": {"settings": settings},
        "shop-other": {"settings": {"index.number_of_replicas": "2"}},
    }
    with (
        serving(Answer(200, {"number_of_data_nodes": nodes}), Answer(200, found)) as server,
        OpenSearch(server.url) as cluster,
    ):
        assert disk.copies(cluster, dataset_of("shop"), "shop-2024.05.06") == expected


def test_copies_by_the_template_of_raw_days_to_come(client: OpenSearch) -> None:
    name = f"t{uuid4().hex[:8]}"
    dataset: Dataset = dataset_of(name)
    body = {"index_patterns": [f"{name}-*"], "template": {"settings": {"number_of_replicas": 2}}, "priority": 600}
    health = {"number_of_data_nodes": 4}
    with patch.object(type(client.cluster), "health", return_value=health):
        assert disk.copies(client, dataset, dataset.raw_index(DAY)) == 2
        client.indices.put_index_template(name=name, body=body)
        try:
            assert disk.copies(client, dataset, dataset.raw_index(DAY)) == 3
        finally:
            client.indices.delete_index_template(name=name)
