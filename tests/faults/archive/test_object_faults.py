"""Objects that are not what they should be: each costs what it must, and none of the others anything."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.decode import layers, object_reader
from opensearch_strata.archive.ledger.loads import Counts
from opensearch_strata.archive.planning.sampling import sample
from opensearch_strata.archive.reconcile import prove_range
from opensearch_strata.archive.store.objects import build_s3
from opensearch_strata.errors import Refused
from tests.archives import s3_environment
from tests.faults.archives import SPAN, Archive, cloudwatch, events, message, ndjson, shuffled
from tests.faults.proxy import Answer, FaultyProxy, Forward, Request
from tests.streams import DAY

EVENTS = 3000
GOOD = range(EVENTS, EVENTS + 500)


def with_messages(numbers: list[int], changed: dict[int, str]) -> bytes:
    """An object in which some events have another message."""
    found = events(numbers)
    for event, number in zip(found, numbers, strict=True):
        event["message"] = changed.get(number, event["message"])
    return cloudwatch(found)


def one_in_hundred() -> list[int]:
    return sorted(random.Random(7).sample(range(EVENTS), EVENTS // 100))


def test_one_percent_of_poison_costs_one_percent(archive: Archive) -> None:
    bad = one_in_hundred()
    archive.put(with_messages(list(range(EVENTS)), dict.fromkeys(bad, '{"temperature": ')))
    archive.put(ndjson(GOOD))
    result = archive.load()
    result.require_success()
    archive.assert_done()
    archive.assert_loaded([n for n in [*range(EVENTS), *GOOD] if n not in bad])
    letters = archive.letters()
    assert {letter.reason for letter in letters} == {"unparsed"}
    assert len(letters) == len(bad) == result.counts.dead


def test_a_mapping_conflict_costs_the_documents_that_do_not_fit(archive: Archive) -> None:
    """`load` is a short in the raw day: OpenSearch takes no text for it."""
    bad = one_in_hundred()
    archive.put(with_messages(list(range(EVENTS)), {n: orjson.dumps(message(n, load="heavy")).decode() for n in bad}))
    archive.load().require_success()
    archive.assert_done()
    archive.assert_loaded([number for number in range(EVENTS) if number not in bad])
    letters = archive.letters()
    assert {letter.reason for letter in letters} == {"rejected"}
    assert all("failed to parse field [load] of type [short]" in letter.detail for letter in letters)
    kept = [orjson.loads(orjson.loads(letter.raw)["logEvents"][0]["message"]) for letter in letters]
    assert sorted(document["temperature"] for document in kept) == bad
    index = archive.dataset.raw_index(archive.dataset.cycle.start_date).rpartition("-")[0]
    assert all(letter.index.startswith(index) and letter.id for letter in letters)


def test_a_truncated_object_is_loaded_up_to_its_end(archive: Archive) -> None:
    whole = cloudwatch(events(range(EVENTS)), per_record=100)
    archive.put(whole[: len(whole) * 2 // 3])
    archive.put(ndjson(GOOD))
    archive.load().require_success()
    stored = sorted(archive.stored())
    count = len(stored) - len(GOOD)
    assert stored == [*range(count), *GOOD]
    assert EVENTS // 2 < count < EVENTS
    row, _ = archive.rows()
    assert row.state == "done"
    assert row.counts.balanced
    assert row.counts.dead == 1
    assert row.error
    (letter,) = archive.letters()
    assert letter.reason == "broken"


def test_what_an_archive_leaves_out_is_told_and_costs_nothing(archive: Archive) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as packed:
        link = tarfile.TarInfo("current")
        link.type, link.linkname = tarfile.SYMTYPE, "today.json"
        packed.addfile(link)
        file = tarfile.TarInfo("today.json")
        file.size = len(ndjson(GOOD))
        packed.addfile(file, io.BytesIO(ndjson(GOOD)))
    archive.put(target.getvalue())
    archive.load().require_success()
    archive.assert_loaded([*GOOD])
    (row,) = archive.rows()
    assert row.state == "done"
    assert tuple(row.layers) == ("tar", "gzip")
    assert row.error == "The member 'current' of the tar file is a link and was left out."


def with_a_bad_member(numbers: range, bad: int) -> bytes:
    """An object of gzip members, an envelope of ten events each, of which one is overwritten in its middle."""
    members = [cloudwatch(events(numbers[start : start + 10])) for start in range(0, len(numbers), 10)]
    middle = len(members[bad]) // 2
    members[bad] = members[bad][:middle] + b"\xff" * 8 + members[bad][middle + 8 :]
    return b"".join(members)


@pytest.mark.parametrize("bad", [3, 9], ids=["a middle one", "the last one"])
def test_an_object_of_which_members_were_not_read_is_put_in_quarantine(archive: Archive, bad: int) -> None:
    archive.put(with_a_bad_member(range(100), bad))
    archive.put(ndjson(GOOD))
    archive.load().require_success()
    archive.assert_loaded([*range(10 * bad), *GOOD])
    row, _ = archive.rows()
    assert row.state == "quarantined"
    assert "the part after the damage was not read. The gzip layer contains a damaged member" in row.error
    assert [letter.reason for letter in archive.letters()] == ["broken"]
    proof = prove_range(archive.stream.client, archive.ledger, [one.place for one in archive.objects], SPAN)
    assert [check.name for check in proof.failed] == ["objects in quarantine"]
    assert proof.failed[0].named == (f"{row.place}: {row.error}",)


def test_an_object_with_something_else_behind_its_end_is_put_in_quarantine(archive: Archive) -> None:
    archive.put(ndjson(GOOD) + b"something else")
    archive.load()
    archive.assert_loaded(GOOD)
    assert [row.state for row in archive.rows()] == ["quarantined"]


def test_a_position_in_another_format_is_not_gone_on_from(archive: Archive) -> None:
    archive.put(ndjson(range(100)))
    (row,) = archive.ledger.claim([(archive.objects[0].place, archive.objects[0].size)], SPAN, "earlier").claimed
    stood = replace(row, resume=60, counts=Counts(60, 60), days={"i": 60}, samples=("i/x",), format="lines")
    archive.ledger.finish([replace(stood, state="failed")])
    archive.load().require_success()
    archive.assert_loaded(range(100))
    (row,) = archive.rows()
    assert (row.counts, row.format, row.resume) == (Counts(100, 100), "json", 100)
    assert list(row.days.values()) == [100]
    assert "i/x" not in row.samples


def test_a_position_in_the_same_format_is_gone_on_from(archive: Archive) -> None:
    archive.put(ndjson(range(100)))
    (row,) = archive.ledger.claim([(archive.objects[0].place, archive.objects[0].size)], SPAN, "earlier").claimed
    stood = replace(row, resume=60, counts=Counts(60, 60), days={archive.dataset.raw_index(DAY): 60}, format="json")
    archive.ledger.finish([replace(stood, state="failed")])
    archive.load().require_success()
    archive.assert_loaded(range(60, 100))


def test_what_could_not_be_opened_keeps_its_position_and_the_format_of_it(
    archive: Archive, proxied_s3: FaultyProxy, s3_through: Any
) -> None:
    listed = archive.put(ndjson(range(100)))
    (row,) = archive.ledger.claim([(listed.place, listed.size)], SPAN, "earlier").claimed
    archive.ledger.finish([replace(row, state="failed", resume=60, counts=Counts(60, 60), format="json")])
    archive.dataset = archive.dataset.model_copy(
        update={"intake": archive.dataset.intake.model_copy(update={"format": "lines"})}
    )
    proxied_s3.add(access_denied, path=listed.place.key)
    archive.load(s3=s3_through)
    (row,) = archive.rows()
    assert (row.state, row.resume, row.format) == ("failed", 60, "json")


def test_documents_that_were_there_are_samples_for_the_proof_too(archive: Archive) -> None:
    archive.put(ndjson(range(100)))
    archive.load().require_success()
    assert archive.ledger.forget_days([archive.dataset.raw_index(DAY)]) == 1
    archive.load().require_success()
    (row,) = archive.rows()
    assert row.counts.existed == 100
    index, _, identity = row.samples[0].partition("/")
    assert archive.stream.client.exists(index=index, id=identity)


def test_garbage_among_good_objects_is_put_in_quarantine(archive: Archive) -> None:
    archive.put(ndjson(range(EVENTS)))
    archive.put(random.Random(1).randbytes(50_000))
    archive.put(b"\x1f\x8b\x08\x00" + random.Random(2).randbytes(50_000))
    archive.put(ndjson(GOOD))
    result = archive.load()
    result.require_success()
    archive.assert_loaded([*range(EVENTS), *GOOD])
    assert [row.state for row in archive.rows()] == ["done", "quarantined", "quarantined", "done"]
    assert all("Nothing in s3://" in row.error for row in result.in_state("quarantined"))


def test_an_empty_object_and_one_of_control_messages_are_done(archive: Archive) -> None:
    archive.put(b"")
    archive.put(gzip.compress(b""))
    archive.put(cloudwatch([]))
    archive.load().require_success()
    archive.assert_done()
    assert [row.counts.read for row in archive.rows()] == [0, 0, 0]


def test_an_object_of_dead_letters_is_left_before_its_end(archive: Archive) -> None:
    archive.put(with_messages(list(range(EVENTS)), dict.fromkeys(range(100, EVENTS), "no JSON")))
    archive.put(ndjson(GOOD))
    result = archive.load()
    archive.assert_loaded([*range(100), *GOOD])
    (row,) = result.in_state("quarantined")
    assert "more than the share of 0.5" in row.error
    assert 1000 <= row.counts.read < EVENTS
    assert len(archive.letters()) == row.counts.dead


def test_a_small_object_of_dead_letters_is_judged_at_its_end(archive: Archive) -> None:
    archive.put(with_messages(list(range(10)), dict.fromkeys(range(6), "no JSON")))
    (row,) = archive.load().in_state("quarantined")
    assert (row.counts.dead, row.counts.created) == (6, 4)
    archive.assert_loaded(range(6, 10))


def test_an_object_of_rejected_documents_is_put_in_quarantine(archive: Archive) -> None:
    archive.put(cloudwatch(events(range(10))))
    archive.put(with_messages(list(range(100)), {n: orjson.dumps(message(n, load="x")).decode() for n in range(100)}))
    archive.load()
    assert [row.state for row in archive.rows()] == ["done", "quarantined"]
    assert len(archive.letters()) == 100


@pytest.mark.long
def test_a_bomb_is_put_in_quarantine(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    small = layers.DecompressionLimits(ratio=100, free=100_000)
    monkeypatch.setattr(object_reader.Reading.__init__, "__defaults__", ("auto", None, small, None))
    archive.put(gzip.compress(b'{"@timestamp":"2024-05-06T00:00:00Z","temperature":1,"device":"d1"}\n' * 100_000))
    archive.put(ndjson(GOOD))
    result = archive.load()
    (row,) = result.in_state("quarantined")
    assert "more than 100 bytes for each" in row.error
    assert row.counts.balanced
    assert archive.rows()[1].state == "done"


def test_an_object_that_was_rewritten_fails_and_says_to_plan_again(archive: Archive) -> None:
    archive.put(ndjson(range(EVENTS)))
    planned = list(archive.objects)
    archive.put(ndjson(range(100)), key=planned[0].place.key)
    archive.objects = planned
    archive.put(ndjson(GOOD))
    result = archive.load()
    with pytest.raises(Refused, match=r"1 of 2 objects failed; all others are loaded\..*rewritten.*plan again"):
        result.require_success()
    archive.assert_loaded(GOOD)
    assert [row.state for row in archive.rows()] == ["failed", "done"]


def test_an_object_that_was_deleted_fails_alone(archive: Archive) -> None:
    gone = archive.put(ndjson(range(EVENTS)))
    archive.put(ndjson(GOOD))
    archive.s3.delete_object(Bucket=gone.place.bucket, Key=gone.place.key)
    result = archive.load()
    with pytest.raises(Refused, match="is gone"):
        result.require_success()
    archive.assert_loaded(GOOD)


@pytest.fixture
def s3_through(s3_url: str, proxied_s3: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of S3 through a proxy."""
    for name, value in s3_environment(proxied_s3.url).items():
        monkeypatch.setenv(name, value)
    return build_s3()


