"""The proof of a plan: that everything its source has for its days is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from opensearch_strata.archive.backfill_proof import BackfillProof
from opensearch_strata.archive.documents.event_times import EventTimes
from opensearch_strata.archive.documents.reading import reading_of, restoring_of
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.planning.archived_days import ArchivedDays
from opensearch_strata.archive.reconcile import prove_range
from opensearch_strata.archive.store.listing import Listing
from opensearch_strata.workflows.archiving import settings_of
from opensearch_strata.workflows.backfill.losses import is_retired, retired_state
from opensearch_strata.workflows.backfill.verdict import loading_again

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

    from opensearch_strata.archive.ledger.plans import Plans
    from opensearch_strata.archive.ledger.store import Ledger
    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.workflows.backfill.plan_ref import PlanRef


def listing_of(s3: BaseClient, dataset: Dataset, ref: PlanRef) -> Listing:
    """Objects of a plan's source that may hold events of its days.

    :param ref: a plan of anything but an archive of ours
    """
    return Listing(s3, ref.source, dataset.intake, *ref.span, ref.dead_letters)


def prove_plan(
    client: OpenSearch, s3: BaseClient, dataset: Dataset, ledger: Ledger, plans: Plans, ref: PlanRef
) -> BackfillProof:
    """Prove it, from the ledger and the raw days.

    This includes the objects of the plan and those that were loaded before. It changes nothing, and looks no document
    up but samples. The source is listed once more; objects that arrived since the plan and are not loaded are counted.

    :param s3: of the source
    :param plans: where the plan's batches are
    :raises Refused: S3 does not allow it
    :raises TransientError: S3, the ledger or the raw days cannot be read right now
    """
    planned_at = ref.planned_at
    seen: set[int] = set()  # hashes of the places, because there may be many
    later: list[Place] = []

    def planned() -> Iterator[Place]:
        for number in range(ref.batches):
            for listed in plans.batch(ref.plan_id, number):
                seen.add(hash(listed.place))
                yield listed.place
        listing = (
            ArchivedDays(s3, settings_of(dataset), dataset.name, ref.days)
            if ref.archived
            else listing_of(s3, dataset, ref)
        )
        for listed, _ in listing:
            if hash(listed.place) in seen:
                continue
            if listed.modified > planned_at:
                later.append(listed.place)
            else:
                yield listed.place
        if isinstance(listing, ArchivedDays):
            yield from (place for place in listing.missing if hash(place) not in seen)

    def latest_of(place: Place) -> int:
        return EventTimes(dataset, place.key, None, None).latest

    retired = partial(is_retired, client, dataset)
    reading = (restoring_of if ref.archived else reading_of)(dataset)
    state = partial(retired_state, client, dataset)
    proof = prove_range(client, ledger, planned(), ref.span, later, retired, latest_of, reading, state)
    return replace(proof, again=loading_again(dataset, ref, proof))
