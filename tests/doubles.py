"""Doubles at the borders of bins."""

from __future__ import annotations

import struct
import sys

from opensearch_strata.history.sketch import bin_of

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
