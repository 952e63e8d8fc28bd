"""The sketch: exact counts, a wire form that survives, quantiles within the stated error."""

from __future__ import annotations

import base64
import math
import random
import sys
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opensearch_strata.history.sketch import Bins, bins_of, merge_into, pack, quantiles, scale, unpack

SMALLEST_NORMAL = sys.float_info.min
LARGEST = sys.float_info.max

errors = st.sampled_from([0.001, 0.0025, 0.01, 0.02, 0.05])
# Normal range: a subnormal has fewer than 53 bits, down to one, so nothing can stay within a percent of it.
magnitudes = st.one_of(
    st.floats(SMALLEST_NORMAL, LARGEST, allow_subnormal=False),
    st.integers(-1022, 1023).map(lambda power: 2.0**power),
    st.integers(1, 10**6).map(float),
)
normals = st.one_of(magnitudes, magnitudes.map(lambda x: -x), st.just(0.0))
anything = st.floats(allow_nan=False, allow_infinity=False)
bins = st.dictionaries(st.integers(-(2**31), 2**31 - 1), st.integers(1, 2**62), min_size=1, max_size=50)


def exact(values: list[float], q: float) -> float:
    return sorted(values)[math.floor(q * (len(values) - 1))]


@given(bins)
def test_what_is_packed_is_unpacked(sketch: Bins) -> None:
    assert unpack(pack(sketch)) == sketch


@given(bins)
def test_the_wire_form_does_not_depend_on_insertion(sketch: Bins) -> None:
    assert pack(dict(sorted(sketch.items(), key=lambda item: -item[1]))) == pack(sketch)


def test_wire_form_as_documented() -> None:
    # version 1; first bin -2 zigzag 3, count 1; gap 1 to 0, count 300; gap 0 to 1, count 2
    assert base64.b64decode(pack({-2: 1, 0: 300, 1: 2}) + "==") == bytes([1, 3, 0, 1, 0b10101011, 2, 0, 1])


@pytest.mark.parametrize("sketch", [{}, {3: 0}, {3: -1, 4: 2}])
def test_nothing_is_packed_from_nothing(sketch: Bins) -> None:
    with pytest.raises(ValueError, match="at least one"):
        pack(sketch)


def wire(*numbers: int) -> str:
    return base64.b64encode(bytes(numbers)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "version"),
        ("A", "no base64"),
        ("§§§§", "base64|ASCII"),
        ("AQ A", "no base64"),
        ("AQQC=AQA", "no base64"),
        (wire(1), "cut off"),
        (wire(1, 4), "cut off"),  # a bin without its count
        (wire(1, 4, 0, 7), "cut off"),
        (wire(1, 4, 0x80), "cut off"),  # ends inside a number
        (wire(2, 4, 0), "version 1"),
        (wire(0, 4, 0), "version 1"),
    ],
)
def test_damaged_sketches_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        unpack(text)


@given(bins, st.data())
def test_a_sketch_cut_short_is_refused_or_holds_less(sketch: Bins, data: st.DataObject) -> None:
    text = pack(sketch)
    length = data.draw(st.integers(0, len(text) - 1))
    try:
        left = unpack(text[:length])
    except ValueError:
        return
    assert left.items() < sketch.items()  # never another bin, never another count


@given(errors, st.lists(st.lists(anything, max_size=20), max_size=5), st.randoms())
def test_merging_is_order_free_and_exact(error: float, parts: list[list[float]], rng: random.Random) -> None:
    whole = bins_of([value for part in parts for value in part], error)
    rng.shuffle(parts)
    merged: Bins = {}
    for part in parts:
        merge_into(merged, bins_of(part, error))
    assert merged == whole
    assert sum(merged.values()) == sum(map(len, parts))


@given(errors, normals)
@example(0.01, LARGEST)
@example(0.05, -LARGEST)
@example(0.001, SMALLEST_NORMAL)
@example(0.01, 1.0)
def test_a_bin_stands_within_the_error_of_its_values(error: float, value: float) -> None:
    steps = scale(error)
    estimate = steps.value_of(steps.bin_of(value))
    assert abs(Fraction(estimate) - Fraction(value)) <= Fraction(error) * abs(Fraction(value)) * Fraction(1 + 1e-12)


@given(errors, st.lists(normals, min_size=1, max_size=60), st.floats(0, 1))
@example(0.01, [LARGEST, LARGEST, -LARGEST], 0.5)
def test_quantiles_are_within_the_error(error: float, values: list[float], q: float) -> None:
    found = quantiles(bins_of(values, error), [q, 0, 1], error, min(values), max(values))
    wanted = exact(values, q)
    assert abs(Fraction(found[q]) - Fraction(wanted)) <= Fraction(error) * abs(Fraction(wanted)) * Fraction(1 + 1e-12)
    assert found[0] == min(values)
    assert found[1] == max(values)


@given(errors, st.lists(normals, min_size=1, max_size=40))
def test_higher_fractions_never_give_lower_values(error: float, values: list[float]) -> None:
    fractions = [n / 20 for n in range(21)]
    found = quantiles(bins_of(values, error), fractions, error, min(values), max(values))
    assert all(found[low] <= found[high] for low, high in pairwise(fractions))


@given(errors, anything, anything)
@example(0.01, 5e-324, 1e-323)
@example(0.01, 5e-324, 0.0)
@example(0.01, -5e-324, 0.0)
def test_bins_are_ordered_as_their_values(error: float, one: float, other: float) -> None:
    low, high = sorted((scale(error).bin_of(one), scale(error).bin_of(other)))
    assert (scale(error).bin_of(min(one, other)), scale(error).bin_of(max(one, other))) == (low, high)
    assert low <= high


@given(errors, normals.filter(lambda x: abs(x) < LARGEST))
def test_the_next_double_is_in_the_same_bin_or_the_next(error: float, value: float) -> None:
    steps = scale(error)
    here, after = steps.bin_of(value), steps.bin_of(math.nextafter(value, math.inf))
    assert here <= after
    assert after - here <= 1 or value == 0


@given(errors, anything)
def test_signs_are_kept_apart(error: float, value: float) -> None:
    index = scale(error).bin_of(value)
    assert index == -scale(error).bin_of(-value)
    assert (index > 0) == (value > 0)
    assert (index == 0) == (value == 0)


@given(errors)
def test_every_double_has_a_bin_that_fits_an_int(error: float) -> None:
    steps = scale(error)
    assert 1 <= steps.bin_of(5e-324) < steps.bin_of(SMALLEST_NORMAL) < steps.bin_of(LARGEST) < 2**31


@pytest.mark.parametrize(("error", "bins_in_a_decade"), [(0.001, 1185), (0.01, 119), (0.05, 24)])
def test_as_many_bins_as_the_error_needs(error: float, bins_in_a_decade: int) -> None:
    # ln 10 / ln gamma, and 3 % more for the cubic in place of the logarithm
    steps = scale(error)
    assert steps.bin_of(10.0) - steps.bin_of(1.0) == pytest.approx(bins_in_a_decade, rel=0.02)


def test_one_value_is_exact() -> None:
    assert quantiles(bins_of([3.7], 0.05), [0, 0.3, 1], 0.05, 3.7, 3.7) == {0: 3.7, 0.3: 3.7, 1: 3.7}
