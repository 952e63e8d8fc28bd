"""Ids of loaded documents: one for each event, the same wherever and however often it was delivered."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.documents.ids import RecordHashes, document_id, hash_of_events
from opensearch_strata.archive.events import Origin, Place

ORIGIN = Origin("123456789012", "/aws/rds/instance/shop/general", "shop")
OBJECT = Place("logs", "2013/01/05/12/stream-1-2013-01-05-12-00-00-uuid", "etag")

texts = st.text(alphabet="a\x000,", max_size=4)
records = st.lists(st.sampled_from([b"", b"a", b"b", b"ab", b"c"]), max_size=12)


def hashes(lines: Iterable[bytes], place: Place = OBJECT, section: int = 1_000_000) -> list[bytes]:
    hash_of = RecordHashes(place, section).hash_of
    return [hash_of(line) for line in lines]


@given(st.integers(0, 2**32 - 1), st.binary(min_size=14, max_size=14))
def test_an_id_is_second_and_hash_in_24_characters(second: int, digest: bytes) -> None:
    identity = document_id(second.to_bytes(4, "big"), digest)
    assert len(identity) == 24
    assert base64.urlsafe_b64decode(identity) == second.to_bytes(4, "big") + digest


def test_the_hash_of_an_event_is_the_one_that_is_documented() -> None:
    parts = b"".join(len(part).to_bytes(4, "big") + part.encode() for part in ORIGIN)
    expected = hashlib.blake2b(parts + b"3631", digest_size=14, person=b"event").digest()
    assert hash_of_events(ORIGIN)("3631") == expected


def test_the_hash_of_a_record_is_the_one_that_is_documented() -> None:
    parts = b"".join(len(part).to_bytes(4, "big") + part.encode() for part in (OBJECT.bucket, OBJECT.key))
    record = hashlib.blake2b(parts + b"line", digest_size=32, person=b"record").digest()
    second_time = record + (0).to_bytes(8, "big") + (1).to_bytes(8, "big")
    expected = hashlib.blake2b(second_time, digest_size=14, person=b"occurrence").digest()
    assert hashes([b"line", b"line"]) == [record[:14], expected]


@given(st.tuples(texts, texts, texts, texts), st.tuples(texts, texts, texts, texts))
def test_other_parts_never_are_the_same_event(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    same = hash_of_events(Origin(*one[:3]))(one[3]) == hash_of_events(Origin(*other[:3]))(other[3])
    assert same == (one == other)


@pytest.mark.parametrize("part", ["bucket", "key"])
def test_the_same_line_in_another_object_is_another_event(part: str) -> None:
    assert hashes([b"line"]) != hashes([b"line"], OBJECT._replace(**{part: "other"}))
    shifted = Place(OBJECT.bucket + OBJECT.key[0], OBJECT.key[1:])
    assert hashes([b"line"]) != hashes([b"line"], shifted)


def test_the_version_of_an_object_does_not_matter() -> None:
    assert hashes([b"line", b"line"]) == hashes([b"line", b"line"], OBJECT._replace(etag="rewritten"))


def test_a_text_that_is_no_utf_8_has_an_id_as_well() -> None:
    assert hash_of_events(Origin("", "\ud800", ""))("\udfff") != hash_of_events(Origin("", "\ud801", ""))("\udfff")


@given(records)
def test_identical_records_of_an_object_stay_distinct(lines: list[bytes]) -> None:
    assert len(set(hashes(lines))) == len(lines)
    assert hashes(lines) == hashes(lines)


@given(records, records, records)
def test_an_object_written_again_with_more_keeps_the_ids_that_it_had(
    before: list[bytes], added: list[bytes], after: list[bytes]
) -> None:
    old = set(hashes(before + after))
    assert old <= set(hashes(before + added + after))
    assert old <= set(hashes(added + after + before))


@given(records, st.integers(1, 5))
def test_sections_keep_records_distinct_and_memory_bounded(lines: list[bytes], section: int) -> None:
    counting = RecordHashes(OBJECT, section)
    seen = set()
    for line in lines:
        seen.add(counting.hash_of(line))
        assert len(counting._seen) <= section
    assert len(seen) == len(lines)


def test_a_section_ends_with_its_last_distinct_record() -> None:
    lines = [b"a", b"b", b"a", b"b", b"a"]
    assert hashes(lines, section=2) == hashes(lines)
    assert hashes([*lines, b"c"], section=2)[:5] == hashes(lines)
    assert hashes([*lines, b"c"], section=2)[5] != hashes([*lines, b"c"])[5]
