"""Days of which too little is left to see what is wrong, and days that change while they are looked at."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from opensearch_strata.archive.store.manifest import NAME
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.workflows.archiving import archive_day
from opensearch_strata.workflows.audit import audit as auditing
from opensearch_strata.workflows.audit.archived import see_archive
from opensearch_strata.workflows.audit.audit import audit_archives, audit_days, plan_audit
from tests.audits import COUNT, KEPT, NEWEST, NOW, OLD, audited, bad, copy_of, empty, the
from tests.streams import Stream, StreamFactory, dataset_of

LATE = {"@timestamp": "2024-05-12T10:00:00Z", "device": "d1", "temperature": 5.0}


def manifest(s3: Any, bucket: str, day: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(s3.get_object(Bucket=bucket, Key=f"a/dt={day}/{NAME}")["Body"].read())
    return found


def put_manifest(s3: Any, bucket: str, day: Any, content: dict[str, Any]) -> None:
    s3.put_object(Bucket=bucket, Key=f"a/dt={day}/{NAME}", Body=json.dumps(content).encode())


def version_1(s3: Any, bucket: str, day: Any) -> str:
    """Make the manifest of a day one of the first version; the key of its object."""
    there = manifest(s3, bucket, day)
    one = {key: there["objects"][0][key] for key in ("key", "documents", "bytes", "sha256")}
    body = {"strata_manifest": 1, "dataset": there["dataset"], "day": f"{day}", "objects": [one]}
    put_manifest(s3, bucket, day, body)
    return str(one["key"])


def test_an_archive_that_is_gone_altogether(sound: Stream, s3: Any, bucket: str) -> None:
    """Nothing of it shows that it was there, until something beside it does."""
    link = s3.get_object(Bucket=bucket, Key=f"a/hive/dt={OLD[0]}/symlink.txt")["Body"].read()
    empty(s3, bucket, "a/dt=")
    empty(s3, bucket, "a/hive/")
    one = the(audited(sound, s3), "archive", "look")
    assert (one.days, "although archive.before_delete is set" in one.finding) == (f"{OLD[0]} .. {OLD[2]}", True)
    assert "archive.prefix" in one.what_to_do
    s3.put_object(Bucket=bucket, Key=f"a/superseded/dt={OLD[0]}/generation=1/symlink.txt", Body=link)
    lost = [one.days for one in audited(sound, s3).findings if (one.kind, one.severity) == ("archive", "lost")]
    assert lost == [f"{OLD[0]}", f"{OLD[1]} .. {OLD[2]}"]


def test_another_prefix_than_that_of_the_archive(sound: Stream, s3: Any, bucket: str) -> None:
    moved = dataset_of(sound.dataset.name, raw={"window_days": 2}, archive={"bucket": bucket, "prefix": "other/"})
    one = the(audited(Stream(sound.client, moved), s3), "archive", "look")
    assert (one.days, "archive.prefix" in one.what_to_do) == (f"{OLD[0]} .. {OLD[2]}", True)


def test_the_span_that_is_asked_for_changes_no_severity(sound: Stream, s3: Any, bucket: str) -> None:
    empty(s3, bucket, "a/dt=")
    for day in OLD[1:]:
        empty(s3, bucket, f"a/hive/dt={day}")
    whole = {one.day: one.severity for one in audited(sound, s3).findings if one.kind == "archive"}
    for day in OLD[:2]:
        (one,) = [one for one in audited(sound, s3, first=day, last=day).findings if one.kind == "archive"]
        assert (one.day, one.severity) == (day, whole[day]) == (day, "lost")


def test_a_month_that_is_lost_is_known_by_its_archives(sound: Stream, s3: Any, bucket: str) -> None:
    empty(s3, bucket, "a/history/")
    sound.client.indices.delete(index=sound.dataset.month_index(NEWEST))
    one = the(audited(sound, s3), "rows", "would be lost")
    assert one.days == f"{OLD[0]} .. {OLD[2]}"
    assert "Its rows were proven when it was archived" in one.finding
    assert f"strata backfill {sound.dataset.name} --source archive --from {OLD[0]}" in one.what_to_do


def test_rows_of_which_only_a_part_came_back(sound: Stream, s3: Any) -> None:
    """As an import that is killed leaves them: they have no mark, and stand for less than their copy."""
    client, dataset = sound.client, sound.dataset
    body = {
        "query": {
            "bool": {"filter": [{"term": {"transform._id": dataset.transform_id(OLD[0])}}, {"term": {"device": "d0"}}]}
        }
    }
    client.delete_by_query(index=dataset.month_index(NEWEST), body=body, params={"refresh": "true"})
    meta = client.indices.get_mapping(index=dataset.month_index(NEWEST))[dataset.month_index(NEWEST)]["mappings"][
        "_meta"
    ]
    del meta["strata"]["verified"][f"{OLD[0]}"]
    client.indices.put_mapping(index=dataset.month_index(NEWEST), body={"_meta": meta})
    one = the(audited(sound, s3), "copy", "would be lost")
    assert (one.day, "stands for 60 documents" in one.finding) == (OLD[0], True)
    assert f"strata history import {dataset.name} --from {OLD[0]}" in one.what_to_do


def test_copies_that_are_damaged(sound: Stream, s3: Any, bucket: str) -> None:
    """They matter if the rows could not be made again from anything else."""
    empty(s3, bucket, f"a/dt={OLD[0]}/")
    for day in OLD[:2]:
        s3.put_object(Bucket=bucket, Key=copy_of(day), Body=b"not a file of Parquet")
    s3.put_object(Bucket=bucket, Key=copy_of(OLD[2]), Body=b"PAR1")
    content = s3.get_object(Bucket=bucket, Key=copy_of(KEPT[0]))["Body"].read()
    s3.put_object(Bucket=bucket, Key=copy_of(KEPT[0]), Body=content)
    noted = s3.head_object(Bucket=bucket, Key=copy_of(KEPT[1]))["Metadata"]
    s3.put_object(Bucket=bucket, Key=copy_of(KEPT[1]), Body=b"of another tool" * 9, Metadata=noted)
    found = audited(sound, s3)
    assert "is damaged" in the(found, "copy", "would be lost", OLD[0]).finding
    assert "is damaged" in the(found, "copy", "look", OLD[1]).finding
    assert "has only 4 bytes" in the(found, "copy", "look", OLD[2]).finding
    assert "says nothing about it" in the(found, "copy", "look", KEPT[0]).finding
    assert "is not what Strata wrote there" in the(found, "copy", "look", KEPT[1]).finding


def test_a_manifest_that_is_forged_is_one_finding(sound: Stream, s3: Any, bucket: str) -> None:
    forged = manifest(s3, bucket, OLD[1])
    forged["metrics"]["temperature"]["sketch"] = "!!!!"
    put_manifest(s3, bucket, OLD[1], forged)
    emptied = {**manifest(s3, bucket, OLD[2]), "objects": []}
    put_manifest(s3, bucket, OLD[2], emptied)
    found = audited(sound, s3)
    assert bad(found) == [(f"{OLD[2]}", "archive", "lost"), (f"{OLD[1]}", "archive", "would be lost")]
    assert "contradicts itself. Its objects have 0 documents" in the(found, "archive", "lost").finding
    assert "the sketch of temperature cannot be read" in the(found, "archive", "would be lost").finding
    assert len([one for one in found.findings if "S3 has every object" in one.finding]) == 1


def test_a_day_that_cannot_be_looked_at_hides_no_other(
    sound: Stream, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def see(*arguments: Any) -> Any:
        if arguments[3].day == OLD[0]:
            raise TypeError("a bug")
        return see_archive(*arguments)

    monkeypatch.setattr(auditing, "see_archive", see)
    empty(s3, bucket, f"a/dt={OLD[1]}/")
    found = audited(sound, s3)
    assert bad(found) == [(f"{OLD[1]}", "archive", "lost"), (f"{OLD[0]}", "unfinished", "look")]
    assert found.failed
    assert not found.may_pass
    monkeypatch.setattr(auditing, "see_copies", lambda *_: [])
    alone = audited(sound, s3, first=OLD[0], last=OLD[0])
    assert alone.failed
    assert alone.verdict.startswith("Not everything could be looked at of ")


def test_a_manifest_that_says_too_little_of_its_objects(sound: Stream, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key=version_1(s3, bucket, OLD[1]), Body=b"garbage")
    found = audited(sound, s3)
    one = the(found, "archive", "look")
    assert (one.day, "notes neither ETags nor checksums" in one.finding) == (OLD[1], True)
    assert one.what_to_do == f"strata archives {sound.dataset.name} --deep"
    assert OLD[1] not in [one.day for one in found.findings if "S3 has every object" in one.finding]


def test_a_definition_that_changed_since_the_rows_were_proven(sound: Stream, s3: Any, bucket: str) -> None:
    metrics = {"temperature": {"field": "load", "stats": ["sum", "count"], "sparse": True}}
    archive = {"bucket": bucket, "prefix": "a/"}
    changed = dataset_of(sound.dataset.name, raw={"window_days": 2}, archive=archive, metrics=metrics)
    for apply in (False, True):
        found = audited(Stream(sound.client, changed), s3, apply=apply)
        one = the(found, "definition", "look")
        assert one.days == f"{KEPT[0]} .. {KEPT[1]}"
        assert one.what_to_do == f"strata reaggregate {sound.dataset.name} --from {KEPT[0]} --to {KEPT[1]}"
        assert the(found, "definition", "fine").days == f"{OLD[0]} .. {OLD[2]}"
        assert KEPT[0] not in [one.day for one in found.findings if one.kind == "day"]


def test_days_that_producers_owe_until_now(make_stream: StreamFactory) -> None:
    stream = make_stream(raw={"window_days": 30, "required_daily": True})
    for day in OLD:
        stream.fill(day, count=COUNT)
        prove(stream.client, stream.dataset, day, engine="search")
    plan = plan_audit(stream.client, None, stream.dataset, datetime(2024, 5, 22, 5, tzinfo=UTC))
    one = the(audit_days(plan, engine="search"), "missing", "look")
    assert one.days == "2024-05-12 .. 2024-05-21"
    assert "Look at the producers" in one.what_to_do


def test_a_day_that_is_condensed_and_archived_while_it_is_looked_at(sound: Stream, s3: Any) -> None:
    client, dataset = sound.client, sound.dataset
    archive_day(client, s3, dataset, prove(client, dataset, KEPT[0], engine="search"))
    sound.write([LATE], KEPT[0])
    plan = plan_audit(client, s3, dataset, NOW)
    sound.condense(KEPT[0])
    archive_day(client, s3, dataset, prove(client, dataset, KEPT[0], engine="search"))
    found = audit_days(plan, engine="search")
    assert [one for one in found.findings if one.severity in ("lost", "would be lost")] == []
    assert not found.failed


def test_what_is_lost_meanwhile_is_only_lost_if_it_stays_so(
    sound: Stream, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inventory saw a folder that was empty for a moment."""
    plan = plan_audit(sound.client, s3, sound.dataset, NOW)
    days = [replace(state, objects={}) if state.day == OLD[0] else state for state in plan.inventory.days]
    then = replace(plan, inventory=replace(plan.inventory, days=days))
    assert not audit_days(then, engine="search").failed
    monkeypatch.setattr(auditing, "take_inventory", lambda *_, **__: then.inventory)
    assert audit_days(then, engine="search").failed


