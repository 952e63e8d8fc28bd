"""How long ``strata follow`` lives after SIGTERM, whatever hangs."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

import pytest

from opensearch_strata.cli.commands.archives import arrivals


class Ended(BaseException):
    """In place of the end of the process."""


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes 12 and 8 seconds takes one each."""
    assert arrivals._GRACE + arrivals._HANDING_BACK == 20  # as docs/arrivals.md says
    monkeypatch.setattr(arrivals, "_GRACE", 1)
    monkeypatch.setattr(arrivals, "_HANDING_BACK", 1)


def ended() -> None:
    raise Ended


def test_whoever_ends_in_time_is_not_broken_off() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with arrivals._stopping() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(1)
    time.sleep(1.2)
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_hangs_is_broken_off_and_then_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(arrivals, "end_at_once", ended)
    seconds = list[float]()

    def hang() -> None:
        with arrivals._stopping():
            os.kill(os.getpid(), signal.SIGTERM)
            began = time.monotonic()
            for _ in range(2):
                with suppress(KeyboardInterrupt, Ended):
                    time.sleep(30)
                seconds.append(time.monotonic() - began)

    hang()
    assert 0.9 < seconds[0] < seconds[1] < 20
    assert seconds[1] > 1.9
    assert "Ended at once, as requests hang. What was in hand is neither lost nor" in capsys.readouterr().err


def test_the_second_signal_breaks_off_at_once_and_a_third_changes_nothing() -> None:
    def interrupted() -> None:
        with arrivals._stopping():
            os.kill(os.getpid(), signal.SIGTERM)
            try:
                os.kill(os.getpid(), signal.SIGINT)
            finally:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupted()


def test_a_pipe_that_nobody_reads_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "end_at_once", ended)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    with os.fdopen(writer, "w") as full, os.fdopen(reader):
        monkeypatch.setattr(sys, "stderr", full)
        began = time.monotonic()
        with suppress(Ended), arrivals._stopping():
            os.kill(os.getpid(), signal.SIGTERM)
            with suppress(KeyboardInterrupt):
                os.write(writer, b"a warning")
            os.write(writer, b"a sentence about it")
    assert 1.9 < time.monotonic() - began < 5
