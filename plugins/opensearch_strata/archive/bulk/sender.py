"""Sends bodies to OpenSearch concurrently, as many as the cluster can take."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Semaphore
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from opensearch_strata.archive.bulk.body import Body
from opensearch_strata.archive.bulk.delivery import Delivery, Resolved, Route
from opensearch_strata.archive.bulk.learned_limits import LearnedLimits

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Owner = TypeVar("Owner")

_GRACE = 2.0  # seconds for which whoever is stopped waits for requests that are under way


class Sender(Generic[Owner]):
    """Sends bodies from its own threads. Use it in a ``with`` block.

    It waits for a block (a full disk, an index that does not exist) and for an outage to end, so neither costs a
    document. When an exception ends the ``with`` block, the bodies under way are given up, and ``on_resolved`` is not
    called for them. Whoever is stopped (KeyboardInterrupt, SystemExit) waits for requests under way for two seconds at
    most.

    :param on_resolved: called from those threads; it gets each document exactly once
    :param limits: what is known of the cluster's limits; updated as responses arrive
    :param patience: seconds for which OpenSearch may be unavailable or may refuse documents
    :param make_ready: called from those threads before each request, with the indices that it writes to
    :param exact: indices in which a document that exists is ours only if it has the same bytes
    """

    def __init__(
        self,
        client: OpenSearch,
        on_resolved: Callable[[Resolved[Owner]], None],
        limits: LearnedLimits,
        patience: float,
        make_ready: Callable[[Collection[str]], None] = lambda _: None,
        exact: Collection[str] = (),
    ) -> None:
        self._route = Route(client, limits, on_resolved, patience, make_ready, exact)
        self._places = limits.in_flight
        self._free = Semaphore(self._places)
        self._pool = ThreadPoolExecutor(self._places, thread_name_prefix="bulk")
        self._failure: BaseException | None = None
        self._under_way: set[Future[None]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._route.given_up.set()
        is_stopped = error is not None and not isinstance(error, Exception)
        if is_stopped:  # a request may hang for as long as the client allows
            wait(list(self._under_way), _GRACE)
        self._pool.shutdown(wait=not is_stopped)

    def send(self, body: Body[Owner]) -> None:
        """Hand over a body, waiting while the maximum number of bodies is under way.

        :raises TransientError: an earlier body could not be delivered within ``patience``
        :raises Refused: OpenSearch will never accept documents from us
        """
        self._free.acquire()
        if self._failure is not None:
            self._free.release()
            raise self._failure
        sent = self._pool.submit(self._deliver, body)
        self._under_way.add(sent)
        sent.add_done_callback(self._under_way.discard)

    def drain(self) -> None:
        """Wait until every document that was handed over is accounted for. Raises what :meth:`send` raises."""
        for _ in range(self._places):
            self._free.acquire()
        self._free.release(self._places)
        if self._failure is not None:
            raise self._failure

    def _deliver(self, body: Body[Owner]) -> None:
        waiting = [body]
        try:
            with self._route.limits.slot():
                while waiting:
                    part = waiting.pop()
                    if len(part) > 1 and part.size > self._route.limits.body_bytes:
                        waiting += reversed(part.halves())  # another thread has learned that it would be too large
                    else:
                        waiting += reversed(Delivery(self._route, part).run())
        except BaseException as error:  # noqa: BLE001 - raised again when the next body is handed over
            self._failure = self._failure or error
            self._route.given_up.set()
        finally:
            self._free.release()
