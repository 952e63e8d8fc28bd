"""What a cluster teaches those who write to it: how many requests at once, how many bytes in one."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

_log = logging.getLogger(__name__)

SMALLEST_BODY = 64 * 1024
"""Bytes below which a limit is not learned: a document that does not fit in is the document's problem."""


class ConcurrencyLimits:
    """Shared by the threads that send. Additive increase, multiplicative decrease, as TCP does it.

    :param in_flight: most requests at once
    :param body_bytes: most bytes in a body, uncompressed
    """

    def __init__(self, in_flight: int, body_bytes: int) -> None:
        self.in_flight = in_flight
        self.body_bytes = body_bytes
        self._window = float(in_flight)
        self._running = 0
        self._shrunk_at = float("-inf")
        self._changed = Condition()

    @property
    def window(self) -> int:
        """How many requests are allowed at once just now, at least 1."""
        return int(self._window)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Be one of the requests at once; waits until that is allowed."""
        with self._changed:
            self._changed.wait_for(lambda: self._running < self.window)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def answered(self) -> None:
        """A request was taken: one more at once after as many such answers as there are requests at once."""
        with self._changed:
            self._window = min(self.in_flight, self._window + 1 / self._window)
            self._changed.notify_all()

    def refused(self, sent_at: float) -> None:
        """The cluster had too much to do: half as many at once.

        :param sent_at: when the request left, by ``time.monotonic``; one that left before the last halving says
            nothing about the load since
        """
        with self._changed:
            if sent_at <= self._shrunk_at:
                return
            before, self._window = self.window, max(1.0, self._window / 2)
            self._shrunk_at = time.monotonic()
            if self.window < before:
                _log.info("in_flight=%d (OpenSearch has too much to do)", self.window)

    def too_large(self, size: int) -> None:
        """A body of so many bytes was not accepted: half of it is the limit from now on.

        :param size: bytes of that body
        """
        with self._changed:
            learned = max(SMALLEST_BODY, size // 2)
            if learned < self.body_bytes:
                self.body_bytes = learned
                _log.info("body_bytes=%d (a body of %d bytes was too large)", learned, size)
