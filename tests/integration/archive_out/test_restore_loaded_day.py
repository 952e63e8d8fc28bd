"""A raw day that a backfill loaded, archived and deleted, and then restored: its documents count once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.backfill_proof import BackfillProof
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.workflows.audit.audit import audit_days, plan_audit
from opensearch_strata.workflows.backfill.verdict import verdict
from tests.archives import Archive, forget_ledger, intake_of
from tests.raw_archives import Restoring, archived, documents, restore
from tests.streams import DAY, TYPES, Stream, StreamFactory

COUNT = 240
NOW = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC) + timedelta(days=30)


@pytest.fixture
def stream(client: OpenSearch, make_stream: StreamFactory, s3: Any, bucket: str) -> Iterator[Stream]:
    """A dataset whose only raw day was loaded from the archive of a log."""
    made = make_stream(
        intake=intake_of(bucket), archive={"bucket": bucket, "prefix": "days/"}, raw={"fields": TYPES}, engine="search"
    )
    Archive(s3, bucket).fill(DAY, COUNT)
    assert loaded(made, s3).holds
    yield made
    forget_ledger(client, made.dataset.name)


def loaded(stream: Stream, s3: Any) -> BackfillProof:
    """Load the day from the log; returns the proof."""
    run = Restoring(stream, s3, source=None)
    run.write()
    for result in run.load(LoadSettings()):
        result.require_success()
    return run.end()


def findings(stream: Stream, s3: Any) -> list[str]:
    """What an audit finds that is not fine. Nobody copies rows here."""
    found = audit_days(plan_audit(stream.client, s3, stream.dataset, NOW), engine="search")
    return [f"{one.kind}: {one.finding}" for one in found.findings if one.severity != "fine" and one.kind != "copy"]


@pytest.mark.parametrize("carried", [True, False], ids=["history carries it", "its rows are gone too"])
def test_a_loaded_day_is_restored_and_proven(stream: Stream, s3: Any, carried: bool) -> None:
    index = stream.dataset.raw_index(DAY)
    sent = documents(stream.client, index)
    archived(stream, s3)
    stream.client.indices.delete(index=index)
    if not carried:
        stream.drop_rows(DAY)
    for _ in range(2):
        proof = restore(stream, s3)
        assert proof.holds, verdict(proof)
        (day,) = proof.days
        assert (day.created, day.by_all, day.documents, day.verdict) == (COUNT, COUNT, COUNT, "verified")
        assert documents(stream.client, index) == sent
        prove(stream.client, stream.dataset, DAY, engine="search")
        stream.client.indices.delete(index=index)
    assert findings(stream, s3) == []


def test_a_day_that_was_restored_is_loaded_from_its_log_again(stream: Stream, s3: Any) -> None:
    index = stream.dataset.raw_index(DAY)
    sent = documents(stream.client, index)
    archived(stream, s3)
    stream.client.indices.delete(index=index)
    assert restore(stream, s3).holds
    proof = loaded(stream, s3)
    assert proof.holds, verdict(proof)
    assert (proof.counts.created, proof.counts.existed) == (0, COUNT)
    assert documents(stream.client, index) == sent


def test_documents_that_were_deleted_before_the_day_was_archived_are_not_missed(stream: Stream, s3: Any) -> None:
    index = stream.dataset.raw_index(DAY)
    gone = min(documents(stream.client, index))
    stream.client.delete(index=index, id=gone, params={"refresh": "true"})
    archived(stream, s3)
    stream.client.indices.delete(index=index)
    proof = restore(stream, s3)
    assert proof.holds, verdict(proof)
    assert proof.days[0].by_all == COUNT - 1


@pytest.mark.parametrize("lost", ["of the restored index", "of the former index"])
def test_documents_that_are_lost_are_still_told(stream: Stream, s3: Any, bucket: str, lost: str) -> None:
    index = stream.dataset.raw_index(DAY)
    archived(stream, s3)
    if lost == "of the former index":  # nobody condensed them, and nobody archived them
        Archive(s3, bucket).fill(DAY, 10, objects=1, seed=7)
        assert loaded(stream, s3).holds
        stream.drop_rows(DAY)
    stream.client.indices.delete(index=index)
    run = Restoring(stream, s3)
    run.write()
    for result in run.load():
        result.require_success()
    if lost == "of the restored index":
        name = min(documents(stream.client, index))
        stream.client.delete(index=index, id=name, params={"refresh": "true"})
    proof = run.end()
    assert not proof.holds
    assert proof.days[0].verdict.endswith(" lost")
