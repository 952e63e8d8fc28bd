"""The new objects of one dataset on their way into its raw days, and the messages that wait for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from opensearch_strata.archive.arrivals.drained import Drained
from opensearch_strata.archive.arrivals.messages import NewObject
from opensearch_strata.archive.arrivals.routing import ASIDE, Aside
from opensearch_strata.archive.causes import summed
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.takeover import is_deadly
from opensearch_strata.archive.load.loading import Objects
from opensearch_strata.archive.store.objects import object_now
from opensearch_strata.errors import StrataError, TransientError
from opensearch_strata.errors.judging import is_transient

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from opensearch_strata.archive.arrivals.queue import Message
    from opensearch_strata.archive.arrivals.routing import Route
    from opensearch_strata.archive.load.loading import Loading

_log = logging.getLogger(__name__)

_CHUNK = 100  # objects in one claim
_BUSY = 2.0  # seconds until objects that others were loading are tried again
_UNEXPECTED = frozenset[Aside]({"no_dataset", "layout", "empty"})
_TOLD = 5  # objects that are named for each reason
_MOST_TRIES = 3  # versions of an object that are tried, if it is rewritten again and again
_MOST_IN_A_ROW = 5  # objects that fail for reasons that may pass, with none in between that does not


@dataclass(eq=False)
class Ticket:
    """A message, and how much of it is still open.

    :param open: objects that are not accounted for
    :param is_left: it, or something in it, is left to the queue's redrive policy
    :param to_retry: an object in it failed, or others are loading it
    :param is_busy: others are loading an object in it
    :param is_held: a dataset whose definition cannot be read may need it
    """

    message: Message
    open: int = 0
    is_left: bool = False
    to_retry: bool = False
    is_busy: bool = False
    is_held: bool = False


@dataclass(eq=False)
class _Task:
    """An object under way.

    :param new: as the message names it; without the other key once that was tried
    :param tries: versions that were tried
    """

    new: NewObject
    tickets: list[Ticket] = field(default_factory=list)
    tries: int = 1


class Lane:
    """The objects of one dataset.

    :param loading: an open load of the dataset
    :param s3: a client for its source
    """

    def __init__(self, route: Route, loading: Loading, s3: BaseClient, drained: Drained) -> None:
        self.route = route
        self._loading, self._s3, self._drained = loading, s3, drained
        self._max_wait = route.max_wait
        self._tasks: dict[Place, _Task] = {}
        self._fresh: Objects = {}
        self._busy: Objects = {}
        self._try_busy_at = 0.0
        self._in_a_row = 0

    @property
    def open(self) -> int:
        """Objects that are not accounted for."""
        return len(self._tasks)

    @property
    def waits_only(self) -> bool:
        """Whether all of them are being loaded by others."""
        return not self._fresh and len(self._tasks) == len(self._busy)

    def offer(self, new: NewObject, ticket: Ticket) -> None:
        """Take an object of a message.

        :raises TransientError: S3 does not answer
        """
        ticket.open += 1
        task = _Task(new, [ticket])
        if new.etag and new.size >= 0:
            self._begin(task, Place(new.bucket, new.key, new.etag), new.size)
        else:
            self._look_up(task)

    def load(self, *, is_quiet: bool) -> None:
        """Load what was offered, and send documents that have waited for long enough.

        :param is_quiet: no messages are coming, so that waiting for more documents is of no use
        :raises TransientError: OpenSearch, the ledger or S3 could not be used for too long
        :raises Refused: OpenSearch forbids it
        """
        fresh, self._fresh = self._fresh, {}  # what is settled may add to it
        for chunk in _chunks(fresh):
            self._busy |= self._loading.take(chunk)
            self._loading.flush(self._max_wait)
            self._settle(self._loading.settle())
        if self._busy and time.monotonic() >= self._try_busy_at:
            self._busy = self._loading.take(self._busy)
            self._try_busy_at = time.monotonic() + _BUSY
        if is_quiet:
            self._busy |= self._loading.take_suspects()
        self._loading.flush(0 if is_quiet else self._max_wait)
        self._settle(self._loading.settle())

    def complete(self) -> None:
        """Account for everything that was offered, except for what others are loading.

        :raises TransientError: as :meth:`load` does
        :raises Refused: as :meth:`load` does
        """
        while self._fresh or not self.waits_only:
            self.load(is_quiet=True)
            self._settle(self._loading.complete())

    def give_up(self) -> None:
        """The dataset cannot be loaded now: the messages of everything that is open are to be tried again."""
        for place in list(self._tasks):
            self._drained.failed += 1
            self._end(place, to_retry=True)

    def abandon(self) -> None:
        """Give up what others are still loading: their messages are to be tried again."""
        for place, task in list(self._tasks.items()):
            for ticket in task.tickets:
                ticket.is_busy = True
            self._end(place, to_retry=True)

    def _begin(self, task: _Task, place: Place, size: int) -> None:
        if place in self._tasks:
            self._tasks[place].tickets += task.tickets
            return
        self._tasks[place] = task
        self._fresh[place] = size

    def _settle(self, lost: Objects) -> None:
        self._busy |= lost
        result = self._loading.results()
        for row in result.skipped:
            self._drained.there += 1
            self._end(row.place)
        vanished = set(result.vanished)
        for row in result.rows:
            self._drained.counts += row.counts
            self._drained.causes = summed([self._drained.causes, row.causes])
            if row.place in vanished:
                self._look_again(row.place)
                continue
            if row.state == "done":
                self._drained.done += 1
            elif row.state == "quarantined":
                self._drained.quarantined += 1
            else:
                self._drained.failed += 1
            # Those that died may have been killed for any other reason: its message comes back.
            self._end(row.place, to_retry=row.state == "failed" or (row.state == "quarantined" and is_deadly(row)))
        self._judge([*result.failures], bool(result.skipped or len(result.rows) > len(result.failures)))

    def _judge(self, failures: list[StrataError], any_good: bool) -> None:
        """Stop if nothing but passing failures comes: whatever causes them must not use up the tries of messages."""
        passing = [failure for failure in failures if is_transient(failure)]
        self._in_a_row = 0 if any_good or len(passing) < len(failures) else self._in_a_row + len(passing)
        if self._in_a_row >= _MOST_IN_A_ROW:
            raise TransientError(
                f"{self._in_a_row} objects of {self.route.dataset.name} in a row could not be loaded, so no more are "
                f"tried now. {passing[-1]} Their messages are kept."
            )

    def _look_again(self, place: Place) -> None:
        """An object was gone or rewritten when it was read: find what is there in its place."""
        task = self._tasks.pop(place)
        self._busy.pop(place, None)
        task.tries += 1
        if task.tries > _MOST_TRIES:
            self._fail(task)
        else:
            self._look_up(task)

    def _look_up(self, task: _Task) -> None:
        """Load the version of an object that is there now, under its key or under the other way to read the key."""
        new = task.new
        try:
            found = object_now(self._s3, new.bucket, new.key)
            if found is None and new.other_key and self.route.takes(new.bucket, new.other_key):
                found = object_now(self._s3, new.bucket, new.other_key)
        except StrataError as error:
            _log.warning("%s", error)
            self._fail(task)
            return
        if found is None:
            self._drained.gone += 1
            _log.warning("%s was deleted before it was read, so it is not loaded.", Place(new.bucket, new.key))
            self._close(task)
            return
        if reason := self.route.aside(found.place.key, found.size):
            leave_aside(found.place, reason, self._drained)
            self._close(task)
            return
        if found.place.key != new.key:
            task.new = new._replace(key=found.place.key, other_key="")
        self._begin(task, found.place, found.size)

    def _fail(self, task: _Task) -> None:
        self._drained.failed += 1
        self._close(task, to_retry=True)

    def _end(self, place: Place, *, to_retry: bool = False) -> None:
        self._busy.pop(place, None)
        self._fresh.pop(place, None)
        if task := self._tasks.pop(place, None):
            self._close(task, to_retry=to_retry)

    @staticmethod
    def _close(task: _Task, *, to_retry: bool = False) -> None:
        for ticket in task.tickets:
            ticket.open -= 1
            ticket.to_retry |= to_retry


def leave_aside(place: Place, reason: Aside, drained: Drained) -> None:
    """Count an object that is not loaded; name the first ones in the log if it may be a mistake.

    :param place: of the object
    :param drained: counts it
    """
    drained.aside[reason] += 1
    if reason in _UNEXPECTED and drained.aside[reason] <= _TOLD:
        cure = " If it should be, correct intake.source and run a backfill: its message is deleted."
        _log.warning("%s is not loaded: it is %s.%s", place, ASIDE[reason], cure if reason == "no_dataset" else "")


def _chunks(objects: Objects) -> Iterator[Objects]:
    rest = iter(list(objects.items()))
    while part := dict(islice(rest, _CHUNK)):
        yield part
