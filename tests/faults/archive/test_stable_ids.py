"""An event has one id, however and whenever its object was found."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.store.objects import ListedObject
from tests.faults.archives import Archive, cloudwatch, events, ndjson
from tests.ledgers import ledger_index
from tests.streams import DAY

EVENTS = 120


WITH_IDS_AND_WITHOUT = [lambda: cloudwatch(events(range(EVENTS))), lambda: ndjson(range(EVENTS))]


@pytest.mark.parametrize("body", WITH_IDS_AND_WITHOUT, ids=["CloudWatch ids", "no ids"])
def test_ids_are_the_same_from_a_listing_and_from_a_notification(
    archive: Archive, client: OpenSearch, body: Callable[[], bytes]
) -> None:
    """A notification tells key, size and eTag, and is dated by its delivery; a loader of it is somebody else."""
    listed = archive.put(body())
    archive.load().require_success()
    ids = ids_of(archive, client)
    archive.objects = [ListedObject(listed.place, listed.size, listed.modified + 86_400_000)]
    with ledger_index(client) as index:
        elsewhere = Ledger(client, archive.dataset.name, index=index)
        elsewhere.ensure()
        told = archive.load(owner=f"notified/{uuid4().hex}", ledger=elsewhere)
        told.require_success()
    assert (told.counts.created, told.counts.existed) == (0, EVENTS)
    assert ids_of(archive, client) == ids
    assert len(ids) == EVENTS


def ids_of(archive: Archive, client: OpenSearch) -> set[str]:
    index = archive.dataset.raw_index(DAY)
    client.indices.refresh(index=index)
    hits = client.search(index=index, body={"size": 1000, "_source": False})["hits"]["hits"]
    return {hit["_id"] for hit in hits}
