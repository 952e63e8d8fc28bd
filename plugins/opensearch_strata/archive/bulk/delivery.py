"""Delivers one body to the bulk API, sending it again until every document in it is accounted for."""

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
from opensearch_strata.archive.bulk.learned_limits import LearnedLimits
from opensearch_strata.archive.bulk.namesakes import namesakes
from opensearch_strata.archive.bulk.outcomes import Outcome, judged_failure, judged_item, reason
from opensearch_strata.archive.bulk.requests import create, unusual
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.amounts import counted, size
from opensearch_strata.errors.judging import explain

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_log = logging.getLogger(__name__)

Owner = TypeVar("Owner")

_FAULTY_TRIES = 5  # internal errors of the server that are tolerated for a body before what fails is given up
_BACK_OFF = wait_random_exponential(multiplier=0.2, max=10)
_UNTIL_LIFTED = wait_random_exponential(multiplier=1, max=15)

Item = Mapping[str, Any]
"""What a bulk response says about one document."""


@dataclass
class Resolved(Generic[Owner]):
    """Documents of a body whose outcome is known: some of them or all.

    :param created: positions in ``body`` of the documents that were created
    :param existed: positions of those that already existed
    :param rejected: positions of those that will never be accepted, each with the server's reason as a sentence
    :param dropped: positions of those that an ingest pipeline dropped or sent elsewhere, each with a reason as well
    """

    body: Body[Owner]
    created: Sequence[int] = ()
    existed: Sequence[int] = ()
    rejected: dict[int, str] = field(default_factory=dict)
    dropped: dict[int, str] = field(default_factory=dict)

    @property
    def dead(self) -> Iterator[tuple[int, str, str]]:
        """Position, dead letter reason and sentence of each document that is not in its raw day."""
        yield from ((position, "rejected", why) for position, why in self.rejected.items())
        yield from ((position, "dropped", why) for position, why in self.dropped.items())


class Paused:
    """Logs once that writing has paused, however many deliveries are waiting, and once that it has resumed."""

    def __init__(self) -> None:
        self._waiting = 0
        self._lock = Lock()

    def begins(self, why: str) -> None:
        """Note that a delivery is waiting until a block is lifted."""
        with self._lock:
            self._waiting += 1
            if self._waiting == 1:
                _log.warning("Loading is paused until this is resolved; nothing is lost. %s", why)

    def ends(self) -> None:
        """Note that a delivery is no longer waiting."""
        with self._lock:
            self._waiting -= 1
            if self._waiting == 0:
                _log.info("Loading has resumed.")


@dataclass
class Route(Generic[Owner]):
    """What all deliveries of a load share.

    :param on_resolved: called with the outcomes; it gets each document of a body exactly once
    :param patience: seconds for which OpenSearch may be unavailable or may refuse documents
    :param make_ready: called before each request with the indices that it writes to
    :param exact: indices in which a document that exists is ours only if it has the same bytes
    :param given_up: set when the load ends early, so that deliveries stop waiting
    """

    client: OpenSearch
    limits: LearnedLimits
    on_resolved: Callable[[Resolved[Owner]], None]
    patience: float
    make_ready: Callable[[Collection[str]], None] = lambda _: None
    exact: Collection[str] = ()
    given_up: Event = field(default_factory=Event)
    paused: Paused = field(default_factory=Paused)


class _Unfinished(Exception):  # noqa: N818 - a state, not an error
    """Some documents of a body have yet to be sent, after a pause."""

    def __init__(self, outcome: Outcome, why: str) -> None:
        super().__init__(why)
        self.outcome = outcome


class _TooLarge(Exception):  # noqa: N818
    """The request was too large for OpenSearch or for a proxy in front of it."""


