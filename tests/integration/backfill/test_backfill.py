"""A backfill by its services, on the real node and an S3 beside it: what it loads, leaves out, refuses and settles."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.ledger.plans import Plans
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.targets import under_load
from opensearch_strata.errors import DefinitionError, Refused, TransientError
from opensearch_strata.history.month.row_ids import RAW_UUID
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.backfill.empty_days import delete_if_empty
from opensearch_strata.workflows.backfill.plan_ref import PlanRef
from opensearch_strata.workflows.backfill.settle import require_settleable, settle_day, settle_days
from opensearch_strata.workflows.backfill.verdict import verdict
from tests.archives import Archive, backfilled, forget_ledger, held, intake_of, ledger_of, same
from tests.faults.proxy import Answer, FaultyProxy, Forward, Request
from tests.streams import DAY, TYPES, Document, Stream, StreamFactory, assert_verified

pytestmark = pytest.mark.versions

NEXT = DAY + timedelta(days=1)
NOW = datetime.combine(DAY + timedelta(days=100), datetime.min.time(), UTC)


@pytest.fixture
def target(client: OpenSearch, make_stream: StreamFactory, archive: Archive) -> Iterator[Stream]:
    """The dataset that the archive belongs to; no raw day is there yet."""
    stream = make_stream(intake=intake_of(archive.bucket), raw={"fields": TYPES})
    yield stream
    forget_ledger(client, stream.dataset.name)


def plan(target: Stream, archive: Archive, first: date = DAY, last: date = DAY) -> Any:
    return Backfill(target.client, target.dataset, lambda: archive.s3).plan(None, first, last)


def test_a_range_is_loaded_and_proven(target: Stream, archive: Archive) -> None:
    sent = {day: archive.fill(day) for day in (DAY, NEXT)}
    archive.fill(NEXT + timedelta(days=1))  # arrives within the margin, and is of another day
    proof = backfilled(target, archive, DAY, NEXT)
    assert proof.holds, verdict(proof)
    assert (proof.counts.created, proof.counts.existed, proof.counts.dead) == (480, 0, 0)
    assert verdict(proof).startswith("Proven: ")
    for day, documents in sent.items():
        assert same(held(target, day), documents)
    assert not target.exists(NEXT + timedelta(days=1))


def test_a_second_run_has_nothing_to_do_and_opens_no_object(target: Stream, archive: Archive) -> None:
    archive.fill(DAY)
    backfilled(target, archive)
    with recorded_calls(archive) as called:
        again = plan(target, archive)
    assert set(called) == {"ListObjectsV2"}
    assert again.batches == []
    assert again.left_out.objects == 4
    assert again.again == {}
    assert again.verdict == f"All 4 objects that may hold events of {DAY} are loaded already."


def test_a_plan_writes_nothing(target: Stream, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.fill(DAY)
    before = archive.contents()
    asked = record_requests(target.client, monkeypatch)
    with recorded_calls(archive) as called:
        assert plan(target, archive).amount.objects == 4
    assert set(called) == {"ListObjectsV2", "GetObject"}
    assert {url.rpartition("/_")[2].partition("/")[0] for method, url in asked if method != "GET"} <= READING
    assert archive.contents() == before
    assert ledger_of(target.client, target.dataset.name) == []
    assert not target.exists()


READING = {"search", "mget", "msearch", "refresh", "simulate_index"}
"""What is asked by POST and changes nothing."""


@contextmanager
def recorded_calls(archive: Archive) -> Iterator[list[str]]:
    """Names of what S3 is asked."""
    called: list[str] = []
    archive.s3.meta.events.register("before-call.s3.*", note := lambda model, **_: called.append(model.name))
    yield called
    archive.s3.meta.events.unregister("before-call.s3.*", note)


def record_requests(client: OpenSearch, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Method and path of every request from now on."""
    asked: list[tuple[str, str]] = []
    send = client.transport.perform_request

    def perform_request(method: str, url: str, **options: Any) -> Any:
        asked.append((method, url))
        return send(method, url, **options)

    monkeypatch.setattr(client.transport, "perform_request", perform_request)
    return asked