def test_an_older_generation_that_was_put_back_is_no_reason_to_touch_the_rows(
    sound: Stream, s3: Any, bucket: str
) -> None:
    """The rows are those of their last proof, and the cure keeps the documents that only they have."""
    client, dataset, day = sound.client, sound.dataset, KEPT[0]
    archive_day(client, s3, dataset, prove(client, dataset, day, engine="search"))
    folder = {one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()
              for one in s3.list_objects_v2(Bucket=bucket, Prefix=f"a/dt={day}/")["Contents"]}  # fmt: skip
    sound.write([LATE], day)
    sound.condense(day)
    archive_day(client, s3, dataset, prove(client, dataset, day, engine="search"))
    client.indices.delete(index=dataset.raw_index(day))
    empty(s3, bucket, f"a/dt={day}/")
    for key, body in folder.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    one = the(audited(sound, s3), "archive", "lost")
    assert (one.day, "Its archive is not that of its rows" in one.finding) == (day, True)
    assert "this is generation 1. Do not condense the day from it" in one.what_to_do
    assert "--allow-poorer" not in one.what_to_do


def test_a_month_that_is_closed_is_named_even_if_nothing_else_of_its_days_is_known(make_stream: StreamFactory) -> None:
    stream = make_stream(raw={"window_days": 2})
    stream.fill(OLD[0], count=COUNT)
    prove(stream.client, stream.dataset, OLD[0], engine="search")
    stream.client.indices.delete(index=stream.dataset.raw_index(OLD[0]))
    stream.client.indices.close(index=stream.dataset.month_index(OLD[0]))
    one = the(audited(stream, None), "unreadable", "look")
    assert one.days == "2024-05-01 .. 2024-05-31"
    found = audited(stream, None, first=NEWEST.replace(month=6), last=NEWEST.replace(month=7))
    assert found.verdict == (
        f"No day of {stream.dataset.name} is known, or none of those that were asked for: nothing was looked at."
    )


