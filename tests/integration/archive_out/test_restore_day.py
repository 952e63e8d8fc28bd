"""A raw day to its archive, deleted, and back: the very same documents, mapping and settings, and the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.reconcile import BackfillProof
from opensearch_strata.connections.raw_hits import search_raw
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.backfill.verdict import verdict
from tests.archives import forget_ledger
from tests.integration.archive_out.test_archive_day import archived, fill_oddly
from tests.streams import DAY, Stream, StreamFactory


@pytest.fixture
def stream(client: OpenSearch, make_stream: StreamFactory, bucket: str) -> Iterator[Stream]:
    made = make_stream(archive={"bucket": bucket, "prefix": "days/"}, history={"group_by": ["device"]})
    made.types = {
        "@timestamp": "date", "device": "keyword", "site": "keyword", "temperature": "double", "load": "short",
        "text": {"type": "text"}, "other": {"type": "object", "enabled": False}, "parts": {"type": "nested"},
        "loose": {"type": "long", "ignore_malformed": True},
    }  # fmt: skip
    made.shards = 2
    yield made
    forget_ledger(client, made.dataset.name)


def restore(stream: Stream, s3: Any) -> BackfillProof:
    backfill, owner = Backfill(stream.client, stream.dataset, lambda: s3), f"test/{uuid4().hex}"
    ref = backfill.write(backfill.plan("archive", DAY, DAY))
    backfill.prepare(ref, owner)
    for number in range(ref.batches):
        backfill.load(ref, number, owner, settings=LoadSettings()).require_success()
    backfill.end(owner)
    proof = backfill.prove(ref)
    backfill.forget(ref)
    return proof


def documents(stream: Stream) -> dict[str, tuple[str | None, bytes]]:
    index = stream.dataset.raw_index(DAY)
    stream.client.indices.refresh(index=index)
    page = search_raw(stream.client, index, {"size": 10_000})
    return {hit.id: (hit.routing, bytes(hit.source)) for hit in page.hits}


def test_a_day_comes_back_as_it_was(stream: Stream, s3: Any) -> None:
    fill_oddly(stream)
    index = stream.dataset.raw_index(DAY)
    before = documents(stream)
    body = stream.client.indices.get(index=index, flat_settings=True)[index]
    archived(stream, s3)
    rows = stream.rows()
    stream.client.indices.delete(index=index)
    proof = restore(stream, s3)
    assert proof.holds, verdict(proof)
    assert documents(stream) == before
    back = stream.client.indices.get(index=index, flat_settings=True)[index]
    print(back)
    assert back["mappings"]["properties"] == body["mappings"]["properties"]
    assert prove(stream.client, stream.dataset, DAY, engine="search").state == "verified"
    print(stream.rows() == rows)
    assert 0