def test_a_rewritten_object_adds_what_is_new_and_nothing_twice(target: Stream, archive: Archive) -> None:
    sent = archive.fill(DAY, objects=1)
    (key,) = archive.contents()
    backfilled(target, archive)
    late = {**sent[-1], "device": "late"}
    archive.put_before([late], key)
    proof = backfilled(target, archive)
    assert proof.holds
    assert (proof.counts.created, proof.counts.existed) == (1, 240)
    assert same(held(target, DAY), [*sent, late])
    assert plan(target, archive).batches == []


def test_a_raw_day_that_is_gone_is_loaded_again(target: Stream, archive: Archive) -> None:
    sent = archive.fill(DAY)
    backfilled(target, archive)
    target.client.indices.delete(index=target.dataset.raw_index(DAY))
    assert plan(target, archive).again == {target.dataset.raw_index(DAY): "is gone"}
    assert backfilled(target, archive).holds
    assert same(held(target, DAY), sent)


def test_a_raw_day_that_lost_a_document_gets_it_back(target: Stream, archive: Archive) -> None:
    sent = archive.fill(DAY)
    backfilled(target, archive)
    params = {"refresh": "true", "max_docs": "1"}
    target.client.delete_by_query(index=target.dataset.raw_index(DAY), body={"query": {"match_all": {}}}, params=params)
    proof = backfilled(target, archive)
    assert (proof.holds, proof.counts.created, proof.counts.existed) == (True, 1, 239)
    assert same(held(target, DAY), sent)


@pytest.mark.long
@pytest.mark.parametrize(("status", "kind"), [(429, "circuit_breaking_exception"), (503, "no_shard_available")])
def test_a_day_that_cannot_be_counted_is_not_taken_for_poorer(
    target: Stream, archive: Archive, opensearch_url: str, status: int, kind: str
) -> None:
    archive.fill(DAY)
    backfilled(target, archive)

    def one_fails(request: Request, forward: Forward) -> Answer:
        items = forward(request).json["responses"]
        return Answer.of_json(200, {"responses": [{"error": {"type": kind}, "status": status}, *items[1:]]})

    with FaultyProxy(opensearch_url) as proxy, OpenSearch(proxy.url) as client:
        proxy.add(one_fails, path="_msearch")
        index = target.dataset.raw_index(DAY)
        with pytest.raises(TransientError, match=rf"{index} cannot be counted right now \({kind}\)"):
            Backfill(client, target.dataset, lambda: archive.s3).plan(None, DAY, DAY)


