"""A dataset to audit."""

from __future__ import annotations

from typing import Any

import pytest

from opensearch_strata.history.levels.prove import prove
from opensearch_strata.workflows.history_copy.export import export_days
from tests.audits import COUNT, KEPT, NEWEST, OLD, archived
from tests.streams import Stream, StreamFactory


@pytest.fixture
def sound(make_stream: StreamFactory, s3: Any, bucket: str) -> Stream:
    """Three archived days and two raw ones, with nothing wrong about any; without levels, which cost most of it."""
    return _sound(make_stream, s3, bucket, history={"levels": []})


@pytest.fixture
def levelled(make_stream: StreamFactory, s3: Any, bucket: str) -> Stream:
    """The same with levels."""
    return _sound(make_stream, s3, bucket)


def _sound(make_stream: StreamFactory, s3: Any, bucket: str, **parts: Any) -> Stream:
    stream = make_stream(archive={"bucket": bucket, "prefix": "a/"}, raw={"window_days": 2}, **parts)
    for day in OLD:
        archived(stream, s3, day)
    for day in KEPT:
        stream.fill(day, count=COUNT)
        prove(stream.client, stream.dataset, day, engine="search")
    assert {one.outcome for one in export_days(stream.client, s3, stream.dataset, OLD[0], NEWEST)} == {"written"}
    return stream
