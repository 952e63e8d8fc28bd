"""Questions to OpenSearch and S3 in threads: each once at a time, kept for a moment, and not waited for long."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from opensearch_strata.airflow.ui.lanes import Lanes
from opensearch_strata.errors.judging import explain, is_known

_log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds for which a page waits for all its answers together."""
KEPT = 30.0
"""Seconds for which an answer is shown again without asking anew."""
MOST_KEPT = 500
"""How many answers are kept: those about a dataset take some hundred KB for each year of days."""


@dataclass(frozen=True)
class Answer:
    """What became of a question.

    :param value: the answer; None if there is none
    :param problem: why there is none, or why it is an old one; empty if it is fresh
    :param age: seconds since it was known
    """

    value: Any = None
    problem: str = ""
    age: float = 0.0


@dataclass
class _Asked:
    """A question under way or answered.

    :param future: of the answer, with the moment at which it was known
    :param former: the answer before that, likewise; None without one
    """

    future: Future[tuple[Any, float]]
    former: tuple[Any, float] | None = None


class Answers:
    """Questions under way and answers that are kept.

    :param patience: seconds for which the answers to one request are waited for
    :param kept: seconds for which it is shown again
    :param most: how many answers are kept; large ones should be few
    """

    def __init__(self, patience: float = PATIENCE, kept: float = KEPT, most: int = MOST_KEPT) -> None:
        self.patience, self._kept, self._most = patience, kept, most
        self._lanes = Lanes()
        self._asked: dict[str, _Asked] = {}

    def deadline(self) -> float:
        """Until when a request that begins now waits for its answers, as :func:`time.monotonic` counts."""
        return time.monotonic() + self.patience

    async def ask(self, key: str, question: Callable[[], Any], lane: str = "", until: float | None = None) -> Answer:
        """Ask, unless the answer is known or somebody is asking already. Never raises for what a cluster answers.

        A question that takes longer goes on, so that whoever comes again finds its answer.

        :param key: equal keys are the same question
        :param question: is called in a thread
        :param lane: the cluster that is asked; a few threads are its own
        :param until: when the request must be answered, see :meth:`deadline`; by default, it begins with this question
        """
        until = self.deadline() if until is None else until
        asked = self._asked.get(key)
        if asked is None or (asked.future.done() and self._is_over(asked)):
            asked = self._submit(key, question, lane, asked)
        if asked is None:
            return Answer(problem="Too many questions are under way; try again in a moment.")
        waited = asyncio.wrap_future(asked.future)
        waited.add_done_callback(_looked_at)
        await asyncio.wait({waited}, timeout=max(0.0, until - time.monotonic()))
        if not asked.future.done():
            return self._late(asked)
        error = asked.future.exception()
        if error is None:
            value, known = asked.future.result()
            return Answer(value, age=time.monotonic() - known)
        if is_known(error):
            return Answer(problem=explain(error))
        return Answer(problem="Strata failed to look; the log of the API server says where.")

    def _submit(self, key: str, question: Callable[[], Any], lane: str, before: _Asked | None) -> _Asked | None:
        def ask() -> tuple[Any, float]:
            try:
                return question(), time.monotonic()
            except Exception as error:
                if not is_known(error):
                    _log.exception("strata page %s failed", key)
                raise

        future = self._lanes.submit(lane, ask)
        if future is None:
            return None
        done = [name for name, one in self._asked.items() if one.future.done() and name != key]
        for name in done[: max(0, len(done) - self._most + 1)]:  # the oldest first
            del self._asked[name]
        former = before.future.result() if before and before.future.exception() is None else None
        self._asked.pop(key, None)
        asked = self._asked[key] = _Asked(future, former)
        return asked

    def _is_over(self, asked: _Asked) -> bool:
        """Whether an answer is too old to be shown; a failure is not shown twice."""
        return asked.future.exception() is not None or time.monotonic() - asked.future.result()[1] > self._kept

    def _late(self, asked: _Asked) -> Answer:
        waited = f"There was no answer within {self.patience:g} s."
        if asked.former:
            value, known = asked.former
            age = time.monotonic() - known
            return Answer(value, f"{waited} This is what was known {age:.0f} s ago; reload for more.", age)
        return Answer(problem=f"{waited} The question goes on: reload in a moment.")


def _looked_at(waited: asyncio.Future[Any]) -> None:
    """Look at a failure that nobody waits for any more, so that asyncio does not report it as forgotten."""
    if not waited.cancelled():
        waited.exception()
