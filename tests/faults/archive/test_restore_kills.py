"""A restore that is killed at any request, and the next one: every document once, byte for byte, settings and mark."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.export import parts
from opensearch_strata.archive.load.batch import LoadSettings
from tests.archives import forget_ledger, s3_environment
from tests.faults import loader
from tests.raw_archives import SETTINGS, archived, documents, fill_oddly, restore
from tests.streams import DAY, Stream, StreamFactory

SMALL: dict[str, Any] = {"in_flight": 2, "body_bytes": 30_000}
MOST = 400  # requests of a restore in these tests, with some to spare


@pytest.fixture
def stream(
    client: OpenSearch, make_stream: StreamFactory, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stream]:
    """A dataset with an archive whose objects are small."""
    monkeypatch.setattr(parts, "CHUNK_BYTES", 10_000)
    monkeypatch.setattr(parts, "OBJECT_BYTES", 30_000)
    made = make_stream(archive={"bucket": bucket, "prefix": "a/"})
    yield made
    forget_ledger(client, made.dataset.name)


def killed(stream: Stream, url: str, s3_url: str, last: int) -> bool:
    """Restore a day in a process that dies after so many requests; whether it came to its end before."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.faults.loader", "boto3", "opensearchpy"])
    job = {
        "environment": s3_environment(s3_url),
        "dataset": stream.dataset.model_dump(mode="json"),
        "url": url,
        "owner": f"killed/{uuid4().hex}",
        "day": DAY.isoformat(),
        "settings": SMALL,
    }
    process = processes.Process(target=loader.restore, args=(job, last), daemon=True)
    process.start()
    process.join(60)
    return process.exitcode == 0


def killed_at(stream: Stream, url: str, s3: Any, s3_url: str, numbers: range) -> int:
    """Kill a restore after each number of requests, and let the next one end; how many came to their end before."""
    index = fill_oddly(stream, count=200)
    sent = documents(stream.client, index)
    archived(stream, s3)
    ended = 0
    for last in numbers:
        stream.client.indices.delete(index=index, params={"ignore_unavailable": "true"})
        ended += killed(stream, url, s3_url, last)
        proof = restore(stream, s3, settings=LoadSettings(**SMALL))
        assert proof.holds, last
        assert documents(stream.client, index) == sent, last
        found = stream.client.indices.get(index=index, params={"flat_settings": "true"})[index]
        assert {name: found["settings"].get(name) for name in SETTINGS} == SETTINGS, last
        assert "loading" not in found["mappings"]["_meta"]["strata"], last
        assert found["mappings"]["_meta"]["strata"]["keep_until"], last
        if ended:
            break
    return ended


def test_a_restore_that_was_killed_is_finished_by_the_next_one(
    stream: Stream, opensearch_url: str, s3: Any, s3_url: str
) -> None:
    killed_at(stream, opensearch_url, s3, s3_url, range(8, 80, 14))


@pytest.mark.long  # some minutes
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_a_restore_is_killed_at_every_nth_request(
    stream: Stream, opensearch_url: str, s3: Any, s3_url: str, step: int
) -> None:
    assert killed_at(stream, opensearch_url, s3, s3_url, range(0, MOST, step)) == 1
