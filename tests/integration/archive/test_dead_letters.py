"""Dead letters in a real S3: written once per record, whatever loads and redrives do, and read back."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from tenacity import wait_none

from opensearch_strata.archive.dead_letters import file as dead_letters
from opensearch_strata.archive.dead_letters import letter as letters
from opensearch_strata.archive.dead_letters.file import DeadLetterFile, StoredLetters, read_dead_letters
from opensearch_strata.archive.dead_letters.letter import DeadLetter, dead_letters_url
from opensearch_strata.archive.documents.shaper import Dead
from opensearch_strata.archive.events import Place
from opensearch_strata.definition.loading.intake import Intake
from opensearch_strata.errors import Refused, TransientError
from tests.servers.cutting_proxy import impatient_s3
from tests.servers.recording_server import Answer, serving

PLACE = Place("source", "2013/01/05/07/ü object.gz", "e1")


class Shelf:
    """A prefix of dead letters in a bucket of one test."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self.s3, self.bucket, self.url = s3, bucket, f"s3://{bucket}/letters/"

    def load(self, *records: int, place: Place = PLACE, detail: str = "No time.") -> str | None:
        """What a load of an object leaves, of which these records cannot be loaded."""
        file = DeadLetterFile(self.s3, self.url, "flights", place)
        for record in records:
            file.add(dead(record, detail), "cloudwatch")
        return file.close()

    def files(self) -> list[StoredLetters]:
        return list(read_dead_letters(self.s3, self.url, "flights"))

    def letters(self) -> list[DeadLetter]:
        return [letter for file in self.files() for letter in file]

    def records(self) -> list[int]:
        return sorted(letter.record for letter in self.letters())

    def keys(self) -> list[str]:
        return [found["Key"] for found in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]


