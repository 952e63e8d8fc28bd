"""The sketch: exact counts, a wire form that survives, quantiles within the stated error."""

from __future__ import annotations

import base64
import math
import random
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opensearch_strata.history.bits import BitWriter
from opensearch_strata.history.sketch import (
    Bins,
    bin_of,
    bins_of,
    coarsened,
    merge_into,
    pack,
    quantiles,
    step_of,
    unpack,
    value_of,
)
from tests.doubles import LARGEST, SMALLEST, SMALLEST_NORMAL, upper_border

steps = st.integers(1, 50)
errors = st.one_of(st.integers(1, 50).map(lambda n: n / 1000), st.floats(0.001, 0.05))
fractions = st.floats(0, 1)
magnitudes = st.one_of(
    st.floats(SMALLEST, LARGEST),
    st.floats(SMALLEST, SMALLEST_NORMAL),
    st.integers(-1074, 1023).map(lambda power: 2.0**power),
    st.integers(1, 10**6).map(float),
)
values = st.one_of(magnitudes, magnitudes.map(lambda x: -x), st.sampled_from([0.0, -0.0]))
counts = st.one_of(st.integers(1, 5), st.integers(1, 2**40), st.just(2**63 - 1))


def last_bin(step: int) -> int:
    return bin_of(LARGEST, step)


