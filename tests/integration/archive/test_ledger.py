"""The ledger on a real node: who may load what, and what becomes of it when the ledger itself fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier, Timer
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionTimeout, TransportError

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger import index as ledger_index_module
from opensearch_strata.archive.ledger import store as ledger_module
from opensearch_strata.archive.ledger.index import Change
from opensearch_strata.archive.ledger.loads import Counts
from opensearch_strata.archive.ledger.mapping import MAPPINGS, PROPERTIES
from opensearch_strata.archive.ledger.plans import Plans
from opensearch_strata.archive.ledger.row_documents import ledger_row_id, source_of
from opensearch_strata.archive.ledger.rows import LeaseLost, ObjectRow
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.store.objects import ListedObject
from opensearch_strata.connections.processes import this_process
from opensearch_strata.connections.removals import Removals
from opensearch_strata.connections.safe_settings import SAFE
from opensearch_strata.errors import Refused, TransientError
from tests.ledgers import ledger_index, place

SPAN = (1_000, 2_000)
WIDER = (500, 2_000)


@pytest.fixture
def index(client: OpenSearch) -> Iterator[str]:
    with ledger_index(client) as name:
        yield name


@pytest.fixture
def ledger(client: OpenSearch, index: str) -> Ledger:
    """A ledger that gives up soon."""
    made = Ledger(client, "logs", index=index, patience=5)
    made.ensure()
    return made


def claim(ledger: Ledger, *places: Place, owner: str = "a", span: tuple[int, int] = SPAN) -> list[ObjectRow]:
    return ledger.claim([(one, 100) for one in places], span, owner).claimed


def done(row: ObjectRow, **changes: Any) -> ObjectRow:
    return replace(row, state="done", **changes)


def refresh(client: OpenSearch, index: str) -> None:
    client.indices.refresh(index=index)


# --- Claims


def test_a_new_object_is_claimed_and_busy_for_others(ledger: Ledger) -> None:
    (row,) = claim(ledger, place())
    assert (row.state, row.owner, row.attempt, row.size, row.span, row.resume) == ("running", "a", 1, 100, SPAN, 0)
    others = ledger.claim([(place(), 100)], SPAN, "b")
    assert others.claimed == []
    assert others.busy == [row]
    assert ledger.rows([place(), place(1)]) == {place(): row}


def test_an_object_listed_twice_is_claimed_once(ledger: Ledger) -> None:
    assert len(claim(ledger, place(), place())) == 1


def test_a_loader_that_claims_again_does_not_get_its_own_object_twice(ledger: Ledger) -> None:
    (row,) = claim(ledger, place())
    assert ledger.claim([(place(), 100)], SPAN, "a").busy == [row]


def test_a_row_keeps_all_that_it_says(ledger: Ledger) -> None:
    (row,) = claim(ledger, place())
    counts = Counts(read=10, created=4, existed=3, filtered=2, dead=1)
    said = replace(
        row,
        counts=counts,
        days={"logs-2024.05.06": 4},
        there={"logs-2024.05.06": 1, "logs-2024.05.07": 2},
        samples=("logs-2024.05.06/abc",),
        resume=7,
        format="cloudwatch",
        layers=("gzip", "gzip"),
        bytes_in=99,
        seconds=1.5,
        error="Ends early. " * 100,
    )
    (renewed,) = ledger.renew([said])
    assert replace(renewed, lease_until=0, seq_no=None) == replace(said, lease_until=0, seq_no=None)
    assert ledger.rows([place()]) == {place(): renewed}


def test_a_done_object_is_done_for_narrower_ranges_only(ledger: Ledger) -> None:
    (row,) = ledger.finish([done(claim(ledger, place())[0], counts=Counts(5, 5), days={"logs-1": 5})])
    assert ledger.claim([(place(), 100)], SPAN, "b").done == [row]
    assert ledger.claim([(place(), 100)], (1_100, 1_900), "b").done == [row]
    (again,) = claim(ledger, place(), span=WIDER, owner="b")
    assert (again.attempt, again.span, again.counts, again.days) == (2, WIDER, Counts(), {})


def test_an_object_stays_done_for_a_range_while_others_load_another_one(ledger: Ledger) -> None:
    beyond = (2_000, 3_000)
    ledger.finish([done(claim(ledger, place())[0], counts=Counts(5, 5), days={"logs-1": 5})])
    (running,) = claim(ledger, place(), owner="b", span=beyond)
    assert ledger.claim([(place(), 100)], SPAN, "c").done == [running]
    assert ledger.claim([(place(), 100)], beyond, "c").busy == [running]
    (both,) = ledger.finish([done(running, counts=Counts(3, 3), days={"logs-2": 3})])
    assert ledger.claim([(place(), 100)], (1_000, 3_000), "c").done == [both]
    assert ledger.rows([place()]) == {place(): both}
    assert ledger.created_by_day() == {"logs-1": 5, "logs-2": 3}


def test_the_same_key_with_another_etag_has_a_row_of_its_own(ledger: Ledger) -> None:
    ledger.finish([done(claim(ledger, place())[0])])
    (rewritten,) = claim(ledger, place(etag="e2"))
    assert rewritten.attempt == 1
    assert {row.state for row in ledger.rows([place(), place(etag="e2")]).values()} == {"done", "running"}


def test_datasets_do_not_share_rows(ledger: Ledger, client: OpenSearch, index: str) -> None:
    claim(ledger, place())
    assert claim(Ledger(client, "other", index=index), place())


@pytest.mark.parametrize(("state", "resume"), [("failed", 7), ("quarantined", 0)])
def test_what_did_not_work_is_free_again(ledger: Ledger, state: Any, resume: int) -> None:
    (row,) = claim(ledger, place())
    ledger.finish([replace(row, state=state, resume=7, counts=Counts(7, 7), error="Broken.")])
    (again,) = claim(ledger, place(), owner="b")
    assert (again.state, again.attempt, again.resume, again.error) == ("running", 2, resume, "")
    assert again.counts.read == resume


def test_many_objects_need_few_requests(ledger: Ledger) -> None:
    places = [place(number) for number in range(2_500)]
    began = time.monotonic()
    rows = ledger.finish([done(row) for row in ledger.renew(claim(ledger, *places))])
    assert [row.place for row in rows] == places
    assert len(ledger.claim([(one, 100) for one in places], SPAN, "b").done) == 2_500
    assert time.monotonic() - began < 30


def test_long_keys_have_rows(ledger: Ledger, client: OpenSearch, index: str) -> None:
    places = [Place("archive", "\u0000ä" * 300 + f"{number}", "e") for number in range(2)]
    assert [row.place for row in claim(ledger, *places)] == places
    refresh(client, index)
    assert client.count(index=index, body={"query": {"term": {"key": places[0].key}}})["count"] == 1


# --- Leases


def test_an_expired_lease_is_taken_over_where_it_stood(client: OpenSearch, index: str) -> None:
    short = Ledger(client, "logs", index=index, lease=0.05)
    (row,) = claim(short, place())
    (row,) = short.renew([replace(row, resume=40, counts=Counts(40, 30, 10), days={"logs-1": 30})])
    time.sleep(0.06)
    (taken,) = claim(short, place(), owner="b")
    assert (taken.owner, taken.attempt, taken.resume, taken.days) == ("b", 2, 40, {"logs-1": 30})
    assert taken.counts == Counts(40, 30, 10)


def test_what_was_interrupted_for_another_range_starts_from_the_beginning(client: OpenSearch, index: str) -> None:
    short = Ledger(client, "logs", index=index, lease=0.05)
    short.renew([replace(claim(short, place())[0], resume=40, counts=Counts(40, 40), samples=("logs-1/a",))])
    time.sleep(0.06)
    (taken,) = claim(short, place(), owner="b", span=(1_100, 1_900))
    assert (taken.attempt, taken.resume, taken.counts, taken.samples) == (2, 0, Counts(), ())
    assert taken.span == (1_100, 1_900)


def test_a_renewed_lease_holds(client: OpenSearch, index: str) -> None:
    short = Ledger(client, "logs", index=index, lease=1)
    rows = claim(short, place())
    time.sleep(0.6)
    short.renew(rows)
    time.sleep(0.6)
    assert claim(short, place(), owner="b") == []


@pytest.mark.parametrize("late", ["renew", "finish"])
def test_who_lost_a_lease_cannot_write_any_more(client: OpenSearch, index: str, late: str) -> None:
    short = Ledger(client, "logs", index=index, lease=0.05)
    rows = claim(short, place(), place(1))
    time.sleep(0.06)
    (taken,) = claim(short, place(), owner="b")
    with pytest.raises(LeaseLost, match=r"logs/2024/05/06/00000.gz \(now b, attempt 2\)") as lost:
        getattr(short, late)([done(row) for row in rows])
    assert [row.place for row in lost.value.lost] == [place()]
    assert [row.place for row in lost.value.held] == [place(1)]
    assert short.rows([place()]) == {place(): taken}
    assert short.finish([done(lost.value.held[0])])


def test_a_stale_renewal_does_not_reopen_a_finished_row(ledger: Ledger) -> None:
    (row,) = claim(ledger, place())
    ledger.finish([done(row)])
    with pytest.raises(LeaseLost):
        ledger.renew([row])
    assert ledger.rows([place()])[place()].state == "done"


def test_only_final_states_finish(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="no final state"):
        ledger.finish(claim(ledger, place()))


def test_claimers_at_once_share_the_objects(ledger: Ledger) -> None:
    objects = [(place(number), 100) for number in range(400)]
    start = Barrier(4)

    def all_of_them(owner: str) -> tuple[set[Place], set[Place]]:
        start.wait()
        claims = ledger.claim(objects, SPAN, owner)
        return {row.place for row in claims.claimed}, {row.place for row in claims.busy}

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(all_of_them, "abcd"))
    claimed = [one for mine, _ in outcomes for one in mine]
    assert sorted(claimed) == sorted(one for one, _ in objects)
    assert all(len(mine) + len(busy) == 400 for mine, busy in outcomes)


def test_claimers_of_expired_rows_at_once_share_them(client: OpenSearch, index: str) -> None:
    objects = [(place(number), 100) for number in range(400)]
    Ledger(client, "logs", index=index, lease=0).claim(objects, SPAN, "dead")
    start = Barrier(4)

    def all_of_them(owner: str) -> list[ObjectRow]:
        start.wait()
        return Ledger(client, "logs", index=index).claim(objects, SPAN, owner).claimed

    with ThreadPoolExecutor(4) as pool:
        claimed = [row for rows in pool.map(all_of_them, "abcd") for row in rows]
    assert sorted(row.place for row in claimed) == sorted(one for one, _ in objects)
    assert {row.attempt for row in claimed} == {2}


# --- Plans


def listed(number: int) -> ListedObject:
    return ListedObject(place(number), 10 * number, 1_700_000_000_000 + number)


def test_batches_of_a_plan_come_back(ledger: Ledger) -> None:
    batches = [[listed(1), listed(2)], [listed(3)], []]
    Plans(ledger).write("p1", batches)
    assert [Plans(ledger).batch("p1", number) for number in range(3)] == batches


def test_a_plan_that_is_written_again_replaces_the_first(ledger: Ledger) -> None:
    Plans(ledger).write("p1", [[listed(1)], [listed(2)], [listed(3)]])
    Plans(ledger).write("p1", [[listed(4)]])
    assert Plans(ledger).batch("p1", 0) == [listed(4)]
    with pytest.raises(Refused, match="Batch 1 of plan 'p1'"):
        Plans(ledger).batch("p1", 1)


def test_a_forgotten_plan_is_gone_and_no_other(ledger: Ledger) -> None:
    Plans(ledger).write("p1", [[listed(1)], [listed(2)]])
    Plans(ledger).write("p2", [[listed(1)]])
    claim(ledger, place())
    assert Plans(ledger).forget("p1") == 2
    with pytest.raises(Refused, match="Plan again"):
        Plans(ledger).batch("p1", 0)
    assert Plans(ledger).batch("p2", 0) == [listed(1)]
    assert ledger.rows([place()])


# --- Days


def loaded(ledger: Ledger, number: int, days: dict[str, int], there: dict[str, int] | None = None) -> ObjectRow:
    counts = Counts(sum(days.values()), sum(days.values()))
    return ledger.finish([done(claim(ledger, place(number))[0], counts=counts, days=days, there=there or {})])[0]


def test_created_documents_are_added_up_by_day(
    ledger: Ledger, client: OpenSearch, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_PAGE", 2)
    loaded(ledger, 1, {"logs-1": 5, "logs-2": 7})
    loaded(ledger, 2, {"logs-1": 11}, {"logs-3": 4})
    ledger.renew([replace(claim(ledger, place(3))[0], days={"logs-4": 1})])
    loaded(Ledger(client, "other", index=index), 4, {"logs-1": 100})
    assert ledger.created_by_day() == {"logs-1": 16, "logs-2": 7, "logs-3": 0, "logs-4": 1}


def test_created_documents_are_told_by_the_index_that_they_were_created_in(
    ledger: Ledger, client: OpenSearch, index: str
) -> None:
    """Of one name there may have been several: a day was loaded, deleted and restored."""
    former, present, other = ({"logs-1": Removals(uuid, 0)} for uuid in ("former", "present", "other"))
    (row,) = claim(ledger, place(1))
    ledger.finish([done(row, days={"logs-1": 5, "logs-2": 7}, removals=former)])
    (row,) = claim(ledger, place(1), span=(2_000, 3_000))
    ledger.finish([done(row, days={"logs-1": 3}, removals=present)])
    (row,) = claim(ledger, place(2))
    ledger.finish([replace(row, state="failed", days={"logs-1": 2}, removals=other)])
    claim(ledger, place(2), span=WIDER)  # a failed load is not kept, but what it created is
    (row,) = claim(Ledger(client, "other", index=index), place(3))
    Ledger(client, "other", index=index).finish([done(row, days={"logs-1": 100}, removals=present)])
    assert ledger.created_by_day() == {"logs-1": 10, "logs-2": 7}
    assert ledger.created_by_uuid(["logs-1"]) == {"logs-1": {"former": 5, "present": 3, "": 2}}
    assert ledger.created_by_uuid(["logs-2", "logs-3"]) == {"logs-2": {"": 7}, "logs-3": {}}


def test_objects_of_days_that_are_gone_are_loaded_again(ledger: Ledger) -> None:
    loaded(ledger, 1, {"logs-1": 5, "logs-2": 7})
    loaded(ledger, 2, {"logs-2": 5}, {"logs-1": 1})
    loaded(ledger, 3, {"logs-2": 5})
    running = ledger.renew([replace(claim(ledger, place(4))[0], days={"logs-1": 1})])
    assert ledger.forget_days(["logs-1"]) == 2
    claims = ledger.claim([(place(number), 1) for number in (1, 2, 3, 4)], SPAN, "b")
    assert [row.place for row in claims.claimed] == [place(1), place(2)]
    assert [row.place for row in claims.done] == [place(3)]
    assert claims.busy == running


def test_days_that_are_gone_leave_the_loads_of_others(ledger: Ledger) -> None:
    loaded(ledger, 1, {"logs-1": 5})
    (row,) = claim(ledger, place(1), span=(2_000, 3_000))
    ledger.finish([done(row, counts=Counts(3, 2, 1), days={"logs-2": 2}, there={"logs-3": 1})])
    assert ledger.forget_days(["logs-3", "logs-4"]) == 1
    assert ledger.created_by_day() == {"logs-1": 5, "logs-2": 2}
    assert ledger.rows([place(1)])[place(1)].is_done_for(SPAN)
    assert [row.place for row in claim(ledger, place(1), span=(2_000, 3_000))] == [place(1)]


def test_days_of_many_objects_are_forgotten_page_by_page(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "_PAGE", 2)
    monkeypatch.setattr(ledger_index_module, "_PAGE", 3)
    for number in range(7):
        loaded(ledger, number, {"logs-1": 5, "logs-2": 1} if number % 2 else {"logs-1": 5})
    assert ledger.forget_days(["logs-1"]) == 7
    assert ledger.created_by_day() == {"logs-2": 3}
    assert ledger.forget_days(["logs-1"]) == 0


@pytest.mark.parametrize("state", ["running", "failed"])
def test_a_late_loader_does_not_go_on_behind_documents_that_are_gone(
    client: OpenSearch, index: str, state: Any
) -> None:
    short = Ledger(client, "logs", index=index, lease=0.05)
    short.ensure()
    loaded(short, 1, {"logs-1": 5})
    (late,) = short.renew([replace(row, days={"logs-2": 3}, resume=3) for row in claim(short, place(1), span=(5, 9))])
    time.sleep(0.06)
    assert short.forget_days(["logs-2"]) == 1
    with pytest.raises(LeaseLost):
        short.renew([late]) if state == "running" else short.finish([replace(late, state=state)])
    assert [row.resume for row in claim(short, place(1), span=(5, 9))] == [0]


def test_rows_that_say_nothing_without_a_day_are_deleted(ledger: Ledger) -> None:
    loaded(ledger, 1, {"logs-1": 5})
    assert ledger.forget_days(["logs-1"]) == 1
    assert ledger.rows([place(1)]) == {}
    assert ledger.created_by_day() == {}


def test_an_empty_ledger_has_no_days(client: OpenSearch, index: str) -> None:
    absent = Ledger(client, "logs", index=index)
    assert absent.created_by_day() == {}
    assert absent.forget_days(["logs-1"]) == 0
    assert Plans(absent).forget("p") == 0
    assert absent.rows([place()]) == {}


# --- Requests


@given(st.lists(st.integers(0, 900), max_size=60))
@settings(max_examples=50)
def test_requests_are_small_and_hold_all_changes(lengths: list[int]) -> None:
    changes = [Change(f"{number}", {"key": "x" * length}) for number, length in enumerate(lengths)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger_index_module, "_ITEMS", 7)
        patch.setattr(ledger_index_module, "_BYTES", 2_000)
        parts = list(ledger_index_module._parts(changes))
    assert [change for part in parts for change in part] == changes
    assert all(0 < len(part) <= 7 for part in parts)
    assert all(sum(len(change.lines) for change in part) <= 2_000 for part in parts)


# --- Faults of the ledger itself


def properties(client: OpenSearch, index: str) -> Any:
    return client.indices.get_mapping(index=index)[index]["mappings"]


def test_an_index_that_is_deleted_comes_back_as_it_was(ledger: Ledger, client: OpenSearch, index: str) -> None:
    before = properties(client, index)
    rows = claim(ledger, place(), place(1))
    client.indices.delete(index=index)
    rows = ledger.renew([replace(row, resume=3) for row in rows])
    assert [row.resume for row in ledger.rows([place(), place(1)]).values()] == [3, 3]
    client.indices.delete(index=index)
    ledger.finish([done(row) for row in rows])
    assert len(ledger.claim([(place(), 1), (place(1), 1)], SPAN, "b").done) == 2
    assert properties(client, index) == before
    assert before["dynamic"] == "strict"


def test_rows_that_are_gone_are_claimed_anew(ledger: Ledger, client: OpenSearch, index: str) -> None:
    ledger.finish([done(claim(ledger, place())[0])])
    client.indices.delete(index=index)
    assert [row.attempt for row in claim(ledger, place())] == [1]


def test_a_row_that_is_gone_and_claimed_by_another_is_lost(ledger: Ledger, client: OpenSearch, index: str) -> None:
    rows = claim(ledger, place())
    client.indices.delete(index=index)
    assert claim(ledger, place(), owner="b")
    with pytest.raises(LeaseLost):
        ledger.renew(rows)


def test_an_index_that_nothing_creates_by_itself_is_created(ledger: Ledger, client: OpenSearch, index: str) -> None:
    setting = "action.auto_create_index"
    rows = claim(ledger, place())
    client.indices.delete(index=index)
    client.cluster.put_settings(body={"persistent": {setting: f"-{index},+*"}})
    try:
        assert ledger.renew(rows)
    finally:
        client.cluster.put_settings(body={"persistent": {setting: None}})
    assert properties(client, index)["dynamic"] == "strict"


@pytest.mark.parametrize("block", ["write", "read_only", "read_only_allow_delete"])
def test_a_blocked_index_is_waited_for(ledger: Ledger, client: OpenSearch, index: str, block: str) -> None:
    setting = f"index.blocks.{block}"
    rows = claim(ledger, place())
    client.indices.put_settings(index=index, body={setting: True})
    lift = Timer(0.5, client.indices.put_settings, kwargs={"index": index, "body": {setting: None}})
    lift.start()
    began = time.monotonic()
    assert ledger.renew(rows)
    assert time.monotonic() - began > 0.4
    lift.join()


def test_an_index_that_stays_blocked_is_given_up(client: OpenSearch, index: str) -> None:
    hasty = Ledger(client, "logs", index=index, patience=0.3)
    hasty.ensure()
    client.indices.put_settings(index=index, body={"index.blocks.write": True})
    with pytest.raises(
        TransientError, match=rf"{index} could not be used for 0.3 s: .*FORBIDDEN/8.*blocks.write to null"
    ):
        hasty.claim([(place(), 1)], SPAN, "a")
    client.indices.put_settings(index=index, body={"index.blocks.write": None})
    assert claim(hasty, place())


def test_too_many_requests_are_sent_again(ledger: Ledger, client: OpenSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [TransportError(429, "rejected", {}), TransportError(503, "busy", {})]
    send = client.transport.perform_request

    def grudging(*args: Any, **options: Any) -> Any:
        if faults:
            raise faults.pop()
        return send(*args, **options)

    monkeypatch.setattr(client.transport, "perform_request", grudging)
    assert claim(ledger, place())
    assert faults == []


def test_items_that_are_refused_for_now_are_sent_again(
    ledger: Ledger, client: OpenSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    bulk = client.bulk

    def half(body: bytes, **options: Any) -> Any:
        lines = body.splitlines()
        sent.append(len(lines) // 2)
        if len(sent) > 1:
            return bulk(body=body, **options)
        answer = bulk(body=b"\n".join([*lines[:2], b""]), **options)
        error = {"type": "rejected_execution_exception", "reason": "full"}
        return {"items": [*answer["items"], *[{"create": {"status": 429, "error": error}}] * 2]}

    monkeypatch.setattr(client, "bulk", half)
    assert len(claim(ledger, place(), place(1), place(2))) == 3
    assert sent == [3, 2]


@pytest.mark.parametrize("lost", [1, 2])
def test_writes_whose_answer_is_lost_are_known_for_our_own(
    ledger: Ledger, client: OpenSearch, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    bulk = client.bulk
    calls: list[int] = []

    def unheard(**options: Any) -> Any:
        answer = bulk(**options)
        calls.append(1)
        if len(calls) <= lost:
            raise ConnectionTimeout("TIMEOUT", "no answer", TimeoutError())
        return answer

    monkeypatch.setattr(client, "bulk", unheard)
    rows = claim(ledger, place())
    assert [row.attempt for row in rows] == [1]
    calls.clear()
    rows = ledger.renew([replace(row, resume=5) for row in rows])
    calls.clear()
    ledger.finish([done(row) for row in rows])
    (row,) = ledger.rows([place()]).values()
    assert (row.state, row.resume, row.attempt) == ("done", 5, 1)


def test_a_document_that_cannot_be_read_is_not_a_missing_one(
    ledger: Ledger, client: OpenSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = claim(ledger, place())
    mget = client.mget
    answers = [{"docs": [{"_id": "x", "error": {"type": "no_shard_available_action_exception", "reason": "all down"}}]}]
    monkeypatch.setattr(client, "mget", lambda **options: answers.pop() if answers else mget(**options))
    assert list(ledger.rows([place()]).values()) == rows
    assert answers == []


def test_a_foreign_index_of_that_name_is_refused(client: OpenSearch, index: str) -> None:
    client.indices.create(index=index, body={"mappings": {"properties": {"size": {"type": "date"}}}})
    with pytest.raises(Refused, match=f"{index} cannot be set up: .*Nothing was changed"):
        Ledger(client, "logs", index=index).ensure()


def test_an_index_that_grew_by_itself_is_mapped(client: OpenSearch, index: str) -> None:
    client.indices.create(index=index, body={"settings": {"number_of_replicas": 0}})
    Ledger(client, "logs", index=index).ensure()
    assert properties(client, index)["dynamic"] == "strict"
    assert properties(client, index)["properties"]["days"]["type"] == "nested"


def test_a_ledger_from_before_loads_were_kept_goes_on(client: OpenSearch, index: str) -> None:
    properties_then: Any = {name: body for name, body in PROPERTIES.items() if name != "loads"}
    numbers = {name: body for name, body in PROPERTIES["days"]["properties"].items() if name != "earlier"}
    properties_then["days"] = {"type": "nested", "properties": numbers}
    client.indices.create(index=index, body={"mappings": {"dynamic": "strict", "properties": properties_then}})
    ledger = Ledger(client, "logs", index=index, patience=5)
    loaded(ledger, 1, {"logs-1": 5})  # also by a run that goes on after the change
    assert ledger.created_by_day() == {"logs-1": 5}
    ledger.ensure()
    (row,) = claim(ledger, place(1), span=WIDER)
    ledger.finish([done(row, counts=Counts(6, 1, 5), days={"logs-1": 1}, there={"logs-1": 5})])
    assert ledger.created_by_day() == {"logs-1": 6}
    assert ledger.rows([place(1)])[place(1)].loads[0].days == {"logs-1": 5}
    assert properties(client, index)["properties"] == MAPPINGS["properties"]


def test_what_the_mapping_does_not_take_is_refused(client: OpenSearch, index: str) -> None:
    client.indices.create(index=index, body={"mappings": {"dynamic": "strict"}})
    with pytest.raises(Refused, match=r"rejected a document: strict_dynamic_mapping_exception"):
        claim(Ledger(client, "logs", index=index), place())


def test_every_field_of_a_row_is_mapped(client: OpenSearch, ledger: Ledger, index: str) -> None:
    ledger.finish([done(claim(ledger, place())[0], days={"logs-1": 5}, samples=("logs-1/a",))])
    (row,) = claim(ledger, place(), span=WIDER)
    assert row.loads
    assert client.get(index=index, id=ledger_row_id("logs", place()))["_source"] == source_of("logs", row)
    assert set(source_of("logs", row)) <= set(properties(client, index)["properties"])


# --- What a template or a person set


WEAK = {
    "index.translog.durability": "async",
    "index.default_pipeline": "drops",
    "index.final_pipeline": "drops",
    "index.search.default_pipeline": "hides",
}


def safe(client: OpenSearch, index: str) -> bool:
    found = client.indices.get_settings(index=index, params={"flat_settings": "true"})[index]["settings"]
    return bool(SAFE.items() <= found.items())


def test_a_ledger_is_safe_against_a_template_of_before(client: OpenSearch, index: str) -> None:
    client.indices.put_index_template(
        name=f"{index}-weak", body={"index_patterns": [f"{index}*"], "priority": 5, "template": {"settings": WEAK}}
    )
    try:
        ledger = Ledger(client, "logs", index=index)
        ledger.ensure()
        assert safe(client, index)
        client.indices.delete(index=index)
        claim(ledger, place())
        assert safe(client, index)
    finally:
        client.indices.delete_index_template(name=f"{index}-weak")


@pytest.mark.parametrize("weak", WEAK)
def test_a_weaker_ledger_is_mended(client: OpenSearch, index: str, weak: str) -> None:
    ledger = Ledger(client, "logs", index=index)
    ledger.ensure()
    client.ingest.put_pipeline(id="drops", body={"processors": [{"drop": {}}]})
    client.indices.put_settings(index=index, body={weak: WEAK[weak]})
    ledger.ensure()
    assert safe(client, index)
    assert claim(ledger, place())


# --- Loaders that are dead


def test_what_a_dead_process_of_this_machine_held_is_taken_over_at_once(ledger: Ledger) -> None:
    machine, _, started = this_process().rpartition("/")
    (row,) = claim(ledger, place())
    assert row.process == this_process()
    assert ledger.claim([(place(), 100)], SPAN, "b").busy == [row]
    (killed,) = ledger.renew([replace(row, process=f"{machine}/{int(started) + 1}", resume=7)])
    assert killed.lease_until > ledger_module.now_ms() + 60_000
    (again,) = claim(ledger, place(), owner="b")
    assert (again.attempt, again.resume, again.process) == (2, 7, this_process())


def test_what_a_process_elsewhere_holds_is_waited_for(ledger: Ledger) -> None:
    (row,) = ledger.renew([replace(claim(ledger, place())[0], process="elsewhere/boot/pid:[1]/1/1")])
    assert ledger.claim([(place(), 100)], SPAN, "b").busy == [row]


def test_days_of_objects_that_a_dead_process_held_are_forgotten(ledger: Ledger) -> None:
    machine, _, started = this_process().rpartition("/")
    (row,) = claim(ledger, place())
    said: dict[str, Any] = {"days": {"logs-1": 4}, "counts": Counts(4, 4), "resume": 4}
    (row,) = ledger.renew([replace(row, **said)])
    assert ledger.forget_days(["logs-1"]) == 0
    ledger.renew([replace(row, process=f"{machine}/{int(started) + 1}")])
    assert ledger.forget_days(["logs-1"]) == 1
    (again,) = claim(ledger, place(), owner="b")
    assert (again.resume, again.counts) == (0, Counts())
