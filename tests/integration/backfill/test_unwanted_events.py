"""Events that a dataset leaves out, on the real node and an S3 beside it: counted everywhere, and found when wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import orjson
import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.documents.reading import reading_of
from opensearch_strata.archive.ledger.loads import Counts
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.planning.not_loaded import objects_lacking
from opensearch_strata.archive.planning.plan import Plan
from opensearch_strata.presentation.tables import plan_table
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.backfill.verdict import verdict
from tests.archives import Archive, backfilled, forget_ledger, held, intake_of
from tests.streams import DAY, TYPES, Stream, StreamFactory, dataset_of

pytestmark = pytest.mark.versions

LEVELS = ("debug", "info", "error")
NO_DEBUG = {"field": "level", "level_below": "info"}
NO_INFO = {"field": "level", "in": ["info"]}


@pytest.fixture
def target(client: OpenSearch, make_stream: StreamFactory, archive: Archive) -> Iterator[Stream]:
    """The dataset that the archive belongs to; its debug lines are not wanted."""
    stream = make_stream(intake=intake_of(archive.bucket, skip=[NO_DEBUG]), raw={"fields": TYPES})
    yield stream
    forget_ledger(client, stream.dataset.name)


def reads(target: Stream, archive: Archive, **intake: Any) -> None:
    """Another definition of the intake."""
    target.dataset = dataset_of(target.dataset.name, intake=intake_of(archive.bucket, **intake), raw={"fields": TYPES})


def backfill_of(target: Stream, archive: Archive) -> Backfill:
    return Backfill(target.client, target.dataset, lambda: archive.s3)


def plan(target: Stream, archive: Archive) -> Plan:
    return backfill_of(target, archive).plan(None, DAY, DAY)


def messages(count: int, begin: datetime) -> list[tuple[datetime, str]]:
    """Messages a second apart, of each level in turn."""
    moments = [begin + timedelta(seconds=number) for number in range(count)]
    return [(moment, orjson.dumps({"level": LEVELS[n % 3], "load": n}).decode()) for n, moment in enumerate(moments)]


@pytest.fixture
def noon() -> datetime:
    return datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)


def levels(target: Stream) -> list[str]:
    return sorted({document["level"] for document in held(target, DAY)})


def table_of(found: Plan) -> dict[str, Any]:
    return {str(row[0]): row[1] for row in plan_table(found).rows}


def test_unwanted_events_are_counted_and_proven_and_no_document(
    target: Stream, archive: Archive, noon: datetime
) -> None:
    for hour in range(3):
        archive.put_messages(messages(300, noon + timedelta(hours=hour)))
    planned = plan(target, archive)
    assert planned.estimate is not None
    assert (planned.estimate.documents, planned.estimate.filtered, planned.estimate.unwanted) == (600, 300, 300)
    rows = table_of(planned)
    assert (rows["estimated events of other days"], rows["estimated events left out by the rules"]) == (0, 300)
    proof = backfilled(target, archive)
    assert proof.holds, verdict(proof)
    assert proof.counts == Counts(read=900, created=600, filtered=300, unwanted=300)
    assert verdict(proof) == (
        "Proven: 900 events read = 600 created + 0 already there + 0 of other days + 300 left out by the rules of "
        "intake + 0 dead letters."
    )
    assert levels(target) == ["error", "info"]
    assert len(held(target, DAY)) == 600


def test_objects_are_loaded_again_if_events_that_they_left_out_are_wanted_now(
    target: Stream, archive: Archive, noon: datetime
) -> None:
    archive.put_messages(messages(300, noon))
    archive.put_messages([message for message in messages(300, noon + timedelta(hours=1)) if "debug" not in message[1]])
    backfilled(target, archive)
    ledger = Ledger(target.client, target.dataset.name)
    ledger.index.refresh()
    assert objects_lacking(ledger, reading_of(target.dataset)) == 0
    ref = backfill_of(target, archive).write(plan(target, archive))
    reads(target, archive)
    planned = plan(target, archive)
    assert (planned.amount.objects, planned.left_out.objects, planned.lacking.objects) == (1, 1, 1)
    assert table_of(planned)["loaded before by other rules, lacking events"].startswith("1 object, ")
    assert objects_lacking(ledger, reading_of(target.dataset)) == 1
    stale = backfill_of(target, archive).prove(ref)
    (failed,) = stale.failed
    assert (failed.name, failed.found) == ("objects loaded without events that are wanted now", 1)
    proof = backfilled(target, archive)
    assert proof.holds, verdict(proof)
    assert (proof.counts.created, proof.counts.existed, proof.counts.unwanted) == (300, 200, 0)
    assert levels(target) == ["debug", "error", "info"]
    assert len(held(target, DAY)) == 500
    ledger.index.refresh()
    assert objects_lacking(ledger, reading_of(target.dataset)) == 0
    assert plan(target, archive).amount.objects == 0


def test_stricter_rules_load_nothing_again_and_delete_nothing(target: Stream, archive: Archive, noon: datetime) -> None:
    archive.put_messages(messages(300, noon))
    backfilled(target, archive)
    for stricter in (
        {"skip": [NO_INFO, NO_DEBUG]},
        {"skip": [NO_DEBUG], "keep": [{"field": "level", "in": ["error"]}]},
    ):
        reads(target, archive, **stricter)
        planned = plan(target, archive)
        assert (planned.amount.objects, planned.lacking.objects) == (0, 0)
        assert backfilled(target, archive).holds
    assert levels(target) == ["error", "info"]
    reads(target, archive, skip=[NO_INFO])
    assert plan(target, archive).lacking.objects == 1
    assert backfilled(target, archive).counts == Counts(300, created=100, existed=100, filtered=100, unwanted=100)
    assert levels(target) == ["debug", "error", "info"]


def test_a_load_that_was_interrupted_begins_anew_if_more_is_wanted_now(
    target: Stream, archive: Archive, noon: datetime
) -> None:
    archive.put_messages(messages(300, noon))
    planned = plan(target, archive)
    (listed,) = planned.batches[0].objects
    ledger = Ledger(target.client, target.dataset.name)
    ledger.ensure()
    (row,) = ledger.claim([(listed.place, listed.size)], planned.span, "killed").claimed
    stood = replace(row, resume=6, counts=Counts(150, 100, 0, 50, 0, 50), rules=reading_of(target.dataset).rules)
    stood = replace(stood, days={target.dataset.raw_index(DAY): 100}, format="cloudwatch", state="failed")
    ledger.finish([stood])
    reads(target, archive)
    proof = backfilled(target, archive)
    assert proof.counts == Counts(read=300, created=300)
    assert len(held(target, DAY)) == 300


def test_it_resumes_where_it_stopped_under_the_same_rules(target: Stream, archive: Archive, noon: datetime) -> None:
    archive.put_messages(messages(300, noon))
    planned = plan(target, archive)
    (listed,) = planned.batches[0].objects
    ledger = Ledger(target.client, target.dataset.name)
    ledger.ensure()
    (row,) = ledger.claim([(listed.place, listed.size)], planned.span, "killed").claimed
    stood = replace(row, resume=6, counts=Counts(150, 0, 0, 150, 0, 50), rules=reading_of(target.dataset).rules)
    ledger.finish([replace(stood, format="cloudwatch", state="failed")])
    backfilled(target, archive)
    assert ledger.rows([listed.place])[listed.place].counts == Counts(300, 100, 0, 200, 0, 100)


def test_dead_letters_that_are_unwanted_now_stay_where_they_are(
    target: Stream, archive: Archive, noon: datetime
) -> None:
    reads(target, archive, cast={"load": "boolean"}, max_dead_share=1.0)
    archive.put_messages(list(islice(messages(300, noon), 3, 9)))
    assert backfilled(target, archive).counts.dead == 6
    reads(target, archive, skip=[NO_DEBUG])
    place = f"{archive.url}dead-letters/"
    sums = backfill_of(target, archive).redrive(place, apply=True, settings=LoadSettings())
    assert (sums.letters, sums.created, sums.unwanted, sums.still_dead.total()) == (6, 4, 2, 0)
    assert sums.remaining == ""
    reads(target, archive)
    sums = backfill_of(target, archive).redrive(place, apply=True, settings=LoadSettings())
    assert (sums.letters, sums.created, sums.unwanted) == (2, 2, 0)
    assert levels(target) == ["debug", "error", "info"]
