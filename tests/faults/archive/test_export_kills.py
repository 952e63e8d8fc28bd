"""An export that dies at any request, and the next one: one manifest, whole, nothing twice, nothing left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import pytest
import zstandard
from opensearchpy import OpenSearch

from opensearch_strata.archive.export import parts
from opensearch_strata.archive.lines import document_of
from opensearch_strata.archive.store.manifest import NAME, Manifest
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.history.verify.proof import Proof
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.workflows.archiving import ArchivedDay, archive_day
from tests.streams import DAY, Stream, StreamFactory


class Killed(BaseException):
    """The process is gone: no request of it comes back any more."""


class Deadline:
    """Lets requests pass until one is the last.

    :param last: number of requests that pass; None: all of them
    """

    def __init__(self, last: int | None) -> None:
        self.requests: list[str] = []
        self._last, self._guard = last, RLock()

    def pass_by(self, name: str) -> None:
        with self._guard:
            self.requests.append(name)
            if self._last is not None and len(self.requests) > self._last:
                raise Killed


@contextmanager
def dying(url: str, s3: Any, last: int | None) -> Iterator[tuple[OpenSearch, Deadline]]:
    """A client of OpenSearch; it and S3 let so many requests pass, whatever else is tried after that."""
    deadline = Deadline(last)

    def of_s3(model: Any, **_: Any) -> None:
        deadline.pass_by(f"S3 {model.name}")

    with build_client(ClientSettings.from_url(url, max_retries=0)) as client:
        real = client.transport.perform_request

        def perform(method: str, path: str, **options: Any) -> Any:
            deadline.pass_by(f"{method} {path}")
            return real(method, path, **options)

        client.transport.perform_request = perform
        s3.meta.events.register_first("before-call.s3", of_s3, unique_id="dying")
        try:
            yield client, deadline
        finally:
            s3.meta.events.unregister("before-call.s3", of_s3, unique_id="dying")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "CHUNK_BYTES", 4_000)
    monkeypatch.setattr(parts, "OBJECT_BYTES", 8_000)


@pytest.fixture
def stream(make_stream: StreamFactory, bucket: str) -> Stream:
    return make_stream(archive={"bucket": bucket, "prefix": "a/"})


def exported(stream: Stream, url: str, s3: Any, proof: Proof, last: int | None = None) -> tuple[ArchivedDay, list[str]]:
    with dying(url, s3, last) as (client, deadline):
        return archive_day(client, s3, stream.dataset, proof), deadline.requests


def require_sound(s3: Any, bucket: str, identities: set[str]) -> None:
    """One manifest that names all objects, which hold each document once; no upload is left."""
    listed = {found["Key"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}
    manifest = Manifest.model_validate_json(s3.get_object(Bucket=bucket, Key=f"a/dt={DAY}/{NAME}")["Body"].read())
    assert {key for key in listed if "/part-" in key} == {one.key for one in manifest.objects}
    found: list[str] = []
    for one in manifest.objects:
        body = s3.get_object(Bucket=bucket, Key=one.key)["Body"].read()
        text = zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True).read()
        found += [document_of(line)[0] for line in text.splitlines()]
    assert len(found) == len(identities)
    assert set(found) == identities
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")


def identities_of(stream: Stream) -> set[str]:
    body = {"size": 1000, "_source": False}
    return {hit["_id"] for hit in stream.client.search(index=stream.dataset.raw_index(DAY), body=body)["hits"]["hits"]}


def killed_anywhere(stream: Stream, url: str, s3: Any, bucket: str, step: Callable[[int], range]) -> None:
    """Kill an export after each number of requests, then let the next one run to its end."""
    stream.condensed(DAY)
    proof = verify(stream.client, stream.dataset, DAY)
    identities = identities_of(stream)
    _, requests = exported(stream, url, s3, proof)
    require_sound(s3, bucket, identities)
    ends = step(len(requests))
    survived = 0  # where the first one had waited for something once more
    for last in ends:
        for found in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=found["Key"])
        try:
            exported(stream, url, s3, proof, last)
            survived += 1
        except Killed:
            pass
        exported(stream, url, s3, proof)
        require_sound(s3, bucket, identities)
    assert survived <= len(ends) // 10


def test_an_export_that_dies_is_made_good_by_the_next_one(
    stream: Stream, opensearch_url: str, s3: Any, bucket: str
) -> None:
    killed_anywhere(stream, opensearch_url, s3, bucket, lambda count: range(1, count, max(1, count // 12)))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_an_export_that_dies_at_any_request_is_made_good(
    stream: Stream, opensearch_url: str, s3: Any, bucket: str
) -> None:
    killed_anywhere(stream, opensearch_url, s3, bucket, lambda count: range(1, count))


def test_a_later_generation_that_dies_leaves_the_former_one_or_is_made_good(
    stream: Stream, opensearch_url: str, s3: Any, bucket: str
) -> None:
    stream.condensed(DAY)
    proof = verify(stream.client, stream.dataset, DAY)
    exported(stream, opensearch_url, s3, proof)
    former = identities_of(stream)
    stream.fill(DAY, count=5, seed=4)
    stream.condense(DAY)
    proof, both = verify(stream.client, stream.dataset, DAY), identities_of(stream)
    for last in range(1, 60, 4):
        try:
            exported(stream, opensearch_url, s3, proof, last)
        except Killed:
            there = s3.get_object(Bucket=bucket, Key=f"a/dt={DAY}/{NAME}")["Body"].read()
            manifest = Manifest.model_validate_json(there)
            assert manifest.documents in (len(former), len(both))
            for one in manifest.objects:
                assert s3.head_object(Bucket=bucket, Key=one.key)["ETag"].strip('"') == one.etag
    exported(stream, opensearch_url, s3, proof)
    require_sound(s3, bucket, both)
