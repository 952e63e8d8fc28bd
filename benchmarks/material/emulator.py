"""`python -m benchmarks.material.emulator`: the moto server, with queues that count their messages less often.

For each message that is sent or handed out, moto counts all messages of the queue, several times, to read attributes
that are no counts: 56 ms at 500 messages. Whoever measures a consumer then measures the emulator.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from moto.server import main
from moto.sqs import models

COUNTS_LAST = 0.1
"""Seconds for which a queue tells the same number of messages."""
_COUNTS = ("", "_delayed", "_not_visible")


def _remembered(count: Callable[[models.Queue], int]) -> property:
    """A number of messages, counted again only after some time."""
    counted: dict[models.Queue, tuple[float, int]] = {}

    def remembered(queue: models.Queue) -> int:
        now = time.monotonic()
        at, number = counted.get(queue, (0.0, 0))
        if now - at > COUNTS_LAST:
            number = count(queue)
            counted[queue] = now, number
        return number

    return property(remembered)


if __name__ == "__main__":
    for name in (f"approximate_number_of_messages{suffix}" for suffix in _COUNTS):
        setattr(models.Queue, name, _remembered(getattr(models.Queue, name).fget))
    main(sys.argv[1:])
