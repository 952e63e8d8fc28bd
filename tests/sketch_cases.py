"""Documents whose values try the sketch: every sign and magnitude, borders of bins, missing and several values."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from tests.sketches import SMALLEST, double_of, upper_border
from tests.streams import Document

Values = list[float]
Key = tuple[str, int]
"""Device and hour."""


def any_double(rng: random.Random) -> float:
    """64 random bits."""
    while True:
        value = double_of(rng.getrandbits(64))
        if abs(value) <= 1e300:  # a NaN is not
            return value


def at_borders() -> Values:
    """The last double of a bin and the first of the next, for bins of every magnitude."""
    rng = random.Random(2)
    found = []
    for step in (1, 10, 20, 50):
        for _ in range(150):
            upper = upper_border(rng.randrange(100, 720_000) // step + 1, step)
            found += [upper, math.nextafter(upper, math.inf)]
    return found


AT_BORDERS = at_borders()


KINDS: dict[str, Callable[[random.Random], float]] = {
    "near normal": lambda rng: rng.gauss(20, 5),
    "heavy tailed": lambda rng: rng.lognormvariate(0, 4),
    "below zero": lambda rng: -rng.lognormvariate(1, 1),
    "any double": any_double,
    "subnormal": lambda rng: rng.choice((1, -1)) * rng.randrange(1, 2 ** rng.randrange(1, 53)) * SMALLEST,
    "powers of two": lambda rng: rng.choice((1, -1)) * 2.0 ** rng.randrange(-1074, 996),
    "borders": lambda rng: rng.choice((1, -1)) * rng.choice(AT_BORDERS),
    "zeros": lambda rng: rng.choice((0.0, -0.0)),
    "whole": lambda rng: float(rng.randrange(-1000, 1000)),
    "one value": lambda rng: 5.0,
}
# The rows of a bucket double up to 64 and are added up when these are full.
SIZES = [1, 2, 7, 8, 9, 16, 17, 63, 64, 65, 66, 127, 128, 129, 300]


def documents_of(rng: random.Random, draw: Callable[[random.Random], float], size: int) -> list[Document]:
    """Documents with one value in most, none in some, several in others."""
    found = []
    for _ in range(size):
        number = rng.choices((1, 0, rng.randrange(2, 10)), (0.9, 0.05, 0.05))[0]
        document: Document = {"v": [draw(rng) for _ in range(number)]}
        if rng.random() < 0.8:
            document["r"] = rng.choice((rng.gauss(0, 30), rng.lognormvariate(0, 8), rng.randrange(-200, 200) * 0.005))
        if rng.random() < 0.3:
            document["w"] = rng.randrange(-32_768, 32_768)
        found.append(document)
    return found


def cases() -> dict[Key, list[Document]]:
    """Three hours of a device for each kind of values and each size, and cases that are easily overlooked."""
    rng = random.Random(7)
    found: dict[Key, list[Document]] = {}
    for kind, draw in KINDS.items():
        for size in SIZES:
            for hour in range(3):
                documents = documents_of(rng, draw, size if hour == 0 else rng.randrange(1, 12))
                found[f"{kind} {size}", hour] = documents
    found["900 in a document", 0] = [{"v": [rng.expovariate(1) for _ in range(900)]}, {"v": 1.0}]
    found["6000", 0] = [{"v": rng.lognormvariate(0, 3)} for _ in range(6000)]
    found["nothing", 0] = [{}] * 70
    return found
