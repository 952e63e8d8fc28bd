"""How many different values there were, within a stated error. Pure; the twin of ``painless/distinct/``.

HyperLogLog (Flajolet, Fusy, Gandouet, Meunier: "HyperLogLog: the analysis of a near-optimal cardinality estimation
algorithm", AofA 2007), read by the improved raw estimator of Ertl ("New cardinality estimation algorithms for
HyperLogLog sketches", arXiv:1702.01284, 2017, algorithm 6), which needs no table of corrections. Hash and registers are
those of Apache DataSketches (``HllUtil.coupon``). Wire form and guarantee: docs/distinct.md.
"""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import mmh3

from opensearch_strata.sketches.rice import BitReader, BitWriter

VERSION = 1

FINE = 20
"""Precision of the registers while there are few of them, so that few values are counted exactly."""

_SEED = 9001
_LARGEST_RANK = 63
_MOST = 2**63 - 1
_LEAST_PRECISION, _LARGEST_PRECISION = 4, 16
_IS_VERSION_1, _IS_FINE = 0x40, 0x20


def precision_of(error: float) -> int:
    """The precision p of the fewest registers, 2^p, whose standard error is within a stated one.

    :param error: a fraction, 0.01 .. 0.1
    """
    return math.ceil(math.log2((3 * math.log(2) - 1) / error**2))


def error_of(precision: int) -> float:
    """The standard error of a count from 2^p registers, as a fraction. A count from few values is exact.

    :param precision: p
    """
    return math.sqrt((3 * math.log(2) - 1) / 2**precision)


def register_of(value: str) -> tuple[int, int]:
    """The register of a value among 2^20, and its rank, 1 .. 63.

    :param value: a document's value, as a string
    """
    first, second = mmh3.hash64(value.encode(), seed=_SEED, x64arch=True, signed=False)
    return first & (1 << FINE) - 1, min(65 - second.bit_length(), _LARGEST_RANK)


@dataclass
class Registers:
    """The largest rank that each register saw.

    Up to a 128th of 2^p registers are kept at the precision 20, more of them at p. So it only depends on the values
    that were seen, not on their order or number, or on how they were distributed over what was merged.

    :param wanted: the precision p
    :param ranks: number of a register -> its rank; registers that saw nothing are left out
    :param precision: the present precision, p or 20
    """

    wanted: int
    ranks: dict[int, int] = field(default_factory=dict)
    precision: int = FINE

    def see(self, value: str) -> None:
        """Take up one value.

        :param value: a document's value, as a string
        """
        place, rank = register_of(value)
        self._raise(place, rank)
        self._settle()

    def add(self, other: Registers) -> None:
        """Take up all values that another object has seen. The smaller of the two precisions remains."""
        self.wanted = min(self.wanted, other.wanted)
        if other.precision != FINE and self.precision != self.wanted:
            self._fold()
        for place, rank in other.ranks.items():
            self._raise(place, rank)
        self._settle()

    def holds(self, other: Registers) -> bool:
        """Whether these may be the registers of the other object's values and of more, at the smaller precision."""
        here, both = Registers(other.wanted), Registers(self.wanted)
        here.add(self)
        both.add(other)
        both.add(self)
        return here == both

    def _raise(self, place: int, rank: int) -> None:
        place &= (1 << self.precision) - 1
        if self.ranks.get(place, 0) < rank:
            self.ranks[place] = rank

    def _settle(self) -> None:
        if self.precision != self.wanted and (self.precision != FINE or len(self.ranks) > most_fine(self.wanted)):
            self._fold()

    def _fold(self) -> None:
        before, self.ranks, self.precision = self.ranks, {}, self.wanted
        for place, rank in before.items():
            self._raise(place, rank)

    @property
    def tally(self) -> list[int]:
        """What an estimate needs: the precision, then how many registers have the rank 1, 2, … up to the largest."""
        found = Counter(self.ranks.values())
        return [self.precision, *(found[rank] for rank in range(1, max(found, default=0) + 1))]


def most_fine(wanted: int) -> int:
    """How many registers are kept at the precision 20. Values up to this number are counted exactly.

    :param wanted: the precision p of more registers
    """
    return 1 << wanted >> 7


