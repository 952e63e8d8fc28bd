"""What the tests of scripts on the node share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opensearchpy import OpenSearch


@pytest.fixture
def remote(client: OpenSearch) -> Iterator[str]:
    """The node as a cluster of its own peers: what it says is serialised, as between the nodes of one."""
    (node,) = client.nodes.info(metric="transport")["nodes"].values()
    setting = "cluster.remote.strata_peer.seeds"
    client.cluster.put_settings(body={"transient": {setting: [node["transport_address"]]}})
    yield "strata_peer"
    client.cluster.put_settings(body={"transient": {setting: None}})
