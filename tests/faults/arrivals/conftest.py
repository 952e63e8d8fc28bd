"""Queues with something in between, and patience that lasts as long as a test."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest

from opensearch_strata.archive.arrivals import queue
from opensearch_strata.archive.arrivals.queue import build_sqs
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.store.objects import build_s3
from opensearch_strata.workflows.arrivals import arrivals, follow
from tests.archives import s3_environment
from tests.faults.proxy import FaultyProxy


@pytest.fixture
def between(s3_url: str) -> Iterator[FaultyProxy]:
    """SQS and S3, behind whatever a test puts in between."""
    with FaultyProxy(s3_url) as proxy:
        yield proxy


@pytest.fixture
def sqs_between(between: FaultyProxy) -> Iterator[Any]:
    """A client of the queues through the proxy."""
    with patch.dict("os.environ", s3_environment(between.url)):
        connection = build_sqs("arn:aws:sqs:us-east-1:123456789012:any")
    yield connection
    connection.close()


@pytest.fixture
def s3_between(between: FaultyProxy) -> Iterator[Any]:
    """A client of S3 through the same proxy."""
    with patch.dict("os.environ", s3_environment(between.url)):
        connection = build_s3()
    yield connection
    connection.close()


@pytest.fixture(autouse=True)
def brief_visibility(monkeypatch: pytest.MonkeyPatch) -> None:
    """Visibility timeouts may be as short as a test wants them."""
    monkeypatch.setattr(queue, "_LEAST_VISIBILITY", 1)


def _brief_ledger(*args: Any, lease: float, **more: Any) -> Ledger:
    return Ledger(*args, lease=lease, patience=0.3, **more)


@pytest.fixture
def brief_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute of patience lasts as long as half a second."""
    monkeypatch.setattr(arrivals, "Ledger", partial(_brief_ledger, lease=2))
    monkeypatch.setattr(follow, "_FIRST_PAUSE", 0.2)
    monkeypatch.setattr(follow, "_LONGEST_PAUSE", 0.5)