@pytest.fixture
def proxied_s3(s3_url: str) -> Iterator[FaultyProxy]:
    with FaultyProxy(s3_url) as between:
        yield between


def test_an_object_that_may_not_be_read_fails_alone(archive: Archive, proxied_s3: FaultyProxy, s3_through: Any) -> None:
    denied = archive.put(ndjson(range(EVENTS)))
    archive.put(ndjson(GOOD))
    proxied_s3.add(access_denied, path=denied.place.key)
    result = archive.load(s3=s3_through)
    with pytest.raises(Refused, match="1 of 2 objects failed") as refusal:
        result.require_success()
    assert denied.place.key in str(refusal.value)
    archive.assert_loaded(GOOD)
    proxied_s3.clear()
    archive.load(s3=s3_through).require_success()
    archive.assert_done()
    archive.assert_loaded([*range(EVENTS), *GOOD])


def access_denied(request: Request, forward: Forward) -> Answer:
    """What S3 says."""
    body = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    return Answer(403, body, {"content-type": "application/xml"})


def writes_denied(request: Request, forward: Forward) -> Answer:
    """Reading is allowed."""
    return access_denied(request, forward) if request.method == "PUT" else forward(request)


def test_dead_letters_that_cannot_be_uploaded_fail_their_object(
    archive: Archive, proxied_s3: FaultyProxy, s3_through: Any
) -> None:
    archive.put(with_messages(list(range(100)), {3: "no JSON"}))
    archive.put(ndjson(GOOD))
    proxied_s3.add(
        lambda request, forward: access_denied(request, forward) if request.method == "PUT" else forward(request),
        path="",
    )
    result = archive.load(s3=s3_through)
    with pytest.raises(Refused, match="dead letters cannot be uploaded"):
        result.require_success()
    assert [row.state for row in archive.rows()] == ["failed", "done"]
    proxied_s3.clear()
    archive.load(s3=s3_through).require_success()
    archive.assert_done()
    assert len(archive.letters()) == 1
    archive.assert_loaded([*(n for n in range(100) if n != 3), *GOOD])


