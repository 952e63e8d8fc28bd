"""Shapes of records."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.presentation.redacted import redacted


@given(st.binary(max_size=600), st.integers(0, 500))
def test_nothing_that_was_written_is_left(record: bytes, most: int) -> None:
    shape = redacted(record, most).partition(" … and ")[0]
    assert {character for character in shape if character.isalnum()} <= set("x0")
    assert shape.isascii()
    assert shape.isprintable() or not shape
    assert len(shape) == min(len(record), most)


def test_punctuation_shows_what_is_wrong() -> None:
    assert redacted(b'{"temp": "21,5\n"}') == '{"xxxx": "00,0."}'
    assert redacted("éa".encode() + b"bcd", 3) == "xxx … and 3 more bytes"
