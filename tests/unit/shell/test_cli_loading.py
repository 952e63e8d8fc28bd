"""A process that loads batches for the shell: whatever ends a batch is told by its name."""

from __future__ import annotations

import signal
from contextlib import nullcontext
from typing import Any

import pytest

from opensearch_strata.cli import workers
from opensearch_strata.errors import StrataError
from tests.streams import dataset_of


class Parent:
    """The other end of the pipe: hands out one batch."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self._numbers = iter([0, None])

    def recv(self) -> int | None:
        return next(self._numbers)

    def send(self, message: Any) -> None:
        self.said.append(message)


@pytest.mark.parametrize("fault", [TypeError("not this one"), OSError("no space left"), StrataError("no space left.")])
def test_a_process_that_fails_says_how(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    """It goes on with what it is told, and nobody takes it for killed."""

    class Job:
        url, ca_certs, dataset = "", None, dataset_of("t")

        def load(self, *_: Any) -> str:
            raise fault

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(workers, "connected", lambda *_, **__: nullcontext())
    parent: Any = Parent()
    job: Any = Job()
    workers._work(parent, job)
    (said,) = parent.said
    assert isinstance(said, StrataError)
    assert str(fault) in str(said)
    assert isinstance(fault, StrataError) or type(fault).__name__ in str(said)