@pytest.fixture
def shelf(s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr(dead_letters._CONTENDED, "wait", wait_none())
    return Shelf(s3, bucket)


def dead(record: int, detail: str = "No time.") -> Dead:
    raw = b"raw\n\xff\0" + str(record).encode()
    return Dead("no_time", detail, record, record % 3, raw, "flights-2013.01.05", "id")


def test_a_letter_comes_back_as_it_was(shelf: Shelf) -> None:
    url = shelf.load(7)
    letter = shelf.letters()[0]
    assert letter == DeadLetter(
        PLACE, 7, 1, "flights-2013.01.05", "id", "no_time", "No time.", 1, letter.first_time, letter.last_time,
        "cloudwatch", b"raw\n\xff\x007",
    )  # fmt: skip
    assert letter.first_time == letter.last_time
    assert letter.first_time.endswith("Z")
    assert url == f"s3://{shelf.bucket}/{shelf.keys()[0]}"
    assert shelf.keys()[0].startswith("letters/flights/")


def test_the_file_is_gzip_of_a_line_per_record(shelf: Shelf) -> None:
    shelf.load(1, 2)
    body = shelf.s3.get_object(Bucket=shelf.bucket, Key=shelf.keys()[0])["Body"].read()
    lines = [json.loads(line) for line in gzip.decompress(body).splitlines()]
    assert [line["record"] for line in lines] == [1, 2]
    assert set(lines[0]) == {
        "version", "bucket", "key", "etag", "record", "ordinal", "index", "id", "reason", "detail", "attempts",
        "first_time", "last_time", "format", "raw",
    }  # fmt: skip


def test_an_object_without_dead_letters_leaves_no_file(shelf: Shelf) -> None:
    assert shelf.load() is None
    assert shelf.keys() == []


def test_a_second_load_doubles_nothing_and_loses_nothing(shelf: Shelf) -> None:
    first = shelf.load(1, 2)
    assert shelf.load(2, 3, detail="Still none.") == first
    assert shelf.load() is None
    assert shelf.records() == [1, 2, 3]
    assert {letter.record: letter.detail for letter in shelf.letters()}[2] == "Still none."
    assert len(shelf.keys()) == 1


def test_events_of_one_record_are_letters_of_their_own(shelf: Shelf) -> None:
    file = DeadLetterFile(shelf.s3, shelf.url, "flights", PLACE)
    for ordinal in (0, 1):
        file.add(dead(4)._replace(ordinal=ordinal), "cloudwatch")
    file.close()
    again = DeadLetterFile(shelf.s3, shelf.url, "flights", PLACE)
    again.add(dead(4)._replace(ordinal=1), "cloudwatch")
    again.close()
    assert sorted((letter.record, letter.ordinal) for letter in shelf.letters()) == [(4, 0), (4, 1)]


@pytest.mark.parametrize(("by_redrive", "loaded"), [("no_time", "rejected"), ("broken", "broken")])
def test_a_broken_record_is_another_letter_than_its_first_event(shelf: Shelf, by_redrive: str, loaded: str) -> None:
    broken = dead(4)._replace(reason="broken", ordinal=0)
    rejected = dead(4)._replace(reason="rejected", ordinal=0)
    for letter in (rejected, broken):  # by loads of different days
        file = DeadLetterFile(shelf.s3, shelf.url, "flights", PLACE)
        file.add(letter, "cloudwatch")
        file.close()
    assert {letter.reason for letter in shelf.letters()} == {"rejected", "broken"}
    (stored,) = shelf.files()
    stored.keep([letter.again(by_redrive, "It was tried again.") for letter in stored])
    file = DeadLetterFile(shelf.s3, shelf.url, "flights", PLACE)
    file.add({"broken": broken, "rejected": rejected}[loaded], "cloudwatch")
    file.close()
    assert len(shelf.letters()) == 2


def test_what_still_fails_is_written_without_being_held_in_memory(shelf: Shelf) -> None:
    shelf.load(1)
    (stored,) = shelf.files()
    (letter,) = stored
    tracemalloc.start()
    stored.keep(replace(letter, record=record, raw=bytes(20_000)) for record in range(2_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000
    assert len(shelf.records()) == 2_000


def test_what_was_saved_survives_a_loader_that_dies(shelf: Shelf) -> None:
    file = DeadLetterFile(shelf.s3, shelf.url, "flights", PLACE)
    assert file.save() is None
    file.add(dead(1), "cloudwatch")
    assert file.save() == file.save()
    file.add(dead(2), "cloudwatch")
    file.save()
    file.add(dead(3), "cloudwatch")
    file.abandon()
    assert shelf.records() == [1, 2]


def test_checkpoints_send_each_letter_once_and_read_none_back(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many of them there are: the end writes each letter once more, into one file."""
    sent: list[int] = []
    put = dead_letters._put

    def counted(s3: Any, target: Place, lines: Any) -> None:
        kept = list(lines)
        sent.append(len(kept))
        put(s3, target, kept)

    monkeypatch.setattr(dead_letters, "_put", counted)
    monkeypatch.setattr(StoredLetters, "lines", lambda self: pytest.fail("nothing is to be read back"))
    file = DeadLetterFile(shelf.s3, shelf.url, "flights", PLACE)
    for record in range(100):
        file.add(dead(record), "cloudwatch")
        if record % 10 == 9:
            file.save()
    assert sent == [10] * 10
    assert len(shelf.keys()) == 10
    sent.clear()
    file.close()
    assert [count for count in sent if count] == [100]
    monkeypatch.undo()
    assert len(shelf.keys()) == 1
    assert shelf.records() == list(range(100))


def test_parts_of_a_load_that_was_killed_are_joined_by_the_next_one(shelf: Shelf) -> None:
    for records in ((1, 2), (2, 3)):
        killed = DeadLetterFile(shelf.s3, shelf.url, "flights", PLACE)
        for record in records:
            killed.add(dead(record, f"of {records}"), "cloudwatch")
            killed.save()
        killed.abandon()
    assert set(shelf.records()) == {1, 2, 3}
    shelf.load(4)
    assert shelf.records() == [1, 2, 3, 4]
    assert {letter.record: letter.detail for letter in shelf.letters()}[2] == "of (2, 3)"
    assert len(shelf.keys()) == 1


def test_a_part_is_redriven_like_any_other_file(shelf: Shelf) -> None:
    killed = DeadLetterFile(shelf.s3, shelf.url, "flights", PLACE)
    killed.add(dead(1), "cloudwatch")
    killed.save()
    killed.abandon()
    (part,) = shelf.files()
    part.keep([])
    assert shelf.keys() == []


def test_a_save_that_fails_loses_nothing(shelf: Shelf) -> None:
    with serving(Answer(503, "<Error><Code>SlowDown</Code></Error>")) as server:
        file = DeadLetterFile(impatient_s3(server.url), shelf.url, "flights", PLACE)
        file.add(dead(1), "cloudwatch")
        with pytest.raises(TransientError):
            file.save()
    file._s3 = shelf.s3
    assert file._spool is not None
    file._spool.seek(3)  # as a request that breaks off leaves it
    file.add(dead(2), "cloudwatch")
    file.close()
    assert shelf.records() == [1, 2]


def test_nothing_is_sent_twice_if_nothing_was_added(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    file = DeadLetterFile(shelf.s3, shelf.url, "flights", PLACE)
    file.add(dead(1), "cloudwatch")
    file.save()
    url = file.join()
    monkeypatch.setattr(file, "_s3", None)
    assert file.save() == file.close() == url


def test_versions_objects_and_datasets_have_files_of_their_own(shelf: Shelf) -> None:
    shelf.load(1)
    shelf.load(1, place=PLACE._replace(etag="e2"))
    shelf.load(1, place=PLACE._replace(key="other"))
    other = DeadLetterFile(shelf.s3, shelf.url, "trains", PLACE)
    other.add(dead(1), "lines")
    other.close()
    assert len(shelf.files()) == 3
    assert len(shelf.keys()) == 4
    assert {letter.place.etag for letter in shelf.letters()} == {"e1", "e2"}


def test_many_letters_lie_in_a_temporary_file(shelf: Shelf) -> None:
    file = DeadLetterFile(shelf.s3, shelf.url, "flights", PLACE)
    for record in range(2_000):
        file.add(dead(record)._replace(raw=bytes(2_000)), "lines")
    assert file._spool._rolled  # type: ignore[union-attr]
    file.close()
    shelf.load(5_000)
    assert shelf.records() == [*range(2_000), 5_000]


def test_redrive_keeps_what_still_fails(shelf: Shelf) -> None:
    shelf.load(1, 2, 3)
    (file,) = shelf.files()
    file.keep([letter.again("rejected", "Mapping.") for letter in file if letter.record != 2])
    kept = shelf.letters()
    assert [(one.record, one.attempts, one.reason, one.detail) for one in kept] == [
        (1, 2, "rejected", "Mapping."), (3, 2, "rejected", "Mapping."),
    ]  # fmt: skip
    assert all(one.first_time <= one.last_time for one in kept)


def test_redrive_of_all_removes_the_file(shelf: Shelf) -> None:
    shelf.load(1, 2)
    shelf.files()[0].keep([])
    assert shelf.keys() == []
    shelf.load(9)
    assert shelf.records() == [9]


def test_a_redrive_never_removes_what_a_load_wrote_meanwhile(shelf: Shelf) -> None:
    shelf.load(1)
    (file,) = shelf.files()
    assert len(list(file)) == 1
    shelf.load(2)
    with pytest.raises(TransientError, match="Redrive again"):
        file.keep([])
    assert shelf.records() == [1, 2]


@pytest.mark.parametrize("kept", [[], [1]])
def test_a_file_that_is_written_between_reading_and_replacing_it(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, kept: list[int]
) -> None:
    shelf.load(1)
    (file,) = shelf.files()
    remaining = [letter for letter in file if letter.record in kept]
    lines = list(file.lines())

    def then_a_load() -> Any:
        shelf.load(2)
        return iter(lines)

    monkeypatch.setattr(file, "lines", then_a_load)
    with pytest.raises(TransientError, match="in the meantime; its letters are kept"):
        file.keep(remaining)
    assert shelf.records() == [1, 2]


def test_two_loads_at_once_keep_the_letters_of_both(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    file = DeadLetterFile(shelf.s3, shelf.url, "flights", PLACE)
    file.add(dead(1), "cloudwatch")
    stored = dead_letters._stored
    others = iter([2, 3])

    def then_another(*arguments: Any) -> Any:
        found = list(stored(*arguments))
        if record := next(others, None):
            monkeypatch.setattr(dead_letters, "_stored", stored)
            shelf.load(record)
            monkeypatch.setattr(dead_letters, "_stored", then_another)
        return found

    monkeypatch.setattr(dead_letters, "_stored", then_another)
    file.close()
    assert shelf.records() == [1, 2, 3]


def damage(shelf: Shelf, content: bytes) -> None:
    shelf.s3.put_object(Bucket=shelf.bucket, Key=shelf.keys()[0], Body=content)


def content_of(shelf: Shelf) -> bytes:
    return bytes(shelf.s3.get_object(Bucket=shelf.bucket, Key=shelf.keys()[0])["Body"].read())


@pytest.mark.parametrize(
    "line", [b"no json", b"[]", b'{"version": 1}', b'{"version": 2, "record": 1}', b"{}", b"\xff"], ids=str
)
def test_a_damaged_line_is_told_and_kept(shelf: Shelf, line: bytes) -> None:
    shelf.load(1, 2)
    one, two = gzip.decompress(content_of(shelf)).splitlines(keepends=True)
    damage(shelf, gzip.compress(one + line + b"\n" + two))
    (file,) = shelf.files()
    assert [letter.record for letter in file] == [1, 2]
    assert len(file.damage) == 1
    assert file.damage[0].startswith(f"Line 2 of s3://{shelf.bucket}/letters/flights/")
    file.keep([letter for letter in file if letter.record == 2])
    assert gzip.decompress(content_of(shelf)).splitlines(keepends=True) == [line + b"\n", two]
    shelf.load(3)
    assert line + b"\n" in gzip.decompress(content_of(shelf))
    assert shelf.records() == [2, 3]


@pytest.mark.parametrize("cut", [9, 40])
def test_a_truncated_file_is_read_as_far_as_it_goes_and_left_as_it_is(shelf: Shelf, cut: int) -> None:
    shelf.load(*range(2_000))
    damage(shelf, content_of(shelf)[:-cut])
    (file,) = shelf.files()
    assert 1_500 < len(list(file)) <= 2_000
    assert "is damaged after line" in file.damage[0]
    before = content_of(shelf)
    with pytest.raises(Refused, match=r"is damaged after line .* The file is left as it is"):
        file.keep([])
    assert content_of(shelf) == before


def test_a_file_that_is_none(shelf: Shelf) -> None:
    shelf.load(1)
    damage(shelf, b"this is no gzip")
    (file,) = shelf.files()
    assert list(file) == []
    assert "is damaged after line 0" in file.damage[0]


def test_a_bucket_that_is_none(s3: Any) -> None:
    with pytest.raises(
        Refused, match=r"Dead letters in s3://no-such-bucket-1/x/flights/ cannot be listed\. .* NoSuchBucket"
    ):
        list(read_dead_letters(s3, "s3://no-such-bucket-1/x/", "flights"))


@pytest.mark.parametrize(
    ("status", "code", "kind", "said"),
    [(403, "AccessDenied", Refused, "Allow s3:"), (503, "SlowDown", TransientError, "503 SlowDown")],
)
def test_s3_takes_no_letters(status: int, code: str, kind: type[Exception], said: str) -> None:
    answer = Answer(status, f"<Error><Code>{code}</Code><Message>m</Message></Error>")
    with serving(answer) as server:
        file = DeadLetterFile(impatient_s3(server.url), "s3://bucket/p/", "flights", PLACE)
        file.add(dead(1), "lines")
        with pytest.raises(kind, match=rf"Dead letters cannot be written to s3://bucket/p/flights/.*{said}"):
            file.save()


@pytest.mark.parametrize(
    ("definition", "url"),
    [
        ({}, "s3://bucket/used/dead-letters/"),
        ({"source": "s3://owner/flights/"}, "s3://owner/flights/dead-letters/"),
        ({"source": "s3://owner"}, "s3://owner/dead-letters/"),
        ({"source": "s3://owner/", "dead_letters": "s3://dlq/a/b"}, "s3://dlq/a/b/"),
        ({"dead_letters": "s3://dlq"}, "s3://dlq/dead-letters/"),
    ],
)
def test_where_dead_letters_go(definition: dict[str, Any], url: str) -> None:
    assert dead_letters_url(Intake.model_validate(definition), "s3://bucket/used/") == url


def test_keys_of_any_length_have_names_that_fit() -> None:
    assert len(letters.letters_key("flights", PLACE._replace(key="ü" * 512))) < 100
