"""Measures the seconds that several tasks take, side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from opensearchpy import OpenSearch


@dataclass(frozen=True)
class Task:
    """Something to time.

    :param prepare: called before each run, outside the measured time
    :param warm_up: called instead of `run` before the first round
    """

    run: Callable[[], object]
    prepare: Callable[[], object] = lambda: None
    warm_up: Callable[[], object] | None = None


@dataclass
class Samples:
    """Seconds of one task, one value per round.

    :param whole: how long the caller waits
    :param answers: how much of that is spent in requests (concurrent requests are added up)
    """

    whole: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Median of the seconds that the caller waits."""
        return median(self.whole)


def timed(
    client: OpenSearch, tasks: Mapping[str, Task], rounds: int, on_round: Callable[[str], None] = lambda _: None
) -> dict[str, Samples]:
    """Run all tasks once to warm up, then `rounds` times in turns, so that slow moments affect all of them alike.

    :param client: the client that the tasks use
    :param on_round: called with a text that says what comes next
    """
    samples = {name: Samples() for name in tasks}
    for number in range(rounds + 1):
        for name, task in tasks.items():
            on_round(f"{name}, {f'round {number} of {rounds}' if number else 'warm-up'}")
            task.prepare()
            with _requests(client) as answers:
                began = time.perf_counter()
                (task.run if number else task.warm_up or task.run)()
                took = time.perf_counter() - began
            if number:
                samples[name].whole.append(took)
                samples[name].answers.append(sum(answers))
    return samples


@contextmanager
def _requests(client: OpenSearch) -> Iterator[list[float]]:
    """Seconds of every request that a client makes within the block."""
    seconds: list[float] = []
    transport: Any = client.transport
    perform = transport.perform_request

    def timed_request(*args: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return perform(*args, **options)
        finally:
            seconds.append(time.perf_counter() - began)

    transport.perform_request = timed_request
    try:
        yield seconds
    finally:
        del transport.perform_request
