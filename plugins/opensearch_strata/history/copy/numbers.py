"""Numbers that an index keeps as whole ones (``scaled_float``): which of them, written again, are read the same. Pure.

The server reads ``whole * (1 / factor)``, which for 30 at two decimals is 0.3 and for 1005 at three 1.0050000000000001.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opensearch_strata.errors import Refused

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[np.float64]]

_LEAST, _MOST = -(2.0**63), 2.0**63


def read_back(values: Numbers, factor: float) -> Numbers:
    """What the server answers for numbers that were written to a ``scaled_float``.

    :param values: as they were written; none of them is NaN
    :param factor: its ``scaling_factor``
    """
    import numpy as np

    with np.errstate(over="ignore"):  # which the server cuts as well
        scaled = np.clip(values * factor, _LEAST, _MOST)
    below = np.floor(scaled)
    whole = below + (scaled - below >= 0.5)
    found: Numbers = whole * (1.0 / factor)
    return found


def writable(values: Numbers, factor: float) -> Numbers:
    """Numbers that are read back as these: as they were before the server kept them, where that can be told.

    :param values: as the server answered them; none of them is NaN
    :param factor: its ``scaling_factor``
    :raises Refused: there is no such number, which no server has ever answered
    """
    import numpy as np

    decimals = round(np.log10(factor))
    found, missing = values.copy(), np.ones(values.shape, dtype=bool)
    below = above = values
    candidates = [np.round(values, decimals), values]
    for _ in range(4):
        below, above = np.nextafter(below, -np.inf), np.nextafter(above, np.inf)
        candidates += [below, above]
    for candidate in candidates:
        fits = missing & (read_back(candidate, factor) == values)
        found[fits] = candidate[fits]
        missing &= ~fits
    if missing.any():
        raise Refused(f"The number {values[missing][0]!r} cannot be one of a field that keeps {decimals} decimals.")
    return found + 0.0
