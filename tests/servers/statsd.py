"""A receiver of metrics over UDP: StatsD's protocol, plain or with tags in the name as InfluxDB writes them."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import pytest

# https://github.com/statsd/statsd/blob/master/docs/metric_types.md; a name has none of the protocol's own characters
_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9_.\-]+)(?P<tags>(?:,\w+=[\w.\-]+)*):(?P<value>[+-]?\d+(?:\.\d+)?)\|(?P<kind>c|g|ms)"
)


@dataclass(frozen=True)
class Counted:
    """One line as it arrived.

    :param kind: ``c`` for counters, ``g`` for gauges, ``ms`` for times
    """

    name: str
    kind: str
    tags: tuple[tuple[str, str], ...]
    value: float


class StatsdReceiver:
    """Keeps every line that it is sent. Listens on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self._lines: list[Counted] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    def received(self, enough: Callable[[list[Counted]], bool]) -> list[Counted]:
        """All lines so far, in the order in which they came; waits a little for enough of them.

        :param enough: says of the lines so far whether they are
        :raises ValueError: a line is not of the protocol
        """
        until = time.monotonic() + 5
        while True:
            self._read()
            if enough(self._lines) or time.monotonic() > until:
                return list(self._lines)
            time.sleep(0.01)

    def _read(self) -> None:
        while True:
            try:
                packet = self._socket.recv(65536).decode()
            except BlockingIOError:
                return
            self._lines += [_line(text) for text in packet.splitlines()]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()


def _line(text: str) -> Counted:
    found = _LINE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a line of StatsD's protocol")
    tags = tuple(sorted(tuple(tag.split("=")) for tag in found["tags"].split(",")[1:]))
    return Counted(found["name"], found["kind"], tags, float(found["value"]))


@contextmanager
def airflow_sends(receiver: StatsdReceiver, monkeypatch: pytest.MonkeyPatch, *, with_tags: bool) -> Iterator[None]:
    """Let tasks of this process send their metrics, as Airflow's documentation says."""
    import airflow.sdk.serde  # noqa: F401 - which, when it is imported first, sets up metrics anew
    from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics.stats_utils import get_stats_factory

    settings = {"ON": True, "HOST": "127.0.0.1", "PORT": receiver.port, "INFLUXDB_ENABLED": with_tags}
    for key, value in settings.items():
        monkeypatch.setenv(f"AIRFLOW__METRICS__STATSD_{key}", str(value))
    logger = get_stats_factory()()
    stats.initialize(factory=lambda: logger, export_legacy_names=True)  # as in the process of a task
    try:
        yield
    finally:
        stats.initialize(factory=NoStatsLogger, export_legacy_names=True)
        logger.statsd.close()
