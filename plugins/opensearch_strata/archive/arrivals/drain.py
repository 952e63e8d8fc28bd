"""Takes messages from a queue until a time is over or the queue is empty, and loads the objects that they tell of."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

from opensearch_strata.archive.arrivals.drained import Drained
from opensearch_strata.archive.arrivals.in_time import within
from opensearch_strata.archive.arrivals.inbox import back_off, by_receives
from opensearch_strata.archive.arrivals.lane import Lane, Ticket, leave_aside
from opensearch_strata.archive.arrivals.messages import NewObject
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.store import LEASE
from opensearch_strata.errors.judging import explain, is_known

if TYPE_CHECKING:
    from opensearch_strata.archive.arrivals.inbox import Inbox
    from opensearch_strata.archive.arrivals.queue import Message
    from opensearch_strata.archive.arrivals.routing import Route, Routes

_log = logging.getLogger(__name__)

_IDLE, _ANSWERS = 1.0, 0.05  # seconds to wait for messages if nothing is under way, and if answers are expected
_QUIET = 0.25  # seconds without a message after which documents wait no longer for others
_MOST_UNSENT = 500  # objects whose documents wait together, because their messages are in hand as long
_FIRST_HOLD, _LONGEST_HOLD = 3600.0, 12 * 3600.0  # seconds until one that a broken definition may be about comes back
_AFTER_LEASE = LEASE + 5  # least seconds until a message with an object that others are loading comes back; a dead
# loader's lease is over by then
_GRACE = 4.0  # seconds that whoever is stopped has to hand back leases and raw days


@dataclass(frozen=True)
class DrainLimits:
    """When to stop.

    :param seconds: after which nothing more is received; what is in hand is loaded
    :param empty: seconds without a message after which the queue counts as empty; None: only the time counts
    """

    seconds: float
    empty: float | None = None


class Drain:
    """One pass over a queue.

    A dataset that cannot be loaded stops no other: its load is closed until the end of the pass, and its messages come
    back later.

    :param inbox: the messages, open
    :param open_lane: the load of one dataset; each is asked for once, when its first object comes
    :param stop: set by whoever wants it to end before its time: nothing more is received, what is in hand is loaded
    :param failed: datasets that cannot be loaded now, and why, by their names
    """

    def __init__(
        self,
        inbox: Inbox,
        routes: Routes,
        open_lane: Callable[[Route], AbstractContextManager[Lane]],
        stop: Event,
        drained: Drained,
        failed: Mapping[str, Exception] | None = None,
    ) -> None:
        self._inbox, self._routes, self._open_lane, self._stop = inbox, routes, open_lane, stop
        self._drained = drained
        self._failed = dict(failed or {})
        self._lanes: dict[str, Lane] = {}
        self._ends_with = ExitStack()
        self._ends: dict[str, ExitStack] = {}  # what closes the lanes
        self._tickets: list[Ticket] = []

    def run(self, limits: DrainLimits) -> dict[str, Exception]:
        """Receive and load, until the time is over, the queue is empty or no dataset can be loaded.

        Whoever is stopped (KeyboardInterrupt, SystemExit) hands back what is in hand, and waits for a request that
        hangs for four seconds at most.

        :returns: the datasets that could not be loaded to the end, and why, by their names
        :raises TransientError: the queue could not be used for too long
        :raises Refused: we may not use the queue, or it does not exist
        """
        with ExitStack() as lanes:
            self._ends_with = lanes
            try:
                self._take(limits)
                self._finish()
            except BaseException as error:
                if not isinstance(error, Exception):
                    self._hand_back(lanes.pop_all(), error)
                raise
        return self._failed

    def _hand_back(self, lanes: ExitStack, error: BaseException) -> None:
        """Close all loads for somebody who wants the end, whether or not what they wait for is answered."""
        self._inbox.receive(False)
        if not within(_GRACE, lambda: lanes.__exit__(type(error), error, error.__traceback__)):
            _log.warning(
                "OpenSearch or S3 does not answer, so the leases of the objects in hand are not given up; they end in "
                "%.0f s. What is loaded stays; whoever receives their messages loads the rest.",
                LEASE,
            )

    def _take(self, limits: DrainLimits) -> None:
        began = last = time.monotonic()
        while not self._stop.is_set() and self._is_any_left and time.monotonic() - began < limits.seconds:
            is_open = any(not lane.waits_only for lane in self._lanes.values())
            messages = self._inbox.take(_ANSWERS if is_open else _IDLE)
            for message in messages:
                self._accept(message)
            now = time.monotonic()
            if messages:
                last = now
            is_full = sum(lane.open for lane in self._lanes.values()) >= _MOST_UNSENT
            for name, lane in list(self._lanes.items()):
                with self._isolated(name):
                    lane.load(is_quiet=is_full or now - last >= _QUIET)
            self._answer()
            if self._drained.objects or any(lane.open and lane.waits_only for lane in self._lanes.values()):
                self._inbox.widen()
            if (
                limits.empty is not None
                and not self._tickets
                and min(now, self._inbox.last_empty) - last >= limits.empty
            ):
                break

    @property
    def _is_any_left(self) -> bool:
        """Whether a dataset can still be loaded; if none can, what is received comes closer to the dead letters."""
        return len(self._failed) < len(self._routes.routes)

    @contextmanager
    def _isolated(self, name: str) -> Iterator[None]:
        """What fails in this block closes the load of one dataset."""
        try:
            yield
        except Exception as error:
            if not is_known(error):
                raise
            self._failed[name] = error
            _log.warning("%s is not loaded any more in this pass. %s", name, explain(error))
            if not self._is_any_left:
                self._inbox.receive(False)  # before messages are given back, as that makes room for others
            if lane := self._lanes.pop(name, None):
                lane.give_up()
                self._end(name, error)

    def _end(self, name: str, error: Exception) -> None:
        """Close the load of a dataset that failed, so that others may load what it has claimed."""
        try:
            self._ends.pop(name).__exit__(type(error), error, error.__traceback__)
        except Exception as another:
            if not is_known(another):
                raise
            _log.warning("%s", explain(another))  # secondary: the cause is told

    def _finish(self) -> None:
        """Load what is in hand; what others are still loading is left to later."""
        self._inbox.receive(False)
        self._complete()
        if not self._stop.is_set():  # otherwise they are given back, so that the end comes soon
            for message in self._inbox.rest():
                self._accept(message)
        self._complete()
        for lane in self._lanes.values():
            lane.abandon()
        self._answer()
        for name in list(self._lanes):
            with self._isolated(name):
                self._ends[name].close()

    def _complete(self) -> None:
        for name, lane in list(self._lanes.items()):
            with self._isolated(name):
                lane.complete()

    def _accept(self, message: Message) -> None:
        self._drained.messages += 1
        if message.sent:
            self._drained.oldest = max(self._drained.oldest, time.time() - message.sent / 1000)
        told = message.told
        ticket = Ticket(message, is_held=bool(told.new) and not self._routes.is_sure)
        if told.not_understood:
            ticket.is_left = True
            _log.warning(
                "Message %s is left to the redrive policy of the queue (receive %s). %s",
                message.id, message.receives, told.not_understood,
            )  # fmt: skip
        if told.aside:
            self._drained.aside["other_event"] += len(told.aside)
        for new in told.new:
            self._route(new, ticket)
        self._tickets.append(ticket)

    def _route(self, new: NewObject, ticket: Ticket) -> None:
        routes, aside = self._routes.of(new.bucket, new.key, new.size)
        if aside == ["no_dataset"] and new.other_key:
            other = new._replace(key=new.other_key, other_key=new.key)
            routes, aside = self._routes.of(other.bucket, other.key, other.size)
            new = other if routes else new
        for reason in aside:
            leave_aside(Place(new.bucket, new.key), reason, self._drained)
        for route in routes:
            name = route.dataset.name
            if name not in self._failed:
                with self._isolated(name):
                    self._lane(route).offer(new, ticket)
            if name in self._failed:
                self._drained.failed += 1
                ticket.to_retry = True

    def _lane(self, route: Route) -> Lane:
        name = route.dataset.name
        if name not in self._lanes:
            end = ExitStack()
            self._lanes[name] = end.enter_context(self._open_lane(route))
            self._ends[name] = self._ends_with.enter_context(end)
        return self._lanes[name]

    def _answer(self) -> None:
        """Delete the messages that are done, and give back those in which something failed."""
        settled = [ticket for ticket in self._tickets if not ticket.open]
        if not settled:
            return
        self._tickets = [ticket for ticket in self._tickets if ticket.open]
        for least, is_busy in ((_AFTER_LEASE, True), (0.0, False)):
            retried = [one.message for one in settled if one.to_retry and one.is_busy is is_busy]
            self._drained.given_back += len(retried)
            for receives, group in by_receives(retried):
                self._inbox.give_back(group, max(least, back_off(receives)))
        self._drained.not_understood += sum(one.is_left and not one.to_retry for one in settled)
        rest = [one for one in settled if not one.to_retry]
        self._hold([one.message for one in rest if one.is_held])
        self._inbox.let_go([one.message for one in rest if one.is_left and not one.is_held])
        self._inbox.delete([one.message for one in rest if not (one.is_left or one.is_held)])

    def _hold(self, messages: list[Message]) -> None:
        """Give back what is done for the datasets that are known, for one whose definition cannot be read now.

        Whether that one has this queue, and objects below its source are in these messages, cannot be known.
        """
        if messages and not self._drained.held:
            _log.warning(
                "Some definitions cannot be read (see `strata check`). Their datasets may need the messages of this "
                "queue too, so none that tells of an object is deleted: they are loaded for the other datasets, and "
                "come back after 1, 2, 4, 8 and 12 hours, until the redrive policy gives them up."
            )
        self._drained.held += len(messages)
        for receives, group in by_receives(messages):
            self._inbox.give_back(group, min(_LONGEST_HOLD, _FIRST_HOLD * 2.0 ** max(0, min(receives, 10) - 1)))
