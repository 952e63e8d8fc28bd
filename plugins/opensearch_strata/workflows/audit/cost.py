"""What an audit reads and asks for: estimated before it begins, and measured while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from opensearch_strata.errors.amounts import counted, size

if TYPE_CHECKING:
    from botocore.client import BaseClient


@dataclass(frozen=True)
class Cost:
    """An amount of work.

    :param documents: raw documents that are read in OpenSearch, or written to it
    :param bytes: of objects that are read from S3
    :param requests: to S3
    """

    documents: int = 0
    bytes: int = 0
    requests: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.documents + other.documents, self.bytes + other.bytes, self.requests + other.requests)

    def __str__(self) -> str:
        requests = counted(self.requests, "request")
        return f"{counted(self.documents, 'document')}, {size(self.bytes)} of objects and {requests} to S3"


@dataclass
class Meter:
    """What was spent so far. Safe to use from several threads."""

    _spent: Cost = Cost()
    _lock: Lock = field(default_factory=Lock)

    def add(self, documents: int = 0, bytes: int = 0, requests: int = 0) -> None:
        """Add to it.

        :param documents: see :class:`Cost`
        :param bytes: see :class:`Cost`
        :param requests: see :class:`Cost`
        """
        with self._lock:
            self._spent += Cost(documents, bytes, requests)

    @property
    def spent(self) -> Cost:
        """All of it."""
        with self._lock:
            return self._spent

    @contextmanager
    def requests_of(self, s3: BaseClient | None) -> Iterator[None]:
        """Count every request that a client sends, repeated ones too.

        :param s3: None: nothing is counted
        """
        if s3 is None:
            yield
            return

        def count(**_: Any) -> None:
            self.add(requests=1)

        events, name = s3.meta.events, f"strata-audit-{id(self)}"
        events.register("before-send.s3", count, unique_id=name)
        try:
            yield
        finally:
            events.unregister("before-send.s3", count, unique_id=name)
