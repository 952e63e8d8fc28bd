"""A month of an older OpenSearch gets the index format of the newer one that its data was moved to."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.places import server_folder
from local.server.opensearch import EmbeddedOpenSearch
from local.server.releases import OLDEST, USUAL
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.history.copy.rewrite import rewrite_month
from tests.copies import METRICS, TYPES, proven_days, rows_in
from tests.streams import DAY, Stream, dataset_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]  # two nodes are started, one after the other


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where both nodes keep their data."""
    made = Path(tempfile.mkdtemp(prefix="moved-", dir=server_folder()))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_a_rewrite_gives_a_month_the_format_of_the_server_that_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = {"group_by": ["device", "address", "on", "version"]}
    dataset = dataset_of("plant", history=history, metrics=METRICS, raw={"fields": {"load": "short"}})
    month = dataset.month_index(DAY)
    monkeypatch.setenv("OPENSEARCH_VERSION", OLDEST)
    with EmbeddedOpenSearch(folder) as node, build_client(ClientSettings.from_url(node.url)) as client:
        proven_days(Stream(client, dataset, TYPES), 2, keep_raw=False)
        before = rows_in(client, month)
    monkeypatch.setenv("OPENSEARCH_VERSION", USUAL)
    with EmbeddedOpenSearch(folder) as node, build_client(ClientSettings.from_url(node.url)) as client:
        assert rows_in(client, month) == before
        looked: Any = rewrite_month(client, dataset, DAY, apply=False)
        assert looked.before.release == OLDEST
        done: Any = rewrite_month(client, dataset, DAY, apply=True)
        assert (done.before.release, done.after.release) == (OLDEST, USUAL)
        assert rows_in(client, month) == before
