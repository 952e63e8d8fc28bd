"""Bodies of bulk requests: bytes as the bulk API wants them, counted exactly, cut between records."""

from __future__ import annotations

from datetime import date

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.bulk.body import Body, Run
from opensearch_strata.archive.documents.shaper import Document
from opensearch_strata.archive.events import Event

DAY = date(2024, 5, 6)

sources = st.dictionaries(st.text(max_size=8), st.text() | st.integers(-(2**63), 2**63 - 1), max_size=4)
documents = st.builds(
    lambda index, identity, source: document(index, identity, source),
    st.sampled_from(["flights-2013.01.05", "flights-2013.01.06"]),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
    sources,
)


def document(index: str = "raw-2024.05.06", identity: str = "a", source: object = None, record: int = 0) -> Document:
    return Document(index, identity, orjson.dumps(source or {}), DAY, Event(record, 0, ""))


def body_of(found: list[Document], ids: bool = True) -> Body[int]:
    body: Body[int] = Body(ids)
    for number, one in enumerate(found):
        body.add(one, number)
    return body


@given(st.lists(documents, max_size=20), st.booleans())
def test_every_document_is_an_action_and_a_source_and_the_size_is_that_of_the_bytes(
    found: list[Document], ids: bool
) -> None:
    body = body_of(found, ids)
    payload = body.payload()
    assert len(payload) == body.size
    assert payload.endswith(b"\n") or not found
    lines = [orjson.loads(line) for line in payload.split(b"\n")[:-1]]
    names = [{"_index": one.index, "_id": one.id} if ids else {"_index": one.index} for one in found]
    assert lines[::2] == [{"create": name} for name in names]
    assert lines[1::2] == [orjson.loads(one.source) for one in found]


@given(st.lists(documents, max_size=20), st.data())
def test_a_part_is_what_its_documents_alone_would_be(found: list[Document], data: st.DataObject) -> None:
    positions = data.draw(st.lists(st.sampled_from(range(len(found))), unique=True)) if found else []
    part = body_of(found).part(positions)
    assert part.payload() == body_of([found[position] for position in positions]).payload()
    assert part.size == len(part.payload())
    assert part.owners == positions


@given(st.lists(documents, min_size=2, max_size=20))
def test_halves_hold_everything_once(found: list[Document]) -> None:
    one, other = body_of(found).halves()
    assert one.payload() + other.payload() == body_of(found).payload()
    assert 0 < len(one) <= len(other)


def test_an_id_cannot_break_out_of_its_line() -> None:
    evil = 'x"}}\n{"delete":{"_index":"other","_id":"1"}}\n'
    lines = body_of([document(identity=evil)]).payload().split(b"\n")
    assert len(lines) == 3
    assert orjson.loads(lines[0])["create"]["_id"] == evil


@pytest.mark.parametrize(
    ("size", "at_border", "full"),
    [(5, True, False), (6, True, True), (6, False, False), (9, False, False), (10, False, True)],
)
def test_a_body_ends_with_a_record_if_it_can(size: int, at_border: bool, full: bool) -> None:
    body: Body[None] = Body()
    body.size = size
    assert body.is_full(10, at_border=at_border) is full


def test_an_empty_body_is_never_full() -> None:
    assert not Body().is_full(1, at_border=True)


lines_of_text = st.sampled_from([b'{"a":1}', b'{\n"a":1}', b'{"a":\r\n2}'])
routings = st.none() | st.text(min_size=1, max_size=5)


def run_of(parts: list[tuple[bytes, str | None]], start: int = 0) -> Run:
    """Documents with these sources and routings, their ids being the numbers of their records."""
    sources = [source for source, _ in parts]
    return Run(
        ids=[f"{start + at}" for at in range(len(parts))],
        lines=[b"action %d\n%b\n" % (start + at, source) for at, source in enumerate(sources)],
        records=[start + at for at in range(len(parts))],
        routings={at: routing for at, (_, routing) in enumerate(parts) if routing is not None},
        singles=[at for at, source in enumerate(sources) if b"\n" in source],
    )


@given(
    st.lists(st.tuples(lines_of_text, routings), max_size=8), st.lists(st.tuples(lines_of_text, routings)), st.data()
)
def test_documents_of_archives_keep_routing_and_line_feeds_in_every_part(
    one: list[tuple[bytes, str | None]], other: list[tuple[bytes, str | None]], data: st.DataObject
) -> None:
    body: Body[str] = Body()
    body.extend("raw", run_of(one), "first")
    body.extend("raw", run_of(other, len(one)), "second")
    whole = [*one, *other]
    assert (len(body), body.size) == (len(whole), len(body.payload()))
    picked = data.draw(st.lists(st.sampled_from(range(len(whole))), unique=True)) if whole else []
    part = body.part(picked)
    for position, at in enumerate(picked):
        event = part.event(position)
        assert (event.record, event.document_id, event.routing) == (at, f"{at}", whole[at][1])
        assert part.source(position) == whole[at][0]
        assert (position in part.singles) == (b"\n" in whole[at][0])
        assert part.owners[position] == ("first" if at < len(one) else "second")


def test_a_document_goes_with_its_routing() -> None:
    event = Event(0, 0, {}, b"raw", document_id="a", routing='n"1')
    body = body_of([Document("raw", "a", b'{"a":\n1}', DAY, event)])
    assert orjson.loads(body.payload().split(b"\n")[0]) == {"create": {"_index": "raw", "_id": "a", "routing": 'n"1'}}
    assert (body.singles, body.event(0).routing, body.event(0).raw) == ({0}, 'n"1', b"raw")
