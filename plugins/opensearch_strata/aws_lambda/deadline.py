"""How long the records of a batch may be transformed."""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST = 240.0
"""Seconds; Firehose waits five minutes for the function and then calls it again."""

RESERVE_MS = 5000
"""Milliseconds that are left for what was begun, and for the answer; of a function that has less than four times as
many, a quarter."""


def deadline(remaining_ms: Callable[[], int]) -> Callable[[], bool]:
    """A function that says whether there is still time to begin with something, besides the reserve.

    :param remaining_ms: milliseconds until AWS Lambda ends the function
    """
    reserve = min(RESERVE_MS, remaining_ms() // 4)
    until = time.monotonic() + LONGEST
    return lambda: remaining_ms() > reserve and time.monotonic() < until
