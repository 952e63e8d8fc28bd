"""Archives that take each other's place: nothing that was proven is lost on the way, whoever comes between."""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError

from opensearch_strata.archive.export import parts
from opensearch_strata.archive.export.folder import DayFolder
from opensearch_strata.archive.store.manifest import NAME, read_manifest
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.workflows.archiving import archive_day, require_archived
from opensearch_strata.workflows.cycle import require_proven
from opensearch_strata.workflows.retention import retire
from tests.raw_archives import archived, documents, restore
from tests.streams import DAY, Stream, StreamFactory, dataset_of, measurements

FOLDER = f"days/dt={DAY}/"


@pytest.fixture
def stream(make_stream: StreamFactory, bucket: str) -> Stream:
    return make_stream(archive={"bucket": bucket, "prefix": "days/"}, raw={"window_days": 1})


def keys(s3: Any, bucket: str, prefix: str = "") -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]


def change_manifest(s3: Any, bucket: str, change: Any) -> None:
    manifest = orjson.loads(s3.get_object(Bucket=bucket, Key=FOLDER + NAME)["Body"].read())
    change(manifest)
    s3.put_object(Bucket=bucket, Key=FOLDER + NAME, Body=orjson.dumps(manifest))


def forget_storage(manifest: Any) -> None:
    for one in manifest["objects"]:
        for name in ("etag", "checksum", "stored_bytes"):
            one.pop(name, None)


@pytest.mark.parametrize(
    "change",
    [lambda manifest: manifest.update(objects=[]), forget_storage, lambda manifest: manifest.pop("digest")],
    ids=["an object was taken out", "nothing says what S3 stores", "no digest"],
)
def test_a_manifest_that_does_not_say_everything_proves_nothing(
    stream: Stream, s3: Any, bucket: str, change: Any
) -> None:
    stream.fill(DAY)
    first = archived(stream, s3)
    change_manifest(s3, bucket, change)
    again = archived(stream, s3)
    assert (again.outcome, again.manifest.documents, again.manifest.generation) == ("archived", 240, 2)
    assert not DayFolder(s3, stream.dataset.archive, DAY).damage(  # type: ignore[arg-type]
        DayFolder(s3, stream.dataset.archive, DAY).read()  # type: ignore[arg-type]
    )
    assert first.proven.etag != again.proven.etag


