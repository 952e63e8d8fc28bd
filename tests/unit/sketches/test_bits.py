"""Rice codes in bytes: what is written is read, and the bits are the ones that docs/sketch.md states."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opensearch_strata.sketches.rice import BitReader, BitWriter

parameters = st.integers(0, 7)
numbers = st.one_of(st.integers(0, 40), st.integers(0, 2**63 - 1), st.integers(0, 62).map(lambda power: 2**power))


def written(head: bytes, first: int, codes: list[tuple[int, int]]) -> bytes:
    out = BitWriter(head)
    out.varint(first)
    for number, k in codes:
        out.rice(number, k)
    return out.finished()


def bits_of(number: int, k: int) -> str:
    """The bits of one code and its filling."""
    data = written(b"", 0, [(number, k)])[1:]
    return "".join(f"{byte:08b}" for byte in data)


@given(st.binary(max_size=3), numbers, st.lists(st.tuples(numbers, parameters), max_size=40))
@example(b"", 0, [(11, 0), (12, 0), (13, 0)])
@example(b"", 127, [(12 * 128 - 1, 7), (12 * 128, 7)])
@example(b"", 128, [(2**63 - 1, 0)])
def test_what_is_written_is_read(head: bytes, first: int, codes: list[tuple[int, int]]) -> None:
    source = BitReader(written(head, first, codes), len(head))
    assert source.varint() == first
    for number, k in codes:
        assert not source.at_end()
        assert source.rice(k) == number
    assert source.at_end()


@pytest.mark.parametrize(
    ("number", "k", "bits"),
    [
        (0, 0, "0" + "1111111"),
        (3, 0, "1110" + "1111"),
        (3, 1, "10" + "1" + "11111"),
        (5, 2, "10" + "01" + "1111"),
        (200, 7, "10" + "1001000" + "1111111"),
        (7, 0, "11111110"),  # nothing to fill
        (11, 0, "1" * 11 + "0" + "1111"),
        (12, 0, "1" * 12 + "1" + "111"),  # from here on escaped: twelve ones, Elias gamma of the quotient - 11
        (13, 0, "1" * 12 + "010" + "1"),
        (4 * (11 + 6) + 3, 2, "1" * 12 + "00110" + "11" + "11111"),
    ],
)
def test_codes_as_documented(number: int, k: int, bits: str) -> None:
    assert bits_of(number, k) == bits


@pytest.mark.parametrize(("number", "data"), [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (16384, "808001")])
def test_varints_are_leb128(number: int, data: str) -> None:
    assert written(b"\xff", number, []).hex() == f"ff{data}"


@pytest.mark.parametrize("data", ["", "80", "ffff", "80" * 100_000 + "01", "ff" * 1_000_000])
def test_a_varint_without_an_end_is_given_up(data: str) -> None:
    with pytest.raises(IndexError):
        BitReader(bytes.fromhex(data), 0).varint()


@given(numbers, parameters)
def test_a_code_without_an_end_is_given_up(number: int, k: int) -> None:
    whole = written(b"", 0, [(number, k)])
    for length in range(1, len(whole)):
        source = BitReader(whole[:length], 0)
        source.varint()
        with pytest.raises(IndexError):
            source.rice(k)


def test_a_number_beyond_all_bounds_is_not_built() -> None:
    """Twelve ones, then a million zeros, which would announce as many digits."""
    source = BitReader(b"\x00\xff\xf0" + bytes(125_000) + b"\xff" * 125_000, 0)
    source.varint()
    assert source.rice(0) < 2**128
