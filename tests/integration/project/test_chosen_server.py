"""Which server the other tests ran on."""

from __future__ import annotations

import os

import pytest
from opensearchpy import OpenSearch

from local.server.releases import chosen_release

pytestmark = pytest.mark.versions


@pytest.mark.skipif("OPENSEARCH_URL" in os.environ, reason="a cluster that is not ours")
def test_the_node_is_the_release_that_was_chosen(client: OpenSearch) -> None:
    assert client.info()["version"]["number"] == chosen_release().version