class Delivery(Generic[Owner]):
    """The delivery of one body."""

    def __init__(self, route: Route[Owner], body: Body[Owner]) -> None:
        self._route = route
        self._rest = body
        self._faults = 0
        self._is_paused = False

    def run(self) -> tuple[Body[Owner], ...]:
        """Send until nothing is left. If the body is too large, return its halves, which need their own deliveries.

        :raises TransientError: OpenSearch was unavailable or refused documents for longer than ``patience``
        :raises Refused: OpenSearch will never accept documents from us
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
            self._rest = self._rest.part(())  # the attempts form reference cycles, which would keep the bytes alive
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
        """Send one request with everything that is left.

        :raises _Unfinished: some documents are still left after it
        :raises _TooLarge: the request was rejected as a whole, for its size
        """
        from opensearchpy import OpenSearchException

        sent_at = time.monotonic()
        failure = None
        try:
            self._route.make_ready(set(self._rest.indices))
            answer = create(self._route.client, self._rest)
        except OpenSearchException as error:
            failure = self._judged(error, sent_at)
        except TransientError as error:  # from make_ready, which looks at the indices and not at the documents
            failure = _Unfinished(Outcome.BLOCKED, str(error))
        if failure:  # raised outside the handler, because the traceback of `error` holds the bytes that were sent
            raise failure
        answer = unusual(answer, self._rest)
        if answer is None:  # the usual case
            self._route.on_resolved(Resolved(self._rest, created=range(len(self._rest))))
            self._route.limits.answered()
            return
        items = _items(answer)
        if len(items) != len(self._rest):
            raise _Unfinished(
                Outcome.AGAIN,
                f"OpenSearch returned {counted(len(items), 'result')} for {counted(len(self._rest), 'document')}.",
            )
        self._resolve([_outcome(item) for item in items], sent_at)

    def _judged(self, error: Exception, sent_at: float) -> Exception:
        """The exception to raise for a request that failed as a whole."""
        outcome = judged_failure(error)
        if outcome is Outcome.TOO_LARGE:
            return _TooLarge(explain(error))
        if outcome is Outcome.FORBIDDEN or (outcome is Outcome.FAULTY and self._is_hopeless()):
            return _refused(explain(error))
        if outcome is Outcome.BUSY:
            self._route.limits.refused(sent_at)
        return _Unfinished(outcome, explain(error))

    def _resolve(self, items: list[Item], sent_at: float) -> None:
        """Settle the documents whose outcome is known and keep the rest."""
        positions: dict[Outcome, list[int]] = {}
        for position in range(len(items)):
            positions.setdefault(judged_item(*self._about(items, position)), []).append(position)
        if Outcome.FAULTY in positions and self._is_hopeless():
            positions.setdefault(Outcome.REJECTED, []).extend(positions.pop(Outcome.FAULTY))
        rejected, dropped = (
            {position: reason(*self._about(items, position)) for position in positions.pop(outcome, ())}
            for outcome in (Outcome.REJECTED, Outcome.DROPPED)
        )
        created, existed = positions.pop(Outcome.CREATED, []), positions.pop(Outcome.EXISTED, [])
        others, unknown = self._looked_up(existed)
        rejected |= others
        existed = [position for position in existed if position not in others and position not in unknown]
        if unknown:
            positions.setdefault(Outcome.AGAIN, []).extend(unknown)
        self._route.on_resolved(Resolved(self._rest, created, existed, rejected, dropped))
        if Outcome.BUSY in positions:
            self._route.limits.refused(sent_at)
        else:
            self._route.limits.answered()
        if positions:
            first = min(positions, key=list(Outcome).index)
            why = reason(*self._about(items, positions[first][0]))
            if first is Outcome.FORBIDDEN:
                raise _refused(why)
            self._rest = self._rest.part(sorted(chain.from_iterable(positions.values())))
            raise _Unfinished(first, why)

    def _looked_up(self, existed: list[int]) -> tuple[dict[int, str], set[int]]:
        """Of documents whose ids already exist: those that are other documents, and those that could not be checked."""
        from opensearchpy import OpenSearchException

        try:
            return namesakes(self._route.client, self._rest, existed, self._route.exact), set()
        except (OpenSearchException, TransientError) as error:
            if isinstance(error, OpenSearchException) and judged_failure(error) is Outcome.FORBIDDEN:
                raise _refused(f"Documents that already exist cannot be looked up. {explain(error)}") from error
            return {}, {position for position in existed if self._rest.event(position).document_id}

    def _about(self, items: list[Item], position: int) -> tuple[Item, str, str | None]:
        """The result for a document, with the index and id that it was sent with."""
        body = self._rest
        return items[position], body.indices[position], body.ids[position] if body.with_ids else None

    def _is_hopeless(self) -> bool:
        """Count one more internal error. True once there have been too many."""
        self._faults += 1
        return self._faults > _FAULTY_TRIES

    def _halved(self, why: str) -> tuple[Body[Owner], ...]:
        self._route.limits.too_large(self._rest.size)
        if len(self._rest) > 1:
            return self._rest.halves()
        lone = f"A request with only this document, {size(self._rest.size)}, is too large. {why}"
        self._route.on_resolved(Resolved(self._rest, rejected={0: lone}))
        return ()

    def _surrender(self, error: RetryError) -> TransientError:
        why = error.last_attempt.exception()
        if self._route.given_up.is_set():
            return TransientError(f"The load was given up before all documents had been sent. {why}")
        return TransientError(
            f"OpenSearch accepted no documents for {self._route.patience:,.0f} s. {why} The documents that were loaded "
            "are kept; load the same range again once OpenSearch has recovered."
        )

    def _say(self, state: RetryCallState) -> None:
        error = _unfinished(state)
        blocked = error.outcome is Outcome.BLOCKED
        self._note_pause(str(error) if blocked else None)
        if not blocked:
            again = counted(len(self._rest), "document")
            _log.info("Sending %s again in %.1f s. %s", again, state.upcoming_sleep, error)

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
    return (_UNTIL_LIFTED if _unfinished(state).outcome is Outcome.BLOCKED else _BACK_OFF)(state)


def _refused(why: str) -> Refused:
    return Refused(f"{why} No more documents will be sent; the documents that were loaded are kept.")


def _items(answer: Any) -> list[dict[str, Any]]:
    items = answer.get("items") if isinstance(answer, dict) else None
    return items if isinstance(items, list) else []


def _outcome(item: Any) -> Item:
    said = item.get("create") if isinstance(item, Mapping) else None
    return said if isinstance(said, Mapping) else {}  # a document with an empty result is sent again
