"""Loads objects into raw days as they come: claims, reads, sends and accounts for them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from opensearch_strata.archive.bulk.body import Body
from opensearch_strata.archive.bulk.learned_limits import LearnedLimits
from opensearch_strata.archive.bulk.sender import Sender
from opensearch_strata.archive.dead_letters.file import DeadLetterFile
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.rows import ObjectRow, State
from opensearch_strata.archive.ledger.store import now_ms
from opensearch_strata.archive.ledger.takeover import is_deadly
from opensearch_strata.archive.load.account import BulkShare, ObjectAccount, record_outcomes
from opensearch_strata.archive.load.batch_result import BatchResult
from opensearch_strata.archive.load.ingest import Ingest, Poisoned, TakenOver
from opensearch_strata.archive.load.leases import Leases, Outcome
from opensearch_strata.archive.load.prefetch import first_blocks
from opensearch_strata.archive.load.progress import Meter
from opensearch_strata.archive.load.restored_objects import NoLetters, Restore, RestoringIngest
from opensearch_strata.archive.spans import Span
from opensearch_strata.archive.store.manifest_check import Manifests
from opensearch_strata.archive.store.objects import ObjectChanged, ObjectGone, open_object
from opensearch_strata.archive.targets.removals import RemovalsBefore
from opensearch_strata.errors import Refused, StrataError
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

    from opensearch_strata.archive.ledger.store import Ledger
    from opensearch_strata.archive.load.batch import LoadSettings
    from opensearch_strata.definition.dataset import Dataset

_log = logging.getLogger(__name__)

Objects = dict[Place, int]
"""Objects and their sizes in bytes."""


class Loading:
    """Loads objects as they are given to it, in a ``with`` block; small ones share bodies, whenever they come.

    Objects that others are loading are given back to the caller, who may try again later. When an exception ends the
    block, the objects under way are handed back to the ledger. The parameters are those of
    :func:`~opensearch_strata.archive.load.batch.load_batch`.
    """

    def __init__(
        self,
        client: OpenSearch,
        s3: BaseClient,
        dataset: Dataset,
        ledger: Ledger,
        owner: str,
        span: Span,
        dead_letters_url: str,
        settings: LoadSettings,
        make_ready: Callable[[Collection[str]], None],
        restore: Restore | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._restore = restore
        self._s3, self._dataset, self._ledger = s3, dataset, ledger
        self._owner, self._span, self._dead_letters_url = owner, span, dead_letters_url
        self._ids, self._vanished = settings.ids, settings.vanished
        self._meter = meter or Meter(0, 0, lambda _: None)
        self._result = BatchResult()
        self._read: list[Outcome] = []  # outcomes of objects that have been read, but not completely accounted for
        self._unsettled = 0  # how many of them were unsettled at the last check
        self._failures: dict[Place, StrataError] = {}
        self._lost: Objects = {}
        self._suspects: Objects = {}
        limits = LearnedLimits(settings.in_flight if settings.ids else 1, settings.body_bytes)
        self._leases = Leases(ledger, settings.renew_every)
        # A collection that accepts no ids is on Serverless, wherever its ledger is.
        self._removals = RemovalsBefore(client, serverless=ledger.index.serverless or not settings.ids)
        self._make_ready = make_ready
        exact = restore.exact if restore else frozenset[str]()
        self._sender = Sender(client, record_outcomes, limits, settings.patience, self._ready, exact)
        ingest = RestoringIngest if restore else Ingest
        self._ingest = ingest(dataset, span, Manifests(s3), limits, self._send, self._on_cut, settings.ids)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(self._leases)
        self._open.enter_context(self._sender)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    @property
    def unsettled(self) -> int:
        """How many objects have been read and are not finished yet."""
        return len(self._read)

    def take_suspects(self) -> Objects:
        """Load objects whose loaders died, one by one, so that one that kills this loader as well can be identified.

        :returns: those that somebody else is loading
        """
        suspects, self._suspects = self._suspects, {}
        busy = self.complete() if suspects else {}
        for place, size in suspects.items():
            busy |= self.take({place: size}, alone=True) | self.complete()
        return busy

    def take(self, objects: Objects, *, alone: bool = False) -> Objects:
        """Load the objects that nobody else is loading, and return the rest.

        Their last documents may wait for those of other objects: see :meth:`complete` and :meth:`flush`.

        :param objects: with their sizes in bytes; those whose loaders died are left to :meth:`take_suspects`
        :param alone: load those as well
        """
        claims = self._ledger.claim(
            objects.items(), self._span, self._owner, leave_suspects=not alone, now=self._ingest.reading
        )
        self._suspects |= {row.place: row.size for row in claims.suspects}
        self._meter.waiting = "" if claims.claimed else _waiting(claims.busy)
        self._result.skipped += claims.done
        self._meter.leave_out(len(claims.done), sum(row.size for row in claims.done))
        held = [self._tally(row) for row in claims.claimed]
        self._leases.hold(held)
        tallies = [tally for tally in held if not is_deadly(tally.row)]
        for tally in held:
            if is_deadly(tally.row):
                tally.end()
                self._read.append(Outcome(tally, "quarantined", _deadly(tally.row)))
        for tally, blocks in first_blocks(tallies, self._blocks):
            self._load_object(tally, blocks)
            if len(self._read) > 2 * self._unsettled:  # a check goes through all, and a body may hold thousands of them
                self._finish_settled()
            self.tick()
        return {row.place: row.size for row in claims.busy}

    def _load_object(self, tally: ObjectAccount, blocks: Iterator[bytes]) -> None:
        state: State = "done"
        error = ""
        try:
            error = self._ingest.take(tally, blocks)
        except TakenOver:
            pass  # recognised later by the is_lost flag of the tally
        except Poisoned as poison:
            state, error = "quarantined", str(poison)
        except (ObjectGone, ObjectChanged) as failure:
            state, error = self._vanished, str(failure)
            self._failures[tally.place] = failure
        except StrataError as failure:
            state, error = "failed", str(failure)
            self._failures[tally.place] = failure
        self._read.append(Outcome(tally, state, error))

    def flush(self, older_than: float = 0) -> None:
        """Send the documents that wait for others, without waiting for the answer.

        :param older_than: seconds; only if the first of them has waited for so long
        """
        self._ingest.flush(older_than)

    def settle(self) -> Objects:
        """Account for what has been answered by now, and return the objects that somebody else has taken over."""
        self._finish_settled()
        lost, self._lost = self._lost, {}
        return lost

    def complete(self) -> Objects:
        """Account for everything that has been read, and return the objects that somebody else has taken over."""
        self._ingest.flush()
        self._sender.drain()
        return self.settle()

    def results(self) -> BatchResult:
        """What became of objects since the last call."""
        result, self._result = self._result, BatchResult()
        return result

    def _finish_settled(self) -> None:
        ready: list[Outcome] = []
        waiting: list[Outcome] = []
        for outcome in self._read:  # each is checked only once, because it may become settled at any moment
            (ready if outcome.tally.is_settled else waiting).append(outcome)
        self._read, self._unsettled = waiting, len(waiting)
        for row in self._leases.finish([self._judged(outcome) for outcome in ready]):
            self._result.rows.append(row)
            failure = self._failures.pop(row.place, None)
            if isinstance(failure, ObjectGone | ObjectChanged):
                self._result.vanished.append(row.place)
            if row.state == "failed":
                self._result.failures.append(failure or Refused(row.error))
            if row.error:
                letters = f" Its dead letters are below {self._dead_letters_url}." if row.counts.dead else ""
                _log.warning("%s is %s. %s%s", row.place, row.state, row.error, letters)
        self._lost |= {tally.place: tally.row.size for tally, *_ in ready if tally.is_lost}

    def _judged(self, outcome: Outcome) -> Outcome:
        if outcome.state == "done" and (problem := self._ingest.judged(outcome.tally)):
            return Outcome(outcome.tally, "quarantined", problem)
        return outcome

    def _tally(self, row: ObjectRow) -> ObjectAccount:
        if self._restore:
            letters: DeadLetterFile | NoLetters = NoLetters()
        else:
            letters = DeadLetterFile(self._s3, self._dead_letters_url, self._dataset.name, row.place)
        return ObjectAccount(row, letters, self._removals.of)

    def _blocks(self, tally: ObjectAccount) -> Iterator[bytes]:
        return open_object(self._s3, tally.place, tally.row.size)

    def _ready(self, indices: Collection[str]) -> None:
        """Make raw days ready, then note their state, before the first document is sent."""
        self._make_ready(indices)
        self._removals.learn(indices)

    def _send(self, body: Body[BulkShare]) -> None:
        self._sender.send(body)
        if not self._ids:
            self._sender.drain()

    def _on_cut(self) -> None:
        if not self._ids:  # anything that is not recorded now would be duplicated after a crash
            self._finish_settled()
            self._leases.checkpoint()
        self.tick()

    def tick(self, at_end: bool = False) -> float:
        """Report the progress, if that is due, and return the seconds since the load began.

        :param at_end: it is due, because the load is at its end
        """
        return self._meter.tick(len(self._result.rows), self._ingest.bytes_in, self._ingest.events, at_end)


def _waiting(busy: Sequence[ObjectRow]) -> str:
    """What a load with nothing else to do is waiting for; empty if there are no such objects."""
    if not busy:
        return ""
    owners = sorted({row.owner for row in busy})
    loaders = f"{owners[0]} and {len(owners) - 1} more are" if len(owners) > 1 else f"{owners[0]} is"
    left = max(0, max(row.lease_until for row in busy) - now_ms()) / 1000
    return (
        f"waiting for {counted(len(busy), 'object')} that {loaders} loading; unless renewed, the last lease expires in "
        f"{left:,.0f} s"
    )


def _deadly(row: ObjectRow) -> str:
    return (
        f"{row.deaths} loaders in a row died while they were loading {row.place}, none of them further into it than "
        f"the one before, so it was not read this time. Why they died is not known here; the logs of their machines "
        f"say it. If it was this object (it needs more memory than a worker has), examine it with `strata parse`, give "
        f"the workers more memory, or replace it with smaller ones. If somebody killed them, nothing is to be done: "
        f"the next load tries it once more, alone, when its message comes back, in the sweep of the night or in a "
        f"backfill."
    )
