"""The sketch's wire form: what is packed is unpacked, byte for byte as documented, and damage is refused."""

from __future__ import annotations

import base64
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opensearch_strata.sketches.ddsketch import Bins, bins_of, pack, quantiles, unpack, value_of
from opensearch_strata.sketches.rice import BitWriter
from tests.sketches import sketches


@given(sketches())
@example(({0: 1}, 10))
@example(({-1: 1, 734_400: 2**63 - 1}, 1))
@example(({-734_400: 2**40, 734_400: 2**40}, 1))
def test_what_is_packed_is_unpacked(sketch: tuple[Bins, int]) -> None:
    bins, step = sketch
    assert unpack(pack(bins, step)) == (bins, step)


@given(sketches())
def test_the_wire_form_does_not_depend_on_insertion(sketch: tuple[Bins, int]) -> None:
    bins, step = sketch
    assert pack(dict(sorted(bins.items(), key=lambda item: -item[1])), step) == pack(bins, step)


@pytest.mark.parametrize(
    ("bins", "step", "data"),
    [
        ({0: 1}, 10, "80 00 7f"),
        ({0: 1}, 20, "c0 14 00 7f"),
        ({37_600: 1}, 10, "80 01 7f"),  # the bin of 1.0: distance 0
        ({37_601: 1}, 10, "80 05 7f"),  # distance 1, zigzag 2, positive: (2 << 1) + 1
        ({37_599: 1}, 10, "80 03 7f"),  # distance -1, zigzag 1: (1 << 1) + 1
        ({-37_599: 1}, 10, "80 04 7f"),  # the same below zero: (1 << 1 | 1) + 1
        ({37_700: 1}, 10, "80 91 03 7f"),  # distance 100, zigzag 200: 401 takes two bytes
        ({37_600: 1, 37_602: 2}, 10, "80 01 " + f"{0b0_10_10_111:02x}"),  # count 1, gap 2, count 2
        ({37_600: 301}, 10, "87 01 " + f"{0b110_01011:02x} {0b00_111111:02x}"),  # 300 = 2 * 128 + 44
        ({0: 1, 1: 1}, 50, "c0 32 00 " + f"{0b000_11111:02x}"),
    ],
)
def test_wire_form_as_documented(bins: Bins, step: int, data: str) -> None:
    assert base64.b64decode(pack(bins, step)) == bytes.fromhex(data)


@given(st.lists(st.one_of(st.integers(0, 30), st.integers(0, 2**40)), min_size=1, max_size=40))
def test_the_parameter_of_the_counts_is_the_smallest_that_makes_them_shortest(more: list[int]) -> None:
    header = base64.b64decode(pack({index: number + 1 for index, number in enumerate(more)}, 10))[0]
    lengths = [sum(k + (min(number, 255) >> k) for number in more) for k in range(8)]
    assert header & 7 == lengths.index(min(lengths))


def test_a_usual_hour_takes_few_bytes() -> None:
    """80 values as devices measure them, at 1 %: bytes as the month index stores them."""
    rng = random.Random(4)
    sizes = [len(base64.b64decode(pack(bins_of([rng.gauss(20, 2) for _ in range(80)], 10), 10))) for _ in range(50)]
    assert sum(sizes) / len(sizes) < 20


@pytest.mark.parametrize("bins", [{}, {3: 0}, {3: -1, 4: 2}])
def test_nothing_is_packed_from_nothing(bins: Bins) -> None:
    with pytest.raises(ValueError, match="at least one"):
        pack(bins, 10)


# Damage


def wire(*numbers: int) -> str:
    return base64.b64encode(bytes(numbers)).decode()


def begun(folded: int) -> str:
    """A sketch of step 10 of one value in a bin, whose number is one less than it says."""
    out = BitWriter(b"\x80")
    out.varint(folded + 1)
    out.rice(0, 0)
    return wire(*out.finished())


