"""Every day of a dataset against whatever is left of it: each planted fault is found, named, and given a cure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.store.manifest import NAME, Manifest
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.sketches.ddsketch import pack, unpack
from opensearch_strata.workflows.archiving import archive_day
from opensearch_strata.workflows.audit.audit import Audited, audit_archives, audit_days, plan_audit
from opensearch_strata.workflows.audit.findings import Finding
from tests.archives import forget_ledger
from tests.streams import Stream, StreamFactory, dataset_of

NOW = datetime(2024, 5, 14, 5, tzinfo=UTC)
NEWEST = date(2024, 5, 13)
OLD = [date(2024, 5, 9), date(2024, 5, 10), date(2024, 5, 11)]
"""Archived days whose raw days are gone."""
KEPT = [date(2024, 5, 12), NEWEST]
"""Raw days in the window of two days."""
EARLIER = date(2024, 5, 8)
"""A day about which nothing is known."""
COUNT = 60


@pytest.fixture
def stream(make_stream: StreamFactory, bucket: str) -> Stream:
    archive = {"bucket": bucket, "prefix": "a/"}
    return make_stream(archive=archive, raw={"window_days": 2})


@pytest.fixture
def sound(stream: Stream, s3: Any) -> Stream:
    """Three archived days and two raw ones, with nothing wrong about any."""
    for day in OLD:
        archived(stream, s3, day)
    for day in KEPT:
        stream.fill(day, count=COUNT)
        prove(stream.client, stream.dataset, day, engine="search")
    return stream


def archived(stream: Stream, s3: Any, day: date, *, gone: bool = True) -> Manifest:
    stream.fill(day, count=COUNT)
    done = archive_day(stream.client, s3, stream.dataset, prove(stream.client, stream.dataset, day, engine="search"))
    if gone:
        stream.client.indices.delete(index=stream.dataset.raw_index(day))
    return done.manifest


def audited(stream: Stream, s3: Any, **options: Any) -> Audited:
    apply = options.get("apply", False)
    plan = plan_audit(stream.client, s3, stream.dataset, NOW, **options)
    first = audit_days(plan, engine="search")
    assert apply or not [one for one in first.findings if "anew" in one.finding]
    return first.followed_by(audit_archives(plan, "test run")) if options.get("restore") else first


def the(found: Audited, kind: str, severity: str) -> Finding:
    """The only finding of a kind and severity; it says what to do."""
    (one,) = [one for one in found.findings if (one.kind, one.severity) == (kind, severity)]
    assert one.what_to_do or severity == "fine"
    assert "{" not in one.what_to_do
    return one


def bad(found: Audited) -> list[tuple[str, str, str]]:
    return [(one.days, one.kind, one.severity) for one in found.findings if one.severity != "fine"]


def key_of(stream: Stream, s3: Any, day: date) -> tuple[str, str]:
    settings = stream.dataset.archive
    assert settings
    body = s3.get_object(Bucket=settings.bucket, Key=f"a/dt={day}/{NAME}")["Body"].read()
    return settings.bucket, Manifest.model_validate_json(body).objects[0].key


def test_a_dataset_with_nothing_wrong(sound: Stream, s3: Any) -> None:
    found = audited(sound, s3)
    assert bad(found) == []
    assert [(one.days, one.finding) for one in found.findings] == [
        ("2024-05-09 .. 2024-05-11", "Its rows are those of its archive, and S3 has every object."),
        ("2024-05-12 .. 2024-05-13", "Its raw day and its rows agree."),
    ]
    assert not found.failed
    assert found.verdict.startswith(f"Nothing is lost of {sound.dataset.name}. 2 findings: 2 fine")
    assert found.spent.requests == found.planned.requests == 2 + 3 * 3
    assert found.spent.documents == found.planned.documents == 0


def test_an_object_of_an_archive_that_was_deleted(sound: Stream, s3: Any) -> None:
    bucket, key = key_of(sound, s3, OLD[1])
    s3.delete_object(Bucket=bucket, Key=key)
    found = audited(sound, s3)
    one = the(found, "archive", "lost")
    assert (one.day, one.finding) == (
        OLD[1],
        f"s3://{bucket}/{key} is missing, which s3://{bucket}/a/dt={OLD[1]}/{NAME} names.",
    )
    assert "earlier version of the bucket" in one.what_to_do
    assert found.failed


def test_an_object_that_was_changed_while_the_raw_day_is_there(sound: Stream, s3: Any) -> None:
    archived(sound, s3, NEWEST, gone=False)
    bucket, key = key_of(sound, s3, NEWEST)
    s3.put_object(Bucket=bucket, Key=key, Body=b"other")
    one = the(audited(sound, s3), "archive", "would be lost")
    assert "is not the object that" in one.finding
    assert f"strata archive {sound.dataset.name} --from {NEWEST} --to {NEWEST} --apply" in one.what_to_do


def tampered(stream: Stream, day: date, change: Callable[[dict[str, Any]], None]) -> None:
    """Write a row of a day with other values."""
    of_day = {name: row for name, row in stream.rows(day).items() if row["transform._id"].endswith(f"{day:%Y.%m.%d}")}
    identity, row = next(
        (name, row) for name, row in sorted(of_day.items()) if "sketch" in row["metrics"].get("temperature", {})
    )
    change(row["metrics"]["temperature"])
    stream.put_row(identity, row, day)


def test_rows_with_another_sum(sound: Stream, s3: Any) -> None:
    tampered(sound, OLD[0], lambda metric: metric.update(sum=metric["sum"] + 0.001))
    found = audited(sound, s3)
    one = the(found, "rows", "would be lost")
    assert one.day == OLD[0]
    assert (
        one.finding.startswith("Its rows are not those that were archived: sum of temperature")
        or "sum (" in one.finding
    )
    assert f"strata backfill {sound.dataset.name} --source archive --from {OLD[0]}" in one.what_to_do
    assert the(found, "mark", "look").day == OLD[0]


def test_rows_with_another_bin(sound: Stream, s3: Any) -> None:
    def move(metric: dict[str, Any]) -> None:
        bins, step = unpack(metric["sketch"])
        first = min(bins)
        bins[first - 1] = bins.pop(first)
        metric["sketch"] = pack(bins, step)

    tampered(sound, OLD[2], move)
    one = the(audited(sound, s3), "rows", "would be lost")
    assert (one.day, one.finding) == (
        OLD[2],
        "Its rows are not those that were archived: sketch (2 bins of it) of temperature.",
    )


def test_a_day_that_exists_nowhere(sound: Stream, s3: Any, bucket: str) -> None:
    sound.drop_rows(OLD[1])
    empty(s3, bucket, f"a/dt={OLD[1]}/")
    one = the(audited(sound, s3), "missing", "lost")
    assert (one.day, one.finding) == (
        OLD[1],
        "Its 60 documents were proven in rows, but now there is neither a raw day, nor rows, nor an archive.",
    )


def test_a_hole_that_nobody_knows_of(sound: Stream, s3: Any) -> None:
    day = OLD[0] - timedelta(days=4)
    sound.fill(day, count=COUNT)
    prove(sound.client, sound.dataset, day, engine="search")
    found = audited(sound, s3)
    hole = the(found, "missing", "look")
    assert hole.days == "2024-05-06 .. 2024-05-08"
    assert "--from 2024-05-06 --to 2024-05-08 --apply" in hole.what_to_do
    assert not found.failed
    beyond = the(found, "beyond the window", "look")
    assert beyond.days == "2024-05-05"
    assert "has no proven archive. It is not archived, although it is old enough" in beyond.finding


def test_a_day_that_only_the_ledger_knows(sound: Stream, s3: Any, bucket: str) -> None:
    ledger = Ledger(sound.client, sound.dataset.name)
    ledger.ensure()
    (row,) = ledger.claim([(Place(bucket, "object", "v"), 10)], (0, 1), "test").claimed
    ledger.finish([replace(row, state="done", days={sound.dataset.raw_index(EARLIER): 7})])
    one = the(audited(sound, s3), "ledger", "lost")
    assert (one.day, one.finding) == (
        EARLIER,
        "Loads created 7 documents in its raw day, but now there is neither a raw day, nor rows, nor an archive.",
    )
    assert f"strata backfill {sound.dataset.name} --from {EARLIER} --to {EARLIER} --apply" in one.what_to_do
    forget_ledger(sound.client, sound.dataset.name)


def test_the_manifest_of_another_dataset(sound: Stream, s3: Any, bucket: str) -> None:
    there = s3.get_object(Bucket=bucket, Key=f"a/dt={OLD[0]}/{NAME}")["Body"].read()
    other = Manifest.model_validate_json(there).model_copy(update={"dataset": "others"})
    s3.put_object(Bucket=bucket, Key=f"a/dt={OLD[0]}/{NAME}", Body=other.written())
    one = the(audited(sound, s3), "archive", "lost")
    assert one.day == OLD[0]
    assert "is the archive of 'others', day 2024-05-09" in one.finding
    assert "another archive.prefix" in one.what_to_do


@pytest.mark.parametrize("left", ["no manifest", "damaged", "nothing"])
def test_a_manifest_that_is_gone(sound: Stream, s3: Any, bucket: str, left: str) -> None:
    key = f"a/dt={OLD[0]}/{NAME}"
    match left:
        case "no manifest":
            s3.delete_object(Bucket=bucket, Key=key)
        case "damaged":
            s3.put_object(Bucket=bucket, Key=key, Body=b"{")
        case _:
            empty(s3, bucket, f"a/dt={OLD[0]}/")
    one = the(audited(sound, s3), "archive", "lost")
    assert one.day == OLD[0]
    expected = {"no manifest": "has 1 object but no manifest", "damaged": "is not a valid archive manifest"}
    assert expected.get(left, "It was archived, but its folder in S3 is empty") in one.finding


def test_late_documents_in_the_window(sound: Stream, s3: Any) -> None:
    sound.fill(KEPT[1], count=5, seed=1)
    found = audited(sound, s3)
    one = the(found, "late", "look")
    assert (one.day, one.finding) == (KEPT[1], "Its raw day holds 65 documents, but its rows carry 60.")
    assert one.what_to_do == f"strata audit {sound.dataset.name} --apply"
    assert found.planned.documents == found.spent.documents == 65
    assert not found.failed
    again = audited(sound, s3, apply=True)
    told = the(again, "late", "fine")
    assert (
        told.finding
        == "Its raw day holds 65 documents, but its rows carry 60. It was condensed anew, and is proven now."
    )
    assert bad(audited(sound, s3)) == []


def test_a_raw_day_that_was_never_condensed(sound: Stream, s3: Any) -> None:
    sound.drop_rows(KEPT[0])
    one = the(audited(sound, s3), "late", "look")
    assert (one.day, one.finding) == (KEPT[0], "Its raw day holds 60 documents, but it was never condensed.")
    assert the(audited(sound, s3, apply=True), "late", "fine").day == KEPT[0]


def test_a_raw_day_that_lost_documents(sound: Stream, s3: Any) -> None:
    index = sound.dataset.raw_index(KEPT[0])
    sound.client.delete_by_query(index=index, body={"query": {"term": {"device": "d0"}}}, params={"refresh": "true"})
    found = audited(sound, s3, apply=True)
    one = the(found, "late", "lost")
    assert one.day == KEPT[0]
    assert "rows are not rebuilt from fewer documents" in one.finding
    assert found.failed


def test_a_mark_that_is_stale(sound: Stream, s3: Any) -> None:
    tampered(sound, KEPT[0], lambda _: None)
    one = the(audited(sound, s3), "mark", "look")
    assert one.day == KEPT[0]
    assert one.finding.startswith("Its rows agree with its raw day, but its mark is stale")
    assert "It was marked anew" in the(audited(sound, s3, apply=True), "mark", "fine").finding
    assert bad(audited(sound, s3)) == []


def test_a_stale_mark_of_a_day_that_is_gone(sound: Stream, s3: Any) -> None:
    tampered(sound, OLD[0], lambda _: None)
    found = audited(sound, s3)
    one = the(found, "mark", "look")
    assert (one.day, one.what_to_do) == (OLD[0], "Nothing: its rows are those of its archive.")
    assert not found.failed


def test_rows_that_were_deleted_while_the_archive_is_there(sound: Stream, s3: Any) -> None:
    sound.drop_rows(OLD[0])
    one = the(audited(sound, s3), "rows", "would be lost")
    assert (one.day, one.finding) == (OLD[0], "Its rows (60 documents) were proven, but are gone; its archive is left.")


@pytest.mark.parametrize("why", ["waits", "not asked", "read-only", "differs", "not archived"])
def test_a_raw_day_beyond_the_window_says_why_it_stays(sound: Stream, s3: Any, why: str) -> None:
    day = EARLIER
    if why == "not archived":
        sound.fill(day, count=COUNT)
        prove(sound.client, sound.dataset, day, engine="search")
    else:
        archived(sound, s3, day, gone=False)
    stream, words = sound, ""
    match why:
        case "waits":
            words = "Nothing keeps it: it waits for the next daily cycle"
        case "not asked":
            cycle = {"start_date": date(2024, 1, 1), "delete": True}
            parts = {"raw": {"window_days": 2}, "archive": sound.dataset.archive}
            stream = Stream(sound.client, dataset_of(sound.dataset.name, cycle=cycle, **parts))
            words = "cycle.delete is true, but it is not confirmed yet"
        case "read-only":
            stream.set_block("read_only", True, day)
            words = "is read-only, so somebody holds it"
        case "differs":
            stream.fill(day, count=3, seed=5)
            words = "It is kept because its rows are not proven"
        case _:
            words = "It is kept because it has no proven archive."
    one = the(audited(stream, s3), "beyond the window", "look")
    assert one.day == day
    assert words in one.finding
    sound.set_block("read_only", None, day)


def test_objects_in_another_storage_class(sound: Stream, s3: Any) -> None:
    for day, name in ((OLD[0], "GLACIER"), (OLD[1], "STANDARD_IA")):
        bucket, key = key_of(sound, s3, day)
        copied = {"Bucket": bucket, "Key": key}
        s3.copy_object(**copied, CopySource=copied, StorageClass=name)
    found = audited(sound, s3)
    one = the(found, "storage class", "look")
    assert (one.day, one.finding) == (
        OLD[0],
        "Its objects are in GLACIER: S3 must restore them before they can be read.",
    )
    assert "aws s3api restore-object" in one.what_to_do


def test_only_the_days_that_were_asked_for(sound: Stream, s3: Any, bucket: str) -> None:
    empty(s3, bucket, f"a/dt={OLD[0]}/")
    found = audited(sound, s3, first=OLD[1], last=OLD[2])
    assert [one.days for one in found.findings] == ["2024-05-10 .. 2024-05-11"]


def test_a_closed_month_hides_nothing_and_is_no_loss(sound: Stream, s3: Any) -> None:
    month = sound.dataset.month_index(NEWEST)
    sound.client.indices.close(index=month)
    try:
        found = audited(sound, s3)
    finally:
        sound.client.indices.open(index=month)
    one = the(found, "unreadable", "look")
    assert one.days == "2024-05-09 .. 2024-05-13"
    assert "is closed" in one.finding
    assert not found.failed


def empty(s3: Any, bucket: str, prefix: str) -> None:
    for one in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=one["Key"])
