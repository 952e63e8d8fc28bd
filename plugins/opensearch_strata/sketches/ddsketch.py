"""A mergeable distribution with a stated relative error. Pure; the twin of ``painless/functions/sketch_*.painless``.

DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", PVLDB 12, 2019) with the cubically interpolated mapping of Datadog's sketches-java. It needs only IEEE
additions and multiplications, so Painless and Python find the same bin. Wire form: docs/sketch.md.
"""

from __future__ import annotations

import base64
import math
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise

from opensearch_strata.sketches.rice import BitReader, BitWriter

VERSION = 2

# Coefficients of the polynomial that approximates log2 between two powers of two.
_A, _B, _C = 6.0 / 35.0, -3.0 / 5.0, 10.0 / 7.0

# Keys per doubling at step 1: borders are at most e**0.002 apart, an error of tanh(0.001). Larger steps join keys.
_KEYS = 350.0
# Added to the keys so that the key of the smallest double is above 0. A multiple of every common step.
_OFFSET = 376_000

_COMMON_STEP, _LARGEST_STEP = 10, 50
_STEP_FOLLOWS, _IS_VERSION_2 = 0x40, 0x80

Bins = dict[int, int]


def step_of(relative_error: float) -> int:
    """The number of keys that a bin joins, 1 .. 50: the most that keep its values within the relative error.

    :param relative_error: a fraction, 0.001 .. 0.05
    """
    return int(relative_error * 1000 + 1e-9)


def bin_of(value: float, step: int) -> int:
    """The bin of a value: 0 for zero, else its sign times its key (at least 1). Bins ascend with their values."""
    if value == 0:
        return 0
    mantissa, exponent = math.frexp(abs(value))
    s = 2 * mantissa - 1
    log2 = ((_A * s + _B) * s + _C) * s + (exponent - 1)
    key = (math.ceil(log2 * _KEYS) + _OFFSET + step - 1) // step
    return key if value > 0 else -key


def value_of(bin_: int, step: int) -> float:
    """The value that represents a bin, within the relative error of every value in it.

    Exact to the nearest double, which may be coarser than the relative error for subnormals (below 2.2e-308).

    :param bin_: see :func:`bin_of`
    :param step: how many keys a bin joins, 1 .. 50
    """
    if bin_ == 0:
        return 0.0
    mantissa, exponent = _exp2((abs(bin_) * step - _OFFSET) / _KEYS)
    gamma = math.exp(0.002 * step)
    try:
        magnitude = math.ldexp(mantissa * (2 / (1 + gamma)), exponent)
    except OverflowError:  # just above the largest double, which is just as close to the bin's values
        magnitude = sys.float_info.max
    return math.copysign(magnitude, bin_)


@lru_cache(maxsize=65_536)
def _exp2(value: float) -> tuple[float, int]:
    """Inverse of the interpolated log2 by Cardano's formula: a mantissa in 1 .. 2 and an exponent."""
    exponent = math.floor(value)
    delta0 = _B * _B - 3 * _A * _C
    delta1 = 2 * _B**3 - 9 * _A * _B * _C - 27 * _A * _A * (value - exponent)
    root = math.cbrt((delta1 - math.sqrt(delta1 * delta1 - 4 * delta0**3)) / 2)
    s = -(_B + root + delta0 / root) / (3 * _A)
    return 1 + s, exponent


def bins_of(values: Iterable[float], step: int) -> Bins:
    """Counts per bin for plain values."""
    bins: Bins = {}
    for value in values:
        index = bin_of(value, step)
        bins[index] = bins.get(index, 0) + 1
    return bins


def merge_into(target: Bins, more: Mapping[int, int]) -> None:
    """Add counts bin by bin. Exact and independent of the order, for bins of the same step.

    :param more: counts per bin
    """
    for index, count in more.items():
        target[index] = target.get(index, 0) + count


