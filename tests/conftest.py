"""The OpenSearch node that all tests share, and datasets that belong to one test each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from moto.server import ThreadedMotoServer
from opensearchpy import OpenSearch

from local.server.opensearch import EmbeddedOpenSearch
from opensearch_strata.archive.store.objects import build_s3
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from tests.archives import s3_environment
from tests.faults.proxy import FaultyProxy
from tests.servers import airflow_home  # noqa: F401 - before anything imports Airflow
from tests.streams import Stream, StreamFactory, dataset_of, delete_indices

if TYPE_CHECKING:
    from opensearch_strata.archive.ledger.store import Ledger
    from tests.arrivals import Inflow, Queues
    from tests.stores import Store

# The machine may be busy with other tests: how long an example takes says nothing about the code.
settings.register_profile("strata", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("strata")


ORDER = ["unit", "ui", "integration", "faults", "dags", "system"]
WITH_AIRFLOW = ("dags", "system")
CORE = ("unit", "ui", "integration")
ABOUT_S3 = ("archive", "archive_out", "arrivals", "aws_lambda", "backfill", "history_copy", "pipeline")
"""Folders of tests/integration that are about S3 and SQS, and so not part of `make test`."""
ONE_BY_ONE = ("tests/faults/cluster/test_deciding_requests.py",)


@pytest.hookimpl(tryfirst=True)  # before markers select
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the quick first, so that no Airflow idles beside them; of several processes, one begins with Airflow.

    Of the tests that take long, those with faults take longest, and come first. What `make test` runs is marked
    ``core``.
    """
    several = hasattr(config, "workerinput")

    def place(item: pytest.Item) -> tuple[bool, bool, int]:
        kind = item.path.relative_to(Path(__file__).parent).parts[0]
        longest = kind == "faults" and item.get_closest_marker("long") is not None
        return several and kind not in WITH_AIRFLOW, not longest, ORDER.index(kind)

    items.sort(key=place)
    for item in items:
        kind, folder, *_ = item.path.relative_to(Path(__file__).parent).parts
        is_long = any(item.get_closest_marker(name) for name in ("long", "exhaustive", "mwaa"))
        if kind in CORE and not (kind == "integration" and folder in ABOUT_S3) and not is_long:
            item.add_marker("core")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """One process takes everything with Airflow, of which there is one, the others the rest, file by file.

    Cases that take minutes each, and would keep one process busy long after the others, are taken one by one.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            if file in ONE_BY_ONE:
                return nodeid
            return "airflow" if file.split("/")[1] in WITH_AIRFLOW else file

    return ByFile(config, log)


@pytest.fixture(scope="session")
def opensearch_url() -> Iterator[str]:
    """URL of a real OpenSearch: ``OPENSEARCH_URL`` if it is set, else a node of our own on a free port."""
    if url := os.environ.get("OPENSEARCH_URL"):
        yield url
        return
    with ExitStack() as until_the_end:
        # Java's first compiler alone: a node that lives for minutes does not earn back the work of the second.
        with patch.dict(os.environ, {"OPENSEARCH_JAVA_OPTS": "-XX:TieredStopAtLevel=1"}):
            node = until_the_end.enter_context(EmbeddedOpenSearch())
        yield node.url


@pytest.fixture(scope="session")
def client(opensearch_url: str) -> Iterator[OpenSearch]:
    """A client as the project builds it."""
    connection = build_client(ClientSettings.from_url(opensearch_url))
    yield connection
    connection.close()


@pytest.fixture
def proxy(opensearch_url: str) -> Iterator[FaultyProxy]:
    """OpenSearch, behind whatever a test puts in between."""
    with FaultyProxy(opensearch_url) as between:
        yield between


@pytest.fixture
def through(proxy: FaultyProxy) -> Iterator[OpenSearch]:
    """A client as the project builds it, through the proxy."""
    with build_client(ClientSettings.from_url(proxy.url, timeout=20)) as connection:
        yield connection


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """URL of an S3 that all tests share; any login will do."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture(scope="session")
def s3(s3_url: str) -> Iterator[Any]:
    """A client as the shell builds it."""
    with patch.dict(os.environ, s3_environment(s3_url)):
        connection = build_s3()
    yield connection
    connection.close()


@pytest.fixture
def bucket(s3: Any) -> Iterator[str]:
    """An empty bucket of one test."""
    name = f"t{uuid4().hex}"
    s3.create_bucket(Bucket=name)
    yield name
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        if there := [{"Key": found["Key"]} for found in page.get("Contents", [])]:
            s3.delete_objects(Bucket=name, Delete={"Objects": there})
    s3.delete_bucket(Bucket=name)


@pytest.fixture(scope="session")
def sqs(s3_url: str) -> Iterator[Any]:
    """A client of the queues, as the shell builds it."""
    from opensearch_strata.archive.arrivals.queue import build_sqs

    with patch.dict(os.environ, s3_environment(s3_url)):
        connection = build_sqs("arn:aws:sqs:us-east-1:123456789012:any")
    yield connection
    connection.close()


@pytest.fixture
def queues(sqs: Any) -> Iterator[Queues]:
    """A queue of one test, and its dead-letter queue."""
    from tests.arrivals import Queues

    made = Queues(sqs, f"t{uuid4().hex}")
    yield made
    made.delete()


@pytest.fixture
def inflow(s3: Any, bucket: str, queues: Queues, make_stream: StreamFactory) -> Iterator[Inflow]:
    """A bucket that tells the queue of a dataset what is put into it."""
    from tests.arrivals import ALL_DAYS, Inflow
    from tests.faults.archives import INTAKE

    intake = {**INTAKE, "source": f"s3://{bucket}/logs/", "queue": queues.arn}
    stream = make_stream(raw={"window_days": ALL_DAYS}, intake=intake)
    queues.notify(s3, bucket)
    made = Inflow(s3, bucket, stream, queues)
    yield made
    made.forget_ledger()


@pytest.fixture(scope="module")
def make_stream(client: OpenSearch) -> Iterator[StreamFactory]:
    """Make a :class:`Stream` of a dataset with names of its own; its indices are deleted after the module.

    Keyword arguments replace top-level keys of the definition, see :func:`tests.streams.dataset_of`.
    """
    module = f"t{uuid4().hex[:8]}"
    numbers = count(100)  # of one width: the names of one dataset must not be the beginning of another's

    def make(types: dict[str, Any] | None = None, shards: int = 1, **definition: Any) -> Stream:
        return Stream(client, dataset_of(f"{module}n{next(numbers)}", **definition), types, shards)

    yield make
    delete_indices(client, f"{module}n*")


@pytest.fixture(scope="module")
def shop_ledger(client: OpenSearch) -> Iterator[Ledger]:
    """A ledger of an index of its own."""
    from opensearch_strata.archive.ledger.store import Ledger
    from tests.ledgers import ledger_index

    with ledger_index(client) as index:
        made = Ledger(client, "shop", index=index, patience=5)
        made.ensure()
        yield made


@pytest.fixture
def store(s3: Any, client: OpenSearch, shop_ledger: Ledger, bucket: str) -> Store:
    """An empty source of one test, and plans of it."""
    from tests.stores import Store

    return Store(s3, client, shop_ledger, bucket)


@pytest.fixture
def stream(make_stream: StreamFactory) -> Stream:
    """A stream with nothing in it yet."""
    return make_stream()
