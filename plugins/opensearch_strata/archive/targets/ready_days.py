"""Raw days that one load writes to: none of them is ever made by a bulk request, which would guess its mapping."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.targets import under_load
from opensearch_strata.archive.targets.loading_settings import prepare_indices
from opensearch_strata.archive.targets.made_days import uuids
from opensearch_strata.archive.targets.raw_indices import patient
from opensearch_strata.errors import Refused, StrataError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset

_log = logging.getLogger(__name__)


class ReadyDays:
    """Makes sure of raw days before each request that writes to them. Safe to use from several threads.

    What the server cannot do is a write on the condition that an index is the same: between the look at it and the
    request lie milliseconds, and what is made in them is found by the next look, or by the one at the end.

    :param owner: the run, for which the days are registered
    :param process: where the run is one process, its name
    """

    def __init__(self, client: OpenSearch, ledger: Ledger, dataset: Dataset, owner: str, process: str = "") -> None:
        self._client, self._ledger, self._dataset = client, ledger, dataset
        self._owner, self._process = owner, process
        self._known: dict[str, str] = {}  # name -> UUID
        self._written: set[str] = set()
        self._lock = Lock()

    def prepare(self, names: Iterable[str]) -> None:
        """Create, map and register raw days ahead; what is gone again before anything was written to it is made anew.

        :param names: of raw days
        :raises Refused: one does not take documents
        :raises TransientError: OpenSearch or the ledger cannot be used
        """
        with self._lock:
            self._prepare(set(names))

    def make_ready(self, names: Iterable[str]) -> None:
        """To be called before each request that writes to raw days. What the look at them fails with is the caller's.

        :param names: of the raw days that the request writes to
        :raises Refused: one does not take documents, or was deleted since this load wrote to it
        :raises TransientError: OpenSearch or the ledger cannot be used
        """
        wanted = set(names)
        with self._lock:
            changed = self._changed(wanted)
            self._require_kept(changed & self._written)
            self._prepare(changed)
            self._written |= wanted

    def require_kept(self) -> None:
        """To be called when everything is written.

        :raises Refused: a day was deleted since this load wrote to it
        """
        with self._lock:
            self._require_kept(patient(lambda: self._changed(self._written)))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from taking the run for dead, however long a bulk request waits."""
        over = Event()

        def renew() -> None:
            while not over.wait(under_load.renewal(self._ledger, self._process)):
                try:
                    under_load.register(self._ledger, list(self._known), self._owner, self._process)
                except StrataError as error:  # the load itself says what it comes to
                    _log.warning("The raw days could not be marked as being loaded. %s", error)

        if self._ledger.index.serverless:
            yield
            return
        thread = Thread(target=renew, name="in-use", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _changed(self, names: Collection[str]) -> set[str]:
        """Those that are not known, or not as they are known."""
        if self._ledger.index.serverless:
            return set(names) - self._known.keys()
        there = uuids(self._client, sorted(names)) if names else {}
        return {name for name in names if name not in self._known or there.get(name) != self._known[name]}

    def _prepare(self, names: Collection[str]) -> None:
        if not names:
            return
        ordered = sorted(names)
        prepare_indices(self._client, self._ledger, self._dataset, ordered, self._owner, self._process)
        there = {} if self._ledger.index.serverless else patient(lambda: uuids(self._client, ordered))
        self._known |= {name: there.get(name, "") for name in ordered}

    def _require_kept(self, gone: Collection[str]) -> None:
        if gone:
            raise Refused(
                f"{', '.join(sorted(gone))} was deleted, or made anew, while it was being loaded; what was loaded into "
                f"it before is gone. Nothing more is loaded; all other days are kept. Run the backfill again: it finds "
                f"what is missing and loads it. An index of that name that somebody's request made meanwhile may have "
                f"guessed its mapping; delete it first if condensing refuses its fields."
            )