@st.composite
def sketches(draw: st.DrawFn) -> tuple[Bins, int]:
    """Any bins that values can have, with the gaps of a real distribution or with huge ones, and their step."""
    step = draw(steps)
    last, first = last_bin(step), bin_of(SMALLEST, step)
    keys = st.one_of(st.integers(first, last), st.integers(376_000 // step, 376_000 // step + 40).filter(first.__le__))
    indices = st.one_of(keys, keys.map(lambda key: -key), st.just(0))
    return draw(st.dictionaries(indices, counts, min_size=1, max_size=60)), step


def assert_within(estimate: float, exact: float, error: float) -> None:
    """The guarantee: an estimate is rounded to a double, which shows where doubles are coarser than the error."""
    distance = abs(Fraction(estimate) - Fraction(exact))
    assert distance <= Fraction(error) * abs(Fraction(exact)) + Fraction(SMALLEST)


# From values to bins and back


@given(steps, values)
@example(50, LARGEST)
@example(1, -LARGEST)
@example(1, SMALLEST_NORMAL)
@example(50, SMALLEST)
@example(10, 1.0)
def test_a_bin_stands_within_the_error_of_its_values(step: int, value: float) -> None:
    assert_within(value_of(bin_of(value, step), step), value, step / 1000)


@given(steps, st.integers(1, 734_400))
@settings(max_examples=60)
def test_a_bin_stands_within_the_error_of_both_its_borders(step: int, key: int) -> None:
    index = max(key // step, bin_of(SMALLEST, step))
    upper, before = upper_border(index, step), upper_border(index - 1, step)
    assert bin_of(upper, step) == index or upper == before  # among the smallest subnormals a bin may hold no double
    lower = math.nextafter(before, math.inf)
    for value in (lower, upper):
        assert_within(value_of(bin_of(value, step), step), value, step / 1000)
        assert_within(value_of(bin_of(-value, step), step), -value, step / 1000)


@given(errors)
def test_a_step_never_exceeds_its_error(error: float) -> None:
    step = step_of(error)
    assert step / 1000 <= error + 1e-12 < (step + 1) / 1000
    assert 1 <= step <= 50


def test_every_thousandth_is_a_step_of_its_own() -> None:
    assert [step_of(n / 1000) for n in range(1, 51)] == list(range(1, 51))


@given(steps, values, values)
@example(10, SMALLEST, 2 * SMALLEST)
@example(10, SMALLEST, 0.0)
@example(50, -SMALLEST, 0.0)
def test_bins_are_ordered_as_their_values(step: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert bin_of(low, step) <= bin_of(high, step)


@given(steps, values)
def test_signs_are_kept_apart(step: int, value: float) -> None:
    index = bin_of(value, step)
    assert index == -bin_of(-value, step)
    assert (index > 0, index == 0) == (value > 0, value == 0)


@given(steps, magnitudes.filter(lambda x: SMALLEST_NORMAL < x < LARGEST))
def test_the_next_double_is_in_the_same_bin_or_the_next(step: int, value: float) -> None:
    assert 0 <= bin_of(math.nextafter(value, math.inf), step) - bin_of(value, step) <= 1


@pytest.mark.parametrize(("step", "bins_in_a_decade"), [(1, 1162), (10, 116), (50, 23)])
def test_as_many_bins_as_the_error_needs(step: int, bins_in_a_decade: int) -> None:
    # 350 keys per doubling are 1 % more than ln 10 / 0.002 = 1151
    assert bin_of(1000.0, step) - bin_of(1.0, step) == pytest.approx(3 * bins_in_a_decade, abs=1 + 9 / step)


# Quantiles


def exact(sample: list[float], q: float) -> float:
    return sorted(sample)[math.floor(q * (len(sample) - 1))]


@given(steps, st.lists(values, min_size=1, max_size=60), fractions)
@example(10, [LARGEST, LARGEST, -LARGEST], 0.5)
@example(50, [SMALLEST, -SMALLEST, 0.0], 0.5)
def test_quantiles_are_within_the_error(step: int, sample: list[float], q: float) -> None:
    found = quantiles(bins_of(sample, step), [q, 0, 1], step, min(sample), max(sample))
    assert_within(found[q], exact(sample, q), step / 1000)
    assert (found[0], found[1]) == (min(sample), max(sample))


@given(steps, st.lists(values, min_size=1, max_size=40))
def test_higher_fractions_never_give_lower_values(step: int, sample: list[float]) -> None:
    qs = [n / 20 for n in range(21)]
    found = quantiles(bins_of(sample, step), qs, step, min(sample), max(sample))
    assert all(found[low] <= found[high] for low, high in pairwise(qs))


def test_one_value_is_exact() -> None:
    assert quantiles(bins_of([3.7], 50), [0, 0.3, 1], 50, 3.7, 3.7) == {0: 3.7, 0.3: 3.7, 1: 3.7}


@given(sketches(), fractions)
@example(({0: 2**53, 37_600: 4}, 10), 1.0)  # q * (n - 1) is rounded up to n
def test_any_sketch_has_quantiles(sketch: tuple[Bins, int], q: float) -> None:
    bins, step = sketch
    low, high = value_of(min(bins), step), value_of(max(bins), step)
    assert low <= quantiles(bins, [q], step, low, high)[q] <= high


# Merging


@given(steps, st.lists(st.lists(values, max_size=20), max_size=5), st.randoms())
def test_merging_is_order_free_and_exact(step: int, parts: list[list[float]], rng: random.Random) -> None:
    whole = bins_of([value for part in parts for value in part], step)
    rng.shuffle(parts)
    merged: Bins = {}
    for part in parts:
        merge_into(merged, bins_of(part, step))
    assert merged == whole
    assert sum(merged.values()) == sum(map(len, parts))


factored_steps = st.sampled_from([(step, times) for step in range(1, 51) for times in range(1, 50 // step + 1)])


@given(factored_steps, st.lists(values, max_size=40))
@example((10, 5), [LARGEST, -LARGEST, SMALLEST, -SMALLEST, 0.0])
def test_coarsening_gives_the_bins_of_the_larger_step(step_times: tuple[int, int], sample: list[float]) -> None:
    step, times = step_times
    assert coarsened(bins_of(sample, step), step, step * times) == bins_of(sample, step * times)


@given(factored_steps, st.integers(1, 734_400))
@settings(max_examples=60)
def test_coarsening_is_exact_at_borders(step_times: tuple[int, int], key: int) -> None:
    step, times = step_times
    upper = upper_border(max(key // (step * times), bin_of(SMALLEST, step * times)), step * times)
    for value in (upper, -upper, min(math.nextafter(upper, math.inf), LARGEST)):
        assert coarsened({bin_of(value, step): 3}, step, step * times) == {bin_of(value, step * times): 3}


@pytest.mark.parametrize(("step", "wanted"), [(10, 15), (20, 10), (2, 5)])
def test_bins_are_never_split(step: int, wanted: int) -> None:
    with pytest.raises(ValueError, match=f"bins of step {step} cannot be told apart in bins of step {wanted}"):
        coarsened({1: 1}, step, wanted)


# The wire form


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
        ("A", "no base64"),
        ("§§§§", "no base64"),
        ("gA B", "no base64"),
        ("gAF", "no base64"),  # without its padding
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
        (wire(0x80, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0x7F), "damaged"),  # beyond the largest double
        (wire(0x80, *([0xFF] * 8), 0x0F, 0x7F), "damaged"),  # below the smallest
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
