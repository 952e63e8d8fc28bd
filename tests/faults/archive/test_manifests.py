"""Archives of our own with a manifest beside them: what is not what was archived is loaded all the same, and told."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson
import pytest

from opensearch_strata.archive.ledger.loads import Counts
from opensearch_strata.archive.ledger.rows import ObjectRow
from opensearch_strata.archive.lines import line_of
from opensearch_strata.archive.reconcile import prove_range
from opensearch_strata.archive.store.manifest import Archived, Manifest, Measure
from opensearch_strata.archive.store.objects import ListedObject
from opensearch_strata.errors import Refused, TransientError
from tests.faults.archive.test_object_faults import access_denied
from tests.faults.archives import SPAN, START, Archive, cloudwatch, events, message, ndjson
from tests.faults.proxy import Answer, FaultyProxy
from tests.servers.cutting_proxy import impatient_s3
from tests.streams import DAY

FOLDER = "ours/2024.05.06/"
PARTS = [range(start, start + 100) for start in (0, 100, 200)]
EVERY = range(300)


def lines(numbers: Iterable[int]) -> list[bytes]:
    """The lines of a part."""
    return [line_of(f"id-{n}", orjson.dumps({"@timestamp": START + n * 1000, **message(n)})) for n in numbers]


def packed(content: Iterable[bytes]) -> bytes:
    return gzip.compress(b"".join(content))


def archived(key: str, numbers: Iterable[int]) -> Archived:
    """What is said of a part when it is written."""
    measure = Measure()
    for line in lines(numbers):
        measure.add(line)
    return measure.archived(key)


def write_manifest(archive: Archive, folder: str, parts: list[range]) -> Manifest:
    objects = tuple(archived(f"{folder}part-{number}.gz", part) for number, part in enumerate(parts))
    manifest = Manifest(dataset=archive.dataset.name, day=DAY, objects=objects)
    archive.s3.put_object(Bucket=archive.bucket, Key=f"{folder}manifest.json", Body=manifest.written())
    return manifest


def write_day(archive: Archive, folder: str = FOLDER, parts: list[range] = PARTS) -> list[ListedObject]:
    """A day in parts, with its manifest."""
    write_manifest(archive, folder, parts)
    return [archive.put(packed(lines(part)), f"{folder}part-{number}.gz") for number, part in enumerate(parts)]


@contextmanager
def asked(s3: Any) -> Iterator[list[str]]:
    """What S3 is asked: the operation, and its key or prefix."""
    found: list[str] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        found.append(f"{model.name} {params.get('Key', params.get('Prefix'))}")

    s3.meta.events.register("provide-client-params.s3.*", note, unique_id="asked")
    yield found
    s3.meta.events.unregister("provide-client-params.s3.*", unique_id="asked")


def states(archive: Archive) -> list[str]:
    return [row.state for row in archive.rows()]


def quarantined(archive: Archive) -> ObjectRow:
    """The one object that is."""
    (row,) = [row for row in archive.rows() if row.state == "quarantined"]
    return row


def test_days_that_are_as_they_were_archived_are_proven_by_one_look_at_each_manifest(archive: Archive) -> None:
    write_day(archive)
    write_day(archive, "ours/copy of another day/", [range(300, 350), range(350, 400)])
    with asked(archive.s3) as calls:
        archive.load().require_success()
    archive.assert_done()
    archive.assert_loaded(range(400))
    assert [row.error for row in archive.rows()] == [""] * 5
    hits = archive.stream.client.search(index=archive.dataset.raw_index(DAY), body={"size": 400})["hits"]["hits"]
    assert {hit["_id"] for hit in hits} == {f"id-{n}" for n in range(400)}
    for folder in (FOLDER, "ours/copy of another day/"):
        beside = [call for call in calls if call.endswith((f"{folder}manifest.json", folder))]
        assert beside == [f"ListObjectsV2 {folder}", f"GetObject {folder}manifest.json"]


def test_a_folder_that_was_copied_is_compared_with_the_names_in_it(archive: Archive) -> None:
    write_day(archive)
    manifest = write_manifest(archive, "first/home/", PARTS)
    archive.s3.put_object(Bucket=archive.bucket, Key=f"{FOLDER}manifest.json", Body=manifest.written())
    archive.load().require_success()
    archive.assert_done()
    assert {row.error for row in archive.rows()} == {""}


CHANGED = {
    "another byte": [*lines(range(100, 199)), lines([199])[0].replace(b"north", b"sorth")],
    "another order": [*lines([101, 100]), *lines(range(102, 200))],
    "fewer": lines(range(100, 150)),
    "more": [*lines(range(100, 200)), *lines([100])],
    "no end of line": [*lines(range(100, 199)), lines([199])[0].rstrip(b"\n")],
    "a mark": [b"\xef\xbb\xbf", *lines(range(100, 200))],
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_was_changed_is_loaded_and_quarantined(archive: Archive, name: str) -> None:
    write_day(archive)
    archive.put(packed(CHANGED[name]), f"{FOLDER}part-1.gz")
    archive.load().require_success()
    archive.assert_loaded([n for n in EVERY if name != "fewer" or not 150 <= n < 200])
    assert sorted(states(archive)) == ["done", "done", "quarantined"]
    row = quarantined(archive)
    url = f"s3://{archive.bucket}/{FOLDER}"
    wanted = archived("", range(100, 200))
    assert row.error.startswith(f"{url}part-1.gz is not what was archived: it holds ")
    assert (
        f"instead of 100 lines in {wanted.bytes:,} bytes (SHA-256 {wanted.sha256}), according to {url}manifest"
        in row.error
    )
    assert "put the archived object back and plan again" in row.error
    assert archive.letters() == []
    places = [listed.place for listed in archive.objects]
    (check,) = prove_range(archive.stream.client, archive.ledger, places, SPAN).failed
    assert (check.name, check.named) == ("objects in quarantine", (f"{row.place}: {row.error}",))


def test_the_archived_object_put_back_is_done(archive: Archive) -> None:
    write_day(archive)
    archive.put(packed(CHANGED["fewer"]), f"{FOLDER}part-1.gz")
    archive.load()
    archive.put(packed(lines(PARTS[1])), f"{FOLDER}part-1.gz")
    archive.load().require_success()
    archive.assert_done()
    archive.assert_loaded(EVERY)


def test_a_truncated_object_is_quarantined_also_where_the_cut_would_cost_a_record_only(archive: Archive) -> None:
    write_day(archive)
    whole = packed(lines(PARTS[1]))
    archive.put(whole[: len(whole) // 2], f"{FOLDER}part-1.gz")
    archive.load().require_success()
    row = quarantined(archive)
    assert row.error.startswith("The gzip layer ends in the middle of a member")
    assert "is not what was archived: it holds " in row.error
    assert 0 < row.counts.created < 100
    assert (row.counts.dead, len(archive.letters())) == (1, 1)
    archive.assert_loaded([*range(100 + row.counts.created), *EVERY[200:]])


def test_an_object_without_a_line_is_quarantined(archive: Archive) -> None:
    write_day(archive)
    archive.put(packed([]), f"{FOLDER}part-1.gz")
    archive.load()
    assert "it holds 0 lines in 0 bytes" in quarantined(archive).error


@pytest.mark.parametrize("emptied", [False, True], ids=["gone", "empty"])
def test_a_missing_object_leaves_its_folder_unproven(archive: Archive, emptied: bool) -> None:
    other = "ours/2024.05.07/"
    gone = write_day(archive)[1].place
    write_day(archive, other, [range(300, 350)])
    archive.objects = [listed for listed in archive.objects if listed.place != gone]
    if emptied:
        archive.s3.put_object(Bucket=archive.bucket, Key=gone.key, Body=b"")
    else:
        archive.s3.delete_object(Bucket=archive.bucket, Key=gone.key)
    archive.load().require_success()
    archive.assert_loaded([*PARTS[0], *PARTS[2], *range(300, 350)])
    assert states(archive) == ["quarantined", "quarantined", "done"]
    manifest = f"s3://{archive.bucket}/{FOLDER}manifest.json"
    told = f"of the 3 objects that {manifest} names, 1 is missing or empty: part-1.gz."
    assert all(told in row.error for row in archive.rows()[:2])
    archive.put(packed(lines(PARTS[1])), gone.key)
    archive.load().require_success()
    archive.assert_done()
    archive.assert_loaded(range(350))


BROKEN = {
    "cut off": (b'{"strata_manifest":1,"dataset":"d","da', "at its beginning"),
    "of another version": (
        b'{"strata_manifest":3,"dataset":"d","day":"2024-05-06","objects":[]}',
        "at strata_manifest",
    ),
    "empty": (b"", "at its beginning"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_manifest_costs_nothing_but_the_proof(archive: Archive, name: str) -> None:
    content, where = BROKEN[name]
    write_day(archive)
    archive.s3.put_object(Bucket=archive.bucket, Key=f"{FOLDER}manifest.json", Body=content)
    with asked(archive.s3) as calls:
        archive.load().require_success()
    assert len([call for call in calls if "manifest" in call]) <= 2
    archive.assert_loaded(EVERY)
    assert states(archive) == ["quarantined"] * 3
    for row in archive.rows():
        assert row.error.startswith(f"{row.place} is loaded, but nothing proves that it is complete: s3://")
        assert f"manifest.json is not a valid archive manifest: {where}" in row.error
    write_manifest(archive, FOLDER, PARTS)
    archive.load().require_success()
    archive.assert_done()
    archive.assert_loaded(EVERY)


def test_a_manifest_that_is_far_too_large_is_not_read(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    write_day(archive)
    monkeypatch.setattr("opensearch_strata.archive.store.manifest_check._LARGEST", 100)
    with asked(archive.s3) as calls:
        archive.load()
    assert f"GetObject {FOLDER}manifest.json" not in calls
    assert states(archive) == ["quarantined"] * 3


def test_an_object_that_the_manifest_does_not_name_is_loaded_with_a_note(archive: Archive, caplog: Any) -> None:
    write_day(archive)
    added = archive.put(packed(lines(range(300, 310))), f"{FOLDER}part-9.gz")
    archive.load().require_success()
    archive.assert_done()
    archive.assert_loaded(range(310))
    url = f"s3://{archive.bucket}/{FOLDER}manifest.json"
    note = f"The manifest {url} does not name it, so nothing proves that it is complete."
    assert [row.error for row in archive.rows()] == ["", "", "", note]
    assert f"{added.place} is done. {note}" in caplog.text


def test_without_a_manifest_it_is_said_once(archive: Archive, caplog: Any) -> None:
    write_day(archive)
    archive.s3.delete_object(Bucket=archive.bucket, Key=f"{FOLDER}manifest.json")
    with caplog.at_level(logging.INFO, "opensearch_strata"):
        archive.load().require_success()
    archive.assert_done()
    archive.assert_loaded(EVERY)
    assert caplog.text.count(f"There is no manifest s3://{archive.bucket}/{FOLDER}_manifest.json") == 1


def test_nobody_looks_for_a_manifest_of_other_formats(archive: Archive) -> None:
    archive.put(cloudwatch(events(range(100))))
    archive.put(ndjson(range(100, 200)))
    with asked(archive.s3) as calls:
        archive.load().require_success()
    assert sorted(calls) == [f"GetObject {listed.place.key}" for listed in archive.objects]


def test_a_manifest_that_may_not_be_read_fails_its_objects_and_the_next_run_goes_on(
    archive: Archive, s3_url: str
) -> None:
    write_day(archive)
    archive.put(packed(CHANGED["fewer"]), f"{FOLDER}part-1.gz")
    archive.put(ndjson(range(300, 400)))
    with FaultyProxy(s3_url) as proxy:
        proxy.add(access_denied, path="manifest.json")
        result = archive.load(s3=impatient_s3(proxy.url))
    with pytest.raises(Refused, match=r"3 of 4 objects failed.*manifest\.json cannot be read\. AWS answered 403"):
        result.require_success()
    assert sorted(states(archive)) == ["done", "failed", "failed", "failed"]
    loaded = [n for n in range(400) if not 150 <= n < 200]
    archive.assert_loaded(loaded)
    archive.load()
    archive.assert_loaded(loaded)
    assert "is not what was archived: it holds 50 lines" in quarantined(archive).error
    assert sorted(states(archive)) == ["done", "done", "done", "quarantined"]


def test_too_many_requests_for_a_manifest_are_tried_again_later(archive: Archive, s3_url: str) -> None:
    write_day(archive)
    slow = Answer(503, b"<Error><Code>SlowDown</Code></Error>", {"content-type": "application/xml"})
    with FaultyProxy(s3_url) as proxy:
        proxy.add(lambda request, forward: slow if "manifest.json" in request.target else forward(request), path="")
        with pytest.raises(TransientError, match=r"3 of 3 objects failed.*SlowDown"):
            archive.load(s3=impatient_s3(proxy.url)).require_success()
    archive.load().require_success()
    archive.assert_done()
    archive.assert_loaded(EVERY)


@pytest.mark.parametrize("changed", [False, True], ids=["whole", "changed"])
def test_an_object_that_goes_on_where_it_stood_is_compared_as_a_whole(archive: Archive, changed: bool) -> None:
    """What is changed lies before the position from which the second attempt loads."""
    write_day(archive, parts=[PARTS[0]])
    if changed:
        archive.put(packed([*lines([1, 0]), *lines(range(2, 100))]), f"{FOLDER}part-0.gz")
    (listed,) = archive.objects
    (row,) = archive.ledger.claim([(listed.place, listed.size)], SPAN, uuid4().hex).claimed
    stood = replace(row, state="failed", resume=60, format="strata", counts=Counts(read=60, filtered=60))
    archive.ledger.finish([stood])
    archive.load()
    archive.assert_loaded(range(60, 100))
    assert states(archive) == ["quarantined" if changed else "done"]
