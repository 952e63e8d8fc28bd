"""The sketch: exact counts, exact merging, quantiles within the stated error for every double."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opensearch_strata.sketches.ddsketch import (
    Bins,
    bin_of,
    bins_of,
    coarsened,
    merge_into,
    quantiles,
    step_of,
    value_of,
)
from tests.sketches import (
    LARGEST,
    SMALLEST,
    SMALLEST_NORMAL,
    magnitudes,
    sketches,
    steps,
    upper_border,
    values,
)

errors = st.one_of(st.integers(1, 50).map(lambda n: n / 1000), st.floats(0.001, 0.05))
fractions = st.floats(0, 1)


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


@pytest.mark.parametrize("step", range(1, 51))
def test_the_largest_doubles_are_within_the_error(step: int) -> None:
    """Some bins end beyond all doubles, and so may the value that stands for them."""
    for value in (LARGEST, LARGEST * (1 - step / 1000), -LARGEST):
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
    with pytest.raises(ValueError, match=f"bins of step {step} cannot be converted to bins of step {wanted}"):
        coarsened({1: 1}, step, wanted)