def test_events_in_any_order_and_twice_are_there_once(archive: Archive) -> None:
    numbers = shuffled([*range(1000), *range(500)])
    archive.put(cloudwatch(events(numbers)))
    archive.put(cloudwatch(events(range(900, 1100))))
    counts = archive.load().counts
    assert (counts.read, counts.created, counts.existed) == (1700, 1100, 600)
    archive.assert_loaded(range(1100))


def test_events_outside_of_the_range_are_filtered(archive: Archive) -> None:
    found = events(range(100))
    for event in found[:30]:
        event["timestamp"] -= 90_000_000
    archive.put(cloudwatch(found))
    counts = archive.load().counts
    assert (counts.filtered, counts.created) == (30, 70)
    archive.assert_loaded(range(30, 100))


def test_small_objects_share_bodies(archive: Archive, proxy: FaultyProxy, through: OpenSearch) -> None:
    for number in range(30):
        archive.put(ndjson(range(number * 5, number * 5 + 5)))
    archive.load(through, body_bytes=1_000_000)
    assert proxy.bulks == [150]
    archive.assert_done()
    archive.assert_loaded(range(150))
    assert all(row.counts.created == 5 and row.samples for row in archive.rows())


@pytest.mark.parametrize(
    "fault", [IndexError("list index out of range"), MemoryError(), RecursionError("too deep")], ids=repr
)
def test_whatever_a_decoder_raises_costs_its_object_alone(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """Another object of the same batch is loaded, and the events before the fault too."""
    really = object_reader.Reading.__iter__

    def broken(self: Any) -> Any:
        for item in really(self):
            if getattr(item, "time", None) == events([EVENTS - 5])[0]["timestamp"]:
                raise fault
            yield item

    archive.put(cloudwatch(events(range(EVENTS))))
    archive.put(ndjson(GOOD))
    monkeypatch.setattr(object_reader.Reading, "__iter__", broken)
    result = archive.load()
    result.require_success()
    assert [row.state for row in archive.rows()] == ["quarantined", "done"]
    assert type(fault).__name__ in archive.rows()[0].error
    assert "cannot be read after record" in archive.rows()[0].error
    stored = archive.stored()
    assert set(GOOD) < set(stored)
    assert len(stored) == EVENTS - 5 + len(GOOD)


def test_a_sample_says_what_a_decoder_raises(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.put(ndjson(GOOD))
    monkeypatch.setattr(object_reader.Reading, "__iter__", lambda self: 1 / 0)
    found = sample(archive.s3, archive.dataset, archive.objects, SPAN)
    assert found.problem == f"{archive.objects[0].place} cannot be read: ZeroDivisionError: division by zero."
