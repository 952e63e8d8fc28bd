"""Lines of an archive: what comes back is what was put in, byte for byte, and the digest knows no order."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.events import Event
from opensearch_strata.archive.export.content import Content
from opensearch_strata.archive.export.order import sort_key
from opensearch_strata.archive.lines import document_of, line_of, lines_in, lines_of, raw_document_of
from opensearch_strata.connections import raw_hits
from opensearch_strata.connections.loose_json import is_strict, strict_form
from opensearch_strata.connections.raw_hits import RawHit

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
SOURCES = st.builds(
    lambda value, option: orjson.dumps(value, option=option),
    st.dictionaries(st.text(), VALUES, max_size=5),
    st.sampled_from([0, orjson.OPT_INDENT_2]),
)
IDS = st.text(min_size=1).filter(lambda text: text.isprintable())


@given(IDS, SOURCES, st.none() | IDS)
def test_a_document_comes_back_byte_for_byte(identity: str, source: bytes, routing: str | None) -> None:
    line = line_of(identity, source, routing)
    assert line.count(b"\n") == 1
    assert document_of(line) == (identity, routing, source)
    value = orjson.loads(line)
    assert (value["_id"], value["_source"]) == (identity, orjson.loads(source))


@given(st.lists(st.tuples(IDS, SOURCES | st.just(b'{"a":NaN}'), st.none() | IDS), max_size=6))
def test_lines_of_a_page_are_those_of_its_documents(documents: list[tuple[str, bytes, str | None]]) -> None:
    hits = [
        RawHit(id=identity, source=Raw(source), routing=routing, strict=is_strict(source))
        for identity, source, routing in documents
    ]
    expected = [line_of(identity, source, routing) for identity, source, routing in documents]
    assert lines_of(hits) == expected


@given(st.lists(SOURCES, max_size=20), st.randoms(), st.integers(1, 200))
def test_the_digest_is_of_the_documents_in_whatever_order_they_come(sources: list[bytes], rng: Any, size: int) -> None:
    lines = [line_of(f"{number}", source) for number, source in enumerate(sources)]
    whole, parts = Content(), Content()
    whole.add(lines)
    rng.shuffle(lines)
    text = b"".join(lines)
    for some in lines_in(text[at : at + size] for at in range(0, len(text), size)):
        part = Content()
        part.add(some)
        parts.join(part)
    assert (parts.documents, parts.size, parts.digest) == (whole.documents, whole.size, whole.digest)


def test_two_equal_documents_do_not_cancel_each_other_out() -> None:
    line, once, twice, thrice = line_of("a", b"{}"), Content(), Content(), Content()
    for content, count in ((once, 1), (twice, 2), (thrice, 3)):
        content.add([line] * count)
    assert len({Content().digest, once.digest, twice.digest, thrice.digest}) == 4


def test_lines_of_one_device_come_together() -> None:
    key = sort_key("host.device")
    lines = [line_of(f"{n}", b'{"n":%d,"host":{"device":"d%d"}}' % (n, n % 2)) for n in range(6)]
    assert [orjson.loads(line)["_id"] for line in sorted(lines, key=key)] == ["0", "2", "4", "1", "3", "5"]
    assert key(line_of("x", b"{}")) == b""


@given(IDS, SOURCES, st.none() | IDS)
def test_a_line_is_taken_apart_without_a_look_into_the_document(
    identity: str, source: bytes, routing: str | None
) -> None:
    found = raw_document_of(line_of(identity, source, routing))
    assert orjson.loads(found[0]) == identity
    assert (None if found[1] is None else orjson.loads(found[1])) == routing
    assert found[2] == source


@pytest.mark.parametrize(
    ("source", "elsewhere"),
    [
        (b'{"a":1 /* "b":{} */, "c": [true, null, -1e5]}', {"a": 1, "c": [True, None, -1e5]}),
        (b'{"a":1 // x "\\n}', None),
        (b'{"a":1 // x "\n}', {"a": 1}),
        (rb'{"a":"cut \ud83d","b":"\ud83d\ude00","c":"\\ud83d","\uDE00":0}', {"a": "cut \ufffd", "b": "\U0001f600",
            "c": r"\ud83d", "\ufffd": 0}),
        (b'{"a":"\xed\xa0\xbd"}', {"a": "\ufffd\ufffd\ufffd"}),
        (b'{"a":[NaN,-Infinity]}', {"a": [None, None]}),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, None),
    ],
)  # fmt: skip
def test_what_only_opensearch_takes_for_json_comes_back_too(source: bytes, elsewhere: Any) -> None:
    line = line_of("x", source, "r")
    assert raw_document_of(line) == (b'"x"', b'"r"', source)
    assert document_of(line) == ("x", "r", source)
    assert line.count(b"\n") == 1
    value = orjson.loads(line)
    assert (value["_id"], value["_routing"], value["_source"]) == ("x", "r", elsewhere)
    if elsewhere:
        found = [(event.document_id, event.message) for event in Reading([line]) if isinstance(event, Event)]
        assert found == [("x", elsewhere)]


def test_a_number_of_any_size_is_json_to_everybody() -> None:
    assert line_of("x", b'{"a":1e400}') == b'{"_id":"x","_source":{"a":1e400}}\n'


LOOSE = [
    b'"\\ud800"',
    b'"x"',
    b"NaN",
    b"/**/1",
    b'"\xed\xa0\xbd"',
    b'{"_source":1}',
    b'"_source"',
    b"[1,{}]",
    b"{}//\n",
]


@given(st.lists(st.lists(st.sampled_from(LOOSE), max_size=3), max_size=8))
def test_one_loose_document_does_not_keep_an_answer_from_being_read(found: list[list[bytes]]) -> None:
    sources = [b"{" + b",".join(b'"k%d": %b' % pair for pair in enumerate(values)) + b"}" for values in found]
    hits = [
        b'{"_index":"a","_id":"%d","_score":null,"_source":%b,"sort":[%d]}' % (n, source, n)
        for n, source in enumerate(sources)
    ]
    answer = b'{"took":1,"hits":{"total":{"value":%d},"hits":[%b]}}' % (len(hits), b",".join(hits))
    decoded = raw_hits._HITS(answer)["hits"]["hits"]
    assert [(hit.id, bytes(hit.source), bytes(hit.sort)) for hit in decoded] == [
        (f"{n}", source, b"[%d]" % n) for n, source in enumerate(sources)
    ]
    assert [hit.strict for hit in decoded] == [is_strict(source) for source in sources]
    for source in sources:
        assert is_strict(source) or is_strict(strict_form(source))


@pytest.mark.parametrize(
    "line",
    [
        b'{"_id":"a","_source":{}}',
        b'{"_id":"a", "_source":{}}\n',
        b'{"_source":{},"_id":"a"}\n',
        b'{"_id":"a","_source":{"x":1}\n',
        b'{"_id":"a","_newlines":[9],"_source":{}}\n',
        b'{"_id":"a","_newlines":[1],"_source":{}}\n',
        b"\n",
    ],
)
def test_a_line_in_another_form_is_not_guessed_at(line: bytes) -> None:
    if line != b'{"_id":"a","_source":{"x":1}\n':
        with pytest.raises(ValueError, match=r"^It (is not a line|has no blank)"):
            raw_document_of(line)
    else:  # which ends in a brace; its SHA-256 is not that of the manifest
        assert raw_document_of(line)[2] == b'{"x":1'


@given(st.lists(st.binary(max_size=30).map(lambda text: text.replace(b"\n", b"")), max_size=20), st.integers(1, 50))
def test_lines_are_whole_whatever_the_blocks(lines: list[bytes], size: int) -> None:
    text = b"".join(line + b"\n" for line in lines)
    blocks = [text[at : at + size] for at in range(0, len(text), size)]
    assert [line for some in lines_in(blocks) for line in some] == [line + b"\n" for line in lines]
    assert b"".join(line for some in lines_in([*blocks, b"rest"]) for line in some) == text + b"rest"
