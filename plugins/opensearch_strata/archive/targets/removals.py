"""The state of raw days before a load sends them its first document."""

from __future__ import annotations

from collections.abc import Collection
from threading import Lock
from typing import TYPE_CHECKING

from opensearch_strata.connections.decisive.states import counts_at_once
from opensearch_strata.connections.removals import Removals

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


class RemovalsBefore:
    """The state of raw days before a load sent them its first document. Safe to use from several threads.

    :param serverless: the raw days are on Serverless, which does not report their state; then none are known
    """

    def __init__(self, client: OpenSearch, *, serverless: bool) -> None:
        self._client, self._serverless = client, serverless
        self._known: dict[str, Removals] = {}
        self._lock = Lock()

    def learn(self, indices: Collection[str]) -> None:
        """Note the state of indices. Call this before anything is sent to them. States already known are kept.

        If this fails, the caller waits and tries again, as it does for the request that follows.

        :param indices: names of raw days
        """
        from opensearchpy import NotFoundError

        if self._serverless or set(indices) <= self._known.keys():
            return
        with self._lock:
            new = sorted(set(indices) - self._known.keys())
            try:
                looked = counts_at_once(self._client, new)
            except NotFoundError as error:
                if error.error != "unsupported_operation_exception":
                    raise
                self._serverless = True  # the raw days are in a Serverless collection, the ledger is elsewhere
                return
            self._known |= {name: count.removals for name, count in looked.items() if count}

    def of(self, indices: Collection[str]) -> dict[str, Removals]:
        """The removals of indices, as far as they are known.

        :param indices: names of raw days
        """
        return {index: self._known[index] for index in indices if index in self._known}
