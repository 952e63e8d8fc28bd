"""A mergeable distribution with a stated relative error. Pure; the twin of ``include/painless/sketch.painless``.

DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", PVLDB 12, 2019) with the cubically interpolated mapping of Datadog's sketches-java: IEEE additions
and multiplications only, so that Painless and Python find the same bin. Wire form: docs/sketch.md.
"""

from __future__ import annotations

import base64
import binascii
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

VERSION = 1

# Coefficients of the polynomial that stands for log2 between two powers of two.
_A, _B, _C = 6.0 / 35.0, -3.0 / 5.0, 10.0 / 7.0

Bins = dict[int, int]


@dataclass(frozen=True)
class Scale:
    """How values become bins, for one relative error.

    :param gamma: largest ratio of a bin's borders, (1 + error) / (1 - error)
    :param multiplier: bins per doubling, nearly; travels to the scripts as a number, never recomputed there
    :param offset: added to the keys, so that the key of the smallest double is at least 1
    """

    gamma: float
    multiplier: float
    offset: int

    def bin_of(self, value: float) -> int:
        """0 for zero, else the value's sign times its key (at least 1); bins ascend with their values."""
        if value == 0:
            return 0
        mantissa, exponent = math.frexp(abs(value))
        s = 2 * mantissa - 1
        log2 = ((_A * s + _B) * s + _C) * s + (exponent - 1)
        key = math.ceil(log2 * self.multiplier) + self.offset
        return key if value > 0 else -key

    def value_of(self, bin_: int) -> float:
        """The value that stands for a bin: within the relative error of each value in it.

        Only of normal doubles (from 2.2e-308 up): a subnormal has as few as one significant bit.
        """
        if bin_ == 0:
            return 0.0
        mantissa, exponent = _exp2((abs(bin_) - self.offset) / self.multiplier)
        try:
            magnitude = math.ldexp(mantissa * (2 / (1 + self.gamma)), exponent)
        except OverflowError:  # just above the largest double, which is as close to the bin's values
            magnitude = sys.float_info.max
        return math.copysign(magnitude, bin_)


@lru_cache
def scale(relative_error: float) -> Scale:
    """The scale of a relative error in 0.001 .. 0.05."""
    inner = relative_error * (1 - 1e-9)  # room for rounding, so that the stated error holds to the last bit
    gamma = (1 + inner) / (1 - inner)
    multiplier = 1 / (math.log(gamma) * _C)
    return Scale(gamma, multiplier, math.ceil(1075 * multiplier) + 1)


def _exp2(value: float) -> tuple[float, int]:
    """Inverse of the interpolated log2, by Cardano's formula: mantissa in 1 .. 2 and exponent."""
    exponent = math.floor(value)
    delta0 = _B * _B - 3 * _A * _C
    delta1 = 2 * _B**3 - 9 * _A * _B * _C - 27 * _A * _A * (value - exponent)
    root = math.cbrt((delta1 - math.sqrt(delta1 * delta1 - 4 * delta0**3)) / 2)
    s = -(_B + root + delta0 / root) / (3 * _A)
    return 1 + s, exponent


def bins_of(values: Iterable[float], relative_error: float) -> Bins:
    """Counts per bin of plain values."""
    bin_of = scale(relative_error).bin_of
    bins: Bins = {}
    for value in values:
        index = bin_of(value)
        bins[index] = bins.get(index, 0) + 1
    return bins


def merge_into(target: Bins, more: Mapping[int, int]) -> None:
    """Add counts bin by bin. Exact and order-free, for bins of one relative error."""
    for index, count in more.items():
        target[index] = target.get(index, 0) + count


def pack(bins: Mapping[int, int]) -> str:
    """Wire form of at least one bin: base64 without padding.

    :raises ValueError: no bins, or a count below 1
    """
    if not bins or min(bins.values()) < 1:
        raise ValueError("a sketch holds at least one bin, and each bin at least one value")
    out = bytearray([VERSION])
    previous = None
    for index in sorted(bins):
        _put(out, (index << 1) ^ (index >> 63) if previous is None else index - previous - 1)
        _put(out, bins[index] - 1)
        previous = index
    return base64.b64encode(out).rstrip(b"=").decode()


def _put(out: bytearray, number: int) -> None:
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


def unpack(text: str) -> Bins:
    """Counts per bin of a wire form.

    :raises ValueError: not base64, another version, or cut off
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"sketch {text[:24]!r} is no base64 ({error})") from None
    if not data or data[0] != VERSION:
        raise ValueError(f"sketch {text[:24]!r} is not of version {VERSION}; read it with a newer release")
    numbers = _numbers(data)
    if len(numbers) < 2 or len(numbers) % 2 or data[-1] > 127:
        raise ValueError(f"sketch {text[:24]!r} is cut off")
    index = (numbers[0] >> 1) ^ -(numbers[0] & 1)
    bins = {index: numbers[1] + 1}
    for gap, count in zip(numbers[2::2], numbers[3::2], strict=True):
        index += gap + 1
        bins[index] = count + 1
    return bins


def _numbers(data: bytes) -> list[int]:
    numbers = []
    number = shift = 0
    for byte in data[1:]:
        if byte > 127:
            number |= (byte & 127) << shift
            shift += 7
        else:
            numbers.append(number | byte << shift)
            number = shift = 0
    return numbers


def quantiles(
    bins: Mapping[int, int], qs: Iterable[float], relative_error: float, low: float, high: float
) -> dict[float, float]:
    """Values at ranks ``floor(q * (n - 1))`` of the sorted values, each within the relative error.

    The bound holds for zero and for normal doubles of either sign, see :meth:`Scale.value_of`.

    :param qs: fractions in 0 .. 1
    :param low: smallest value, exact; the quantiles are clamped to it, so that q = 0 is exact
    :param high: largest value, exact
    """
    total = sum(bins.values())
    ordered = sorted(bins)
    result: dict[float, float] = {}
    position, seen = -1, 0
    for q in sorted(set(qs)):
        rank = math.floor(q * (total - 1))
        while seen <= rank:
            position += 1
            seen += bins[ordered[position]]
        value = scale(relative_error).value_of(ordered[position])
        result[q] = high if rank == total - 1 else low if rank == 0 else min(max(value, low), high)
    return result
