"""Loads a batch of an archive's objects into raw days: claims, reads, sends and accounts for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensearch_strata.archive.bulk.body import Body
from opensearch_strata.archive.bulk.learned_limits import LearnedLimits
from opensearch_strata.archive.bulk.sender import Sender
from opensearch_strata.archive.dead_letters.file import DeadLetterFile
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.rows import ObjectRow, State
from opensearch_strata.archive.ledger.store import now_ms
from opensearch_strata.archive.ledger.takeover import MOST_DEATHS
from opensearch_strata.archive.load.account import BulkShare, ObjectAccount, record_outcomes
from opensearch_strata.archive.load.batch_result import BatchResult
from opensearch_strata.archive.load.ingest import Ingest, Poisoned, TakenOver
from opensearch_strata.archive.load.leases import Leases, Outcome
from opensearch_strata.archive.load.prefetch import first_blocks
from opensearch_strata.archive.load.progress import Meter, Progress
from opensearch_strata.archive.load.restored_objects import NoLetters, Restore, RestoringIngest
from opensearch_strata.archive.spans import Span
from opensearch_strata.archive.store.manifest_check import Manifests
from opensearch_strata.archive.store.objects import ListedObject, open_object
from opensearch_strata.archive.targets.removals import RemovalsBefore
from opensearch_strata.errors import Refused, StrataError
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

    from opensearch_strata.archive.ledger.store import Ledger
    from opensearch_strata.definition.dataset import Dataset

_log = logging.getLogger(__name__)

_CHUNK = 50  # maximum number of objects in one claim
_CHUNK_BYTES = 256_000_000  # a claim also ends once its objects have this many bytes
_POLLS = 10  # how often objects that somebody else is loading are checked per lease renewal


@dataclass(frozen=True)
class LoadSettings:
    """How a batch is loaded.

    :param in_flight: maximum number of concurrent bulk requests
    :param body_bytes: maximum size of one of them, uncompressed; domains and Serverless accept 10 MB or more
    :param patience: seconds for which OpenSearch may be unavailable or may refuse documents before the batch fails
    :param renew_every: seconds between checkpoints, each of which renews the leases
    :param progress_every: seconds between progress reports
    :param ids: False for time series collections of OpenSearch Serverless, which accept no ids. Then only one request
        is sent at a time, with a checkpoint after each, and duplicates can remain: the documents of a request that
        was not answered, and those of the last request before a crash
    """

    in_flight: int = 3
    body_bytes: int = 9_000_000
    patience: float = 1800
    renew_every: float = 20
    progress_every: float = 10
    ids: bool = True


def load_batch(
    client: OpenSearch,
    s3: BaseClient,
    dataset: Dataset,
    objects: Sequence[ListedObject],
    ledger: Ledger,
    owner: str,
    span: Span,
    dead_letters_url: str,
    on_progress: Callable[[Progress], None] = lambda _: None,
    settings: LoadSettings = LoadSettings(),
    make_ready: Callable[[Collection[str]], None] = lambda _: None,
    restore: Restore | None = None,
) -> BatchResult:
    """Load objects, each exactly once, even if others load the same ones.

    An object that fails or is quarantined does not stop the others. Objects that somebody else is loading are waited
    for, and taken over if their lease expires.

    :param objects: as the source lists them
    :param owner: a name that no other load uses; it is stored in the rows of the ledger
    :param span: event times to load, epoch milliseconds
    :param dead_letters_url: s3://bucket/prefix/ for records that cannot be loaded
    :param on_progress: called from time to time, between two bodies or objects, and at the end
    :param make_ready: called before each bulk request, with the raw days that it writes to
    :param restore: the objects are of archived days, and are loaded byte for byte; None: any other objects
    :raises TransientError: OpenSearch or the ledger could not be used for too long; what was loaded is kept
    :raises Refused: OpenSearch forbids it
    """
    meter = Meter(len(objects), sum(listed.size for listed in objects), on_progress, settings.progress_every)
    load = _Load(client, s3, dataset, ledger, owner, span, dead_letters_url, meter, settings, make_ready, restore)
    return load.run({listed.place: listed.size for listed in objects})


Objects = dict[Place, int]
"""Objects and their sizes in bytes."""


class _Load:
    """The load of one batch."""

    def __init__(
        self,
        client: OpenSearch,
        s3: BaseClient,
        dataset: Dataset,
        ledger: Ledger,
        owner: str,
        span: Span,
        dead_letters_url: str,
        meter: Meter,
        settings: LoadSettings,
        make_ready: Callable[[Collection[str]], None],
        restore: Restore | None,
    ) -> None:
        self._restore = restore
        self._s3, self._dataset, self._ledger = s3, dataset, ledger
        self._owner, self._span, self._dead_letters_url = owner, span, dead_letters_url
        self._ids = settings.ids
        self._poll = settings.renew_every / _POLLS
        self._meter = meter
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

    def run(self, objects: Objects) -> BatchResult:
        """Load all objects, starting with those that nobody else is loading."""
        with self._leases, self._sender:
            busy: Objects = {}
            for chunk in _chunks(objects):
                busy |= self._load_free(chunk)
            busy |= self._complete() | self._load_suspects()
            if busy:
                _log.info("Nothing else is left to do; %s.", self._meter.waiting)
            while busy:
                self._tick()
                time.sleep(self._poll)
                busy = self._load_free(busy) | self._complete() | self._load_suspects()
        self._result.seconds = self._tick(at_end=True)
        return self._result

    def _load_suspects(self) -> Objects:
        """Load objects whose loaders died, one by one, so that one that kills this loader as well can be identified."""
        suspects, self._suspects = self._suspects, {}
        busy: Objects = {}
        for place, size in suspects.items():
            busy |= self._load_free({place: size}, alone=True) | self._complete()
        return busy

    def _load_free(self, objects: Objects, *, alone: bool = False) -> Objects:
        """Load the objects that nobody else is loading, and return the rest."""
        claims = self._ledger.claim(objects.items(), self._span, self._owner, leave_suspects=not alone)
        self._suspects |= {row.place: row.size for row in claims.suspects}
        self._meter.waiting = "" if claims.claimed else _waiting(claims.busy)
        self._result.skipped += claims.done
        self._meter.leave_out(len(claims.done), sum(row.size for row in claims.done))
        held = [self._tally(row) for row in claims.claimed]
        self._leases.hold(held)
        tallies = [tally for tally in held if tally.row.deaths < MOST_DEATHS]
        for tally in held:
            if tally.row.deaths >= MOST_DEATHS:
                tally.end()
                self._read.append(Outcome(tally, "quarantined", _deadly(tally.row)))
        for tally, blocks in first_blocks(tallies, self._blocks):
            self._load_object(tally, blocks)
            if len(self._read) > 2 * self._unsettled:  # a check goes through all, and a body may hold thousands of them
                self._finish_settled()
            self._tick()
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
        except StrataError as failure:
            state, error = "failed", str(failure)
            self._failures[tally.place] = failure
        self._read.append(Outcome(tally, state, error))

    def _complete(self) -> Objects:
        """Account for everything that has been read, and return the objects that somebody else has taken over."""
        self._ingest.flush()
        self._sender.drain()
        self._finish_settled()
        lost, self._lost = self._lost, {}
        return lost

    def _finish_settled(self) -> None:
        ready: list[Outcome] = []
        waiting: list[Outcome] = []
        for outcome in self._read:  # each is checked only once, because it may become settled at any moment
            (ready if outcome.tally.is_settled else waiting).append(outcome)
        self._read, self._unsettled = waiting, len(waiting)
        for row in self._leases.finish([self._judged(outcome) for outcome in ready]):
            self._result.rows.append(row)
            if row.state == "failed":
                self._result.failures.append(self._failures.get(row.place) or Refused(row.error))
            if row.error:
                _log.warning("%s is %s. %s", row.place, row.state, row.error)
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
        self._tick()

    def _tick(self, at_end: bool = False) -> float:
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
        f"{row.deaths} loaders in a row died while they were loading {row.place}, so it was not read again. It may "
        f"need more memory than a worker has: examine it with `strata parse`, give the workers more memory, or replace "
        f"the object with a smaller one. The next run tries it once more, alone. All other objects are loaded."
    )


def _chunks(objects: Objects) -> Iterator[Objects]:
    """Yield the objects in the given order, grouped into those of one claim."""
    chunk: Objects = {}
    for place, size in objects.items():
        chunk[place] = size
        if len(chunk) == _CHUNK or sum(chunk.values()) >= _CHUNK_BYTES:
            yield chunk
            chunk = {}
    if chunk:
        yield chunk