def test_a_copy_is_drawn_and_compared_with_its_rows(sound: Stream, s3: Any, bucket: str) -> None:
    day, where = OLD[0], {"Bucket": bucket, "Key": copy_of(OLD[0])}

    def read() -> tuple[str, str]:
        plan = plan_audit(sound.client, s3, sound.dataset, NOW, days=False, restore=1, first=day, last=day)
        found = audit_archives(plan, "test")
        (one,) = [one for one in found.findings if one.kind in ("copy", "unfinished")]
        assert found.spent.bytes == plan.cost.bytes or one.severity != "fine"
        return one.severity, one.finding

    severity, told = read()
    assert (severity, "are those that history has" in told) == ("fine", True)
    noted = s3.head_object(**where)["Metadata"]
    content = bytearray(s3.get_object(**where)["Body"].read())
    content[len(content) // 2] ^= 1
    s3.put_object(**where, Body=bytes(content), Metadata=noted)
    assert "its SHA-256 is not the one that was noted" in read()[1]
    others = s3.get_object(Bucket=bucket, Key=copy_of(OLD[1]))["Body"].read()
    s3.put_object(**where, Body=others, Metadata={**noted, "strata-sha256": hashlib.sha256(others).hexdigest()})
    severity, told = read()
    assert (severity, "are not those that history has" in told) == ("look", True)
    empty(s3, bucket, f"a/dt={day}/")
    assert read()[0] == "would be lost"
