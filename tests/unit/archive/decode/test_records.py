"""JSON objects in a stream: however they are parted, however they are damaged, in linear time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.decode.byte_stream import KEPT, LONGEST
from opensearch_strata.archive.decode.formats.records import Record, Skipped, records
from tests.envelopes import blocks_of

TRAPS = ["}{", "}{}", '}{"', '"', "\n{", "\\", '{"messageType":']
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text()
    | st.sampled_from(["}{", '}{"', '"', "\n{", "\\"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.text(max_size=5), VALUES, max_size=4)
STYLES: list[Callable[[Any], str]] = [
    json.dumps,
    lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    lambda value: json.dumps(value, indent=2),
    lambda value: json.dumps(value, indent=0),
]


def found_in(data: bytes, size: int = 2**20) -> list[Record | Skipped]:
    """All records in blocks of a size, of which no more are read at once than must be."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("opensearch_strata.archive.decode.formats.records._LEAST", 1)
        return list(records(blocks_of(data, size)))


def parsed(data: bytes, size: int = 2**20) -> list[Any]:
    """The values of all records; of what was skipped, None."""
    return [item.value if isinstance(item, Record) else None for item in found_in(data, size)]


@given(
    st.lists(
        st.tuples(DOCUMENTS, st.sampled_from(STYLES), st.sampled_from(["", "\n", "\r\n", " ", ",\n"])), max_size=6
    ),
    st.integers(1, 300),
)
def test_objects_are_found_however_they_are_written(parts: list[tuple[Any, Any, str]], size: int) -> None:
    data = "".join(style(value) + between for value, style, between in parts).encode("utf-8", "replace")
    found = found_in(data, size)
    assert [item.value for item in found if isinstance(item, Record)] == [
        json.loads(json.dumps(value).encode().replace(b"\\ud", b"\\ud")) for value, _, _ in parts
    ]
    for item in found:
        assert isinstance(item, Record)
        assert json.loads(item.raw) == item.value
        assert item.raw in data


@given(st.lists(DOCUMENTS, max_size=5), st.sampled_from([None, 2]), st.integers(1, 300))
def test_an_array_of_objects_is_its_objects(values: list[Any], indent: int | None, size: int) -> None:
    assert parsed(json.dumps(values, indent=indent).encode(), size) == values


@given(st.lists(DOCUMENTS, min_size=1, max_size=5), st.data())
def test_a_cut_costs_nothing_before_it(values: list[Any], data: st.DataObject) -> None:
    pieces = [json.dumps(value).encode() for value in values]
    whole = b"".join(pieces)
    cut = data.draw(st.integers(0, len(whole)))
    complete = [value for place, value in enumerate(values) if len(b"".join(pieces[: place + 1])) <= cut]
    found = list(records([whole[:cut]]))
    assert [item.value for item in found if isinstance(item, Record)] == complete
    skipped = b"".join(item.raw for item in found if isinstance(item, Skipped))
    assert skipped.split() == whole[sum(map(len, pieces[: len(complete)])) : cut].split()


POISON = [
    b'{"a":1',
    b'{"a":"no end',
    b'{"a":1,}',
    b'{"a" 1}',
    b"{a:1}",
    b'{"a":[1,',
    b'{"a":{"b":{',
    b"garbage",
    b"\x80\x81\xff",
    b"17",
    b'"a string"',
    b"[1, 2]",
    b"null",
    b"}",
    b'{"a":tru}',
    b'{"a":"tab\tin it"}',
]


@pytest.mark.parametrize("poison", POISON)
@pytest.mark.parametrize("size", [7, 2**20])
def test_a_poisoned_line_costs_itself_alone(poison: bytes, size: int) -> None:
    good = [{"n": number, "nested": [{"m": "}{"}]} for number in range(6)]
    written = [json.dumps(value).encode() for value in good]
    data = b"\n".join([*written[:2], poison, *written[2:4], poison, poison, *written[4:]])
    found = found_in(data, size)
    assert [item.value for item in found if isinstance(item, Record)] == good
    assert [item.raw for item in found if isinstance(item, Skipped)] == [poison] * 3
    assert [isinstance(item, Record) for item in found] == [True, True, False, True, True, False, False, True, True]


@given(
    st.lists(st.sampled_from([*POISON, *(json.dumps(trap).encode() for trap in TRAPS), b'{"n":{"m":1}}']), max_size=9),
    st.sampled_from([b"", b"\n", b"\n\n  "]),
    st.booleans(),
    st.integers(1, 200),
)
def test_blocks_do_not_change_what_becomes_of_poison(parts: list[bytes], joint: bytes, array: bool, size: int) -> None:
    data = joint.join([b"[" if array else b"", *parts, b'{"messageType":1,"logEvents":[}', b'{"messageType":1}'])
    assert found_in(data, size) == list(records([data]))


