"""The progress of a load, as a line for its log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from opensearch_strata.errors.amounts import size


@dataclass(frozen=True)
class Progress:
    """The progress of a batch. Objects that were loaded before are counted neither as done nor in the totals.

    :param objects_done: objects that are completely accounted for
    :param bytes_read: bytes read from S3, out of ``bytes``
    :param events: events read
    :param seconds: since the batch began
    :param waiting: what it is waiting for; empty if it is not waiting
    """

    objects_done: int
    objects: int
    bytes_read: int
    bytes: int
    events: int
    seconds: float
    waiting: str = ""

    @property
    def eta(self) -> float | None:
        """Seconds left at this rate; None if that cannot be estimated, for example while it waits for others."""
        if self.waiting or not self.bytes_read or not self.seconds:
            return None
        return max(0, self.bytes - self.bytes_read) * self.seconds / self.bytes_read

    def __str__(self) -> str:
        """``objects 12 of 40, 114.4 MiB of 381.5 MiB, 21,000 events/s, ETA 3 min``."""
        rate = self.events / self.seconds if self.seconds else 0
        left = "" if self.eta is None else f", ETA {_length(self.eta)}"
        left = f", {self.waiting}" if self.waiting else left
        return (
            f"objects {self.objects_done:,} of {self.objects:,}, {size(self.bytes_read)} of "
            f"{size(self.bytes)}, {rate:,.0f} events/s{left}"
        )


def _length(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Meter:
    """Reports the progress of a batch from time to time.

    :param objects: number of objects in the batch
    :param size: bytes of all objects
    """

    def __init__(self, objects: int, size: int, on_progress: Callable[[Progress], None], every: float = 10.0) -> None:
        self._objects, self._size = objects, size
        self._on_progress = on_progress
        self._every = every
        self._started = self._told = time.monotonic()
        self.waiting = ""
        """What the batch is waiting for; empty if it is not waiting."""

    def leave_out(self, objects: int, size: int) -> None:
        """Leave out objects that were loaded before, or by somebody else."""
        self._objects -= objects
        self._size -= size

    def tick(self, objects_done: int, bytes_read: int, events: int, at_end: bool = False) -> float:
        """Report if a report is due or the batch is at its end, and return the seconds since the beginning."""
        now = time.monotonic()
        seconds = now - self._started
        if at_end or now - self._told >= self._every:
            self._told = now
            self._on_progress(
                Progress(objects_done, self._objects, bytes_read, self._size, events, seconds, self.waiting)
            )
        return seconds
