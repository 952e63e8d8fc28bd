"""A day's transform job, as tests look at it."""

from __future__ import annotations

import time
from typing import Any

from opensearchpy import NotFoundError, OpenSearch

from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.condense.engines.base import EngineRun
from opensearch_strata.history.condense.engines.job_state import JobState, Patience
from opensearch_strata.history.condense.engines.transform_job import read_state
from opensearch_strata.history.month.index import ensure_month
from opensearch_strata.history.raw_day.inspection import RawDay, inspect_raw_day
from opensearch_strata.history.verify.verify import verify
from tests.streams import DAY, Stream

DOCUMENTS = 120
"""How many documents the raw day of the fixture ``filled`` has."""


def condense_day(cluster: OpenSearch, stream: Stream, **options: Any) -> EngineRun:
    run = condense(cluster, stream.dataset, DAY, engine="transform_job", **options)
    assert run is not None
    return run


def raw_of(cluster: OpenSearch, stream: Stream) -> RawDay:
    """The raw day, with a month index that can take its rows."""
    raw = inspect_raw_day(cluster, stream.dataset, DAY)
    assert raw is not None
    ensure_month(cluster, stream.dataset, DAY, raw.types)
    return raw


def job(cluster: OpenSearch, stream: Stream) -> dict[str, Any] | None:
    """The day's job document, None if there is none."""
    try:
        return dict(cluster.plugins.transforms.get(id=stream.dataset.transform_id(DAY))["transform"])
    except NotFoundError:
        return None


def state(cluster: OpenSearch, stream: Stream) -> JobState:
    return read_state(cluster, stream.dataset.transform_id(DAY), int(time.time() * 1000), Patience())


def wait_until_over(cluster: OpenSearch, stream: Stream) -> None:
    deadline = time.monotonic() + 10
    while not state(cluster, stream).over:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def assert_exact(cluster: OpenSearch, stream: Stream, documents: int) -> None:
    """Every document is in the rows, and no job is left."""
    proof = verify(cluster, stream.dataset, DAY)
    assert (proof.state, proof.failed, proof.genuine_documents) == ("verified", [], documents)
    assert job(cluster, stream) is None