def coded(*numbers: int) -> str:
    """A sketch of step 10 from 1.0 on, with these codes."""
    out = BitWriter(b"\x80\x01")
    for number in numbers:
        out.rice(number, 0)
    return wire(*out.finished())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not of version 2"),
        ("A", "not base64"),
        ("§§§§", "not base64"),
        ("gA B", "not base64"),
        ("gAF", "not base64"),  # without its padding
        (wire(1, 4, 0), "not of version 2"),  # a sketch of version 1
        (wire(0x80), "cut off"),
        (wire(0xC0), "cut off"),
        (wire(0x80, 1), "cut off"),  # a bin without its count
        (wire(0x80, 0x81), "cut off"),  # ends inside a number
        (wire(0x80, 1, 0xFF), "cut off"),  # filling alone
        (wire(0x80, 1, 0b01111110), "cut off"),  # a gap without its count
        (wire(0xC0, 0, 1, 0x7F), "damaged"),  # step 0
        (wire(0xC0, 0, 0, 0x7F), "damaged"),
        (wire(0xC0, 51, 1, 0x7F), "damaged"),
        (wire(0x80, 1, 0x7F, 0xFF), "cut off"),  # more than filling
        (begun(2 * (73_441 - 37_600) << 1), "damaged"),  # beyond the largest double
        (begun(2 * (73_441 - 37_600) << 1 | 1), "damaged"),  # below the most negative
        (begun((2 * 37_600 - 1) << 1), "damaged"),  # bin 0 in another way
        (begun((2 * 37_610 - 1) << 1 | 1), "damaged"),  # a bin below 0 that is called positive
        (begun(2**62), "damaged"),
        (coded(0, 2**28, 0), "damaged"),  # a gap that leads beyond the largest double
        (coded(0, 0, 2**63 - 1), "damaged"),  # 2**63 values
        (wire(0x80, *([0xFF] * 1_000_000)), "cut off"),
        (wire(0x80, 1, 0xFF, 0xF0, *([0] * 50_000)), "cut off|damaged"),
    ],
)
def test_damaged_sketches_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        unpack(text)


def assert_refused_or_sound(text: str) -> None:
    """Damage that leaves another sound sketch cannot be seen: the proof compares counts and bins."""
    try:
        bins, step = unpack(text)
    except ValueError:
        return
    assert unpack(pack(bins, step)) == (bins, step)
    quantiles(bins, [0.1, 0.9], step, value_of(min(bins), step), value_of(max(bins), step))


SOUND = {
    "usual": pack(bins_of([random.Random(3).gauss(0, 3) for _ in range(40)], 10), 10),
    "of its own step": pack({-7_000: 1, 0: 2, 3: 400, 14_000: 2**40}, 50),
}


@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND)
def test_every_change_of_a_byte_is_refused_or_gives_another_sketch(text: str) -> None:
    data = base64.b64decode(text)
    for at in range(len(data)):
        for byte in range(256):
            assert_refused_or_sound(base64.b64encode(data[:at] + bytes([byte]) + data[at + 1 :]).decode())


@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND)
def test_every_change_of_a_character_is_refused_or_gives_another_sketch(text: str) -> None:
    for at in range(len(text)):
        for character in "A8/=~é\0":
            assert_refused_or_sound(text[:at] + character + text[at + 1 :])


@given(st.one_of(st.binary(max_size=40), st.binary(max_size=40).map(lambda data: b"\x91" + data)))
def test_any_bytes_are_refused_or_give_a_sketch(data: bytes) -> None:
    assert_refused_or_sound(base64.b64encode(data).decode())


@given(sketches())
def test_a_sketch_cut_short_is_refused_or_holds_less(sketch: tuple[Bins, int]) -> None:
    bins, step = sketch
    data = base64.b64decode(pack(bins, step))
    for length in range(len(data)):
        try:
            left, its_step = unpack(base64.b64encode(data[:length]).decode())
        except ValueError:
            continue
        assert its_step == step
        assert left.items() < bins.items()  # never another bin, never another count


@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND)
def test_a_text_cut_short_is_refused_or_holds_less(text: str) -> None:
    whole, _ = unpack(text)
    for length in range(len(text)):
        try:
            left, _ = unpack(text[:length])
        except ValueError:
            continue
        assert left.items() < whole.items()
