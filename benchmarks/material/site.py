"""Where archives are stored and loaded to, and the load that is measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from opensearchpy import OpenSearch

from benchmarks.material.emulated_s3 import BUCKET, s3_at
from benchmarks.material.log_archive import SPAN, LogArchive
from benchmarks.material.workload import BenchmarkError
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.batch import load_batch
from opensearch_strata.archive.load.batch_result import BatchResult
from opensearch_strata.archive.planning.plan import Plan, make_plan
from opensearch_strata.archive.store.objects import ListedObject
from opensearch_strata.archive.targets.loading_settings import prepare, restore
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.errors.amounts import counted

DEAD_LETTERS = f"s3://{BUCKET}/dead-letters/"


@dataclass(frozen=True)
class Site:
    """A cluster and an S3.

    :param url: URL of the cluster
    :param prefix: text with which the names of all indices begin
    """

    client: OpenSearch
    url: str
    s3: Any
    prefix: str

    @classmethod
    def at(cls, url: str, s3_url: str, prefix: str) -> Site:
        """The site with the same clients as a worker; bodies are not compressed over such a short distance."""
        return cls(_client_at(url, http_compress=False), url, s3_at(s3_url), prefix)

    def compressing(self) -> Site:
        """The same site with compressed bodies, as a worker sends them over a network."""
        return replace(self, client=_client_at(self.url, http_compress=True))

    def ledger(self, archive: LogArchive) -> Ledger:
        """A ledger that is separate from that of the cluster."""
        return Ledger(self.client, archive.dataset.name, index=f"{self.prefix}-ledger")

    def backfill(self, archive: LogArchive, batches: Iterable[Sequence[ListedObject]]) -> int:
        """Load batches one after the other, as `strata backfill` does, and return how many documents were created."""
        ledger, owner = self.ledger(archive), f"bench-{uuid4()}"
        # Only days that the load itself creates get the settings for loading.
        self.client.indices.delete(index=archive.index, params={"ignore_unavailable": "true"})
        prepare(self.client, ledger, archive.dataset, [archive.day], owner)
        try:
            return sum(self.load(archive, batch).counts.created for batch in batches)
        finally:
            restore(self.client, ledger, archive.dataset, owner)

    def load(self, archive: LogArchive, objects: Sequence[ListedObject]) -> BatchResult:
        """Load objects in the same way as one worker."""
        ledger, owner = self.ledger(archive), f"bench-{uuid4()}"
        return load_batch(self.client, self.s3, archive.dataset, objects, ledger, owner, SPAN, DEAD_LETTERS)

    def plan(self, archive: LogArchive) -> Plan:
        """Plan the load of all events of an archive."""
        day = archive.day
        return make_plan(self.s3, self.client, archive.dataset, archive.source, day, day, self.ledger(archive))

    def empty(self, archive: LogArchive, refresh_interval: str | None = None) -> None:
        """Create an empty raw day and an empty ledger."""
        for index in (archive.index, f"{self.prefix}-ledger"):
            self.client.indices.delete(index=index, params={"ignore_unavailable": "true"})
        self.ledger(archive).ensure()
        settings = {"index.refresh_interval": refresh_interval} if refresh_interval else {}
        self.client.indices.create(index=archive.index, body={"settings": settings})

    def check(self, archive: LogArchive) -> None:
        """Check that the raw day contains every event.

        :raises BenchmarkError: it does not
        """
        self.client.indices.refresh(index=archive.index)
        require(self.client.count(index=archive.index)["count"], archive)

    def leftovers(self) -> list[str]:
        """Existing indices whose names begin like ours."""
        return sorted(
            self.client.indices.get(index=f"{self.prefix}-*", params={"filter_path": "*.settings.index.uuid"})
        )

    def remove(self) -> None:
        """Delete each of our indices and templates by its exact name."""
        for index in self.leftovers():
            self.client.indices.delete(index=index)
        for template in (self.prefix, f"{self.prefix}-ledger"):
            self.client.indices.delete_index_template(name=template, ignore=404)


def _client_at(url: str, http_compress: bool) -> OpenSearch:
    settings = ClientSettings.from_url(url, timeout=600, http_compress=http_compress, opaque_id="strata-benchmark")
    return build_client(settings)


def require(found: int, archive: LogArchive) -> None:
    """Stop a run whose figures would be meaningless.

    :raises BenchmarkError: the number of documents is not that of the events
    """
    if found != archive.stream.events:
        raise BenchmarkError(
            f"{archive.index} contains {counted(found, 'document')}, but {archive.source} contains "
            f"{counted(archive.stream.events, 'event')}: the sides do not do the same work, so nothing was measured."
        )
