"""The messages that one consumer has in hand: received ahead by a thread, kept from others, deleted when they are done.

No more is received than is worked on. Every message is kept from others from its receipt on, whether or not anybody
has looked at it: of messages that wait, the last would otherwise be given to others first.
"""

from __future__ import annotations

import logging
import random
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Condition, Event, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Self

from opensearch_strata.archive.arrivals.in_time import within
from opensearch_strata.archive.arrivals.queue import AT_ONCE
from opensearch_strata.errors import StrataError, TransientError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.judging import is_transient

if TYPE_CHECKING:
    from opensearch_strata.archive.arrivals.queue import Message, Queue

_log = logging.getLogger(__name__)

_BEATS = 3  # renewals per visibility timeout: two may fail
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between requests after errors
_GRACE, _FOR_THREAD = 3.0, 0.7  # seconds that whoever is stopped has to give back messages, and waits for a thread
_FIRST_RETRY, _RETRY_GROWTH, _LONGEST_RETRY = 60.0, 4.0, 6 * 3600.0  # seconds until what failed comes back


@dataclass(frozen=True)
class InboxLimits:
    """How much is in hand, and how patiently the queue is read.

    :param messages: maximum number of messages
    :param size: bytes of the objects that they tell of, beyond which nothing more is received
    :param poll: seconds for which the service waits for a message; stopping takes as long
    :param patience: seconds for which the service may fail before the consumer does
    """

    messages: int = 1000
    size: int = 256_000_000
    poll: int = 5
    patience: float = 300


def back_off(receives: int) -> float:
    """Seconds until a message that could not be loaded comes back: after 1, 4, 16, 64 and 256 minutes, then 6 hours.

    A redrive policy counts receives and not time, so it must be hours until a usual one gives a message up.

    :param receives: how often it was received
    """
    return random.uniform(0.8, 1) * min(_LONGEST_RETRY, _FIRST_RETRY * _RETRY_GROWTH ** max(0, min(receives, 10) - 1))


def by_receives(messages: Iterable[Message]) -> list[tuple[int, list[Message]]]:
    """Messages by how often they were received, so that those that wait equally long share requests."""
    found: defaultdict[int, list[Message]] = defaultdict(list)
    for one in messages:
        found[one.receives].append(one)
    return list(found.items())


