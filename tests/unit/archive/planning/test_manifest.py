"""Manifests of our own archives: what comes back is what was written, or it is said."""

from __future__ import annotations

import gzip
from datetime import date
from typing import Any

import orjson
import pytest

from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.lines import line_of
from opensearch_strata.archive.store.keys import reason_apart
from opensearch_strata.archive.store.manifest import Archived, Manifest, Measure, manifest_of, read_manifest
from opensearch_strata.errors import DefinitionError
from tests.envelopes import blocks_of, messages_in

LINES = [line_of(f"id {number}", b'{"n":%d}' % number) for number in range(5)]


def archived(lines: list[bytes] = LINES) -> Archived:
    """What is said of these lines when they are written."""
    measure = Measure()
    for one in lines:
        measure.add(one)
    return measure.archived("flights/part-0.gz")


def test_a_manifest_is_read_as_it_was_written() -> None:
    manifest = Manifest(dataset="flights", day=date(2013, 1, 5), objects=(archived(), archived(LINES[:2])))
    assert read_manifest(manifest.written(), "s3://b/m") == manifest
    assert manifest.documents == 7


def test_an_object_is_named_by_its_name_in_the_folder() -> None:
    one = archived()
    other = one.model_copy(update={"key": "part-0.gz.old"})
    manifest = Manifest(dataset="flights", day=date(2013, 1, 5), objects=(one, other))
    assert manifest.named("a copy/part-0.gz") == one
    assert manifest.named("part-0.gz.old") == other
    assert manifest.named("flights/part-1.gz") is None
    assert sorted(manifest.names) == ["part-0.gz", "part-0.gz.old"]


@pytest.mark.parametrize(
    ("key", "beside"),
    [
        ("flights/part-0.gz", "flights/_manifest.json"),
        ("part-0.gz", "_manifest.json"),
        ("/x", "/_manifest.json"),
    ],
)
def test_a_manifest_lies_beside_its_objects_and_is_none_of_them(key: str, beside: str) -> None:
    place = manifest_of(Place("b", key, "etag"))
    assert place == Place("b", beside)
    assert reason_apart(place.key, 100) == "manifest"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_was_written_is_measured(size: int) -> None:
    reading = Reading(blocks_of(gzip.compress(b"".join(LINES)), size))
    assert messages_in(list(reading)) == [{"n": number} for number in range(5)]
    assert (reading.format, reading.damage) == ("strata", None)
    assert reading.measure
    assert reading.measure.difference(archived()) == ""


@pytest.mark.parametrize(
    "lines",
    [
        LINES[:4], [*LINES, LINES[0]], [LINES[1], LINES[0], *LINES[2:]], [LINES[0].replace(b"0", b"1"), *LINES[1:]], [],
        [*LINES[:4], LINES[4][:-1]], [b"\xef\xbb\xbf", *LINES], [*LINES, b"\n"],
    ],
    ids=["fewer", "more", "another order", "another byte", "none", "no line end", "a mark", "a blank line"],
)  # fmt: skip
def test_what_is_not_what_was_written_is_all_read_and_differs(lines: list[bytes]) -> None:
    reading = Reading([gzip.compress(b"".join(lines))])
    found = list(reading)
    assert len(messages_in(found)) == len(found) == sum(b"_id" in one for one in lines)
    assert reading.damage is None
    assert reading.measure
    said = reading.measure.difference(archived())
    count, size = b"".join(lines).count(b"\n"), sum(map(len, lines))
    assert said.startswith(f"it holds {count} lines in {size:,} bytes (SHA-256 ")
    assert f") instead of 5 lines in 165 bytes (SHA-256 {archived().sha256})" in said


@pytest.mark.parametrize("format", ["auto", "strata"])
def test_what_is_cut_off_is_measured_up_to_there(format: str) -> None:
    reading = Reading([gzip.compress(b"".join(LINES))[:-12]], format)
    assert len(messages_in(list(reading))) < 5
    assert reading.damage
    assert reading.measure
    assert reading.measure.difference(archived())


def test_content_that_is_empty_is_measured_unless_it_is_said_to_be_of_another_format() -> None:
    measured = {}
    for format in ("auto", "strata", "json"):
        reading = Reading([gzip.compress(b"")], format)
        assert list(reading) == []
        measured[format] = reading.measure is not None
    assert measured == {"auto": True, "strata": True, "json": False}


def test_other_formats_are_not_measured() -> None:
    for data in (b'{"n":1}\n', b"text\n"):
        reading = Reading([data])
        list(reading)
        assert reading.measure is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "its beginning"),
        (b"[]", "its beginning"),
        (b'{"strata_manifest":3,"dataset":"d","day":"2013-01-05","objects":[]}', "strata_manifest"),
        (b'{"dataset":"d","day":"2013-01-05","objects":[{"key":"k"}]}', "objects.0.documents"),
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(DefinitionError, match=f"s3://b/m is not a valid archive manifest.*{why}"):
        read_manifest(content, "s3://b/m")


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ({"settings": {"foo": "1"}}, "index.settings: Value error, 'foo' is not a setting of an index"),
        ({"mappings": {"_meta": "x"}}, "index.mappings: Value error, _meta is not an object"),
        ({"mappings": {"properties": []}}, "the properties of one are not an object"),
        ({"mappings": {"properties": {"a": {"properties": {"b": 1}}}}}, "the properties of one are not an object"),
    ],
)
def test_what_no_index_can_be_made_of_is_named(index: dict[str, Any], words: str) -> None:
    made = {"name": "i", "uuid": "u", "sequence": [1], "mappings": {}, "settings": {}, **index}
    content = orjson.dumps({"dataset": "flights", "day": "2013-01-05", "objects": [], "index": made})
    with pytest.raises(DefinitionError, match=words):
        read_manifest(content, "s3://b/m")
