"""A raw day to its archive on the real node: proven, whole, once, and refused where it cannot be."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import zstandard
from opensearchpy import OpenSearch

from opensearch_strata.archive.export import parts
from opensearch_strata.archive.export.content import Content
from opensearch_strata.archive.export.folder import DayFolder
from opensearch_strata.archive.export.reading import pages
from opensearch_strata.archive.lines import document_of, line_of
from opensearch_strata.archive.store.manifest import NAME, Manifest
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.workflows.archives import days_due
from opensearch_strata.workflows.archiving import ArchivedDay, archive_day, require_archived, settings_of
from tests.streams import DAY, Stream, StreamFactory, dataset_of

ODD = {
    "unicode": '{"@timestamp":"2024-05-06T10:00:00Z","device":"d\\u00e9","text":"\u00fc \U0001f600 \\ud83d\\ude00"}',
    "routed": '{"@timestamp":"2024-05-06T10:00:01Z","device":"d1","text":"a"}',
    "large": '{"@timestamp":"2024-05-06T10:00:02Z","device":"d1","other":{"n":1e400,"m":1.50,"k":-0.0}}',
    "long": '{"@timestamp":"2024-05-06T10:00:03Z","device":"d1","text":"' + "x" * 100_000 + '"}',
    "blanks": '{ "@timestamp" : "2024-05-06T10:00:04Z",\n\t"device":\r\n"d1" }',
    "loose": '{"@timestamp":"2024-05-06T10:00:07Z" /* a { */,"device":"d1","text":"cut \\ud83d"}',
    "late": '{"@timestamp":"2031-01-01T10:00:00Z","device":"d2"}',
    "malformed": '{"@timestamp":"2024-05-06T10:00:05Z","device":"d1","loose":"no number"}',
    "nested": '{"@timestamp":"2024-05-06T10:00:06Z","device":"d1","parts":[{"a":1},{"a":2}]}',
}


@pytest.fixture
def reads_back() -> str:
    return "full"


@pytest.fixture
def stream(make_stream: StreamFactory, bucket: str, reads_back: str) -> Stream:
    archive = {"bucket": bucket, "prefix": "days/", "prove": reads_back}
    made = make_stream(archive=archive, history={"group_by": ["device"]})
    made.types = {
        "@timestamp": "date", "device": "keyword", "site": "keyword", "temperature": "double", "load": "short",
        "text": {"type": "text"}, "other": {"type": "object", "enabled": False}, "parts": {"type": "nested"},
        "loose": {"type": "long", "ignore_malformed": True},
    }  # fmt: skip
    made.shards = 2
    return made


def fill_oddly(stream: Stream) -> None:
    """Documents of every kind, each written as its very text."""
    stream.fill(DAY, count=300)
    index = stream.dataset.raw_index(DAY)
    for name, text in ODD.items():
        params = {"routing": f"r {name}"} if name in ("routed", "late") else {}
        stream.client.transport.perform_request("PUT", f"/{index}/_doc/{name}", body=text, params=params)
    stream.client.indices.refresh(index=index)


def archived(stream: Stream, s3: Any, client: OpenSearch | None = None) -> ArchivedDay:
    proof = prove(client or stream.client, stream.dataset, DAY, engine="search")
    return archive_day(client or stream.client, s3, stream.dataset, proof)


def keys(s3: Any, bucket: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return sorted(found["Key"] for page in pages for found in page.get("Contents", []))


def uploads(s3: Any, bucket: str) -> list[Any]:
    return list(s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []))


def documents(s3: Any, bucket: str, manifest: Manifest) -> dict[str, tuple[str | None, bytes]]:
    """What the archive holds, by the plainest means: ``_id`` -> routing and source."""
    found = {}
    for one in manifest.objects:
        body = s3.get_object(Bucket=bucket, Key=one.key)["Body"].read()
        text = zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True).read()
        for line in text.splitlines(keepends=True) if b"\r" not in text else text.split(b"\n")[:-1]:
            identity, routing, source = document_of(line)
            assert identity not in found
            found[identity] = routing, source
    return found


def test_every_document_is_archived_as_the_very_bytes_that_were_sent(stream: Stream, s3: Any, bucket: str) -> None:
    fill_oddly(stream)
    done = archived(stream, s3)
    assert done.outcome == "archived"
    assert [check.holds for check in done.checks] == [True] * len(done.checks)
    found = documents(s3, bucket, done.manifest)
    assert len(found) == 309 == done.manifest.documents == sum(done.manifest.hours.values())
    assert {name: found[name][1].decode() for name in ODD} == ODD
    assert {name: found[name][0] for name in ODD if found[name][0]} == {"routed": "r routed", "late": "r late"}
    assert done.manifest.hours["2031-01-01T10"] == 1
    assert done.manifest.last == 1_925_028_000_000


def test_the_manifest_says_all_that_makes_the_day_again(stream: Stream, s3: Any, bucket: str) -> None:
    fill_oddly(stream)
    manifest = archived(stream, s3).manifest
    index = stream.client.indices.get(index=stream.dataset.raw_index(DAY))[stream.dataset.raw_index(DAY)]
    assert manifest.index
    assert manifest.index.uuid == index["settings"]["index"]["uuid"]
    assert manifest.index.mappings["properties"] == index["mappings"]["properties"]
    assert manifest.index.settings["index.number_of_shards"] == "2"
    assert not {name for name in manifest.index.settings if "uuid" in name or "creation" in name or "blocks" in name}
    totals = manifest.metrics["temperature"]
    body = {"size": 0, "aggs": {"t": {"stats": {"field": "temperature"}}}}
    stats = stream.client.search(index=manifest.index.name, body=body)["aggregations"]["t"]
    assert (totals.count, totals.min, totals.max) == (stats["count"], stats["min"], stats["max"])
    assert totals.sum == pytest.approx(stats["sum"])
    assert totals.sketch
    there = s3.get_object(Bucket=bucket, Key=f"days/dt=2024-05-06/{NAME}")["Body"].read()
    assert Manifest.model_validate_json(there) == manifest
    links = s3.get_object(Bucket=bucket, Key="days/hive/dt=2024-05-06/symlink.txt")["Body"].read().decode().split()
    assert links == [f"s3://{bucket}/{one.key}" for one in manifest.objects]


@pytest.mark.parametrize("reads_back", ["full", "sample"])
def test_small_pages_and_objects_hold_the_same(
    stream: Stream, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE_BYTES", 2_000)
    monkeypatch.setattr(parts, "CHUNK_BYTES", 5_000)
    monkeypatch.setattr(parts, "OBJECT_BYTES", 12_000)
    fill_oddly(stream)
    stream.client.indices.put_settings(
        index=stream.dataset.raw_index(DAY), body={"index.max_result_window": 10, "index.number_of_replicas": 0}
    )
    done = archived(stream, s3)
    assert len(done.manifest.objects) > 3
    found = documents(s3, bucket, done.manifest)
    assert len(found) == 309
    lines = Content()
    lines.add([line_of(identity, source, routing) for identity, (routing, source) in found.items()])
    assert lines.digest == done.manifest.digest
    assert {check.name: check.archive for check in done.checks}["digest of a second reading"] == lines.digest


def test_a_day_that_is_archived_is_not_written_again(stream: Stream, s3: Any, bucket: str) -> None:
    fill_oddly(stream)
    first = archived(stream, s3)
    there = keys(s3, bucket)
    again = archived(stream, s3)
    assert (again.outcome, again.proven) == ("already archived", first.proven)
    assert keys(s3, bucket) == there


def test_late_documents_make_another_generation_and_the_former_one_goes(stream: Stream, s3: Any, bucket: str) -> None:
    stream.fill(DAY)
    first = archived(stream, s3)
    stream.fill(DAY, count=10, seed=1)
    second = archived(stream, s3)
    assert (second.outcome, second.manifest.generation, second.manifest.documents) == ("archived", 2, 250)
    assert not {one.key for one in first.manifest.objects} & set(keys(s3, bucket))
    assert len(documents(s3, bucket, second.manifest)) == 250
    with pytest.raises(Refused, match="was written anew since it was proven"):
        DayFolder(s3, settings_of(stream.dataset), DAY).require_there(
            DayFolder(s3, settings_of(stream.dataset), DAY).read()._replace(etag=first.proven.etag)  # type: ignore[union-attr]
        )


def test_the_former_generation_is_kept_where_the_dataset_says_so(stream: Stream, s3: Any, bucket: str) -> None:
    archive = {"bucket": bucket, "prefix": "days/", "keep_superseded": True}
    keeping = Stream(stream.client, dataset_of(stream.dataset.name, archive=archive, history={"group_by": ["device"]}))
    keeping.fill(DAY)
    first = archived(keeping, s3).manifest
    keeping.fill(DAY, count=10, seed=1)
    archived(keeping, s3)
    kept = [key for key in keys(s3, bucket) if key.startswith("days/superseded/dt=2024-05-06/generation=1-")]
    assert len(kept) == len(first.objects) + 1
    assert len([key for key in keys(s3, bucket) if key.startswith("days/dt=2024-05-06/part-")]) == 1


def test_the_same_documents_in_another_index_need_no_new_archive(stream: Stream, s3: Any, bucket: str) -> None:
    stream.fill(DAY)
    first = archived(stream, s3)
    index = stream.dataset.raw_index(DAY)
    hits = stream.client.search(index=index, body={"size": 1000})["hits"]["hits"]
    stream.client.indices.delete(index=index)
    stream.create(DAY)
    lines: list[Any] = []
    for hit in hits:
        lines += [{"index": {"_id": hit["_id"]}}, hit["_source"]]
    stream.client.bulk(body=lines, index=index, params={"refresh": "true"})
    soon = dataset_of(stream.dataset.name, archive={"bucket": bucket, "prefix": "days/", "after_days": 1})
    assert list(days_due(stream.client, s3, soon, DAY)) == [DAY]
    again = archived(stream, s3)
    assert again.outcome == "already archived"
    assert again.proven.uuid != first.proven.uuid
    assert list(days_due(stream.client, s3, soon, DAY)) == []  # it is not read again each day
    stream.client.indices.put_mapping(index=index, body={"_meta": {"strata_hold": "x", "strata": {}, "owner": "plant"}})
    stream.fill(DAY, count=1, seed=8)
    assert list(days_due(stream.client, s3, soon, DAY)) == [DAY]
    manifest = archived(stream, s3).manifest
    assert (manifest.generation, manifest.documents) == (2, first.manifest.documents + 1)
    assert manifest.index
    assert manifest.index.mappings["_meta"] == {"owner": "plant"}


@pytest.mark.parametrize(
    ("source", "words"),
    [({"enabled": False}, "stores no _source"), ({"excludes": ["text"]}, r"only a part of _source \(_source.excludes")],
)
def test_an_index_without_its_whole_source_is_refused(
    stream: Stream, s3: Any, bucket: str, source: dict[str, Any], words: str
) -> None:
    index = stream.dataset.raw_index(DAY)
    properties = {field: {"type": kind} for field, kind in stream.types.items() if isinstance(kind, str)}
    body = {"settings": {"number_of_replicas": 0}, "mappings": {"_source": source, "properties": properties}}
    stream.client.indices.create(index=index, body=body)
    stream.fill(DAY)
    with pytest.raises(Refused, match=words):
        archived(stream, s3)
    assert keys(s3, bucket) == []


def test_a_day_that_holds_less_than_its_archive_is_refused(stream: Stream, s3: Any, bucket: str) -> None:
    stream.fill(DAY)
    first = archived(stream, s3)
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    stream.client.indices.delete(index=stream.dataset.month_index(DAY))
    stream.fill(DAY, count=100)
    with pytest.raises(Refused, match=r"holds 100 documents, but .* names 240, so it cannot take that archive's place"):
        archived(stream, s3)
    assert {one.key for one in first.manifest.objects} <= set(keys(s3, bucket))


def test_the_archive_of_another_dataset_is_not_touched(stream: Stream, s3: Any, bucket: str) -> None:
    manifest = Manifest(dataset="others", day=DAY, objects=())
    s3.put_object(Bucket=bucket, Key=f"days/dt=2024-05-06/{NAME}", Body=manifest.written())
    stream.fill(DAY)
    with pytest.raises(Refused, match="is the archive of 'others'"):
        archived(stream, s3)
    assert keys(s3, bucket) == [f"days/dt=2024-05-06/{NAME}"]


def test_a_day_that_is_written_to_meanwhile_leaves_nothing(stream: Stream, s3: Any, bucket: str) -> None:
    stream.fill(DAY)
    proof = prove(stream.client, stream.dataset, DAY, engine="search")

    def write(step: str, _: int) -> None:
        if step == "export":
            stream.fill(DAY, count=1, seed=7)

    with pytest.raises(TransientError, match="was written to or deleted while it was archived"):
        archive_day(stream.client, s3, stream.dataset, proof, write)
    assert (keys(s3, bucket), uploads(s3, bucket)) == ([], [])


def test_of_two_exports_at_once_one_counts_and_nothing_is_left_of_the_other(
    stream: Stream, s3: Any, bucket: str
) -> None:
    stream.fill(DAY)
    proof = prove(stream.client, stream.dataset, DAY, engine="search")
    others: list[Any] = []

    def archive_too(step: str, _: int) -> None:
        if step == "read back" and not others:
            others.append(None)
            others.append(archive_day(stream.client, s3, stream.dataset, proof))

    with pytest.raises(TransientError, match=r"was written by another export meanwhile|is missing"):
        archive_day(stream.client, s3, stream.dataset, proof, archive_too)
    winner = others[1]
    assert winner
    assert [key for key in keys(s3, bucket) if "/part-" in key] == [one.key for one in winner.manifest.objects]
    assert len(documents(s3, bucket, winner.manifest)) == 240
    assert uploads(s3, bucket) == []


@pytest.mark.parametrize("damage", ["changed", "gone", "manifest gone", "manifest anew", "late document"])
def test_a_deletion_demands_what_was_proven(stream: Stream, s3: Any, bucket: str, damage: str) -> None:
    stream.fill(DAY)
    done = archived(stream, s3)
    proof = prove(stream.client, stream.dataset, DAY, engine="search")
    assert proof.raw
    require_archived(s3, stream.dataset, done.proven, proof.raw)
    key, manifest = done.manifest.objects[0].key, f"days/dt=2024-05-06/{NAME}"
    match damage:
        case "changed":
            s3.put_object(Bucket=bucket, Key=key, Body=b"other")
        case "gone":
            s3.delete_object(Bucket=bucket, Key=key)
        case "manifest gone":
            s3.delete_object(Bucket=bucket, Key=manifest)
        case "manifest anew":
            text = s3.get_object(Bucket=bucket, Key=manifest)["Body"].read()
            s3.put_object(Bucket=bucket, Key=manifest, Body=orjson.dumps(orjson.loads(text)))
        case _:
            stream.fill(DAY, count=1, seed=3)
            proof = prove(stream.client, stream.dataset, DAY, engine="search")
    raw = proof.raw
    assert raw
    with pytest.raises(Refused):
        require_archived(s3, stream.dataset, done.proven, raw)


def test_days_are_due_by_their_age_until_their_archive_is_what_they_hold(stream: Stream, s3: Any, bucket: str) -> None:
    archive = {"bucket": bucket, "prefix": "days/", "after_days": 1}
    soon = Stream(stream.client, dataset_of(stream.dataset.name, archive=archive, history={"group_by": ["device"]}))
    soon.fill(DAY)
    assert list(days_due(soon.client, s3, soon.dataset, DAY)) == [DAY]
    archived(soon, s3)
    assert list(days_due(soon.client, s3, soon.dataset, DAY)) == []
    soon.fill(DAY, count=3, seed=9)
    assert list(days_due(soon.client, s3, soon.dataset, DAY)) == [DAY]
