"""A raw day to its archive, deleted, and back: the very same documents, mapping and settings, and the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError

from opensearch_strata.archive.bulk import requests as bulk_requests
from opensearch_strata.archive.export import parts
from opensearch_strata.archive.export.reading import pages
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.store.manifest import NAME, Manifest
from opensearch_strata.connections.safe_settings import SAFE
from opensearch_strata.errors import DefinitionError, Refused
from opensearch_strata.history.month.row_ids import RAW_UUID
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.workflows.archiving import settings_of
from opensearch_strata.workflows.backfill.verdict import verdict
from tests.archives import forget_ledger, ledger_of
from tests.raw_archives import MAPPINGS, ODD, SETTINGS, Restoring, archived, documents, fill_oddly, restore
from tests.streams import DAY, Stream, StreamFactory, assert_verified

pytestmark = pytest.mark.versions

NEXT = DAY + timedelta(days=1)
_SERVERS = ("uuid", "creation_date", "provided_name", "version.created")


@pytest.fixture
def stream(client: OpenSearch, make_stream: StreamFactory, bucket: str) -> Iterator[Stream]:
    """A dataset with an archive; no raw day is there yet."""
    made = make_stream(archive={"bucket": bucket, "prefix": "days/"}, history={"group_by": ["device"]})
    yield made
    forget_ledger(client, made.dataset.name)


def index_of(stream: Stream) -> dict[str, Any]:
    """Mappings and settings of the raw day, without what the server or a restore writes down there."""
    index = stream.dataset.raw_index(DAY)
    found = stream.client.indices.get(index=index, params={"flat_settings": "true"})[index]
    found["mappings"].get("_meta", {}).pop("strata", None)
    settings = found["settings"]
    for name in [name for name in settings if name.removeprefix("index.") in _SERVERS or name in SAFE]:
        del settings[name]
    settings.pop("index.plugins.index_state_management.auto_manage", None)
    return {"mappings": found["mappings"], "settings": settings}


def rows_of(stream: Stream) -> dict[str, Any]:
    """All rows, but for the index that they came from."""
    return {name: {**row, RAW_UUID: None} for name, row in stream.rows().items()}


@pytest.mark.parametrize("small", [False, True], ids=["one object", "many objects and bodies"])
def test_a_day_comes_back_as_it_was(stream: Stream, s3: Any, monkeypatch: pytest.MonkeyPatch, small: bool) -> None:
    if small:
        monkeypatch.setattr(parts, "CHUNK_BYTES", 20_000)
        monkeypatch.setattr(parts, "OBJECT_BYTES", 20_000)
        monkeypatch.setattr(pages, "PAGE_BYTES", 20_000)
    index = fill_oddly(stream)
    sent, before = documents(stream.client, index), index_of(stream)
    assert {name: sent[name][1].decode(errors="surrogateescape") for name in ODD} == ODD
    archive = archived(stream, s3)
    assert (len(archive.manifest.objects) > 3) is small
    rows = rows_of(stream)
    stream.client.indices.delete(index=index)

    proof = restore(stream, s3, settings=LoadSettings(body_bytes=40_000) if small else LoadSettings())
    assert proof.holds, verdict(proof)
    assert (proof.counts.created, proof.counts.existed, proof.counts.dead) == (len(sent), 0, 0)
    assert documents(stream.client, index) == sent
    assert index_of(stream) == before
    assert not stream.exists(datetime(2031, 1, 1).date())
    assert not stream.exists(datetime(1999, 1, 1).date())
    for name, (routing, source) in sent.items():  # in the shards in which they are looked for
        if routing:
            found = stream.client.get(index=index, id=name, params={"routing": routing})
            assert found["found"], source[:100]

    prove(stream.client, stream.dataset, DAY, engine="search")
    assert_verified(stream)
    assert rows_of(stream) == rows
    assert archived(stream, s3).outcome == "already archived"


def test_a_raw_day_cannot_hold_what_the_line_format_could_not_tell(stream: Stream) -> None:
    """Two keys of one name: OpenSearch refuses them, also where it does not look into an object."""
    index = fill_oddly(stream, count=10)
    for text in ('{"a":1,"a":2}', '{"other":{"a":1,"a":2}}'):
        with pytest.raises(RequestError, match="mapper_parsing_exception"):
            stream.client.index(index=index, body=text)


def test_a_second_restore_has_nothing_to_load_and_reads_no_object(stream: Stream, s3: Any) -> None:
    fill_oddly(stream, count=20)
    archived(stream, s3)
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    restore(stream, s3)
    asked: list[str] = []
    s3.meta.events.register("before-call.s3.GetObject", note := lambda params, **_: asked.append(params["url_path"]))
    plan = Restoring(stream, s3).plan()
    proof = restore(stream, s3)
    s3.meta.events.unregister("before-call.s3.GetObject", note)
    assert plan.batches == []
    assert plan.verdict == f"Everything that is archived of {DAY} is loaded already: {DAY}."
    assert proof.holds
    assert proof.counts.created == 20 + len(ODD)
    assert {url.rpartition("/")[2] for url in asked} == {NAME}


def test_a_day_that_was_deleted_again_is_restored_again(stream: Stream, s3: Any) -> None:
    index = fill_oddly(stream, count=20)
    sent = documents(stream.client, index)
    archived(stream, s3)
    for _ in range(2):
        stream.client.indices.delete(index=index)
        plan = Restoring(stream, s3).plan()
        assert plan.amount.objects == 1
        assert restore(stream, s3).holds
        assert documents(stream.client, index) == sent
    assert plan.again == {index: "is gone"}


def test_documents_that_are_still_there_are_compared_byte_for_byte(stream: Stream, s3: Any) -> None:
    index = fill_oddly(stream, count=50)
    sent = documents(stream.client, index)
    archived(stream, s3)
    for name in list(sent)[::2]:
        stream.client.delete(index=index, id=name, params={"routing": sent[name][0]} if sent[name][0] else {})
    proof = restore(stream, s3)
    assert proof.holds, verdict(proof)
    assert proof.counts.existed == len(sent) // 2
    assert documents(stream.client, index) == sent


def test_another_document_under_an_id_is_told_and_stays(stream: Stream, s3: Any) -> None:
    index = fill_oddly(stream, count=20)
    archived(stream, s3)
    other = ODD["nested"].replace('"a":1', '"a":1.0')
    stream.client.index(index=index, id="nested", body=other, params={"routing": "röute nested", "refresh": "true"})
    proof = restore(stream, s3)
    assert not proof.holds
    said = verdict(proof)
    assert "could not be restored: " in said
    assert f"Another document already exists in {index}" in said
    assert "under its _id 'nested', so it was not restored. If the document there is not needed, delete it" in said
    assert documents(stream.client, index)["nested"][1].decode() == other
    assert not [row for row in ledger_of(stream.client, stream.dataset.name, "object") if row["state"] == "done"]
    stream.client.delete(index=index, id="nested", params={"routing": "röute nested"})
    assert restore(stream, s3).holds
    assert documents(stream.client, index)["nested"][1].decode() == ODD["nested"]


def test_days_without_a_manifest_are_told(stream: Stream, s3: Any) -> None:
    for day in (DAY, NEXT + timedelta(days=1)):
        stream.fill(day, 30)
        archived(stream, s3, day)
        stream.client.indices.delete(index=stream.dataset.raw_index(day))
    run = Restoring(stream, s3)
    plan = run.plan(DAY - timedelta(days=2), NEXT + timedelta(days=1))
    assert plan.verdict.startswith("To restore for 2024-05-04 .. 2024-05-08: 2 archived days, 2 objects, ")
    url = settings_of(stream.dataset).url
    assert plan.warning == (
        f"3 days of the range are not archived (no manifest in {url}dt=YYYY-MM-DD/), so nothing "
        f"of them is restored: 2024-05-04 .. 2024-05-05, 2024-05-07."
    )
    assert plan.held == [DAY, NEXT + timedelta(days=1)]
    proof = restore(stream, s3, DAY - timedelta(days=2), NEXT + timedelta(days=1))
    assert (proof.holds, proof.counts.created) == (True, 60)
    nothing = run.plan(DAY - timedelta(days=9), DAY - timedelta(days=8))
    assert not nothing.found_any
    assert nothing.verdict.startswith(
        f"No day of 2024-04-27 .. 2024-04-28 is archived in s3://{settings_of(stream.dataset).bucket}/days/."
    )


def test_a_dataset_without_an_archive_has_none_to_restore(make_stream: StreamFactory, s3: Any) -> None:
    with pytest.raises(DefinitionError, match="does not say where its raw days are archived"):
        Restoring(make_stream(), s3).plan()


@pytest.mark.parametrize("damage", ["changed", "gone", "foreign", "no manifest"])
def test_an_archive_that_is_not_what_was_proven_is_not_taken_for_it(stream: Stream, s3: Any, damage: str) -> None:
    index = fill_oddly(stream, count=200)
    manifest = archived(stream, s3).manifest
    stream.client.indices.delete(index=index)
    (one,) = manifest.objects
    bucket, place = settings_of(stream.dataset).bucket, f"days/dt={DAY}/{NAME}"
    match damage:
        case "changed":
            body = s3.get_object(Bucket=bucket, Key=one.key)["Body"].read()
            s3.put_object(Bucket=bucket, Key=one.key, Body=body[: len(body) // 2])
            proof = restore(stream, s3)
            assert not proof.holds
            assert "is not what was archived: it holds" in verdict(proof)
            s3.put_object(Bucket=bucket, Key=one.key, Body=body)
            assert restore(stream, s3).holds
        case "gone":
            s3.delete_object(Bucket=bucket, Key=one.key)
            run = Restoring(stream, s3)
            with pytest.raises(
                Refused, match=f"1 object that the manifests name is missing or empty: s3://.*{one.key}"
            ):
                run.write()
            assert run.plan().verdict == f"Not everything that is archived of {DAY} can be restored."
            assert not stream.exists()
        case "foreign":
            foreign = manifest.model_copy(update={"dataset": "others"})
            s3.put_object(Bucket=bucket, Key=place, Body=foreign.written())
            with pytest.raises(Refused, match=f"{NAME} is the archive of 'others', day {DAY}, not of"):
                Restoring(stream, s3).plan()
        case _:
            s3.put_object(Bucket=bucket, Key=place, Body=b"{}")
            with pytest.raises(DefinitionError, match=f"{NAME} is not a valid archive manifest"):
                Restoring(stream, s3).plan()


def test_objects_in_an_archive_tier_are_named_with_the_command(stream: Stream, s3: Any) -> None:
    index = fill_oddly(stream, count=20)
    (one,) = archived(stream, s3).manifest.objects
    stream.client.indices.delete(index=index)
    bucket = settings_of(stream.dataset).bucket
    body = s3.get_object(Bucket=bucket, Key=one.key)["Body"].read()
    s3.put_object(Bucket=bucket, Key=one.key, Body=body, StorageClass="DEEP_ARCHIVE")
    plan = Restoring(stream, s3).plan()
    assert plan.refusal
    assert plan.refusal.startswith("1 object of the archive must first be restored from an archive tier of S3. Run ")
    command = f"aws s3api restore-object --bucket {bucket} --key {one.key} --restore-request"
    assert f"`{command} 'Days=7,GlacierJobParameters={{Tier=Standard}}'`" in plan.refusal
    with pytest.raises(Refused, match="must first be restored"):
        Restoring(stream, s3).write()
    assert not stream.exists()
    s3.put_object(Bucket=bucket, Key=one.key, Body=body)  # the emulator restores nothing
    assert restore(stream, s3).holds


def test_an_index_that_maps_a_field_in_another_way_is_refused_and_stays_as_it_was(stream: Stream, s3: Any) -> None:
    index = fill_oddly(stream, count=20)
    archived(stream, s3)
    stream.client.indices.delete(index=index)
    stream.client.index(index=index, body={"device": "late", "load": "text"}, params={"refresh": "true"})
    before = stream.client.indices.get(index=index)
    with pytest.raises(Refused, match=f"{index} has another mapping than the archived one: .* is .*, archived as"):
        restore(stream, s3)
    assert stream.client.indices.get(index=index) == before
    assert len(documents(stream.client, index)) == 1


def test_an_index_with_further_fields_takes_the_documents(stream: Stream, s3: Any) -> None:
    index = fill_oddly(stream, count=20)
    sent = documents(stream.client, index)
    archived(stream, s3)
    stream.client.indices.delete(index=index)
    stream.client.indices.create(index=index, body={"mappings": MAPPINGS, "settings": {
        "analysis": {"analyzer": {"plain": {"type": "standard"}}}, "number_of_replicas": 0,
    }})  # fmt: skip
    stream.client.index(index=index, id="new", body={"device": "d9", "more": "x"})
    assert restore(stream, s3).holds
    assert documents(stream.client, index).items() >= sent.items()


def test_an_index_template_that_changes_the_mapping_is_refused(stream: Stream, s3: Any) -> None:
    index = fill_oddly(stream, count=20)
    archived(stream, s3)
    stream.client.indices.delete(index=index)
    template = {"index_patterns": [f"{stream.dataset.name}-2024*"], "template": {"mappings": {"dynamic": "strict"}}}
    stream.client.indices.put_index_template(name=stream.dataset.name, body=template)
    try:
        run = Restoring(stream, s3)
        run.write()
        with pytest.raises(Refused, match=r"dynamic is strict, archived as true. .* an index template changes it"):
            run.load()
        run.end()
        assert not stream.exists()
    finally:
        stream.client.indices.delete_index_template(name=stream.dataset.name)
    assert restore(stream, s3).holds


def test_an_index_that_was_archived_without_its_form_gets_that_of_the_dataset(stream: Stream, s3: Any) -> None:
    """Manifests of version 1 end behind the objects."""
    stream.fill(DAY, 30)
    sent = documents(stream.client, stream.dataset.raw_index(DAY))
    manifest = archived(stream, s3).manifest
    former = Manifest(strata_manifest=1, dataset=manifest.dataset, day=DAY, objects=manifest.objects)
    bucket = settings_of(stream.dataset).bucket
    s3.delete_object(Bucket=bucket, Key=f"days/dt={DAY}/{NAME}")
    s3.put_object(Bucket=bucket, Key=f"days/dt={DAY}/manifest.json", Body=former.written())
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    assert restore(stream, s3).holds
    assert documents(stream.client, stream.dataset.raw_index(DAY)) == sent


def test_a_load_that_ended_early_goes_on_where_it_stood(
    stream: Stream, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = fill_oddly(stream, count=600)
    sent = documents(stream.client, index)
    archived(stream, s3)
    stream.client.indices.delete(index=index)
    run, requests = Restoring(stream, s3), 0
    run.write()
    create = bulk_requests.create

    def dies(*args: Any) -> Any:
        nonlocal requests
        requests += 1
        if requests > 4:
            raise KeyboardInterrupt
        return create(*args)

    with monkeypatch.context() as patch:
        patch.setattr("opensearch_strata.archive.bulk.delivery.create", dies)
        with pytest.raises(KeyboardInterrupt):
            run.load(LoadSettings(body_bytes=20_000, in_flight=1))
    run.backfill.end(run.owner)
    (row,) = ledger_of(stream.client, stream.dataset.name, "object")
    assert 0 < row["resume"] < len(sent)
    proof = restore(stream, s3)
    assert proof.holds, verdict(proof)
    assert proof.counts.created + proof.counts.existed == proof.counts.read == len(sent)
    assert documents(stream.client, index) == sent


def test_a_day_that_was_archived_again_since_the_plan_fails_and_the_next_run_takes_it(stream: Stream, s3: Any) -> None:
    index = fill_oddly(stream, count=20)
    archived(stream, s3)
    run = Restoring(stream, s3)
    run.write()
    stream.fill(DAY, 5, seed=9)
    sent = documents(stream.client, index)
    archived(stream, s3)
    stream.client.indices.delete(index=index)
    (result,) = run.load()
    with pytest.raises(Refused, match=r"was not restored: its manifest .* does not name it any more"):
        result.require_success()
    run.end()
    assert restore(stream, s3).holds
    assert documents(stream.client, index) == sent


def test_two_restores_at_once_load_each_document_once(stream: Stream, s3: Any) -> None:
    index = fill_oddly(stream, count=100)
    sent = documents(stream.client, index)
    archived(stream, s3)
    stream.client.indices.delete(index=index)
    one, other = Restoring(stream, s3), Restoring(stream, s3)
    one.write()
    other.write()
    with ThreadPoolExecutor(2) as pool:
        for results in pool.map(Restoring.load, (one, other)):
            for result in results:
                result.require_success()
    for run in (one, other):
        proof = run.end()
        assert proof.holds, verdict(proof)
        assert proof.counts.created == len(sent)
    assert documents(stream.client, index) == sent


def test_a_copy_of_an_archive_is_loaded_by_its_url_by_the_time_of_events(
    client: OpenSearch, make_stream: StreamFactory, s3: Any, bucket: str, stream: Stream
) -> None:
    """The way for archives that are not the dataset's own: routing and bytes are kept, late documents go elsewhere."""
    index = fill_oddly(stream, count=20)
    sent = documents(stream.client, index)
    archived(stream, s3)
    other = make_stream(
        history={"group_by": ["device"]},
        intake={"layout": "dt=%Y-%m-%d/", "max_clock_lead": "0m", "max_lateness": "0m", "max_dead_share": 0.5},
    )
    client.indices.create(index=other.dataset.raw_index(DAY), body={"settings": SETTINGS, "mappings": MAPPINGS})
    run = Restoring(other, s3)
    run.ref = run.backfill.write(run.backfill.plan(f"s3://{bucket}/days/", DAY, DAY))
    for result in run.load():
        result.require_success()
    proof = run.end()
    assert proof.holds, verdict(proof)
    assert (proof.counts.filtered, set(proof.causes)) == (1, {"time_out_of_range"})
    found = documents(client, other.dataset.raw_index(DAY))
    assert found == {name: one for name, one in sent.items() if name not in ("late", "early")}
    forget_ledger(client, other.dataset.name)


def test_what_else_is_in_the_mark_of_a_day_stays(stream: Stream, s3: Any) -> None:
    fill_oddly(stream, count=20)
    index = stream.dataset.raw_index(DAY)
    archived(stream, s3)
    stream.client.indices.put_mapping(index=index, body={"_meta": {"owner": "plant", "strata": {"more": 1}}})
    assert restore(stream, s3).holds
    meta = stream.client.indices.get_mapping(index=index)[index]["mappings"]["_meta"]
    assert (meta["owner"], meta["strata"]["more"]) == ("plant", 1)
    assert datetime.fromisoformat(meta["strata"]["keep_until"]) > datetime.now(UTC) + timedelta(days=6)
