"""Every day of a dataset against whatever is left of it: each planted fault is found, named, and given a cure."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.store.manifest import NAME, Manifest
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.workflows.audit import audit as auditing
from opensearch_strata.workflows.audit.day_findings import AGREES
from opensearch_strata.workflows.history_copy.cycle_copies import copy_window
from tests.archives import forget_ledger
from tests.audits import (
    COUNT,
    EARLIER,
    KEPT,
    NEWEST,
    NOWHERE,
    OLD,
    archived,
    audited,
    bad,
    copy_of,
    empty,
    key_of,
    moved,
    tampered,
    the,
)
from tests.streams import Stream, dataset_of


def test_a_dataset_with_nothing_wrong(sound: Stream, s3: Any) -> None:
    found = audited(sound, s3)
    assert bad(found) == []
    assert [(one.days, one.finding) for one in found.findings] == [
        ("2024-05-09 .. 2024-05-11", "Its rows are those of its archive, and S3 has every object."),
        ("2024-05-12 .. 2024-05-13", AGREES),
    ]
    assert found.verdict == f"Nothing is lost of {sound.dataset.name}. 2 findings: 2 fine."
    assert found.spent == found.planned
    assert (found.spent.documents, found.spent.bytes, found.spent.requests) == (0, 0, 4 + 3 * 3 + 5)
    some = audited(sound, s3, first=OLD[1], last=OLD[2])
    assert [one.days for one in some.findings] == ["2024-05-10 .. 2024-05-11"]


def test_archives_that_are_not_what_was_proven(sound: Stream, s3: Any, bucket: str) -> None:
    """An object deleted, a manifest of another dataset, a damaged one; and an object changed whose raw day is there."""
    gone = key_of(s3, bucket, OLD[0])
    s3.delete_object(Bucket=bucket, Key=gone)
    there = s3.get_object(Bucket=bucket, Key=f"a/dt={OLD[1]}/{NAME}")["Body"].read()
    other = Manifest.model_validate_json(there).model_copy(update={"dataset": "others"})
    s3.put_object(Bucket=bucket, Key=f"a/dt={OLD[1]}/{NAME}", Body=other.written())
    s3.put_object(Bucket=bucket, Key=f"a/dt={OLD[2]}/{NAME}", Body=b"{")
    archived(sound, s3, KEPT[0], gone=False)
    s3.put_object(Bucket=bucket, Key=key_of(s3, bucket, KEPT[0]), Body=b"other")
    found = audited(sound, s3)
    deleted = the(found, "archive", "lost", OLD[0])
    assert deleted.finding == f"s3://{bucket}/{gone} is missing, which s3://{bucket}/a/dt={OLD[0]}/{NAME} names."
    assert "earlier version of the bucket" in deleted.what_to_do
    others = the(found, "archive", "lost", OLD[1])
    assert "is the archive of 'others', day 2024-05-10" in others.finding
    assert "another archive.prefix" in others.what_to_do
    assert "is not a valid archive manifest" in the(found, "archive", "lost", OLD[2]).finding
    changed = the(found, "archive", "would be lost")
    assert changed.day == KEPT[0]
    assert "is not the object that" in changed.finding
    assert f"strata archive {sound.dataset.name} --from {KEPT[0]} --to {KEPT[0]} --apply" in changed.what_to_do
    assert found.failed


def test_archives_of_which_the_manifest_or_everything_is_gone(sound: Stream, s3: Any, bucket: str) -> None:
    s3.delete_object(Bucket=bucket, Key=f"a/dt={OLD[0]}/{NAME}")
    empty(s3, bucket, f"a/dt={OLD[1]}/")
    found = audited(sound, s3)
    assert "has 1 object but no manifest, and the raw day is gone" in the(found, "archive", "lost", OLD[0]).finding
    assert "It was archived, but its folder in S3 is empty" in the(found, "archive", "lost", OLD[1]).finding


def test_a_deleted_manifest_is_no_export_that_did_not_end(sound: Stream, s3: Any, bucket: str) -> None:
    archived(sound, s3, KEPT[0], gone=False)
    s3.delete_object(Bucket=bucket, Key=f"a/dt={KEPT[0]}/{NAME}")
    found = the(audited(sound, s3), "archive", "would be lost", KEPT[0])
    assert "no manifest: it was deleted since the day was archived" in found.finding
    assert "earlier version of the bucket" in found.what_to_do
    s3.delete_object(Bucket=bucket, Key=f"a/hive/dt={KEPT[0]}/symlink.txt")
    assert "an export did not end" in the(audited(sound, s3), "archive", "look", KEPT[0]).finding


def test_objects_in_another_storage_class(sound: Stream, s3: Any, bucket: str) -> None:
    for day, name in ((OLD[0], "GLACIER"), (OLD[1], "STANDARD_IA")):
        where = {"Bucket": bucket, "Key": key_of(s3, bucket, day)}
        s3.copy_object(**where, CopySource=where, StorageClass=name)
    found = audited(sound, s3)
    one = the(found, "storage class", "look")
    assert (one.day, one.finding) == (
        OLD[0], "Its objects are in GLACIER: S3 must restore them before they can be read.",
    )  # fmt: skip
    assert "aws s3api restore-object" in one.what_to_do
    colder = dataset_of(
        sound.dataset.name, raw={"window_days": 2},
        archive={"bucket": bucket, "prefix": "a/", "storage_class": "STANDARD_IA"},
    )  # fmt: skip
    warm = [one for one in audited(Stream(sound.client, colder), s3).findings if "although archive" in one.finding]
    assert [(one.days, one.severity) for one in warm] == [(f"{OLD[2]}", "look")]


def test_rows_that_somebody_tampered_with(sound: Stream, s3: Any) -> None:
    tampered(sound, OLD[0], lambda metric: metric.update(sum=metric["sum"] + 0.001))
    tampered(sound, OLD[1], moved)
    sound.drop_rows(OLD[2])
    found = audited(sound, s3)
    one = the(found, "rows", "would be lost", OLD[0])
    assert one.finding.startswith("Its rows are not those that were archived: sum (")
    assert one.finding.endswith("of temperature.")
    assert f"strata backfill {sound.dataset.name} --source archive --from {OLD[0]} --to {OLD[0]}" in one.what_to_do
    told = "Its rows are not those that were archived: sketch (2 bins of it) of temperature."
    assert the(found, "rows", "would be lost", OLD[1]).finding == told
    told = "Its rows (60 documents) were proven, but are gone; its archive is left."
    assert the(found, "rows", "would be lost", OLD[2]).finding == told
    assert the(found, "mark", "look").days == f"{OLD[0]} .. {OLD[1]}"


def test_marks_that_are_stale(sound: Stream, s3: Any) -> None:
    """Of a day whose raw day is there, and of one of which only the archive can say that its rows are right."""
    tampered(sound, KEPT[0], lambda _: None)
    tampered(sound, OLD[0], lambda _: None)
    found = audited(sound, s3)
    assert not found.failed
    there = the(found, "mark", "look", KEPT[0])
    assert there.finding.startswith("Its rows agree with its raw day, but its mark is stale")
    assert the(found, "mark", "look", OLD[0]).what_to_do == "Nothing: its rows are those of its archive."
    again = audited(sound, s3, apply=True)
    assert "It was marked anew" in the(again, "mark", "fine").finding
    assert bad(audited(sound, s3)) == [(f"{OLD[0]}", "mark", "look"), (f"{KEPT[0]}", "copy", "look")]


def test_days_that_exist_nowhere(sound: Stream, s3: Any, bucket: str) -> None:
    """One whose rows were proven, one that only the ledger knows, and a hole of which nobody knows anything."""
    sound.drop_rows(OLD[1])
    empty(s3, bucket, f"a/dt={OLD[1]}/")
    empty(s3, bucket, copy_of(OLD[1]))
    first = EARLIER - timedelta(days=3)
    sound.fill(first, count=COUNT)
    prove(sound.client, sound.dataset, first, engine="search")
    ledger = Ledger(sound.client, sound.dataset.name)
    ledger.ensure()
    (row,) = ledger.claim([(Place(bucket, "object", "v"), 10)], (0, 1), "test").claimed
    ledger.finish([replace(row, state="done", days={sound.dataset.raw_index(EARLIER): 7})])
    try:
        found = audited(sound, s3)
    finally:
        forget_ledger(sound.client, sound.dataset.name)
    proven = the(found, "missing", "lost")
    assert (proven.day, proven.finding) == (OLD[1], f"Its 60 documents were proven in rows, but now {NOWHERE}")
    loaded = the(found, "ledger", "lost")
    assert (loaded.day, loaded.finding) == (EARLIER, f"Loads created 7 documents in its raw day, but now {NOWHERE}")
    assert f"strata backfill {sound.dataset.name} --from {EARLIER} --to {EARLIER} --apply" in loaded.what_to_do
    hole = the(found, "missing", "look")
    assert (hole.days, hole.finding) == ("2024-05-06 .. 2024-05-07", f"It exists nowhere: {NOWHERE}")
    assert "--from 2024-05-06 --to 2024-05-07 --apply" in hole.what_to_do


def test_late_documents_in_the_window(sound: Stream, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sound.fill(KEPT[1], count=5, seed=1)
    sound.drop_rows(KEPT[0])
    found = audited(sound, s3)
    late = the(found, "late", "look", KEPT[1])
    assert late.finding == "Its raw day holds 65 documents, but its rows carry 60."
    assert late.what_to_do == f"strata audit {sound.dataset.name} --apply"
    never = the(found, "late", "look", KEPT[0])
    assert never.finding == "Its raw day holds 60 documents, but it was never condensed."
    assert found.planned.documents == found.spent.documents == 60 + 65
    assert not found.failed
    monkeypatch.setattr(auditing, "MOST_PROVEN", 1)
    assert "This audit read 20 other days" in the(audited(sound, s3), "late", "look", KEPT[0]).finding
    monkeypatch.undo()
    again = audited(sound, s3, apply=True)
    told = f"{late.finding} It was condensed anew, and is proven now."
    assert the(again, "late", "fine", KEPT[1]).finding == told
    stale = audited(sound, s3)
    assert bad(stale) == [("2024-05-12 .. 2024-05-13", "copy", "look")]
    assert the(stale, "copy", "look").finding.startswith("The copy of its rows is older than its rows")
    assert not copy_window(sound.client, sound.dataset, NEWEST, s3=lambda: s3).problem
    assert bad(audited(sound, s3)) == []


def test_copies_of_rows_that_are_missing_or_hold_more(sound: Stream, s3: Any, bucket: str) -> None:
    """Also one whose rows are gone with everything else: only its file shows that they existed."""
    empty(s3, bucket, copy_of(OLD[0]))
    where = {"Bucket": bucket, "Key": copy_of(OLD[1])}
    noted = s3.head_object(**where)["Metadata"] | {"strata-documents": "70"}
    s3.copy_object(**where, CopySource=where, Metadata=noted, MetadataDirective="REPLACE")
    sound.drop_rows(OLD[2])
    empty(s3, bucket, f"a/dt={OLD[2]}/")
    found = audited(sound, s3)
    missing = the(found, "copy", "look")
    assert (missing.day, "no second copy in S3" in missing.finding) == (OLD[0], True)
    assert f"strata history export {sound.dataset.name} --from {OLD[0]} --to {OLD[0]}" in missing.what_to_do
    more = the(found, "copy", "would be lost", OLD[1])
    assert more.finding == "The copy of its rows stands for 70 documents, but its rows carry 60."
    alone = the(found, "copy", "would be lost", OLD[2])
    assert alone.finding == "Its raw day and its rows are gone; the copy of its rows in S3 is left."
    assert f"strata history import {sound.dataset.name} --from {OLD[2]} --to {OLD[2]} --apply" in alone.what_to_do


def test_a_month_that_is_lost_with_its_marks_is_known_by_its_copies(sound: Stream, s3: Any, bucket: str) -> None:
    sound.client.indices.delete(index=f"{sound.dataset.month_index(NEWEST)},{sound.dataset.raw_index(NEWEST)}")
    empty(s3, bucket, f"a/dt={OLD[1]}/")
    empty(s3, bucket, "a/hive/")
    lost = [one.days for one in audited(sound, s3).findings if (one.kind, one.severity) == ("copy", "would be lost")]
    assert lost == ["2024-05-09 .. 2024-05-11", f"{NEWEST}"]


@pytest.mark.long  # OpenSearch waits for the month
def test_a_month_that_is_lost_is_no_answer_of_the_server(sound: Stream, s3: Any) -> None:
    """Also where the deletion of a raw day beyond the window is tried dryly."""
    archived(sound, s3, EARLIER, gone=False)
    sound.client.indices.delete(index=sound.dataset.month_index(NEWEST))
    found = audited(sound, s3)
    assert not [one for one in found.findings if one.kind == "unfinished" or "OpenSearch answered" in one.finding]


def test_a_raw_day_that_lost_documents(sound: Stream, s3: Any) -> None:
    index = sound.dataset.raw_index(KEPT[0])
    sound.client.delete_by_query(index=index, body={"query": {"term": {"device": "d0"}}}, params={"refresh": "true"})
    found = audited(sound, s3, apply=True)
    one = the(found, "late", "lost")
    assert one.day == KEPT[0]
    assert "rows are not rebuilt from fewer documents" in one.finding
    assert found.failed


def test_a_raw_day_beyond_the_window_says_why_it_stays(sound: Stream, s3: Any, bucket: str) -> None:
    def why(dataset: Any = sound.dataset, day: date = EARLIER) -> str:
        return the(audited(Stream(sound.client, dataset), s3), "beyond the window", "look", day).finding

    archived(sound, s3, EARLIER, gone=False)
    assert "Nothing keeps it: it waits for the next daily cycle" in why()
    parts: dict[str, Any] = {"raw": {"window_days": 2}, "archive": {"bucket": bucket, "prefix": "a/"}}
    unconfirmed = {"start_date": date(2024, 1, 1), "delete": True}
    assert "but it is not confirmed yet" in why(dataset_of(sound.dataset.name, cycle=unconfirmed, **parts))
    sound.set_block("read_only", True, EARLIER)
    assert "is read-only, so somebody holds it" in why()
    sound.set_block("read_only", None, EARLIER)
    sound.fill(EARLIER, count=3, seed=5)
    assert "It is kept because its rows are not proven" in why()
    prove(sound.client, sound.dataset, EARLIER, engine="search")
    assert "no proven archive. Its raw day was written to, or made anew, after it was archived" in why()
    day = EARLIER - timedelta(days=1)
    sound.fill(day, count=COUNT)
    prove(sound.client, sound.dataset, day, engine="search")
    assert "no proven archive. It is not archived, although it is old enough" in why(day=day)
    wanted = {"_meta": {"strata": {"keep_until": "2024-05-20T00:00:00+00:00"}}}
    sound.client.indices.put_mapping(index=sound.dataset.raw_index(day), body=wanted)
    one = the(audited(sound, s3), "beyond the window", "fine")
    assert (one.day, "it was restored and is wanted until 2024-05-20 00:00 UTC" in one.finding) == (day, True)
    sound.client.indices.put_mapping(index=sound.dataset.raw_index(day), body={"_meta": {"strata": {}}})
    kept = {"start_date": date(2024, 1, 1), "delete": False}
    found = audited(Stream(sound.client, dataset_of(sound.dataset.name, cycle=kept, **parts)), s3)
    assert the(found, "beyond the window", "fine").days == f"{day} .. {EARLIER}"


def test_an_index_that_is_closed_hides_nothing_and_is_no_loss(sound: Stream, s3: Any) -> None:
    month, raw = sound.dataset.month_index(NEWEST), sound.dataset.raw_index(KEPT[0])
    sound.client.indices.close(index=f"{month},{raw}")
    found = audited(sound, s3)
    sound.client.indices.open(index=f"{month},{raw}")
    assert not found.failed
    days = [one.days for one in found.findings if one.kind == "unreadable" and "is closed" in one.finding]
    assert days == ["2024-05-09 .. 2024-05-13", f"{KEPT[0]}"]


def test_levels_that_readers_do_not_take(levelled: Stream, s3: Any) -> None:
    """Never built, or touched since: base rows are read, and an audit that may write builds them again."""
    client, dataset, day = levelled.client, levelled.dataset, KEPT[0]
    index = dataset.levels_index(day)
    hits = client.search(index=index, body={"query": {"term": {"transform._id": dataset.transform_id(day)}}})["hits"]
    client.delete(index=index, id=hits["hits"][0]["_id"], params={"refresh": "true"})
    definition = dataset.model_dump(mode="json")
    definition["history"]["levels"] = [{"bucket": "1h"}, {"bucket": "1d"}, {"bucket": "6h"}]
    other = Stream(client, type(dataset).model_validate(definition))
    found = [one for one in audited(levelled, s3).findings if one.kind == "levels"]
    assert [(one.days, one.severity) for one in found] == [(f"{day}", "look")]
    assert "were written or deleted after they were compared. Base rows are read instead." in found[0].finding
    assert found[0].what_to_do == f"strata levels {dataset.name} --from {day} --to {day} --apply"
    missing = [one.finding for one in audited(other, s3).findings if one.kind == "levels"]
    assert any(told.startswith("Its levels 6h are missing.") for told in missing)
    built = [one for one in audited(other, s3, apply=True).findings if one.kind == "levels"]
    assert {one.severity for one in built} == {"fine"}
    assert not [one for one in audited(other, s3).findings if one.kind == "levels"]
