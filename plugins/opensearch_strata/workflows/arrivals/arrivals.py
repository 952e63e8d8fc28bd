"""One pass over the queue of a dataset, for all datasets that share it, and how the queue stands.

A pass may be killed at any moment: its messages come back, and the ledger knows what is loaded.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from threading import Event
from typing import TYPE_CHECKING
from uuid import uuid4

from opensearch_strata.archive.arrivals.drain import Drain, DrainLimits
from opensearch_strata.archive.arrivals.drained import Drained
from opensearch_strata.archive.arrivals.inbox import Inbox, InboxLimits
from opensearch_strata.archive.arrivals.lane import Lane
from opensearch_strata.archive.arrivals.queue import Queue, QueueState
from opensearch_strata.archive.arrivals.routing import Route, Routes, sharing
from opensearch_strata.archive.documents.event_times import EARLIEST, LATEST
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.load.loading import Loading
from opensearch_strata.archive.spans import Span, span_of_days
from opensearch_strata.archive.store.objects import object_now
from opensearch_strata.archive.store.s3_errors import s3_errors
from opensearch_strata.archive.targets.ready_days import ReadyDays
from opensearch_strata.connections.processes import this_process
from opensearch_strata.definition.days import newest_complete, newest_expired
from opensearch_strata.errors import DefinitionError, Refused, StrataError, TransientError
from opensearch_strata.errors.judging import explain, is_known, is_transient
from opensearch_strata.workflows.backfill.empty_days import end_load, given_back_later

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

    from opensearch_strata.archive.ledger.rows import ObjectRow
    from opensearch_strata.definition.dataset import Dataset

_log = logging.getLogger(__name__)

USUAL_LOAD, USUAL_INBOX = LoadSettings(), InboxLimits()


@dataclass(frozen=True)
class Clients:
    """How the services of a dataset are reached.

    :param opensearch: client of its cluster
    :param s3: client of its source
    :param sqs: client of its queue
    :param serverless: whether its cluster is a collection of OpenSearch Serverless
    """

    opensearch: Callable[[Dataset], OpenSearch]
    s3: Callable[[Dataset], BaseClient]
    sqs: Callable[[Dataset], BaseClient]
    serverless: Callable[[Dataset], bool] = lambda _: False


class Arrivals:
    """The queue of a dataset.

    :param dataset: has a queue
    :param all_datasets: those whose definitions can be read
    :param are_all_known: whether every definition can be read
    :raises DefinitionError: the dataset has no queue, or no source
    """

    def __init__(
        self, dataset: Dataset, all_datasets: Collection[Dataset], clients: Clients, *, are_all_known: bool = True
    ) -> None:
        if dataset.intake.queue is None:
            raise DefinitionError(
                f"Dataset {dataset.name!r} has no queue. Set intake.queue to the URL or the ARN of the SQS queue that "
                f"its bucket notifies, or use a backfill."
            )
        self._dataset, self._clients = dataset, clients
        self.datasets = sharing(dataset, all_datasets)
        """Those that share the queue: whoever receives a message loads what is in it for all of them."""
        archives = [one.archive.url for one in all_datasets if one.archive]
        self._routes = Routes(self.datasets, archives, is_sure=are_all_known)
        self._queue = Queue(clients.sqs(dataset), dataset.intake.queue)
        self._is_proven = False  # whether the last pass loaded all datasets

    def state(self) -> QueueState:
        """How the queue stands.

        :raises Refused: we may not look at it, or it does not exist
        :raises TransientError: SQS does not answer
        """
        return self._queue.state()

    def quarantined(self, most: int) -> list[ObjectRow]:
        """The objects of the dataset that are in quarantine, still in S3 as they were read, and wanted.

        :param most: how many of them, among a hundred times as many of which most may be gone or not wanted
        :raises Refused: S3 or OpenSearch does not allow it
        :raises TransientError: S3 or OpenSearch does not answer
        """
        route, s3 = Route.of(self._dataset), self._clients.s3(self._dataset)
        found: list[ObjectRow] = []
        for row in islice(self._ledger(self._dataset).quarantined(), 100 * most):
            place = row.place
            if not route.takes(place.bucket, place.key) or route.aside(place.key, row.size):
                continue
            there = object_now(s3, place.bucket, place.key)
            if there and there.place == place:
                found.append(row)
            if len(found) == most:
                break
        return found

    def drain(
        self,
        owner: str,
        limits: DrainLimits,
        stop: Event | None = None,
        settings: LoadSettings = USUAL_LOAD,
        inbox: InboxLimits = USUAL_INBOX,
    ) -> Drained:
        """Take messages and load the objects that they tell of; delete the messages whose objects are accounted for.

        A message that is received and given back comes closer to the dead-letter queue. So nothing is received unless
        the ledger and the source of a dataset can be used; the first pass, and one after a failure, begin with a few
        messages; and what could not be loaded comes back later each time. A dataset that cannot be loaded does not stop
        those that share the queue.

        :param owner: for the ledger, who loads
        :param stop: to be set by whoever wants an end before the time; what is in hand is loaded
        :raises TransientError: OpenSearch, S3 or SQS could not be used for too long, for all datasets or for one of
            them; everything is kept
        :raises Refused: one of them forbids it, or the queue does not exist
        """
        began = time.monotonic()
        drained = Drained()
        is_careful, self._is_proven = not self._is_proven, False
        failed = self._not_loadable()
        if len(failed) == len(self.datasets):
            raise _failure(failed)
        settings, stop = replace(settings, vanished="quarantined"), stop or Event()
        with Inbox(self._queue, self.state().visibility, inbox, is_careful=is_careful, stop=stop) as messages:

            def open_lane(route: Route) -> AbstractContextManager[Lane]:
                return self._lane(route, owner, settings, drained)

            failed = Drain(messages, self._routes, open_lane, stop, drained, failed).run(limits)
        drained.lost, drained.deleted = messages.lost, messages.deleted
        drained.seconds = time.monotonic() - began
        for sentence in drained.problems([one.intake.source or "" for one in self.datasets]):
            _log.warning("%s", sentence)
        if failed:
            _log.warning("The pass has failed in part: %s", drained)
            raise _failure(failed)
        self._is_proven = True
        return drained

    def _not_loadable(self) -> dict[str, Exception]:
        """The datasets that cannot be loaded now, as far as that is known before a message is received, and why."""
        failed: dict[str, Exception] = {}
        for route in self._routes.routes:
            try:
                self._ledger(route.dataset).ensure()
                with s3_errors(f"s3://{route.bucket}/{route.prefix} cannot be read"):
                    self._clients.s3(route.dataset).list_objects_v2(Bucket=route.bucket, Prefix=route.prefix, MaxKeys=1)
            except Exception as error:
                if not is_known(error):
                    raise
                failed[route.dataset.name] = error
        return failed

    @contextmanager
    def _lane(self, route: Route, owner: str, settings: LoadSettings, drained: Drained) -> Iterator[Lane]:
        """The load of one dataset, whose raw days are registered as long as it is open."""
        from opensearchpy import OpenSearchException

        dataset, process = route.dataset, this_process()
        client, s3, ledger = self._clients.opensearch(dataset), self._clients.s3(dataset), self._ledger(dataset)
        owner = f"{owner}/{uuid4().hex[:8]}"
        days = ReadyDays(client, ledger, dataset, owner, process, live=True)
        span = live_span(dataset, datetime.now(UTC))
        try:
            with (
                days.held(),
                Loading(
                    client, s3, dataset, ledger, owner, span, route.dead_letters, settings, days.make_ready
                ) as loading,
            ):
                yield Lane(route, loading, s3, drained)
            days.require_kept()
        finally:
            try:
                end_load(client, ledger, dataset, owner, process)
            except (StrataError, OpenSearchException) as error:  # secondary: the cause is raised
                _log.warning("%s", given_back_later(error))

    def _ledger(self, dataset: Dataset) -> Ledger:
        client = self._clients.opensearch(dataset)
        return Ledger(client, dataset.name, serverless=self._clients.serverless(dataset))


def _failure(failed: Mapping[str, Exception]) -> StrataError:
    """What ends a pass in which datasets could not be loaded.

    :param failed: why, by their names
    """
    reasons = " ".join(f"{name}: {explain(error)}" for name, error in failed.items())
    kind = TransientError if all(is_transient(error) for error in failed.values()) else Refused
    return kind(f"New objects could not be loaded. {reasons} Their messages are in the queue and come back later.")


def live_span(dataset: Dataset, now: datetime) -> Span:
    """Event times that new objects are loaded for, epoch milliseconds: from the beginning of the window on.

    Older events belong to days that may be condensed and deleted already. They are counted as filtered; a backfill of
    their days loads them.

    :param now: a time with its zone
    """
    first = first_of_window(dataset, now)
    return max(span_of_days(first, first, dataset.zone)[0], EARLIEST), LATEST


def first_of_window(dataset: Dataset, now: datetime) -> date:
    """The oldest day whose raw index the daily cycle still keeps.

    :param now: a time with its zone
    """
    return newest_expired(newest_complete(now, dataset.zone), dataset.raw.window_days) + timedelta(days=1)
