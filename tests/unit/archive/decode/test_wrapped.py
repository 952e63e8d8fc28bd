"""Events in an array of an object: each by itself, of arrays of any length, whatever is beside or broken."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.decode.byte_stream import LONGEST
from opensearch_strata.archive.decode.formats import wrapped
from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.archive.store.keys import reason_apart
from opensearch_strata.definition.loading.intake import Intake
from tests.envelopes import blocks_of

NESTED = {"a": [{"b": 1}, {"c": 2}]}
MISSING = "It does not have the array 'Records' that intake.unwrap names."


def found(data: bytes, path: str = "Records", size: int = 7) -> list[Any]:
    """Messages, and reasons with the bytes of what is broken."""
    items = list(wrapped.events(blocks_of(data, size), path))
    assert [item.record for item in items] == list(range(len(items)))
    return [item.message if isinstance(item, Event) else (item.reason, item.raw) for item in items]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"Records":[{"a":1},{"a":2}]}', [{"a": 1}, {"a": 2}]),
        (b'{"Records":[]}{"Records":[{"a":1}]}\n{ "Records" : [ {"a":2} ] }', [{"a": 1}, {"a": 2}]),
        (b'[{"Records":[{"a":1}]},{"Records":[{"a":2}]}]', [{"a": 1}, {"a": 2}]),
        (b'{"x":{"Records":[1]},"y":[{"Records":[{"z":1}]}],"Records":[{"a":1}],"count":1}', [{"a": 1}]),
        (b'{"s":"a\\\\\\"}]","Records":[{"a":"]}"},{"a":[{"b":1},{"c":2}]}]}', [{"a": "]}"}, NESTED]),
        (b'{"a":1}\n{"Records":3}\n{"Records":[{}]}', [(MISSING, b'{"a":1}'), (MISSING, b'{"Records":3}'), {}]),
        (b'{"Records":[7,"x",null,[1],{"a":1}]}', 4 * ["x"] + [{"a": 1}]),
        (b'{"Records":[{"a":1},{"a":},{"a":3}]}{"Records":[{"a":4}]}', [{"a": 1}, "x", {"a": 3}, {"a": 4}]),
        (b'{"Records":[{"a":1},{"a":3 "b"}]}{"Records":[{"a":4}]}', [{"a": 1}, "x", {"a": 4}]),
        (b'{"Records":[{"a":1},{"a":2', [{"a": 1}, ("It ends in the middle of a JSON object.", b'{"a":2')]),
        (b'{"Records":[{"a":1}', [{"a": 1}, "x"]),
        (b'junk\n{"Records":[{"a":2}]}', [("It is not a JSON object.", b"junk"), {"a": 2}]),
        (b"", []),
    ],
)  # fmt: skip
def test_elements_are_events_and_the_rest_costs_itself(data: bytes, expected: list[Any]) -> None:
    for size in (1, 5, 1000):
        made = found(data, size=size)
        assert [
            one if isinstance(want, dict | tuple) else "x" for one, want in zip(made, expected, strict=True)
        ] == expected


def test_the_array_may_lie_in_objects() -> None:
    data = b'{"z":1,"detail":{"x":[1],"items":[{"a":1}]},"items":[{"b":1}]}{"detail.items":[{"a":2}]}'
    assert found(data, "detail.items") == [{"a": 1}, {"a": 2}]
    with pytest.raises(ValueError, match="unwrap"):
        Intake(unwrap="a..b")


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
elements = st.lists(st.dictionaries(st.text(min_size=1, max_size=5), values, min_size=1, max_size=3), max_size=5)
beside = st.dictionaries(st.sampled_from(["count", "a", '"', "\\", "[", "}"]), values, max_size=3)


@given(
    st.lists(st.tuples(elements, beside, st.booleans()), max_size=3),
    st.sampled_from(["Records", "a.b.c"]),
    st.integers(1, 64),
)
def test_every_element_of_any_object_is_read(objects: list[Any], path: str, size: int) -> None:
    first, *rest = path.split(".")
    data, expected = b"", []
    for array, others, is_first in objects:
        inner: Any = array
        for name in reversed(rest):
            inner = {"x": others, name: inner}
        others = {name: value for name, value in others.items() if name != first}
        data += orjson.dumps({first: inner, **others} if is_first else {**others, first: inner})
        expected += array
    assert found(data, path, size) == expected


@given(elements)
def test_an_event_is_read_again_from_its_bytes(array: list[Any]) -> None:
    for event in wrapped.events([orjson.dumps({"Records": array})], "Records"):
        assert isinstance(event, Event)
        (again,) = Reading([event.raw], "json", unwrap="Records")
        assert again == event._replace(record=0)


def test_an_array_of_any_length_takes_a_few_mebibytes() -> None:
    element = orjson.dumps({"eventTime": "2025-03-05T07:00:00Z", "resources": [{"a": 1}, {"b": 2}], "x": "x" * 4000})
    number = LONGEST // len(element) * 2

    def blocks() -> Iterator[bytes]:
        yield b'{"Records":['
        yield from (element + (b"," if position < number - 1 else b"]}") for position in range(number))

    tracemalloc.start()
    try:
        count = sum(isinstance(item, Event) for item in wrapped.events(blocks(), "Records"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == number
    assert peak < 8 * 2**20


@pytest.mark.parametrize(
    "unit", [b'{"x":"' + b"\\\\" * 500 + b'"}', b"{", b'{"a":[', b'{"Records":[', b'{"Records":["', b'"a":1,']
)
def test_memory_is_bounded_whatever_the_content(unit: bytes) -> None:
    tracemalloc.start()
    try:
        for item in wrapped.events(blocks_of(unit * (2**19 // len(unit)), 2**16), "Records"):
            assert isinstance(item, Broken)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_a_dataset_names_the_array() -> None:
    reading = Reading([b'{"Records":[{"a":1},{"a":2}]}'], unwrap="Records")
    assert [event.message for event in reading if isinstance(event, Event)] == [{"a": 1}, {"a": 2}]
    assert reading.format == "json"


def test_digests_of_cloudtrail_are_set_apart() -> None:
    assert reason_apart("AWSLogs/1/CloudTrail-Digest/eu-west-1/2025/03/05/x.json.gz", 1) == "digest"
    assert reason_apart("AWSLogs/1/CloudTrail/eu-west-1/2025/03/05/x.json.gz", 1) is None