@pytest.mark.parametrize("poison", [b'{"a":1,}', b'{"a":tru}', b'{"a":"b" "c"}', b'{"a":NaN,}'])
def test_poison_without_line_breaks_costs_itself_alone(poison: bytes) -> None:
    good = [{"n": number} for number in range(4)]
    written = [json.dumps(value).encode() for value in good]
    data = b"".join([*written[:2], poison, *written[2:]])
    assert parsed(data) == [good[0], good[1], None, good[2], good[3]]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (b'{"a":NaN,"b":[Infinity,-Infinity,1e400]}', {"a": None, "b": [None, None, None]}),
        (b'{"a":"\\ud800x"}', {"a": "\ufffdx"}),
        (b'{"a":"\xffx\xe6"}', {"a": "\ufffdx\ufffd"}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"a":"\xe6\x97\xa5\xff","b":NaN}', {"a": "日\ufffd", "b": None}),
    ],
)
def test_what_orjson_refuses_is_read_all_the_same(written: bytes, value: Any) -> None:
    for size in (1, 5, 1000):
        found = found_in(b'{"x":1}' + written + b' {"y":"\xe6\x97\xa5"}', size)
        assert found == [
            Record(b'{"x":1}', {"x": 1}),
            Record(written, value),
            Record(b'{"y":"\xe6\x97\xa5"}', {"y": "日"}),
        ]


def test_what_orjson_refuses_may_hold_what_looks_like_an_end() -> None:
    written = [b'{"a":NaN,"l":[{"b":1},{"c":"},{"}]}', b'{"d":"\xff","l":[{"b":1},{"c":2}]}', b'{"e":1}']
    for size in (9, 1000):
        found = found_in(b"[" + b",".join(written) + b"]", size)
        assert [item.raw for item in found] == written
        assert [type(item) for item in found] == [Record] * 3


@pytest.mark.parametrize("junk", [b"}", b"]}", b"}}}", b"x}"])
def test_junk_before_an_object_is_not_a_part_of_it(junk: bytes) -> None:
    for joint in (b"", b" ", b"\n"):
        assert parsed(b'{"a":1}' + junk + joint + b'{"b":2}{"c":3}') == [{"a": 1}, None, {"b": 2}, {"c": 3}]
        assert parsed(junk + joint + b'{"b":2}{"c":3}') == [None, {"b": 2}, {"c": 3}]


def test_what_is_nested_too_deeply_is_skipped() -> None:
    deep = b'{"a":' * 5000 + b"1" + b"}" * 5000
    assert parsed(b'{"x":1}\n' + deep + b'\n{"y":1}\n') == [{"x": 1}, None, {"y": 1}]
    assert parsed(b'{"a":' + b"9" * 5000 + b"}") == [None]


def test_a_record_of_any_length_is_skipped_in_bounded_memory() -> None:
    long = b'{"a":"' + b"x" * (LONGEST + 2**20) + b'"}'
    found = list(records(blocks_of(b'{"x":1}' + long + b'{"y":1}', 2**20)))
    assert [item.value if isinstance(item, Record) else len(item.raw) for item in found] == [{"x": 1}, KEPT, {"y": 1}]
    whole = b'{"a":"' + b"x" * (LONGEST // 2) + b'"}'
    assert [len(item.raw) for item in records(blocks_of(whole * 3, 2**20))] == [len(whole)] * 3


ADVERSARIES: dict[str, Callable[[int], bytes]] = {
    "borders in a string": lambda n: json.dumps({"a": "}{" * n}).encode() + b'{"b":1}',
    "escaped borders in a string": lambda n: json.dumps({"a": '}{"' * n}).encode() + b'{"b":1}',
    "strings that end in borders": lambda n: json.dumps({"a": ["}{"] * n}).encode(),
    "what begins and is none": lambda n: (b"\n{" + b"x" * 400) * (n // 2),
    "braces alone": lambda n: b"\n{" * n,
    "arrays that never end": lambda n: b'{"a":[1,\n' * (n // 8),
    "objects in an array that never ends": lambda n: b'{"a":[' + b'{"b":1},\n' * n,
    "an array that never ends": lambda n: b'[{"a":[' + b'{"b":1},' * n,
    "junk between": lambda n: b"{}x" * n,
    "junk behind, indented": lambda n: b'{"a":1} x\n ' * (n // 4),
    "numbers": lambda n: b"1\n" * n,
    "numbers in one array": lambda n: b"[" + b"1," * n + b"1]",
    "blanks": lambda n: b" " * n + b'{"a":1}',
    "no UTF-8": lambda n: b'{"a":"\xff"}' * (n // 4),
}


@pytest.mark.parametrize("name", ADVERSARIES)
def test_time_is_linear_whatever_the_content(name: str) -> None:
    def seconds(count: int) -> float:
        data = ADVERSARIES[name](count)
        started = time.process_time()
        for _ in records(blocks_of(data, 2**18)):
            pass
        return time.process_time() - started

    few = min(seconds(10_000) for _ in range(2))
    assert seconds(4 * 10_000) < 4 * 2.5 * few + 0.2
