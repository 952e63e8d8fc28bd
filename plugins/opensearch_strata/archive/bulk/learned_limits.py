"""Limits that are learned from a cluster's responses: concurrent requests, and bytes in one request."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

_log = logging.getLogger(__name__)

SMALLEST_BODY = 64 * 1024
"""The learned limit on bytes never falls below this: a document that does not fit is at fault itself."""


class LearnedLimits:
    """Limits that all sending threads share. They use additive increase and multiplicative decrease, as TCP does.

    :param in_flight: maximum number of concurrent requests
    :param body_bytes: maximum size of a body, uncompressed
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
        """How many concurrent requests are allowed at the moment, at least 1."""
        return int(self._window)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Take one of the places for concurrent requests, waiting until one is free."""
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
        """Note that a request was accepted: as many of these as there are concurrent requests allow one more."""
        with self._changed:
            self._window = min(self.in_flight, self._window + 1 / self._window)
            self._changed.notify_all()

    def refused(self, sent_at: float) -> None:
        """Note that the cluster was overloaded: halve the number of concurrent requests.

        :param sent_at: when the request was sent, by ``time.monotonic``; a request that was sent before the last
            halving says nothing about the load since then
        """
        with self._changed:
            if sent_at <= self._shrunk_at:
                return
            before, self._window = self.window, max(1.0, self._window / 2)
            self._shrunk_at = time.monotonic()
            if self.window < before:
                _log.info("in_flight=%d (OpenSearch is overloaded)", self.window)

    def too_large(self, size: int) -> None:
        """Note that a body was too large: from now on the limit is half its size.

        :param size: bytes of that body
        """
        with self._changed:
            learned = max(SMALLEST_BODY, size // 2)
            if learned < self.body_bytes:
                self.body_bytes = learned
                _log.info("body_bytes=%d (a body of %d bytes was too large)", learned, size)
