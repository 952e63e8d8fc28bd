"""How far a load is, as a line for its log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from opensearch_strata.errors.amounts import size


@dataclass(frozen=True)
class Progress:
    """How far a batch is. Objects that were loaded before count neither here nor there.

    :param objects_done: objects of which everything is accounted for
    :param bytes_read: bytes of S3, of ``bytes``
    :param events: events read
    :param seconds: since the batch began
    :param waiting: what it waits for, empty if it goes on
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
        """Seconds that are left if it goes on like this; None if nobody can tell, as when it waits for others."""
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
    """Reports every now and then how far a batch is.

    :param objects: of the batch
    :param size: bytes of all objects
    """

    def __init__(self, objects: int, size: int, on_progress: Callable[[Progress], None], every: float = 10.0) -> None:
        self._objects, self._size = objects, size
        self._on_progress = on_progress
        self._every = every
        self._started = self._told = time.monotonic()
        self.waiting = ""
        """What the batch waits for; empty if it goes on."""

    def leave_out(self, objects: int, size: int) -> None:
        """These were loaded before, or by somebody else."""
        self._objects -= objects
        self._size -= size

    def tick(self, objects_done: int, bytes_read: int, events: int, at_end: bool = False) -> float:
        """Report if it is time, or at the end; returns the seconds since the beginning."""
        now = time.monotonic()
        seconds = now - self._started
        if at_end or now - self._told >= self._every:
            self._told = now
            self._on_progress(
                Progress(objects_done, self._objects, bytes_read, self._size, events, seconds, self.waiting)
            )
        return seconds