@pytest.mark.parametrize("left", [0, 1])
def test_a_manifest_that_an_object_was_taken_out_of_restores_nothing(
    stream: Stream, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    monkeypatch.setattr(parts, "CHUNK_BYTES", 5_000)
    monkeypatch.setattr(parts, "OBJECT_BYTES", 12_000)
    stream.fill(DAY)
    archived(stream, s3)
    change_manifest(s3, bucket, lambda manifest: manifest.update(objects=manifest["objects"][:left]))
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    with pytest.raises(Refused, match=r"does not name the whole day\. Its objects have \d+ .*, but its hours 240"):
        restore(stream, s3)


def test_a_former_archive_in_an_archive_tier_is_not_lost(stream: Stream, s3: Any, bucket: str) -> None:
    stream.fill(DAY)
    done = archived(stream, s3)
    key = done.manifest.objects[0].key
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.put_object(Bucket=bucket, Key=key, Body=body, StorageClass="GLACIER")
    with pytest.raises(ClientError, match="InvalidObjectState"):
        s3.get_object(Bucket=bucket, Key=key)
    stream.client.delete(
        index=stream.dataset.raw_index(DAY), id=next(iter(documents(stream.client, stream.dataset.raw_index(DAY))))
    )
    stream.fill(DAY, count=5, seed=9)
    stream.client.indices.delete(index=stream.dataset.month_index(DAY))
    with pytest.raises(Refused, match=r"is in an archive tier, .* Restore it first"):
        archived(stream, s3)
    assert set(done.manifest.names) == {name.rpartition("/")[2] for name in keys(s3, bucket, f"{FOLDER}part-")}


@pytest.mark.parametrize("damage", ["gone", "garbage"])
def test_a_day_whose_archive_was_damaged_is_archived_again_while_it_is_there(
    stream: Stream, s3: Any, bucket: str, damage: str
) -> None:
    stream.fill(DAY)
    key = archived(stream, s3).manifest.objects[0].key
    if damage == "gone":
        s3.delete_object(Bucket=bucket, Key=key)
    else:
        s3.put_object(Bucket=bucket, Key=key, Body=b"garbage")
    again = archived(stream, s3)
    assert (again.outcome, again.manifest.documents, again.manifest.generation) == ("archived", 240, 2)
    assert key not in keys(s3, bucket, FOLDER)


def test_an_object_that_was_put_back_from_a_copy_counts(stream: Stream, s3: Any, bucket: str) -> None:
    stream.fill(DAY)
    done = archived(stream, s3)
    key = done.manifest.objects[0].key
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    assert s3.head_object(Bucket=bucket, Key=key)["ETag"].strip('"') != done.manifest.objects[0].etag
    assert archived(stream, s3).outcome == "already archived"
    changed = bytearray(body)
    changed[len(changed) // 2] ^= 1
    s3.put_object(Bucket=bucket, Key=key, Body=bytes(changed))
    assert archived(stream, s3).outcome == "archived"


def test_two_runs_cannot_remove_each_others_archive(
    stream: Stream, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run with an older proof says "already archived" and clears up while another one is about to write."""
    stream.fill(DAY)
    first = archived(stream, s3)
    early = prove(stream.client, stream.dataset, DAY, engine="search")
    stream.fill(DAY, count=10, seed=1)
    write, said = DayFolder.write, list[str]()

    def beside(self: DayFolder, *args: Any) -> Any:
        monkeypatch.setattr(DayFolder, "write", write)
        said.append(archive_day(stream.client, s3, stream.dataset, early).outcome)
        return write(self, *args)

    monkeypatch.setattr(DayFolder, "write", beside)
    with pytest.raises(TransientError, match="was written by another export meanwhile"):
        archived(stream, s3)
    assert said == ["already archived"]
    folder = DayFolder(s3, stream.dataset.archive, DAY)  # type: ignore[arg-type]
    known = folder.read()
    assert known
    assert (folder.damage(known), known.manifest.objects, known.manifest.renewed) == ("", first.manifest.objects, 1)
    assert (archived(stream, s3).outcome, len(keys(s3, bucket, f"{FOLDER}part-"))) == ("archived", 1)


def test_an_archive_whose_objects_vanish_while_it_is_written_does_not_take_the_former_with_it(
    stream: Stream, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.fill(DAY)
    first = archived(stream, s3)
    stream.fill(DAY, count=10, seed=1)
    write = DayFolder.write

    def vanish(self: DayFolder, manifest: Any, *args: Any) -> Any:
        monkeypatch.setattr(DayFolder, "write", write)
        s3.delete_object(Bucket=bucket, Key=manifest.objects[0].key)
        return write(self, manifest, *args)

    monkeypatch.setattr(DayFolder, "write", vanish)
    with pytest.raises(TransientError, match="is missing"):
        archived(stream, s3)
    content = s3.get_object(Bucket=bucket, Key=FOLDER + NAME)["Body"].read()
    assert read_manifest(content, "").objects == first.manifest.objects
    assert {one.key for one in first.manifest.objects} <= set(keys(s3, bucket))


@pytest.mark.parametrize("how", ["in another index", "in the same index"])
def test_an_archive_that_is_not_part_of_the_next_one_is_kept(stream: Stream, s3: Any, bucket: str, how: str) -> None:
    """As many documents say nothing: they may be others."""
    sent = measurements(DAY, 100)
    stream.write([{**one, "text": "the message"} for one in sent], DAY)
    index = stream.dataset.raw_index(DAY)
    first, before = archived(stream, s3).manifest, documents(stream.client, index)
    if how == "in another index":
        stream.client.indices.delete(index=index)
        stream.write(sent, DAY)
    else:
        for identity in list(before)[:10]:
            stream.client.delete(index=index, id=identity)
        stream.write([{**one, "text": "other"} for one in sent[:10]], DAY)
    stream.client.indices.delete(index=stream.dataset.month_index(DAY))
    second = archived(stream, s3).manifest
    assert (second.generation, second.documents) == (2, 100)
    kept = keys(s3, bucket, f"days/superseded/dt={DAY}/generation=1-")
    assert sorted(key.rpartition("/")[2] for key in kept) == sorted([*first.names, NAME])
    stream.fill(DAY, count=5, seed=3)
    assert archived(stream, s3).manifest.documents == 105  # the same index, only more of it
    assert keys(s3, bucket, f"days/superseded/dt={DAY}/") == kept


def test_a_snapshot_restored_in_place_is_another_day(stream: Stream, s3: Any, bucket: str) -> None:
    """It keeps the UUID, and its sequence numbers reach the same values again with other documents."""
    client, index = stream.client, stream.dataset.raw_index(DAY)
    stream.fill(DAY, 100)
    client.snapshot.create_repository(repository=bucket, body={"type": "fs", "settings": {"location": bucket}})
    wait = {"wait_for_completion": "true"}
    client.snapshot.create(repository=bucket, snapshot="one", body={"indices": index}, params=wait)
    try:
        stream.fill(DAY, 10, seed=5)
        done, proof = archived(stream, s3), prove(client, stream.dataset, DAY, engine="search")
        client.indices.close(index=index)
        body = {"indices": index, "include_global_state": False}
        client.snapshot.restore(repository=bucket, snapshot="one", body=body, params=wait)
        stream.fill(DAY, 10, seed=7)
        archive = partial(require_archived, s3, stream.dataset, done.proven)
        with pytest.raises(Refused, match="was written to since it was archived"):
            retire(client, stream.dataset, require_proven(proof), DAY.replace(day=28), dry_run=False, archive=archive)
        plain = dataset_of(stream.dataset.name, raw={"window_days": 1})
        with pytest.raises(Refused, match="some of its documents were written or deleted after it was proven"):
            retire(client, plain, require_proven(proof), DAY.replace(day=28), dry_run=False)
        assert stream.exists(DAY)
        client.indices.delete(index=stream.dataset.month_index(DAY))
        sent, again = documents(client, index), archived(stream, s3)
        assert (again.outcome, again.manifest.generation) == ("archived", 2)
        client.indices.delete(index=index)
        restore(stream, s3)
        assert documents(client, index) == sent
    finally:
        client.snapshot.delete(repository=bucket, snapshot="one")
        client.snapshot.delete_repository(repository=bucket)
