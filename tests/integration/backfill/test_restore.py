"""A raw day of an archive of our own, with its manifest, back into OpenSearch by the steps of a backfill."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import timedelta

import orjson
import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.lines import line_of
from opensearch_strata.archive.store.manifest import NAME, Manifest, Measure
from opensearch_strata.workflows.backfill.verdict import verdict
from tests.archives import Archive, backfilled, forget_ledger, held, intake_of, same
from tests.integration.backfill.test_backfill import plan
from tests.streams import DAY, TYPES, Document, Stream, StreamFactory, measurements


@pytest.fixture
def target(client: OpenSearch, make_stream: StreamFactory, archive: Archive) -> Iterator[Stream]:
    """The dataset that the archive belongs to; no raw day is there yet."""
    intake = intake_of(
        archive.bucket, source=f"s3://{archive.bucket}/raw/", layout="%Y.%m.%d/", max_clock_lead="0m", max_lateness="0m"
    )
    stream = make_stream(intake=intake, raw={"fields": TYPES})
    yield stream
    forget_ledger(client, stream.dataset.name)


def write(archive: Archive, documents: list[Document]) -> list[str]:
    """The day in three objects and a manifest; the keys of the objects."""
    parts = []
    for number in range(3):
        numbers = range(number, len(documents), 3)
        content = b"".join(line_of(f"{n}", orjson.dumps(documents[n])) for n in numbers)
        measure = Measure()
        measure.add(content)
        parts.append(measure.archived(f"raw/{DAY:%Y.%m.%d}/part-{number:05}.gz"))
        archive.s3.put_object(Bucket=archive.bucket, Key=parts[-1].key, Body=gzip.compress(content))
    manifest = Manifest(dataset="sensors", day=DAY, objects=tuple(parts))
    archive.s3.put_object(Bucket=archive.bucket, Key=f"raw/{DAY:%Y.%m.%d}/{NAME}", Body=manifest.written())
    return [part.key for part in parts]


def test_a_day_comes_back_as_it_was_and_is_proven(target: Stream, archive: Archive) -> None:
    documents = measurements(DAY, 240)
    write(archive, documents)
    found = plan(target, archive)
    assert (found.amount.objects, found.set_apart["manifest"].objects) == (3, 1)
    proof = backfilled(target, archive)
    assert verdict(proof).startswith("Proven: 240 events read = 240 created")
    assert same(held(target, DAY), documents)
    assert plan(target, archive).batches == []
    assert not target.exists(DAY + timedelta(days=1))


def test_a_dump_of_elasticdump_comes_back_with_its_ids(target: Stream, archive: Archive, client: OpenSearch) -> None:
    documents = measurements(DAY, 24)
    lines = [
        orjson.dumps({"_index": "old", "_type": "_doc", "_id": f"d-{n}", "_score": None, "_source": document})
        for n, document in enumerate(documents)
    ]
    content = gzip.compress(b"\n".join(lines))
    archive.s3.put_object(Bucket=archive.bucket, Key=f"raw/{DAY:%Y.%m.%d}/dump.json.gz", Body=content)
    assert verdict(backfilled(target, archive)).startswith("Proven: 24 events read = 24 created")
    assert same(held(target, DAY), documents)
    assert client.get(index=target.dataset.raw_index(DAY), id="d-7")["_source"] == documents[7]


def test_a_day_of_which_an_object_is_missing_is_not_proven_until_it_is_back(target: Stream, archive: Archive) -> None:
    documents = measurements(DAY, 240)
    keys = write(archive, documents)
    gone = archive.s3.get_object(Bucket=archive.bucket, Key=keys[1])["Body"].read()
    archive.s3.delete_object(Bucket=archive.bucket, Key=keys[1])
    for _ in range(2):
        said = verdict(backfilled(target, archive))
        assert said.startswith("NOT proven: objects in quarantine (2): ")
        assert "of the 3 objects that " in said
        assert " names, 1 is missing or empty: part-00001.gz" in said
    assert len(held(target, DAY)) == 160
    archive.s3.put_object(Bucket=archive.bucket, Key=keys[1], Body=gone)
    proof = backfilled(target, archive)
    assert (proof.holds, proof.counts.created, proof.counts.existed) == (True, 80, 160)
    assert same(held(target, DAY), documents)


def dump(archive: Archive, key: str, index: str, documents: list[Document]) -> None:
    lines = [orjson.dumps({"_index": index, "_id": f"{n}", "_source": one}) for n, one in enumerate(documents)]
    archive.s3.put_object(Bucket=archive.bucket, Key=f"raw/{DAY:%Y.%m.%d}/{key}", Body=b"\n".join(lines))


def test_two_documents_of_one_id_are_not_taken_for_one(target: Stream, archive: Archive) -> None:
    documents = measurements(DAY, 24)
    dump(archive, "a.json", "app-a", documents[:12])
    dump(archive, "b.json", "app-b", documents[:2] + documents[14:])
    said = verdict(backfilled(target, archive))
    assert said.startswith("NOT proven: objects in quarantine (1): ")
    assert f"Another document already exists in {target.dataset.raw_index(DAY)} under its _id" in said
    assert len(held(target, DAY)) == 12


def test_documents_that_are_there_already_are_looked_at_and_found_to_be_the_same(
    target: Stream, archive: Archive, client: OpenSearch
) -> None:
    documents = measurements(DAY, 24)
    dump(archive, "a.json", "app-a", documents)
    assert backfilled(target, archive).holds
    forget_ledger(client, target.dataset.name)
    proof = backfilled(target, archive)
    assert (proof.holds, proof.counts.created, proof.counts.existed) == (True, 0, 24)
