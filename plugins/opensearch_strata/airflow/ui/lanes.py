"""Threads for questions: each cluster has a few of its own, so that one that hangs keeps no other from being asked."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

_THREADS = 4
_MOST_WAITING = 500


@dataclass
class _Lane:
    """The questions to one cluster.

    :param waiting: those whose turn has not come, the oldest first
    :param threads: how many are at work
    """

    waiting: deque[tuple[Future[Any], Callable[[], Any]]] = field(default_factory=deque)
    threads: int = 0


class Lanes:
    """Lanes of threads, which begin with a question and end with the last.

    :param threads: how many questions of one lane are asked at once
    :param most: how many of one lane wait for their turn
    """

    def __init__(self, threads: int = _THREADS, most: int = _MOST_WAITING) -> None:
        self._threads, self._most = threads, most
        self._lock = threading.Lock()
        self._lanes: dict[str, _Lane] = {}

    def submit(self, name: str, question: Callable[[], Any]) -> Future[Any] | None:
        """Ask in a thread, in turn.

        :param name: of the lane
        :param question: is called in a thread
        :return: the answer to come; None if too many questions of the lane wait
        """
        future: Future[Any] = Future()
        with self._lock:
            lane = self._lanes.setdefault(name, _Lane())
            if len(lane.waiting) >= self._most:
                return None
            lane.waiting.append((future, question))
            is_new = lane.threads < self._threads
            lane.threads += is_new
        if is_new:  # a daemon, because a cluster that hangs must not keep the API server from ending
            threading.Thread(target=self._work, args=(name, lane), name=f"strata-page {name}", daemon=True).start()
        return future

    def _work(self, name: str, lane: _Lane) -> None:
        while True:
            with self._lock:
                if not lane.waiting:
                    lane.threads -= 1
                    if not lane.threads:
                        del self._lanes[name]
                    return
                future, question = lane.waiting.popleft()
            _answer(future, question)


def _answer(future: Future[Any], question: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        value = question()
    except BaseException as error:  # noqa: BLE001 - whoever waits for the answer judges it
        future.set_exception(error)
    else:
        future.set_result(value)