class Inbox:
    """Messages in hand. Use it in a ``with`` block; what is still in hand at its end is given back to the queue: at
    once if the end was wanted, for which SQS has three seconds after a KeyboardInterrupt or SystemExit, and after
    :func:`back_off` if an error is the cause, as whoever received them at once would only fail again.

    :param visibility: seconds for which the queue keeps a received message from others
    :param is_careful: no more than a request's messages are in hand before :meth:`widen` is called
    :param stop: once it is set, nothing more is received, except by a request that is under way
    """

    def __init__(
        self,
        queue: Queue,
        visibility: float,
        limits: InboxLimits = InboxLimits(),
        *,
        is_careful: bool = False,
        stop: Event | None = None,
    ) -> None:
        self._queue, self._visibility, self._limits = queue, visibility, limits
        self._stop = stop or Event()
        self._most = min(AT_ONCE, limits.messages) if is_careful else limits.messages
        self._held: dict[str, Message] = {}  # receipt -> message
        self._leaving: set[str] = set()  # receipts of those that are being deleted
        self._new: deque[Message] = deque()
        self._changed = Condition()
        self._over = Event()
        self._is_receiving = True
        self._is_asking = False
        self._failure: BaseException | None = None
        self._deleting = ThreadPoolExecutor(1, thread_name_prefix="delete")
        self._threads = [
            Thread(target=self._guarded, args=[task], name=name, daemon=True)
            for name, task in (("receive", self._receive), ("heartbeat", self._keep))
        ]
        self.last_empty = 0.0
        """When the queue last had no message for us, by the monotonic clock; 0 if that never happened."""
        self.deleted = self.undeleted = self.lost = 0
        """Messages that were deleted, those that could not be, and those that others received or deleted meanwhile."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self.receive(False)
        if error is not None and not isinstance(error, Exception):  # somebody stops us, and SQS may hang
            if not within(_GRACE, self._hurry):
                _log.warning("SQS does not answer: messages in hand come back when their visibility timeout is over.")
            return
        for thread in self._threads:
            thread.join()
        self._deleting.shutdown(wait=True)
        held = list(self._held.values())
        if error is not None:
            for receives, group in by_receives(held):
                self.give_back(group, back_off(receives))
        else:
            self.give_back(held, 0)

    def _hurry(self) -> None:
        """Give back what is in hand, after a moment in which requests under way may be answered."""
        for thread in self._threads:
            thread.join(_FOR_THREAD)
        within(_FOR_THREAD, self._deleting.shutdown)
        # A request for messages that is still under way would get them, and nobody would look at its answer.
        self.give_back(list(self._held.values()), self._limits.poll if self._is_asking else 0)

    def widen(self) -> None:
        """Say that messages can be done, so that as many are received as the limits allow."""
        if self._most == self._limits.messages:
            return
        with self._changed:
            self._most = self._limits.messages
            self._changed.notify_all()

    def receive(self, wanted: bool) -> None:
        """Say whether more messages are wanted.

        :param wanted: False: nothing more is received, except by a request that is under way
        """
        with self._changed:
            self._is_receiving = wanted
            self._changed.notify_all()

    def take(self, seconds: float) -> list[Message]:
        """The messages that have come since the last call.

        :param seconds: how long to wait for the first of them
        :raises TransientError: the queue could not be read or changed for too long
        :raises Refused: we may not do that, or the queue does not exist
        """
        with self._changed:
            self._changed.wait_for(lambda: self._new or self._failure, seconds)
            if self._failure and not self._new:
                raise self._failure
            found = list(self._new)
            self._new.clear()
        return found

    def rest(self) -> list[Message]:
        """The last messages, once nothing more is wanted: those that come by a request that is under way.

        :raises TransientError: as :meth:`take` does
        :raises Refused: as :meth:`take` does
        """
        self.receive(False)
        with self._changed:
            self._changed.wait_for(lambda: not self._is_asking or self._failure)
        return self.take(0)

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages, soon: another thread does it.

        :param messages: everything that they tell of is accounted for in the ledger
        """
        with self._changed:
            self._leaving |= {one.receipt for one in messages}
        for start in range(0, len(messages), AT_ONCE):
            self._deleting.submit(self._guarded, self._delete, messages[start : start + AT_ONCE])

    def give_back(self, messages: Sequence[Message], seconds: float) -> None:
        """Let others receive messages after some time.

        :param messages: those that are not done
        :param seconds: from now on
        """
        self.let_go(messages)
        try:
            self._queue.keep(messages, seconds)
        except StrataError as error:  # they come back a little later
            _log.warning("%s could not be given back at once. %s", counted(len(messages), "message"), error)

    def let_go(self, messages: Sequence[Message]) -> None:
        """Keep messages no longer: they come back when their visibility timeout is over.

        :param messages: those to forget
        """
        with self._changed:
            for one in messages:
                self._held.pop(one.receipt, None)
                self._leaving.discard(one.receipt)
            self._changed.notify_all()

    def _guarded(self, task: object, *arguments: object) -> None:
        assert callable(task)
        try:
            task(*arguments)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever takes messages
            with self._changed:
                self._failure = self._failure or error
                self._changed.notify_all()

    def _receive(self) -> None:
        pause, failing_since = _FIRST_PAUSE, 0.0
        while room := self._room():
            try:
                found = self._queue.receive(room, self._visibility, self._limits.poll)
            except TransientError as error:
                failing_since = failing_since or time.monotonic()
                if time.monotonic() - failing_since > self._limits.patience:
                    raise
                _log.warning("%s The next attempt is in %.1f s.", error, pause)
                self._over.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            pause, failing_since = _FIRST_PAUSE, 0.0
            with self._changed:
                self._held |= {one.receipt: one for one in found}
                self._new.extend(found)
                if not found:
                    self.last_empty = time.monotonic()
                self._changed.notify_all()

    def _room(self) -> int:
        """How many more messages to receive, once there is room for one; 0 at the end."""
        with self._changed:
            self._is_asking = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._over.is_set() or (self._is_wanted and self._has_room))
            self._is_asking = not self._over.is_set()
            return self._most - len(self._held) if self._is_asking else 0

    @property
    def _is_wanted(self) -> bool:
        return self._is_receiving and not self._stop.is_set()

    @property
    def _has_room(self) -> bool:
        held = self._held.values()
        return len(held) < self._most and sum(one.size for one in held) < self._limits.size

    def _keep(self) -> None:
        """Renew the visibility timeouts of all messages in hand, as long as the service allows."""
        pause = self._visibility / _BEATS
        while not self._over.wait(pause):
            pause = self._visibility / _BEATS
            with self._changed:
                held = [one for one in self._held.values() if one.left > 0 and one.receipt not in self._leaving]
            try:
                lost = self._queue.keep(held, self._visibility)
            except TransientError as error:  # the next renewal may be in time
                _log.warning("%s", error)
                pause = min(pause, _FIRST_PAUSE)
                continue
            with self._changed:
                lost = [one for one in lost if one.receipt not in self._leaving]  # we may just have deleted them
                gone = [one for one in lost if self._held.pop(one.receipt, None)]
                self.lost += len(gone)
            if gone:
                _log.warning(
                    "%s of the queue are no longer ours: others received or deleted them, or the queue was purged. "
                    "Their objects are loaded to the end; the ledger shows to others what is loaded.",
                    counted(len(gone), "message"),
                )

    def _delete(self, messages: Sequence[Message]) -> None:
        try:
            left = self._queue.delete(messages)
        except StrataError as error:
            if not is_transient(error):
                raise
            _log.warning("%s They will be received again and found loaded.", error)
            left = list(messages)
        self.let_go(messages)
        self.deleted += len(messages) - len(left)
        self.undeleted += len(left)
