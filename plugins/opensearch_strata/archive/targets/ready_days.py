"""Raw days that one load writes to. It creates them itself, because a bulk request would guess their mapping."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.targets import under_load
from opensearch_strata.archive.targets.loading_settings import prepare_indices
from opensearch_strata.archive.targets.made_days import RestoredForms, uuids
from opensearch_strata.archive.targets.raw_indices import patient
from opensearch_strata.errors import Refused, StrataError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset

_log = logging.getLogger(__name__)


class ReadyDays:
    """Makes sure that raw days are ready before each request that writes to them. Safe to use from several threads.

    The server has no write that is conditional on an index still being the same one. Some milliseconds pass between the
    check of an index and the request; an index that is recreated in that time is found by the next check or by the
    final one.

    :param owner: the run that the days are registered for
    :param process: name of the process if the run is a single one
    :param restored: for a restore: what its days were archived with
    :param live: people read the days while they are loaded, so those that are created keep their refresh and replicas
    """

    def __init__(
        self,
        client: OpenSearch,
        ledger: Ledger,
        dataset: Dataset,
        owner: str,
        process: str = "",
        restored: RestoredForms | None = None,
        *,
        live: bool = False,
    ) -> None:
        self._client, self._ledger, self._dataset = client, ledger, dataset
        self._owner, self._process, self._restored, self._live = owner, process, restored, live
        self._known: dict[str, str] = {}  # name -> UUID
        self._written: set[str] = set()
        self._lock = Lock()

    def prepare(self, names: Iterable[str]) -> None:
        """Create, map and register raw days in advance. A day deleted before anything is written to it is recreated.

        :param names: of raw days
        :raises Refused: a raw day does not accept documents
        :raises TransientError: OpenSearch or the ledger cannot be used
        """
        with self._lock:
            self._prepare(set(names))

    def make_ready(self, names: Iterable[str]) -> None:
        """Make raw days ready. Call this before each request that writes to them.

        If the check of the raw days fails, the caller handles the exception.

        :param names: of the raw days that the request writes to
        :raises Refused: a raw day does not accept documents, or was deleted since this load wrote to it
        :raises TransientError: OpenSearch or the ledger cannot be used
        """
        wanted = set(names)
        with self._lock:
            changed = self._changed(wanted)
            self._require_kept(changed & self._written)
            self._prepare(changed)
            self._written |= wanted

    def require_kept(self) -> None:
        """Require that no day was deleted since this load wrote to it. Call this when everything has been written.

        :raises Refused: a day was deleted since this load wrote to it
        """
        with self._lock:
            self._require_kept(patient(lambda: self._changed(self._written)))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Renew the registrations, so that nobody takes the run for dead, however long a bulk request waits."""
        over = Event()

        def renew() -> None:
            while not over.wait(under_load.renewal(self._ledger, self._process)):
                try:
                    under_load.register(self._ledger, list(self._known), self._owner, self._process)
                except StrataError as error:  # the load itself reports the consequences
                    _log.warning("The registrations of the raw days could not be renewed. %s", error)

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
        """The names that are not known yet or no longer stand for the index that is known."""
        if self._ledger.index.serverless:
            return set(names) - self._known.keys()
        there = uuids(self._client, sorted(names)) if names else {}
        return {name for name in names if name not in self._known or there.get(name) != self._known[name]}

    def _prepare(self, names: Collection[str]) -> None:
        if not names:
            return
        ordered = sorted(names)
        prepare_indices(
            self._client, self._ledger, self._dataset, ordered, self._owner, self._process, self._restored,
            live=self._live,
        )  # fmt: skip
        there = {} if self._ledger.index.serverless else patient(lambda: uuids(self._client, ordered))
        self._known |= {name: there.get(name, "") for name in ordered}

    def _require_kept(self, gone: Collection[str]) -> None:
        if gone:
            raise Refused(
                f"{', '.join(sorted(gone))} {'was' if len(gone) == 1 else 'were'} deleted or recreated during the "
                f"load; the documents that it had loaded there are gone. Nothing more is loaded; all other days are "
                f"kept. Run the backfill again: it finds what is missing and loads it. If a producer's request has "
                f"recreated the index, its mapping may be guessed; delete the index first if condensing refuses its "
                f"fields."
            )
