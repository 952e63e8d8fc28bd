"""What is put in order at an end: it is waited for, but not for ever."""

from __future__ import annotations

import time
from threading import Event

import pytest

from opensearch_strata.archive.arrivals.in_time import within
from opensearch_strata.errors import TransientError


def test_what_ends_in_time_is_waited_for() -> None:
    done = list[int]()

    def act() -> None:
        time.sleep(0.05)
        done.append(1)

    assert within(10, act)
    assert done == [1]


def test_what_hangs_is_left_to_itself() -> None:
    over = Event()
    began = time.monotonic()
    assert not within(0.1, lambda: over.wait(30))
    assert time.monotonic() - began < 5
    over.set()


def test_what_fails_is_told_and_has_ended(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise TransientError("OpenSearch is away.")

    assert within(10, fail)
    assert "OpenSearch is away." in caplog.text
