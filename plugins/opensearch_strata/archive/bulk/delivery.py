"""One body to the bulk API, sent again until every document of it is accounted for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_delay,
    stop_when_event_set,
    wait_random_exponential,
)

from opensearch_strata.archive.bulk.body import Body
from opensearch_strata.archive.bulk.concurrency import ConcurrencyLimits
from opensearch_strata.archive.bulk.namesakes import namesakes
from opensearch_strata.archive.bulk.verdicts import Verdict, judged_failure, judged_item, reason
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.judging import explain

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_log = logging.getLogger(__name__)

Owner = TypeVar("Owner")

# No more of the answer than is needed: what became of each document, and where.
_KEPT = {
    "filter_path": "errors,items.*.status,items.*.result,items.*._index,items.*._id,"
    "items.*.error.type,items.*.error.reason,items.*.error.caused_by"
}

_FAULTY_TRIES = 5  # so often the server may fail over a document before the document is given up
_BACK_OFF = wait_random_exponential(multiplier=0.2, max=10)
_UNTIL_LIFTED = wait_random_exponential(multiplier=1, max=15)

Item = Mapping[str, Any]
"""What an answer says of a document."""


@dataclass
class Resolved(Generic[Owner]):
    """Documents of a body of which it is known what became of them: a part of the body, or all of it.

    :param created: their positions in ``body``
    :param existed: positions of those that were there already
    :param rejected: positions of those that will never be taken, each with the server's reason, a sentence
    :param dropped: positions of those that an ingest pipeline dropped or sent elsewhere, likewise
    """

    body: Body[Owner]
    created: Sequence[int] = ()
    existed: Sequence[int] = ()
    rejected: dict[int, str] = field(default_factory=dict)
    dropped: dict[int, str] = field(default_factory=dict)

    @property
    def dead(self) -> Iterator[tuple[int, str, str]]:
        """Position, reason as dead letters have it, and sentence of each that is not in its raw day."""
        yield from ((position, "rejected", why) for position, why in self.rejected.items())
        yield from ((position, "dropped", why) for position, why in self.dropped.items())


class Paused:
    """Says once that writing stands still, however many deliveries wait, and once that it goes on."""

    def __init__(self) -> None:
        self._waiting = 0
        self._lock = Lock()

    def begins(self, why: str) -> None:
        """A delivery waits until a block is lifted."""
        with self._lock:
            self._waiting += 1
            if self._waiting == 1:
                _log.warning("Loading is paused until this is lifted; nothing is lost. %s", why)

    def ends(self) -> None:
        """It waits no longer."""
        with self._lock:
            self._waiting -= 1
            if self._waiting == 0:
                _log.info("Loading goes on.")


@dataclass
class Route(Generic[Owner]):
    """What all deliveries of a load share.

    :param on_resolved: hears of each document of a body exactly once
    :param patience: seconds that OpenSearch may be away, or refuse
    :param make_ready: called before each request with the indices that it writes to
    :param given_up: set when the load ends before its time: whoever waits stops waiting
    """

    client: OpenSearch
    limits: ConcurrencyLimits
    on_resolved: Callable[[Resolved[Owner]], None]
    patience: float
    make_ready: Callable[[Collection[str]], None] = lambda _: None
    given_up: Event = field(default_factory=Event)
    paused: Paused = field(default_factory=Paused)


class _Unfinished(Exception):  # noqa: N818 - what is so, nobody's error
    """Documents of a body are still to be sent, after a while."""

    def __init__(self, verdict: Verdict, why: str) -> None:
        super().__init__(why)
        self.verdict = verdict


class _TooLarge(Exception):  # noqa: N818
    """The request was too large for OpenSearch, or for somebody on the way to it."""


class Delivery(Generic[Owner]):
    """The way of one body."""

    def __init__(self, route: Route[Owner], body: Body[Owner]) -> None:
        self._route = route
        self._rest = body
        self._faults = 0
        self._is_paused = False

    def run(self) -> tuple[Body[Owner], ...]:
        """Send until nothing is left. Returns the halves of a body that is too large, for deliveries of their own.

        :raises TransientError: OpenSearch was away, or refused, for longer than the patience
        :raises Refused: it will never take documents from us
        """
        try:
            for attempt in self._attempts():
                with attempt:
                    self._send()
        except _TooLarge as error:
            return self._halved(str(error))
        except RetryError as error:
            raise self._surrender(error) from None
        finally:
            self._note_pause(None)
            self._rest = self._rest.part(())  # the attempts go in circles, and would keep the bytes for long
        return ()

    def _attempts(self) -> Retrying:
        route = self._route
        return Retrying(
            retry=retry_if_exception_type(_Unfinished),
            wait=_wait,
            stop=stop_after_delay(route.patience) | stop_when_event_set(route.given_up),
            sleep=sleep_using_event(route.given_up),
            before_sleep=self._say,
        )

    def _send(self) -> None:
        """One request with all that is left.

        :raises _Unfinished: something is left after it
        :raises _TooLarge: nobody has looked into it
        """
        from opensearchpy import OpenSearchException

        sent_at = time.monotonic()
        failure = None
        try:
            self._route.make_ready(set(self._rest.indices))
            answer = self._route.client.bulk(body=self._rest.payload(), params=dict(_KEPT))
        except OpenSearchException as error:
            failure = self._judged(error, sent_at)
        except TransientError as error:  # of making ready, which looks at the indices and not at the documents
            failure = _Unfinished(Verdict.BLOCKED, str(error))
        if failure:  # raised out here, as the traceback of the other holds the bytes that were sent
            raise failure
        items = _items(answer)
        if len(items) != len(self._rest):
            raise _Unfinished(
                Verdict.AGAIN, f"OpenSearch answered on {len(items):,} documents where {len(self._rest):,} were sent."
            )
        found = [_outcome(item) for item in items]
        if answer.get("errors") is False and self._all_created(found):  # as most answers are
            self._route.on_resolved(Resolved(self._rest, created=range(len(self._rest))))
            self._route.limits.answered()
        else:
            self._resolve(found, sent_at)

    def _all_created(self, found: list[Item]) -> bool:
        """Whether every document is there by the names under which it was sent."""
        body = self._rest
        return (
            all(said.get("result") == "created" for said in found)
            and [said.get("_index") for said in found] == body.indices
            and (not body.with_ids or [said.get("_id") for said in found] == body.ids)
        )

    def _judged(self, error: Exception, sent_at: float) -> Exception:
        """What to raise for a request that failed as a whole."""
        verdict = judged_failure(error)
        if verdict is Verdict.TOO_LARGE:
            return _TooLarge(explain(error))
        if verdict is Verdict.FORBIDDEN or (verdict is Verdict.FAULTY and self._is_hopeless()):
            return _refused(explain(error))
        if verdict is Verdict.BUSY:
            self._route.limits.refused(sent_at)
        return _Unfinished(verdict, explain(error))

    def _resolve(self, items: list[Item], sent_at: float) -> None:
        """Settle what can be, keep the rest."""
        positions: dict[Verdict, list[int]] = {}
        for position in range(len(items)):
            positions.setdefault(judged_item(*self._about(items, position)), []).append(position)
        if Verdict.FAULTY in positions and self._is_hopeless():
            positions.setdefault(Verdict.REJECTED, []).extend(positions.pop(Verdict.FAULTY))
        rejected, dropped = (
            {position: reason(*self._about(items, position)) for position in positions.pop(verdict, ())}
            for verdict in (Verdict.REJECTED, Verdict.DROPPED)
        )
        created, existed = positions.pop(Verdict.CREATED, []), positions.pop(Verdict.EXISTED, [])
        others, unknown = self._looked_up(existed)
        rejected |= others
        existed = [position for position in existed if position not in others and position not in unknown]
        if unknown:
            positions.setdefault(Verdict.AGAIN, []).extend(unknown)
        self._route.on_resolved(Resolved(self._rest, created, existed, rejected, dropped))
        if Verdict.BUSY in positions:
            self._route.limits.refused(sent_at)
        else:
            self._route.limits.answered()
        if positions:
            first = min(positions, key=list(Verdict).index)
            why = reason(*self._about(items, positions[first][0]))
            if first is Verdict.FORBIDDEN:
                raise _refused(why)
            self._rest = self._rest.part(sorted(chain.from_iterable(positions.values())))
            raise _Unfinished(first, why)

    def _looked_up(self, existed: list[int]) -> tuple[dict[int, str], set[int]]:
        """Of documents that are there by their ids: those that are others, and those of which nobody knows for now."""
        from opensearchpy import OpenSearchException

        try:
            return namesakes(self._route.client, self._rest, existed), set()
        except (OpenSearchException, TransientError) as error:
            if isinstance(error, OpenSearchException) and judged_failure(error) is Verdict.FORBIDDEN:
                raise _refused(f"Documents that are there already cannot be looked up. {explain(error)}") from error
            return {}, {position for position in existed if self._rest.events[position].document_id}

    def _about(self, items: list[Item], position: int) -> tuple[Item, str, str | None]:
        """What was said of a document, and the index and id under which it was sent."""
        body = self._rest
        return items[position], body.indices[position], body.ids[position] if body.with_ids else None

    def _is_hopeless(self) -> bool:
        """Count one more internal error; True once there were too many."""
        self._faults += 1
        return self._faults > _FAULTY_TRIES

    def _halved(self, why: str) -> tuple[Body[Owner], ...]:
        self._route.limits.too_large(self._rest.size)
        if len(self._rest) > 1:
            return self._rest.halves()
        lone = f"A request with this document alone, {self._rest.size:,} bytes, is too large. {why}"
        self._route.on_resolved(Resolved(self._rest, rejected={0: lone}))
        return ()

    def _surrender(self, error: RetryError) -> TransientError:
        why = error.last_attempt.exception()
        if self._route.given_up.is_set():
            return TransientError(f"The load was given up while documents were still to be sent. {why}")
        return TransientError(
            f"OpenSearch took no documents for {self._route.patience:,.0f} s. {why} What was loaded is kept; "
            "load the same range again once OpenSearch is well."
        )

    def _say(self, state: RetryCallState) -> None:
        error = _unfinished(state)
        blocked = error.verdict is Verdict.BLOCKED
        self._note_pause(str(error) if blocked else None)
        if not blocked:
            _log.info("%d documents are sent again in %.1f s. %s", len(self._rest), state.upcoming_sleep, error)

    def _note_pause(self, why: str | None) -> None:
        if why and not self._is_paused:
            self._route.paused.begins(why)
        elif self._is_paused and not why:
            self._route.paused.ends()
        self._is_paused = bool(why)


def _unfinished(state: RetryCallState) -> _Unfinished:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, _Unfinished)
    return error


def _wait(state: RetryCallState) -> float:
    return (_UNTIL_LIFTED if _unfinished(state).verdict is Verdict.BLOCKED else _BACK_OFF)(state)


def _refused(why: str) -> Refused:
    return Refused(f"{why} No more documents are sent; what was loaded is kept.")


def _items(answer: Any) -> list[dict[str, Any]]:
    items = answer.get("items") if isinstance(answer, dict) else None
    return items if isinstance(items, list) else []


def _outcome(item: Any) -> Item:
    said = item.get("create") if isinstance(item, Mapping) else None
    return said if isinstance(said, Mapping) else {}  # one that says nothing is asked again
