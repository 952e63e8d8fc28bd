"""Archived days that are drawn, restored into scratch indices, condensed, compared bin for bin, and dropped again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.load import scratch_load as writing
from opensearch_strata.archive.store.manifest import NAME, Archived, Manifest
from opensearch_strata.connections.expanded import expand
from opensearch_strata.errors import Refused
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.history.query.sources.existing import find_sources
from opensearch_strata.history.verify.same_rows import compare_rows
from opensearch_strata.sketches.ddsketch import pack, unpack
from opensearch_strata.workflows.archiving import archive_day
from opensearch_strata.workflows.audit.audit import Audited, AuditPlan, audit_archives, plan_audit
from opensearch_strata.workflows.audit.drawn_days import restoring as drawing
from opensearch_strata.workflows.audit.drawn_days.scratch_indices import NOTE, make_raw, scratch_of
from opensearch_strata.workflows.expired import list_expired
from tests.streams import DAY, Stream, StreamFactory, delete_indices

NOW = datetime(2024, 5, 14, 5, tzinfo=UTC)
DAYS = [DAY, DAY + timedelta(days=1)]
ODD = [
    '{ "@timestamp" : "2024-05-06T10:00:04Z",\n\t"device":\r\n"d1", "temperature": 1e0 }',
    '{"@timestamp":"2024-05-06T10:00:00Z","device":"d\\u00e9","text":"\u00fc \U0001f600 \\ud83d\\ude00","load":3}',
    '{"@timestamp":"2031-01-01T10:00:00Z","device":"late","temperature":-0.0}',
]
RUN = "test run"


@pytest.fixture
def stream(make_stream: StreamFactory, bucket: str, client: OpenSearch, s3: Any) -> Iterator[Stream]:
    """Two archived days whose raw days are gone; the first one has odd documents, with and without routing."""
    made = make_stream(archive={"bucket": bucket, "prefix": "a/"}, raw={"window_days": 3}, shards=2)
    for day in DAYS:
        made.fill(day, count=120)
        index = made.dataset.raw_index(day)
        for number, text in enumerate(ODD if day == DAY else []):
            params = {"routing": f"r{number}"} if number else {}
            client.transport.perform_request("PUT", f"/{index}/_doc/odd {number}", body=text, params=params)
        client.indices.refresh(index=index)
        archive_day(client, s3, made.dataset, prove(client, made.dataset, day, engine="search"))
        client.indices.delete(index=index)
    yield made
    delete_indices(client, f"strata-audit-{made.dataset.name}-*")


def planned(stream: Stream, s3: Any, *, number: int = 1, seed: str = "a", day: date | None = None) -> AuditPlan:
    return plan_audit(
        stream.client, s3, stream.dataset, NOW, days=False, restore=number, seed=seed, first=day, last=day
    )


def restored(stream: Stream, s3: Any, day: date = DAY) -> Audited:
    return audit_archives(planned(stream, s3, day=day), RUN)


def scratch_indices(stream: Stream) -> list[str]:
    return sorted(expand(stream.client, f"strata-audit-{stream.dataset.name}-*", "*.settings.index.uuid").indices)


def key_of(s3: Any, bucket: str, day: date) -> str:
    body = s3.get_object(Bucket=bucket, Key=f"a/dt={day}/{NAME}")["Body"].read()
    return Manifest.model_validate_json(body).objects[0].key


def test_a_day_comes_back_and_gives_the_very_rows(stream: Stream, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_BODY_BYTES", 2_000)
    found = restored(stream, s3)
    (one,) = found.findings
    assert (one.severity, one.kind, one.day) == ("fine", "restored", DAY)
    assert one.finding.startswith("It was drawn and restored: 123 documents gave the very ")
    assert scratch_indices(stream) == []
    assert found.spent.documents == found.planned.documents == 123
    assert found.spent.bytes == found.planned.bytes > 0
    assert found.spent.requests == found.planned.requests


def test_the_same_seed_draws_the_same_days_and_every_day_has_its_chance(stream: Stream, s3: Any) -> None:
    drawn = [planned(stream, s3, seed=f"run {number}").drawn[0].state.day for number in range(12)]
    assert drawn == [planned(stream, s3, seed=f"run {number}").drawn[0].state.day for number in range(12)]
    assert set(drawn) == set(DAYS)
    assert len(planned(stream, s3, number=9).drawn) == 2


def test_a_bin_that_is_not_what_the_documents_give_is_found(stream: Stream, s3: Any) -> None:
    rows = {name: row for name, row in stream.rows(DAYS[1]).items() if "2024.05.07" in row["transform._id"]}
    identity, row = next(
        (name, row) for name, row in sorted(rows.items()) if "sketch" in row["metrics"].get("temperature", {})
    )
    bins, step = unpack(row["metrics"]["temperature"]["sketch"])
    first = min(bins)
    bins[first - 3] = bins.pop(first)
    row["metrics"]["temperature"]["sketch"] = pack(bins, step)
    stream.put_row(identity, row, DAYS[1])
    found = restored(stream, s3, DAYS[1])
    (one,) = found.findings
    assert (one.severity, one.day) == ("would be lost", DAYS[1])
    assert "1 different (first: device 'd" in one.finding
    assert "sketch of temperature" in one.finding
    assert scratch_indices(stream) == []
    assert found.failed


def test_a_row_that_is_missing_and_one_too_many_are_found(stream: Stream, s3: Any) -> None:
    rows = {name: row for name, row in stream.rows(DAYS[1]).items() if "2024.05.07" in row["transform._id"]}
    (identity, row), *_ = sorted(rows.items())
    stream.drop_row(identity, DAYS[1])
    stream.put_row("another", row, DAYS[1])  # as many documents as before, so the day is still drawn
    (one,) = restored(stream, s3, DAYS[1]).findings
    assert "1 missing, 1 without any document" in one.finding


def test_a_body_that_is_damaged_is_found_and_nothing_is_left(stream: Stream, s3: Any, bucket: str) -> None:
    key = key_of(s3, bucket, DAYS[1])
    body = bytearray(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    body[len(body) // 2] ^= 255
    s3.put_object(Bucket=bucket, Key=key, Body=bytes(body))
    (one,) = restored(stream, s3, DAYS[1]).findings
    assert (one.severity, one.day) == ("lost", DAYS[1])
    assert "could not be restored" in one.finding
    assert scratch_indices(stream) == []


def test_a_failure_in_the_middle_leaves_nothing(stream: Stream, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        assert len(scratch_indices(stream)) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(drawing, "condense", fail)
    with pytest.raises(KeyboardInterrupt):
        restored(stream, s3)
    assert scratch_indices(stream) == []


def test_what_a_killed_audit_left_is_dropped_by_the_next_one(stream: Stream, s3: Any) -> None:
    client, dataset = stream.client, stream.dataset
    left = scratch_of(dataset, DAYS[1], "a run that was killed")
    index = planned(stream, s3, day=DAYS[1]).drawn[0].known.manifest.index
    assert index
    make_raw(client, left, index)
    stream.client.indices.create(index=left.month, body={"mappings": {"_meta": {"strata": {"dataset": dataset.name}}}})
    # Its process still lives: it is another audit.
    others = restored(stream, s3, DAYS[1]).findings
    assert [one.kind for one in others if one.severity == "look"] == ["leftover", "restored"]
    assert len(scratch_indices(stream)) == 2
    meta = client.indices.get_mapping(index=left.raw)[left.raw]["mappings"]["_meta"]
    dead = {**meta[NOTE], "process": meta[NOTE]["process"].rpartition("/")[0] + "/1"}
    client.indices.put_mapping(index=left.raw, body={"_meta": {NOTE: dead}})
    found = restored(stream, s3, DAYS[1]).findings
    assert [(one.kind, one.severity) for one in found] == [("leftover", "fine"), ("restored", "fine")]
    assert left.raw in found[0].finding
    assert left.month in found[0].finding
    assert scratch_indices(stream) == []


@pytest.mark.parametrize("meta", [{}, {NOTE: "ours"}, {NOTE: {"owner": "another", "until": "soon"}}])
def test_an_index_of_somebody_else_with_a_scratch_name_is_kept(stream: Stream, s3: Any, meta: dict[str, Any]) -> None:
    name = scratch_of(stream.dataset, DAY, RUN).raw
    stream.client.indices.create(index=name, body={"mappings": {"_meta": meta}})
    found = restored(stream, s3).findings
    assert [(one.kind, one.severity) for one in found] == [("leftover", "look"), ("restored", "look")]
    assert scratch_indices(stream) == [name]


def test_a_template_that_would_change_the_scratch_index_is_refused(stream: Stream, s3: Any) -> None:
    name = f"template-of-{stream.dataset.name}"
    template = {"mappings": {"properties": {"more": {"type": "keyword"}}}}
    body = {"index_patterns": [f"strata-audit-{stream.dataset.name}-*"], "priority": 7, "template": template}
    stream.client.indices.put_index_template(name=name, body=body)
    try:
        (one,) = restored(stream, s3).findings
    finally:
        stream.client.indices.delete_index_template(name=name)
    assert one.severity == "look"
    assert "Exclude strata-audit-* from its pattern" in one.finding
    assert scratch_indices(stream) == []


@pytest.mark.parametrize(
    "settings",
    [{"index.blocks.write": True}, {"index.mapping.depth.limit": 1}, {"index.sort.field": "load"}],
    ids=lambda settings: next(iter(settings)),
)
def test_a_template_is_no_fault_of_the_archive(stream: Stream, s3: Any, settings: dict[str, Any]) -> None:
    name = f"template-of-{stream.dataset.name}"
    body = {
        "index_patterns": [f"strata-audit-{stream.dataset.name}-*"],
        "priority": 7,
        "template": {"settings": settings},
    }
    stream.client.indices.put_index_template(name=name, body=body)
    try:
        found = restored(stream, s3, DAYS[1])
    finally:
        stream.client.indices.delete_index_template(name=name)
    assert [(one.kind, one.severity) for one in found.findings] == [("restored", "look")]
    assert not found.failed
    assert scratch_indices(stream) == []


def test_a_template_of_the_rows_is_no_fault_of_the_archive(stream: Stream, s3: Any) -> None:
    name = f"template-of-{stream.dataset.name}"
    template = {"settings": {"index.mapping.total_fields.limit": 1}}
    body = {"index_patterns": [f"strata-audit-{stream.dataset.name}-*-rows-*"], "priority": 7, "template": template}
    stream.client.indices.put_index_template(name=name, body=body)
    try:
        (one,) = restored(stream, s3, DAYS[1]).findings
    finally:
        stream.client.indices.delete_index_template(name=name)
    assert (one.kind, one.severity) == ("restored", "look")
    assert "could not be condensed" in one.finding


@pytest.mark.parametrize("again", ["condensed", "archived"])
def test_a_day_that_changes_after_it_was_drawn_is_not_lost(stream: Stream, s3: Any, again: str) -> None:
    client, dataset, day = stream.client, stream.dataset, DAY + timedelta(days=2)
    stream.fill(day, count=60)
    archive_day(client, s3, dataset, prove(client, dataset, day, engine="search"))
    plan = planned(stream, s3, day=day)
    stream.write([{"@timestamp": f"{day}T10:00:00Z", "device": "d1", "temperature": 5.0}], day)
    stream.condense(day)
    proof = prove(client, dataset, day, engine="search")
    if again == "archived":
        archive_day(client, s3, dataset, proof)
    found = audit_archives(plan, RUN)
    assert [(one.kind, one.severity) for one in found.findings] == [("unfinished", "look")]
    assert "It changed while it was looked at" in found.findings[0].finding
    assert found.may_pass
    assert scratch_indices(stream) == []


def test_a_day_whose_manifest_says_no_mapping_is_read(stream: Stream, s3: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": f"a/dt={DAYS[1]}/{NAME}"}
    there = Manifest.model_validate_json(s3.get_object(**where)["Body"].read())
    (one,) = [of_version_1(one) for one in there.objects]
    first = Manifest(strata_manifest=1, dataset=there.dataset, day=there.day, objects=(one,))
    s3.put_object(**where, Body=first.written())
    found = restored(stream, s3, DAYS[1])
    assert [(one.kind, one.severity) for one in found.findings] == [("restored", "fine")]
    assert "its 120 documents are those of its manifest" in found.findings[0].finding
    assert found.spent.bytes == found.planned.bytes > 0
    s3.put_object(Bucket=bucket, Key=one.key, Body=b"garbage")
    assert [(one.kind, one.severity) for one in restored(stream, s3, DAYS[1]).findings] == [("restored", "lost")]


def of_version_1(one: Archived) -> Archived:
    """An object as manifests of the first version name it."""
    return one.model_copy(update={"stored_bytes": None, "etag": None, "checksum": None})


def test_a_restore_that_fails_hides_no_other(stream: Stream, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> Any:
        monkeypatch.undo()
        raise TypeError("a bug")

    monkeypatch.setattr(drawing, "compare_rows", fail)
    found = audit_archives(planned(stream, s3, number=2), RUN)
    assert [(one.kind, one.severity) for one in found.findings] == [("unfinished", "look"), ("restored", "fine")]
    assert found.failed
    assert scratch_indices(stream) == []


def test_names_that_a_pattern_of_the_dataset_matches_are_refused(stream: Stream) -> None:
    raw = stream.dataset.raw.model_copy(update={"index": "strata-{day}"})
    with pytest.raises(Refused, match=r"strata-audit-.* would match 'strata-\*'"):
        scratch_of(stream.dataset.model_copy(update={"raw": raw}), DAY, RUN)


def test_a_day_that_s3_must_restore_first_is_not_drawn(stream: Stream, s3: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": key_of(s3, bucket, DAY)}
    s3.copy_object(**where, CopySource=where, StorageClass="DEEP_ARCHIVE")
    assert planned(stream, s3, day=DAY).drawn == []
    assert {one.state.day for one in planned(stream, s3, number=9).drawn} == set(DAYS[1:])


def test_a_day_that_does_not_fit_on_the_disks_is_not_restored(
    stream: Stream, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "free_below_watermark", lambda _: 10)
    (one,) = restored(stream, s3).findings
    assert (one.severity, one.kind) == ("look", "restored")
    assert "do not fit below the high watermark (10 B are free)" in one.finding


def test_readers_and_the_cycle_do_not_see_scratch_indices(
    stream: Stream, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def look(*arguments: Any, **options: Any) -> Any:
        compared = compare(*arguments, **options)
        sources = find_sources(stream.client, stream.dataset)
        expired = list_expired(stream.client, stream.dataset, date(2024, 5, 13), NOW)
        seen.append((len(scratch_indices(stream)), sources.raw, len(sources.months), expired.indices, expired.undated))
        return compared

    compare = compare_rows
    monkeypatch.setattr(drawing, "compare_rows", look)
    restored(stream, s3)
    assert seen == [(2, [], 1, {}, [])]
