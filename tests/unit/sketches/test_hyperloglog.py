"""Distinct counts: exact while there are few values, within their standard error, whatever is merged in what order."""

from __future__ import annotations

import base64
import hashlib
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.sketches.hyperloglog import (
    FINE,
    Registers,
    error_of,
    estimate,
    merged,
    most_fine,
    pack,
    precision_of,
    register_of,
    unpack,
)

PRECISION = 7
"""Of the examples: its registers, 128 of them, are soon full."""


def seen(*values: str, precision: int = PRECISION) -> Registers:
    registers = Registers(precision)
    for value in values:
        registers.see(value)
    return registers


def numbered(count: int, precision: int = PRECISION, prefix: str = "") -> Registers:
    return seen(*(f"{prefix}{number}" for number in range(count)), precision=precision)


# From values to registers


def of_data_sketches(precision: int, count: int) -> str:
    """A digest of all registers of texts, some of them longer than a block of the hash and not of ASCII."""
    texts = (f"Gerät {n} \U0001f600{n % 7}" if n % 3 else str(n) for n in range(count))
    ranks = seen(*texts, precision=precision).ranks
    return hashlib.sha256(bytes(ranks.get(place, 0) for place in range(1 << precision))).hexdigest()[:16]


@pytest.mark.parametrize(
    ("precision", "count", "digest"),
    [
        (7, 5000, "e5dc1614132f74b1"),
        (12, 500, "0a551050c86a1c8d"),
        (12, 60_000, "d36a8c2f91762e26"),
        (14, 5000, "d37f9aa2b9dd3013"),
    ],
)
def test_registers_are_those_of_data_sketches(precision: int, count: int, digest: str) -> None:
    """Recorded from the image of an ``HLL_8`` of the package datasketches 5.2.0."""
    assert of_data_sketches(precision, count) == digest


@pytest.mark.parametrize(
    ("error", "precision"), [(0.1, 7), (0.092, 7), (0.0918, 8), (0.05, 9), (0.02, 12), (0.0163, 12), (0.01, 14)]
)
def test_a_standard_error_takes_the_fewest_registers_that_keep_it(error: float, precision: int) -> None:
    assert precision_of(error) == precision
    assert error_of(precision) <= error < error_of(precision - 1)


def test_ranks_are_one_more_than_the_leading_zeros_of_the_second_half() -> None:
    ranks = [register_of(str(number))[1] for number in range(40_000)]
    for rank in range(1, 9):
        assert ranks.count(rank) / len(ranks) == pytest.approx(2**-rank, rel=0.15)
    assert min(ranks) >= 1
    assert max(ranks) <= 63


# From registers to a number


@pytest.mark.parametrize("precision", [7, 9, 12, 14])
def test_few_values_are_counted_exactly(precision: int) -> None:
    registers = Registers(precision)
    assert estimate(registers.tally) == 0
    for number in range(most_fine(precision)):
        registers.see(f"value {number}")
        registers.see(f"value {number // 2}")
        assert registers.precision == FINE
        assert estimate(registers.tally) == number + 1
    registers.see("one more")
    assert registers.precision == precision


@pytest.mark.parametrize("count", [40, 130, 500, 5000])
def test_many_values_are_within_the_standard_error(count: int) -> None:
    """The root of the mean square of 100 errors is known to a tenth or so."""
    rng = random.Random(count)
    errors = []
    for _ in range(100):
        ranks: dict[int, int] = {}
        for _ in range(count):  # what a hash does, without the hash
            place, rank = rng.randrange(1 << 9), 64 - (rng.getrandbits(63) | 1).bit_length()
            ranks[place] = max(ranks.get(place, 0), rank)
        errors.append(estimate(Registers(9, ranks, 9).tally) / count - 1)
    assert math.sqrt(sum(error**2 for error in errors) / 100) <= 1.2 * error_of(9)
    assert abs(sum(errors) / 100) <= 4 * error_of(9) / 10


def test_what_no_values_can_produce_is_still_a_number() -> None:
    """Bytes may say that there were more values than anybody has."""
    assert 1e16 < estimate([4, *[0] * 50, 16]) < 1e17
    assert estimate([4, *[0] * 61, 8, 8]) == estimate([4, *[0] * 62, 16]) == 2**63 - 1


# Merging

