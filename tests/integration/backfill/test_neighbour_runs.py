"""Runs over neighbouring days, whose objects are largely the same: none undoes what another one did or proved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from typing import Any
from uuid import uuid4

import orjson
import pytest
from opensearchpy import OpenSearch

from local.samples.cloudwatch import object_key
from opensearch_strata.archive.backfill_proof import BackfillProof, DayProof
from opensearch_strata.archive.ledger.plans import Plans
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.load.progress import Progress
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.backfill.plan_ref import PlanRef
from opensearch_strata.workflows.backfill.settle import settle_day
from opensearch_strata.workflows.backfill.verdict import verdict
from tests.archives import PREFIX, Archive, forget_ledger, held, intake_of, ledger_of, same
from tests.streams import DAY, TYPES, Document, Stream, StreamFactory, measurements

NEXT, AFTER = DAY + timedelta(days=1), DAY + timedelta(days=2)
NOON = datetime(NEXT.year, NEXT.month, NEXT.day, 12, tzinfo=UTC)
EACH = 60  # documents of a day


class Killed(BaseException):
    """Ends a load at once."""


@dataclass
class Run:
    """One run over some days, step by step. No day is set up for loading: see the tests of that."""

    target: Stream
    archive: Archive
    first: date
    last: date
    ref: PlanRef | None = None

    def plan(self) -> None:
        plan = Backfill(self.target.client, self.target.dataset, lambda: self.archive.s3).plan(
            None, self.first, self.last
        )
        self.ref = Backfill(self.target.client, self.target.dataset).write(plan)

    def load(self, **options: Any) -> None:
        assert self.ref
        client, dataset = self.target.client, self.target.dataset
        for number in range(self.ref.batches):
            owner = f"test/{uuid4().hex}"
            options = {"settings": LoadSettings(), **options}
            Backfill(client, dataset, lambda: self.archive.s3).load(
                self.ref, number, owner, **options
            ).require_success()

    def load_until(self, event: int) -> None:
        """Be stopped between two small bodies."""

        def stop(progress: Progress) -> None:
            if progress.events > event:
                raise Killed

        settings = LoadSettings(body_bytes=1_000, in_flight=1, progress_every=0)
        with pytest.raises(Killed):
            self.load(settings=settings, on_progress=stop)

    def prove(self) -> BackfillProof:
        assert self.ref
        return Backfill(self.target.client, self.target.dataset, lambda: self.archive.s3).prove(self.ref)

    def whole(self) -> BackfillProof:
        self.plan()
        self.load()
        return self.prove()


@pytest.fixture
def target(client: OpenSearch, make_stream: StreamFactory, archive: Archive) -> Iterator[Stream]:
    """The dataset that the archive belongs to; no raw day is there yet."""
    stream = make_stream(intake=intake_of(archive.bucket), raw={"fields": TYPES})
    yield stream
    forget_ledger(client, stream.dataset.name)


@pytest.fixture
def sent(archive: Archive) -> list[Document]:
    """Documents of three days in a row, in objects of which some hold the end of one day and the begin of the next."""
    documents = [document for day in (DAY, NEXT, AFTER) for document in measurements(day, EACH)]
    for start in range(0, len(documents), 25):
        archive.put(documents[start : start + 25])
    return documents


def of(sent: list[Document], *days: date) -> list[Document]:
    return [document for document in sent if document["@timestamp"].startswith(tuple(f"{day}" for day in days))]


def planned(target: Stream, archive: Archive, first: date, last: date) -> int:
    """How many objects a plan would load."""
    return Backfill(target.client, target.dataset, lambda: archive.s3).plan(None, first, last).amount.objects


def assert_proven(target: Stream, proof: BackfillProof, created: dict[date, int], existed: dict[date, int]) -> None:
    """Just so many documents of these days by the run itself, and no day holds any that the ledger does not know."""
    assert proof.holds, verdict(proof)
    assert (proof.counts.created, proof.counts.existed) == (sum(created.values()), sum(existed.values()))
    assert proof.days == [
        DayProof(target.dataset.raw_index(day), created.get(day, 0), existed.get(day, 0), EACH, EACH)
        for day in sorted({*created, *existed})
    ]


ORDERS = ["1" + "".join("1" if at in ones else "2" for at in range(5)) for ones in combinations(range(5), 2)]
"""Whose turn it is, in every way in which two runs of three steps come to be interleaved."""


@pytest.mark.parametrize("order", ORDERS)
def test_neighbours_in_any_order_prove_their_own(
    target: Stream, archive: Archive, sent: list[Document], order: str
) -> None:
    steps = {}
    for number, day in (("1", DAY), ("2", NEXT)):
        run = Run(target, archive, day, day)

        def prove(run: Run = run, day: date = day) -> None:
            assert_proven(target, run.prove(), {day: EACH}, {})

        steps[number] = iter([run.plan, run.load, prove])
    for number in order:
        next(steps[number])()
    assert same(held(target, DAY) + held(target, NEXT), of(sent, DAY, NEXT))
    assert planned(target, archive, DAY, DAY) == planned(target, archive, NEXT, NEXT) == 0


def test_a_proof_holds_while_a_neighbour_is_loading(target: Stream, archive: Archive, sent: list[Document]) -> None:
    one = Run(target, archive, DAY, DAY)
    one.plan()
    one.load()
    assert one.ref
    other = Run(target, archive, NEXT, NEXT)
    other.plan()
    assert other.ref
    ledger = Ledger(target.client, target.dataset.name)
    objects = [(listed.place, listed.size) for listed in Plans(ledger).batch(other.ref.plan_id, 0)]
    running = ledger.claim(objects, other.ref.span, "somebody").claimed
    assert len(running) == len(objects)
    assert_proven(target, one.prove(), {DAY: EACH}, {})
    assert "objects still being loaded" in verdict(other.prove())
    assert planned(target, archive, DAY, DAY) == 0
    assert len(ledger.claim(objects, one.ref.span, "a third").done) == len(
        {place for place, _ in objects} & {listed.place for listed in Plans(ledger).batch(one.ref.plan_id, 0)}
    )


@pytest.mark.parametrize(("stopped", "other"), [(DAY, NEXT), (NEXT, DAY)], ids=["first", "second"])
def test_who_was_stopped_and_overtaken_by_a_neighbour_goes_on(
    target: Stream, archive: Archive, stopped: date, other: date
) -> None:
    sent = [document for day in (DAY, NEXT) for document in measurements(day, EACH)]
    lines = b"\n".join(orjson.dumps(document) for document in sent)  # a load goes on at any of them
    archive.s3.put_object(Bucket=archive.bucket, Key=object_key(PREFIX, "lines", NOON), Body=lines)
    late, early = Run(target, archive, stopped, stopped), Run(target, archive, other, other)
    late.plan()
    late.load_until(45 if stopped == DAY else 105)
    assert_proven(target, early.whole(), {other: EACH}, {})
    assert not late.prove().holds
    late.load()
    proof = late.prove()
    assert proof.holds, verdict(proof)
    (day,) = proof.days
    assert 0 < day.existed < EACH
    assert day.created + day.existed == day.documents == EACH
    assert day.created < day.by_all <= EACH  # what the first attempt wrote down counts
    assert early.prove().holds
    assert same(held(target, DAY) + held(target, NEXT), sent)


def test_a_wider_range_finds_the_narrower_one_there(target: Stream, archive: Archive, sent: list[Document]) -> None:
    narrow, wide = Run(target, archive, NEXT, NEXT), Run(target, archive, DAY, AFTER)
    assert_proven(target, narrow.whole(), {NEXT: EACH}, {})
    within = 25  # documents of the one object that holds nothing of other days, and is not read again
    assert planned(target, archive, DAY, AFTER) == 7
    assert_proven(target, wide.whole(), {DAY: EACH, NEXT: within, AFTER: EACH}, {NEXT: EACH - within})
    assert_proven(target, narrow.prove(), {NEXT: EACH}, {})
    assert planned(target, archive, DAY, AFTER) == 0


def test_a_wider_range_reads_nothing_again_whose_events_are_all_known(target: Stream, archive: Archive) -> None:
    archive.put(measurements(NEXT, EACH))
    assert Run(target, archive, NEXT, NEXT).whole().holds
    wide = Run(target, archive, DAY, AFTER)
    wide.plan()
    assert wide.ref
    assert wide.ref.batches == 0
    assert_proven(target, wide.prove(), {NEXT: EACH}, {})
    archive.put(measurements(AFTER, EACH))
    assert planned(target, archive, DAY, AFTER) == 1
    target.client.indices.delete(index=target.dataset.raw_index(NEXT))
    assert planned(target, archive, DAY, AFTER) == 2
    assert_proven(target, wide.whole(), {NEXT: EACH, AFTER: EACH}, {})


def test_a_narrower_range_is_loaded_with_the_wider_one(target: Stream, archive: Archive, sent: list[Document]) -> None:
    narrow = Run(target, archive, NEXT, NEXT)
    narrow.plan()
    assert Run(target, archive, DAY, AFTER).whole().holds
    narrow.load()
    assert narrow.prove().holds
    assert planned(target, archive, NEXT, NEXT) == 0


def test_ranges_that_overlap_create_once(target: Stream, archive: Archive, sent: list[Document]) -> None:
    first, second = Run(target, archive, DAY, NEXT), Run(target, archive, NEXT, AFTER)
    assert_proven(target, first.whole(), {DAY: EACH, NEXT: EACH}, {})
    assert_proven(target, second.whole(), {AFTER: EACH}, {NEXT: EACH})
    assert_proven(target, first.prove(), {DAY: EACH, NEXT: EACH}, {})
    assert same([document for day in (DAY, NEXT, AFTER) for document in held(target, day)], sent)


def test_a_range_is_proven_by_those_who_loaded_its_parts(target: Stream, archive: Archive) -> None:
    archive.put([document for day in (DAY, NEXT) for document in measurements(day, EACH)])
    wide = Run(target, archive, DAY, NEXT)
    wide.plan()
    for day in (NEXT, AFTER, DAY):
        assert Run(target, archive, day, day).whole().holds
    wide.load()
    assert_proven(target, wide.prove(), {DAY: EACH, NEXT: EACH}, {})
    assert planned(target, archive, DAY, NEXT) == 0


def test_a_neighbour_that_is_dropped_takes_nothing_along(
    target: Stream, archive: Archive, sent: list[Document]
) -> None:
    one, other = Run(target, archive, DAY, DAY), Run(target, archive, NEXT, NEXT)
    one.plan()
    one.load()
    assert other.whole().holds
    gone = target.dataset.raw_index(NEXT)
    target.client.indices.delete(index=gone)
    Ledger(target.client, target.dataset.name).forget_days([gone])
    assert_proven(target, one.prove(), {DAY: EACH}, {})
    assert planned(target, archive, DAY, DAY) == 0
    assert_proven(target, other.whole(), {NEXT: EACH}, {})
    assert planned(target, archive, DAY, DAY) == 0


def test_a_run_is_proven_though_another_one_condensed_and_dropped_a_day_of_both(
    target: Stream, archive: Archive, sent: list[Document]
) -> None:
    one, other = Run(target, archive, DAY, NEXT), Run(target, archive, NEXT, AFTER)
    assert one.whole().holds
    other.plan()
    other.load()
    for row in ledger_of(target.client, target.dataset.name, "settings"):
        for user in row["users"]:
            Backfill(target.client, target.dataset).end(user["owner"])
    now = datetime.combine(DAY + timedelta(days=100), datetime.min.time(), UTC)
    assert settle_day(target.client, target.dataset, NEXT, "condense_and_drop", now).outcome == "dropped"
    proof = other.prove()
    assert proof.holds, verdict(proof)
    assert [day.verdict for day in proof.days] == ["retired (condensed and proven)", "verified"]
    again = Run(target, archive, NEXT, NEXT).whole()
    assert_proven(target, again, {NEXT: EACH}, {})


def test_what_a_quarantined_object_created_stays_known(target: Stream, archive: Archive, sent: list[Document]) -> None:
    moment = NOON - timedelta(hours=13)
    archive.put_messages([(moment, '{"device": "d1"}'), (moment, "no JSON"), (moment, "none")], "poison")
    run = Run(target, archive, DAY, DAY)
    run.plan()
    run.load()
    assert [check.name for check in run.prove().failed] == ["objects in quarantine"]
    assert Run(target, archive, NEXT, NEXT).whole().holds  # nothing of it is of that day
    assert [check.name for check in run.prove().failed] == ["objects loaded for another range"]
    intake = target.dataset.intake.model_copy(update={"max_dead_share": 1.0})
    target.dataset = target.dataset.model_copy(update={"intake": intake})
    proof = Run(target, archive, DAY, DAY).whole()
    assert proof.holds, verdict(proof)
    assert (proof.counts.created, proof.counts.existed, proof.counts.dead) == (60, 1, 2)
    (day,) = proof.days
    assert (day.by_all, day.documents, day.others) == (EACH + 1, EACH + 1, 0)
