"""What integration tests share."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.history.condense.engines import transform_job
from opensearch_strata.history.condense.engines.job_state import Patience
from tests.archives import Archive, s3_environment
from tests.jobs import DOCUMENTS
from tests.ledgers import ledger_index
from tests.shell import Shell
from tests.streams import Stream, StreamFactory
from tests.transform_api import TransformApi


@pytest.fixture
def shell(opensearch_url: str, make_stream: StreamFactory, tmp_path: Path) -> Iterator[Shell]:
    """``strata`` on the node, with no dataset yet."""
    made = Shell(opensearch_url, make_stream, tmp_path)
    yield made
    made.end()


@pytest.fixture
def api(opensearch_url: str) -> Iterator[TransformApi]:
    """The double of the transform API; a minute of a job's schedule lasts half a second."""
    with TransformApi(opensearch_url, minute=0.5) as double:
        yield double


@pytest.fixture
def has_plugin(request: pytest.FixtureRequest, client: OpenSearch) -> bool:
    """Whether a test that is marked ``index_management`` runs on the real plugin, where the node has it."""
    if request.node.get_closest_marker("index_management") is None:
        return False
    return any("index-management" in plugin["component"] for plugin in client.cat.plugins(format="json"))


@pytest.fixture
def cluster(opensearch_url: str, api: TransformApi, has_plugin: bool) -> Iterator[OpenSearch]:
    """A client of a cluster that has Index Management: the real one for marked tests, else as far as it can tell."""
    with OpenSearch(opensearch_url if has_plugin else api.url, timeout=60) as connection:
        yield connection


@pytest.fixture
def quick_jobs(monkeypatch: pytest.MonkeyPatch, has_plugin: bool) -> None:
    """Jobs start at once, are polled often, and have several pages; the real plugin takes its time to start."""
    monkeypatch.setattr(transform_job, "Patience", partial(Patience, poll=0.5 if has_plugin else 0.02))
    monkeypatch.setattr(transform_job, "_START_DELAY_MS", 1500 if has_plugin else 50)
    monkeypatch.setattr(transform_job, "PAGE_SIZE", 20)


@pytest.fixture
def filled(stream: Stream) -> Stream:
    """A raw day of ``DOCUMENTS`` documents that is not condensed yet."""
    stream.fill(count=DOCUMENTS)
    return stream


@pytest.fixture
def aws(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell finds S3 as the AWS CLI does."""
    for name, value in s3_environment(s3_url).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def archive(s3: Any, bucket: str) -> Archive:
    """An archive with nothing in it yet."""
    return Archive(s3, bucket)


@pytest.fixture(scope="module")
def ledger_name(client: OpenSearch) -> Iterator[str]:
    """The index of a ledger, for the tests of a module."""
    with ledger_index(client) as name:
        Ledger(client, "none", index=name).ensure()
        yield name


@pytest.fixture
def ledger(client: OpenSearch, stream: Stream, ledger_name: str) -> Ledger:
    """The ledger of a stream, with nothing in it yet."""
    return Ledger(client, stream.dataset.name, index=ledger_name)