@pytest.mark.long
def test_a_day_of_which_a_shard_is_away_is_not_taken_for_poorer(
    target: Stream, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opensearch_strata.workflows.backfill.losses.refresh_days", lambda *_: None)  # takes a minute
    archive.fill(DAY)
    backfilled(target, archive)
    index = target.dataset.raw_index(DAY)
    target.client.indices.delete(index=index)
    settings = {"number_of_shards": 2, "routing.allocation.total_shards_per_node": 1}  # there is one node
    target.client.indices.create(index=index, body={"settings": settings}, params={"wait_for_active_shards": "0"})
    with pytest.raises(TransientError, match=f"{index} cannot be counted right now"):
        plan(target, archive)


def test_a_day_that_is_closed_is_refused(target: Stream, archive: Archive) -> None:
    archive.fill(DAY)
    backfilled(target, archive)
    index = target.dataset.raw_index(DAY)
    target.client.indices.close(index=index)
    with pytest.raises(Refused, match=f"{index} is closed, so its documents cannot be counted"):
        plan(target, archive)


def test_a_day_made_anew_whose_documents_were_there_before_its_load_is_loaded_again(
    target: Stream, archive: Archive
) -> None:
    sent = archive.fill(DAY)
    backfilled(target, archive)
    forget_ledger(target.client, target.dataset.name)
    assert backfilled(target, archive).counts.existed == 240
    target.client.indices.delete(index=target.dataset.raw_index(DAY))
    target.create()
    assert backfilled(target, archive).counts.created == 240
    assert same(held(target, DAY), sent)


def test_days_without_events_have_no_raw_index_afterwards(target: Stream, archive: Archive) -> None:
    archive.fill(DAY)
    before, after = DAY - timedelta(days=1), DAY + timedelta(days=1)
    target.create(before)  # somebody else's, and empty
    assert backfilled(target, archive, before, after).holds
    assert [target.exists(day) for day in (before, DAY, after)] == [True, True, False]
    assert target.blocks(before) == set()


def test_days_that_an_earlier_try_created_and_that_remained_empty_go_too(target: Stream, archive: Archive) -> None:
    archive.fill(DAY)
    ref = Backfill(target.client, target.dataset).write(plan(target, archive, DAY, NEXT))
    target.create(DAY)  # somebody else's
    assert Backfill(target.client, target.dataset).prepare(ref, "test/a") == [target.dataset.raw_index(NEXT)]
    assert Backfill(target.client, target.dataset).prepare(ref, "test/a") == []
    assert Backfill(target.client, target.dataset).end("test/a") == [target.dataset.raw_index(NEXT)]
    assert [target.exists(day) for day in (DAY, NEXT)] == [True, False]


def test_an_empty_day_that_cannot_be_deleted_takes_documents_again(
    target: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = target.create()

    def lost(**_: Any) -> None:
        assert target.blocks() == {"write"}
        raise ConnectionError("the answer was lost")

    monkeypatch.setattr(target.client.indices, "delete", lost)
    with pytest.raises(ConnectionError):
        delete_if_empty(target.client, index, lambda: True)
    assert target.blocks() == set()
    monkeypatch.setattr(target.client.indices, "delete", lambda **_: {"acknowledged": False})
    with pytest.raises(TransientError, match=r"did not confirm that .* is deleted"):
        delete_if_empty(target.client, index, lambda: True)
    assert target.blocks() == set()
    monkeypatch.undo()
    assert delete_if_empty(target.client, index, lambda: True)
    assert not target.exists()
    assert not delete_if_empty(target.client, index, lambda: True)


def test_a_document_that_comes_before_the_block_saves_an_empty_day(
    target: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, real = target.create(), target.client.indices.add_block

    def producer_is_faster(**asked: Any) -> Any:
        target.client.index(index=index, body={"device": "late"})
        return real(**asked)

    monkeypatch.setattr(target.client.indices, "add_block", producer_is_faster)
    assert not delete_if_empty(target.client, index, lambda: True)
    assert target.exists()
    assert target.blocks() == set()


def test_an_empty_day_whose_block_is_somebody_elses_keeps_it(target: Stream) -> None:
    index = target.create()
    target.set_block("write", True)
    assert not delete_if_empty(target.client, index, lambda: True)
    assert target.blocks() == {"write"}


@pytest.mark.parametrize("at", ["begin", "under the block"])
def test_an_empty_day_that_another_run_registers_for_stays(
    target: Stream, archive: Archive, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Whenever the other one comes: it takes part, or makes the day anew."""
    archive.fill(DAY)
    ref = Backfill(target.client, target.dataset).write(plan(target, archive))
    ledger = Ledger(target.client, target.dataset.name)
    created = Backfill(target.client, target.dataset).prepare(ref, "test/a")
    real, index = target.client.indices.add_block, target.dataset.raw_index(DAY)

    def comes_meanwhile(**asked: Any) -> Any:
        if at == "under the block":
            answer = real(**asked)
            under_load.register(ledger, [index], "test/b")
            return answer
        under_load.register(ledger, [index], "test/b")
        return real(**asked)

    monkeypatch.setattr(target.client.indices, "add_block", comes_meanwhile)
    assert Backfill(target.client, target.dataset).end("test/a") == []
    monkeypatch.undo()
    assert target.blocks() == set()
    assert _settings(target)["refresh_interval"] == "-1"
    Backfill(target.client, target.dataset).prepare(ref, "test/b")
    Backfill(target.client, target.dataset, lambda: archive.s3).load(
        ref, 0, "test/b", settings=LoadSettings()
    ).require_success()
    assert Backfill(target.client, target.dataset).end("test/b") == []
    assert created == [index]
    assert len(held(target, DAY)) == 240
    assert "refresh_interval" not in _settings(target)


def test_days_of_a_run_that_waits_for_a_worker_stay_whoever_ends(
    target: Stream, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leases of objects are long over; nobody renews anything between two tasks."""
    monkeypatch.setattr(Ledger.__init__, "__kwdefaults__", {**(Ledger.__init__.__kwdefaults__ or {}), "lease": 0.1})
    archive.fill(DAY)
    archive.fill(NEXT)
    one = Backfill(target.client, target.dataset).write(plan(target, archive, DAY, DAY))
    other = Backfill(target.client, target.dataset).write(plan(target, archive, NEXT, NEXT))
    Backfill(target.client, target.dataset).prepare(other, "test/waits")
    Backfill(target.client, target.dataset).prepare(one, "test/a")
    time.sleep(0.2)
    assert Backfill(target.client, target.dataset).end("test/a") == [target.dataset.raw_index(DAY)]
    assert target.exists(NEXT)
    plan(target, archive, DAY, DAY)
    assert target.exists(NEXT)
    assert Backfill(target.client, target.dataset).end("test/waits") == [target.dataset.raw_index(NEXT)]


def test_a_day_that_an_event_came_for_is_empty_for_nobody(target: Stream, archive: Archive) -> None:
    """Nor for a user from whom a rule of the security plugin hides every document: the shards are asked as well."""
    archive.fill(DAY)
    ref = Backfill(target.client, target.dataset).write(plan(target, archive))
    Backfill(target.client, target.dataset).prepare(ref, "test/a")
    index = target.dataset.raw_index(DAY)
    target.client.index(index=index, body={"device": "d1"}, params={"refresh": "true"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("opensearch_strata.workflows.backfill.empty_days.decisive.count", lambda *_: 0)
        assert Backfill(target.client, target.dataset).end("test/a") == []
    assert target.exists()


def test_plans_of_dead_runs_are_forgotten_in_the_end(target: Stream, archive: Archive) -> None:
    archive.fill(DAY)
    old = replace(plan(target, archive), plan_id="20200101T000000000000-00000000")
    older = Backfill(target.client, target.dataset).write(old)
    fresh = Backfill(target.client, target.dataset).write(plan(target, archive))
    Backfill(target.client, target.dataset).write(plan(target, archive))
    plans = Plans(Ledger(target.client, target.dataset.name))
    assert len(plans.batch(fresh.plan_id, 0)) == 4
    with pytest.raises(Refused, match="is not in the ledger"):
        plans.batch(older.plan_id, 0)


def test_a_day_that_is_there_is_loaded_with_its_settings_as_they_are(target: Stream, archive: Archive) -> None:
    archive.fill(DAY)
    index = target.create()
    target.client.indices.put_settings(index=index, body={"index.refresh_interval": "7s"})
    before = _settings(target)
    ref = Backfill(target.client, target.dataset).write(plan(target, archive))
    Backfill(target.client, target.dataset).prepare(ref, "test/a")
    Backfill(target.client, target.dataset, lambda: archive.s3).load(
        ref, 0, "test/a", settings=LoadSettings()
    ).require_success()
    assert _settings(target) == before
    Backfill(target.client, target.dataset).end("test/a")
    assert _settings(target) == before


def prepare_and_die(target: Stream, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the day up for loading, with a registration that is over at once."""
    ref = Backfill(target.client, target.dataset).write(plan(target, archive))
    with monkeypatch.context() as patched:
        patched.setattr(under_load, "_lease", lambda *_: 0.0)
        Backfill(target.client, target.dataset).prepare(ref, "test/killed")


def test_what_a_killed_run_left_is_given_back_by_the_next_plan(
    target: Stream, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.fill(DAY)
    prepare_and_die(target, archive, monkeypatch)
    assert _settings(target)["refresh_interval"] == "-1"
    target.client.index(index=target.dataset.raw_index(DAY), body={"device": "d1"})
    plan(target, archive)
    assert "refresh_interval" not in _settings(target)


def test_an_empty_day_that_a_killed_run_left_is_deleted_by_the_next_plan(
    target: Stream, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.fill(DAY)
    prepare_and_die(target, archive, monkeypatch)
    plan(target, archive)
    assert not target.exists()
    assert ledger_of(target.client, target.dataset.name, "settings") == []


def test_a_day_that_still_refuses_its_settings_keeps_no_other_from_being_planned(
    target: Stream, archive: Archive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    archive.fill(DAY)
    prepare_and_die(target, archive, monkeypatch)
    target.client.index(index=target.dataset.raw_index(DAY), body={"device": "d1"})
    target.set_block("read_only", True)
    assert plan(target, archive).amount.objects == 4
    assert f"cannot be undone in {target.dataset.raw_index(DAY)}: " in caplog.text
    target.set_block("read_only", None)


def _settings(target: Stream) -> dict[str, Any]:
    index = target.dataset.raw_index(DAY)
    return dict(target.client.indices.get_settings(index=index)[index]["settings"]["index"])


def test_a_load_that_waits_for_long_keeps_its_settings(
    target: Stream, archive: Archive, opensearch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.fill(DAY)
    defaults = {**(Ledger.__init__.__kwdefaults__ or {}), "lease": 1.2, "day_lease": 1.2}
    monkeypatch.setattr(Ledger.__init__, "__kwdefaults__", defaults)
    ref = Backfill(target.client, target.dataset).write(plan(target, archive))
    Backfill(target.client, target.dataset).prepare(ref, "test/slow")
    waiting, go_on = threading.Event(), threading.Event()

    def slow(request: Request, forward: Forward) -> Answer:
        if request.path == "/_bulk":
            waiting.set()
            go_on.wait(20)
        return forward(request)

    with FaultyProxy(opensearch_url) as proxy, OpenSearch(proxy.url) as client, ThreadPoolExecutor(1) as pool:
        proxy.add(slow)
        job = pool.submit(
            Backfill(client, target.dataset, lambda: archive.s3).load,
            ref,
            0,
            "test/slow",
            settings=LoadSettings(renew_every=0.3),
        )
        try:
            assert waiting.wait(20)
            time.sleep(2)
            plan(target, archive)
            assert _settings(target)["refresh_interval"] == "-1"
        finally:
            go_on.set()
        assert job.result(20).counts.created == 240
    Backfill(target.client, target.dataset).end("test/slow")


def test_what_does_not_fit_on_the_disk_is_refused(
    target: Stream, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.fill(DAY)
    monkeypatch.setattr("opensearch_strata.archive.planning.load_estimate.DISK_SHARE", 1e12)
    with pytest.raises(Refused, match=r"need about .* on the disks .* Nothing was loaded\. Use a shorter range"):
        Backfill(target.client, target.dataset).write(plan(target, archive))
    assert ledger_of(target.client, target.dataset.name) == []


def test_a_plan_survives_the_way_through_json(target: Stream, archive: Archive) -> None:
    archive.fill(DAY)
    ref = Backfill(target.client, target.dataset).write(plan(target, archive, DAY, NEXT))
    assert PlanRef.of_json(ref.as_json()) == ref
    assert ref.days == [DAY, NEXT]


def test_a_plan_that_is_forgotten_is_not_loaded(target: Stream, archive: Archive) -> None:
    archive.fill(DAY)
    ref = Backfill(target.client, target.dataset).write(plan(target, archive))
    Backfill(target.client, target.dataset).forget(ref)
    with pytest.raises(Refused, match=r"Batch 0 of plan .* is not in the ledger .* Plan again"):
        Backfill(target.client, target.dataset, lambda: archive.s3).load(ref, 0, "test/b", settings=LoadSettings())


def test_nothing_says_where_the_archive_is(stream: Stream, archive: Archive) -> None:
    with pytest.raises(DefinitionError, match=r"does not name an archive\. Give one, s3://bucket/prefix/, or set"):
        Backfill(stream.client, stream.dataset, lambda: archive.s3).plan(None, DAY, DAY)


# --- What becomes of the days


def loaded(target: Stream, archive: Archive, count: int = 240) -> list[Document]:
    sent = archive.fill(DAY, count)
    assert backfilled(target, archive).holds
    return sent


def settle(target: Stream, then: Any, now: datetime = NOW) -> Any:
    return settle_day(target.client, target.dataset, DAY, then, now)


def test_a_day_is_condensed_and_stays(target: Stream, archive: Archive) -> None:
    loaded(target, archive)
    settled = settle(target, "condense")
    assert (settled.outcome, settled.documents, settled.note) == ("condensed", 240, "")
    assert settled.rows == len(target.rows())
    assert_verified(target)


def said(target: Stream) -> dict[str, Any]:
    """The rows but for the raw index that they came from."""
    return {identity: {**row, RAW_UUID: None} for identity, row in target.rows().items()}


def test_a_day_is_condensed_and_dropped_and_can_come_back(target: Stream, archive: Archive) -> None:
    sent = loaded(target, archive)
    assert settle(target, "condense_and_drop").outcome == "dropped"
    assert not target.exists()
    index = target.dataset.raw_index(DAY)
    assert plan(target, archive).again == {index: "was retired: condensed, proven and deleted"}
    rows = said(target)
    assert len(rows) > 60
    assert backfilled(target, archive).counts.created == 240
    assert same(held(target, DAY), sent)
    assert settle(target, "condense_and_drop").outcome == "dropped"
    assert said(target) == rows


@pytest.mark.parametrize("then", ["condense", "condense_and_drop"])
def test_a_day_that_was_dropped_before_is_told_as_dropped(target: Stream, then: Any) -> None:
    target.fill(DAY)
    first = settle(target, "condense_and_drop")
    again = settle(target, then)
    assert (again.outcome, again.documents, again.rows) == ("dropped", 240, first.rows)
    assert again.note == (
        f"{target.dataset.raw_index(DAY)} was deleted earlier; history carries its 240 documents in {first.rows} rows."
    )


def test_a_day_inside_the_window_stays_raw(target: Stream, archive: Archive) -> None:
    loaded(target, archive)
    settled = settle(target, "condense_and_drop", NOW - timedelta(days=50))
    assert settled.outcome == "condensed"
    assert "is inside the window of 60 days" in settled.note
    assert target.exists()


def test_history_never_gets_poorer(target: Stream, archive: Archive) -> None:
    target.condensed(count=240)
    target.client.indices.delete(index=target.dataset.raw_index(DAY))
    rows = target.rows()
    loaded(target, archive, count=100)
    (settled,) = settle_days(target.client, target.dataset, [DAY], "condense_and_drop", NOW)
    assert settled.outcome == "failed"
    assert "condensing it would make history poorer" in settled.note
    assert target.rows() == rows
    assert len(held(target, DAY)) == 100


def test_a_day_without_a_raw_index_is_nothing_to_settle(target: Stream) -> None:
    settled = settle(target, "condense_and_drop")
    assert settled.outcome == "nothing"
    assert settled.note.endswith("does not exist: the archive has no events for it.")


def test_days_that_are_not_over(target: Stream) -> None:
    midday = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)
    require_settleable(target.dataset, DAY, "keep", midday)
    with pytest.raises(Refused, match=f"{NEXT} is in the future; nothing was done. The newest day is {DAY}"):
        require_settleable(target.dataset, NEXT, "keep", midday)
    with pytest.raises(Refused, match=f"{DAY} is not over in UTC"):
        require_settleable(target.dataset, DAY, "condense", midday)
    with pytest.raises(Refused, match=f"{DAY} is not over in UTC"):
        settle(target, "condense", midday)