some_values = st.lists(st.text(max_size=4) | st.integers(0, 400).map(str), max_size=120)
precisions = st.sampled_from([7, 8, 12])


@given(st.lists(st.tuples(some_values, precisions), min_size=1, max_size=5), st.randoms())
def test_merging_is_free_of_order_and_grouping(parts: list[tuple[list[str], int]], rng: Any) -> None:
    smallest = min(precision for _, precision in parts)
    once = seen(*(value for values, _ in parts for value in values), precision=smallest)
    waiting = [seen(*values, precision=precision) for values, precision in parts]
    while len(waiting) > 1:
        rng.shuffle(waiting)
        one, other = waiting.pop(), waiting.pop()
        one.add(other)
        waiting.append(one)
    assert waiting == [once]
    assert waiting[0].wanted == smallest
    if once.ranks:
        assert pack(waiting[0]) == pack(once)


@given(some_values, some_values, precisions, precisions)
def test_registers_hold_those_of_fewer_values(values: list[str], more: list[str], one: int, other: int) -> None:
    few, many = seen(*values, precision=one), seen(*values, *more, precision=other)
    assert many.holds(few)
    smaller = min(one, other)
    same = seen(*values, precision=smaller) == seen(*values, *more, precision=smaller)
    assert few.holds(many) is same


def test_wire_forms_merge() -> None:
    texts = [pack(numbered(90, prefix=prefix)) for prefix in "ab"]
    whole = numbered(90, prefix="a")
    whole.add(numbered(90, prefix="b"))
    assert merged(texts) == merged(texts[::-1]) == whole


# The wire form


def test_wire_form_as_documented() -> None:
    few = seen("ann", "bob", "eve", precision=12)
    assert (few.precision, pack(few)) == (FINE, "bAMCPwgOxv1TEQ8=")
    many = numbered(40, 12)
    assert (many.precision, len(many.ranks)) == (12, 40)
    assert len(base64.b64decode(pack(many))) == 54


@pytest.mark.parametrize("count", [1, 2, 3, 50, 111, 112, 128, 200, 500, 5000])
@pytest.mark.parametrize("precision", [4, 7, 12, 16])
def test_what_is_packed_is_unpacked(count: int, precision: int) -> None:
    registers = numbered(count, precision)
    text = pack(registers)
    assert unpack(text) == unpack(base64.b64decode(text)) == registers


@given(st.dictionaries(st.integers(0, 127), st.integers(1, 63), min_size=1))
def test_every_rank_is_packed_and_unpacked(ranks: dict[int, int]) -> None:
    registers = Registers(PRECISION, ranks, PRECISION)
    assert unpack(pack(registers)) == registers


def test_full_registers_take_half_a_byte_each() -> None:
    for count in (100_000, 300_000):
        registers = numbered(count, 12)
        assert len(registers.ranks) == 4096
        assert len(base64.b64decode(pack(registers))) <= 2048 + 10


def test_what_saw_nothing_has_no_wire_form() -> None:
    with pytest.raises(ValueError, match="saw no value"):
        pack(Registers(12))


def damaged() -> list[tuple[bytes, str]]:
    sparse, full = (base64.b64decode(pack(numbered(count))) for count in (20, 3000))
    return [
        (b"", "are not of version 1"),
        (b"\x8c" + sparse[1:], "are not of version 1"),
        (sparse[:-1], "are cut off"),
        (sparse[:1], "are cut off"),
        (sparse + b"\xff", "are damaged"),
        (sparse[:-1] + bytes([sparse[-1] & 0xFE]), "are (damaged|cut off)"),
        (bytes([0x40 | 3]) + sparse[1:], "are damaged"),
        (bytes([0x40 | 17]) + sparse[1:], "are damaged"),
        (bytes([0x60 | 7]) + sparse[1:], "are damaged"),  # more than one register of a fine sketch of 128
        (bytes([sparse[0], 0]) + sparse[2:], "are damaged"),
        (bytes([sparse[0], 0x81, 1]) + sparse[2:], "are damaged"),  # 129 of 128
        (full[:3] + b"\0" + full[4:], "are damaged"),  # a smallest rank of zero
    ]


@pytest.mark.parametrize(("data", "reason"), damaged())
def test_damaged_bytes_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        unpack(data)


def test_what_is_not_base64_is_refused() -> None:
    with pytest.raises(ValueError, match="are not base64"):
        unpack("%%%")
