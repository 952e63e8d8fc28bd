"""Manifests of our own archives: what comes back is what was written, or it is said."""

from __future__ import annotations

import gzip
from datetime import date

import pytest

from opensearch_strata.archive.formats.strata import line
from opensearch_strata.archive.manifest import Archived, Manifest, Measure, read_manifest
from opensearch_strata.archive.reading import Reading
from opensearch_strata.errors import DefinitionError
from tests.envelopes import messages_in

LINES = [line(f"id {number}", b'{"n":%d}' % number) for number in range(5)]


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


def test_what_was_written_is_verified() -> None:
    reading = Reading([gzip.compress(b"".join(LINES))], archived=archived())
    assert messages_in(list(reading)) == [{"n": number} for number in range(5)]
    assert (reading.format, reading.damage) == ("strata", None)


@pytest.mark.parametrize(
    "lines",
    [LINES[:4], [*LINES, LINES[0]], [LINES[1], LINES[0], *LINES[2:]], [LINES[0].replace(b"0", b"1"), *LINES[1:]], []],
    ids=["fewer", "more", "another order", "another byte", "none"],
)
def test_what_is_not_what_was_written_is_damage(lines: list[bytes]) -> None:
    reading = Reading([gzip.compress(b"".join(lines))], archived=archived())
    found = list(reading)
    assert len(messages_in(found)) == len(lines)
    assert len(found) == len(lines) + 1
    assert reading.damage
    assert "flights/part-0.gz holds" in reading.damage
    assert "manifest says 5" in reading.damage


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "its beginning"),
        (b"[]", "its beginning"),
        (b'{"strata_manifest":2,"dataset":"d","day":"2013-01-05","objects":[]}', "strata_manifest"),
        (b'{"dataset":"d","day":"2013-01-05","objects":[{"key":"k"}]}', "objects.0.documents"),
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(DefinitionError, match=f"s3://b/m is no manifest.*{why}"):
        read_manifest(content, "s3://b/m")
