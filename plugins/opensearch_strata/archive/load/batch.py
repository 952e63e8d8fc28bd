"""Loads a batch of an archive's objects into raw days."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from opensearch_strata.archive.load.batch_result import BatchResult
from opensearch_strata.archive.load.loading import Loading, Objects
from opensearch_strata.archive.load.progress import Meter, Progress
from opensearch_strata.archive.load.restored_objects import Restore
from opensearch_strata.archive.spans import Span
from opensearch_strata.archive.store.objects import ListedObject

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
    :param vanished: the state of an object that is gone or was rewritten before it was read
    """

    in_flight: int = 3
    body_bytes: int = 9_000_000
    patience: float = 1800
    renew_every: float = 20
    progress_every: float = 10
    ids: bool = True
    vanished: Literal["failed", "quarantined"] = "failed"


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
    with Loading(
        client, s3, dataset, ledger, owner, span, dead_letters_url, settings, make_ready, restore, meter
    ) as load:
        busy: Objects = {}
        for chunk in _chunks({listed.place: listed.size for listed in objects}):
            busy |= load.take(chunk)
        busy |= load.complete() | load.take_suspects()
        if busy:
            _log.info("Nothing else is left to do; %s.", meter.waiting)
        while busy:
            load.tick()
            time.sleep(settings.renew_every / _POLLS)
            busy = load.take(busy) | load.complete() | load.take_suspects()
        seconds = load.tick(at_end=True)
    return replace(load.results(), seconds=seconds)


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