def coarsened(bins: Mapping[int, int], step: int, wanted: int) -> Bins:
    """The bins that the same values have at a larger step, exactly.

    :param bins: counts per bin
    :param step: how many keys a bin joins, 1 .. 50
    :param wanted: how many it is to join
    :raises ValueError: the wanted step is not a multiple of the step, so bins would have to be split
    """
    if wanted % step:
        raise ValueError(f"bins of step {step} cannot be converted to bins of step {wanted}, which is not a multiple")
    factor = wanted // step
    coarse: Bins = {}
    for index, count in bins.items():
        key = -(-abs(index) // factor)
        merge_into(coarse, {key if index > 0 else -key: count})
    return coarse


def pack(bins: Mapping[int, int], step: int) -> str:
    """Wire form of a sketch with at least one bin, in base64.

    :param bins: counts per bin
    :param step: how many keys a bin joins, 1 .. 50
    :raises ValueError: there are no bins, or a count is below 1
    """
    if not bins or min(bins.values()) < 1:
        raise ValueError("a sketch must have at least one bin, and each bin at least one value")
    ordered = sorted(bins)
    gaps = [after - before - 1 for before, after in pairwise(ordered)]
    more = [bins[index] - 1 for index in ordered]
    gap_k, count_k = _rice_of(gaps), _rice_of(more)
    header = _IS_VERSION_2 | gap_k << 3 | count_k
    out = BitWriter(bytes([header]) if step == _COMMON_STEP else bytes([header | _STEP_FOLLOWS, step]))
    out.varint(_folded(ordered[0], step))
    out.rice(more[0], count_k)
    for gap, count in zip(gaps, more[1:], strict=True):
        out.rice(gap, gap_k)
        out.rice(count, count_k)
    return base64.b64encode(out.finished()).decode()


def _rice_of(numbers: list[int]) -> int:
    """Rice parameter 0 .. 7 that makes the codes of these numbers shortest. A number above 255 counts as 255."""
    lengths = [sum(k + (min(number, 255) >> k) for number in numbers) for k in range(8)]
    return next((k for k in range(7) if lengths[k + 1] >= lengths[k]), 7)


def _folded(bin_: int, step: int) -> int:
    """A bin as a small non-negative number: its zigzag-encoded distance from the key of 1.0, and its sign."""
    if bin_ == 0:
        return 0
    distance = abs(bin_) - _OFFSET // step
    zigzag = 2 * distance if distance >= 0 else -2 * distance - 1
    return (zigzag << 1 | (bin_ < 0)) + 1


def _unfolded(number: int, step: int) -> int:
    if number == 0:
        return 0
    zigzag, negative = number - 1 >> 1, number - 1 & 1
    key = (zigzag >> 1 ^ -(zigzag & 1)) + _OFFSET // step
    return -key if negative else key


def unpack(text: str | bytes) -> tuple[Bins, int]:
    """Counts per bin from a wire form, and its step.

    :param text: the wire form of version 2 in base64, or its bytes; see ``docs/sketch.md``
    :raises ValueError: it is not base64, has another version, is cut off, or is damaged so that no values can have
        produced it
    """
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else text
    except ValueError as error:
        raise ValueError(f"sketch {text[:24]!r} is not base64 ({error})") from None
    if not data or not data[0] & _IS_VERSION_2:
        raise ValueError(f"sketch {text[:24]!r} is not of version {VERSION}; read it with the release that wrote it")
    try:
        bins, step = _read(data)
    except IndexError:
        raise ValueError(f"sketch {text[:24]!r} is cut off") from None
    if not bins:
        raise ValueError(f"sketch {text[:24]!r} is damaged: no values can have produced it")
    return bins, step


def _read(data: bytes) -> tuple[Bins, int]:
    """Bins and step from the bytes. The bins are empty if no values can have produced the bytes.

    :raises IndexError: the bytes are cut off
    """
    gap_k, count_k = data[0] >> 3 & 7, data[0] & 7
    step, start = (data[1], 2) if data[0] & _STEP_FOLLOWS else (_COMMON_STEP, 1)
    if not 1 <= step <= _LARGEST_STEP:
        return {}, step
    source = BitReader(data, start)
    folded = source.varint()
    first = index = _unfolded(folded, step)
    bins = {index: source.rice(count_k) + 1}
    while not source.at_end():
        index += source.rice(gap_k) + 1
        bins[index] = source.rice(count_k) + 1
    last = bin_of(sys.float_info.max, step)
    possible = _folded(first, step) == folded and -last <= first and index <= last and max(bins.values()) < 2**63
    return (bins if possible else {}), step


def quantiles(bins: Mapping[int, int], qs: Iterable[float], step: int, low: float, high: float) -> dict[float, float]:
    """Values at ranks ``floor(q * (n - 1))`` of the sorted values, each within the relative error.

    :param bins: counts per bin, at least one value in total
    :param qs: fractions in 0 .. 1
    :param step: how many keys a bin joins, 1 .. 50
    :param low: exact smallest value; the quantiles are clamped to it, so q = 0 is exact
    :param high: exact largest value
    """
    total = sum(bins.values())
    ordered = sorted(bins)
    result: dict[float, float] = {}
    position, seen = -1, 0
    for q in sorted(set(qs)):
        rank = _rank_of(q, total)
        while seen <= rank:
            position += 1
            seen += bins[ordered[position]]
        result[q] = quantile_in(ordered[position], q, total, step, low, high)
    return result


def quantile_in(bin_: int, q: float, total: int, step: int, low: float, high: float) -> float:
    """A quantile of which the bin is known, see :func:`quantiles`.

    :param bin_: the bin of the value at rank ``floor(q * (n - 1))``
    :param q: a fraction in 0 .. 1
    :param total: how many values there are
    :param step: how many keys a bin joins, 1 .. 50
    :param low: exact smallest value
    :param high: exact largest value
    """
    rank = _rank_of(q, total)
    return high if rank == total - 1 else low if rank == 0 else min(max(value_of(bin_, step), low), high)


def _rank_of(q: float, total: int) -> int:
    return min(math.floor(q * (total - 1)), total - 1)  # beyond 2**53 the product may be rounded up