def estimate(tally: Sequence[int]) -> int:
    """How many different values there were. One of few values is only off if two of them share a register of 2^20.

    :param tally: see :attr:`Registers.tally`
    """
    precision, *counts = tally
    registers = 1 << precision
    counts += [0] * (_LARGEST_RANK - len(counts))
    z = registers * _tau(1 - counts[-1] / registers)
    for count in reversed(counts[:-1]):
        z = 0.5 * (z + count)
    z += registers * _sigma(1 - sum(counts) / registers)
    # Only bytes that no values produced can exceed this.
    return min(round(registers * registers / (2 * math.log(2) * z)), _MOST) if z else _MOST


def _sigma(x: float) -> float:
    """Ertl's correction for registers that saw nothing, which are a share x of all."""
    if x == 1:
        return math.inf
    total, before, y = x, -1.0, 1.0
    while total != before:
        x *= x
        before, total = total, total + x * y
        y += y
    return total


def _tau(x: float) -> float:
    """Ertl's correction for registers of the largest rank; all others are a share x."""
    if x in (0, 1):
        return 0.0
    total, before, y = 1 - x, -1.0, 1.0
    while total != before:
        x = math.sqrt(x)
        y *= 0.5
        before, total = total, total - (1 - x) ** 2 * y
    return total / 3


def merged(texts: Sequence[str | bytes]) -> Registers:
    """The registers of all values that several objects have seen.

    :param texts: at least one wire form, see :func:`unpack`
    :raises ValueError: one of them cannot be read
    """
    whole = unpack(texts[0])
    for text in texts[1:]:
        whole.add(unpack(text))
    return whole


def pack(registers: Registers) -> str:
    """Wire form of registers that saw a value, in base64.

    :raises ValueError: they saw none
    """
    ranks, precision = registers.ranks, registers.precision
    if not ranks:
        raise ValueError("registers that saw no value have no wire form")
    out = BitWriter(bytes([_IS_VERSION_1 | (_IS_FINE if precision == FINE else 0) | registers.wanted]))
    out.varint(len(ranks))
    gap_k, rank_k = _rice_of(len(ranks), precision)
    least = 1
    if is_full := len(ranks) == 1 << precision:
        least = min(ranks.values())
        out.varint(least)
    before = -1
    for place in sorted(ranks):
        if not is_full:
            out.rice(place - before - 1, gap_k)
        out.rice(ranks[place] - least, rank_k)
        before = place
    return base64.b64encode(out.finished()).decode()


def _rice_of(count: int, precision: int) -> tuple[int, int]:
    """Rice parameters of gaps and ranks, which follow from how many registers are set."""
    return precision - (count - 1).bit_length(), 1 if 8 * count >= 7 << precision else 0


def unpack(text: str | bytes) -> Registers:
    """Registers from a wire form.

    :param text: the wire form of version 1 in base64, or its bytes; see ``docs/distinct.md``
    :raises ValueError: it is not base64, has another version, is cut off, or is damaged so that no values can have
        produced it
    """
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else text
    except ValueError as error:
        raise ValueError(f"registers {text[:24]!r} are not base64 ({error})") from None
    if not data or data[0] >> 6 != VERSION:
        raise ValueError(
            f"registers {text[:24]!r} are not of version {VERSION}; read them with the release that wrote them"
        )
    try:
        found = _read(data)
    except IndexError:
        raise ValueError(f"registers {text[:24]!r} are cut off") from None
    if found is None:
        raise ValueError(f"registers {text[:24]!r} are damaged: no values can have produced them")
    return found


def _read(data: bytes) -> Registers | None:
    """Registers from the bytes; None if no values can have produced the bytes.

    :raises IndexError: the bytes are cut off
    """
    wanted = data[0] & _IS_FINE - 1
    if not _LEAST_PRECISION <= wanted <= _LARGEST_PRECISION:
        return None
    precision = FINE if data[0] & _IS_FINE else wanted
    source = BitReader(data, 1)
    count = source.varint()
    if not 1 <= count <= (most_fine(wanted) if precision == FINE else 1 << precision):
        return None
    gap_k, rank_k = _rice_of(count, precision)
    is_full = count == 1 << precision
    least = source.varint() if is_full else 1
    ranks: dict[int, int] = {}
    place = -1
    for _ in range(count):
        place += 1 if is_full else source.rice(gap_k) + 1
        ranks[place] = source.rice(rank_k) + least
    possible = place < 1 << precision and least > 0 and max(ranks.values()) <= _LARGEST_RANK and source.at_end()
    return Registers(wanted, ranks, precision) if possible else None
