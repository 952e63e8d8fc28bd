"""Values and sketches for tests: doubles at the borders of bins, and hypothesis' strategies."""

from __future__ import annotations

import struct
import sys

from hypothesis import strategies as st

from opensearch_strata.sketches.ddsketch import Bins, bin_of

SMALLEST, SMALLEST_NORMAL, LARGEST = 5e-324, sys.float_info.min, sys.float_info.max


def double_of(bits: int) -> float:
    """The double of 64 bits; those of positive doubles ascend as they do."""
    return float(struct.unpack("<d", struct.pack("<Q", bits))[0])


def upper_border(index: int, step: int) -> float:
    """The largest double in a bin above 0, or below it if none is in it."""
    low, high = 1, struct.unpack("<Q", struct.pack("<d", LARGEST))[0]
    while low < high:
        middle = (low + high + 1) // 2
        if bin_of(double_of(middle), step) <= index:
            low = middle
        else:
            high = middle - 1
    return double_of(low)


steps = st.integers(1, 50)
magnitudes = st.one_of(
    st.floats(SMALLEST, LARGEST),
    st.floats(SMALLEST, SMALLEST_NORMAL),
    st.integers(-1074, 1023).map(lambda power: 2.0**power),
    st.integers(1, 10**6).map(float),
)
values = st.one_of(magnitudes, magnitudes.map(lambda x: -x), st.sampled_from([0.0, -0.0]))
counts = st.one_of(st.integers(1, 5), st.integers(1, 2**40), st.just(2**63 - 1))


def last_bin(step: int) -> int:
    """The bin of the largest double."""
    return bin_of(LARGEST, step)


@st.composite
def sketches(draw: st.DrawFn) -> tuple[Bins, int]:
    """Any bins that values can have, with the gaps of a real distribution or with huge ones, and their step."""
    step = draw(steps)
    last, first = last_bin(step), bin_of(SMALLEST, step)
    keys = st.one_of(st.integers(first, last), st.integers(376_000 // step, 376_000 // step + 40))
    indices = st.one_of(keys, keys.map(lambda key: -key), st.just(0))
    return draw(st.dictionaries(indices, counts, min_size=1, max_size=60)), step
