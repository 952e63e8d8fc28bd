"""The proof of a backfill on a real node: it holds for what is there, and every kind of loss breaks it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive import reconcile as prove_module
from opensearch_strata.archive.backfill_proof import BackfillCheck, BackfillProof, DayProof
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.loads import Counts
from opensearch_strata.archive.ledger.rows import ObjectRow
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.reconcile import prove_range
from opensearch_strata.archive.targets.raw_indices import documents_in
from opensearch_strata.connections.decisive.states import counts_of_days
from opensearch_strata.connections.removals import Removals
from opensearch_strata.errors import TransientError
from opensearch_strata.presentation.tables import backfill_days_table, backfill_problems_table, backfill_proof_table
from opensearch_strata.workflows.backfill.verdict import verdict
from tests.ledgers import place
from tests.streams import DAY, Stream

NEXT = DAY + timedelta(days=1)
SPAN = (1_000, 2_000)


def ids(number: int, day: date, count: int) -> list[str]:
    return [f"{number}/{day:%d}/{position}" for position in range(count)]


def write(stream: Stream, number: int, created: dict[date, int]) -> None:
    """Documents of an object, under ids that hold slashes."""
    for day, count in created.items():
        lines = [line for one in ids(number, day, count) for line in ({"create": {"_id": one}}, {"device": "d"})]
        assert not stream.client.bulk(index=stream.dataset.raw_index(day), body=lines)["errors"]


def noted(stream: Stream, days: Iterable[date]) -> dict[str, Removals]:
    """What a loader notes of raw days before it sends them a document; it creates those that are missing."""
    for day in days:
        if not stream.exists(day):
            stream.create(day)
    found = counts_of_days(stream.client, [stream.dataset.raw_index(day) for day in days])
    return {index: count.removals for index, count in found.items() if count}


def said(ledger: Ledger, stream: Stream, number: int, created: dict[date, int], **changes: Any) -> ObjectRow:
    """What a loader writes down of an object with documents."""
    (row,) = ledger.claim([(place(number), 10)], SPAN, "a").claimed
    days = {stream.dataset.raw_index(day): count for day, count in created.items()}
    total = sum(days.values())
    row = replace(
        row,
        state="done",
        counts=Counts(total, total),
        days=days,
        samples=tuple(f"{stream.dataset.raw_index(day)}/{ids(number, day, 1)[0]}" for day in created),
    )
    if "removals" not in changes:
        row = replace(row, removals=noted(stream, [day for day in (DAY, NEXT) if stream.exists(day)]))
    return ledger.finish([replace(row, **changes)])[0]


def load(ledger: Ledger, stream: Stream, number: int, created: dict[date, int], **changes: Any) -> ObjectRow:
    changes = {"removals": noted(stream, created), **changes}
    write(stream, number, created)
    return said(ledger, stream, number, created, **changes)


def failed(proof: BackfillProof) -> dict[str, tuple[str, ...]]:
    assert proof.holds == (not proof.failed)
    return {check.name: check.named for check in proof.failed}


def test_what_is_there_is_proven(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    load(ledger, stream, 1, {DAY: 5, NEXT: 7})
    load(ledger, stream, 2, {DAY: 3}, counts=Counts(8, 3, 0, 4, 1))
    said(ledger, stream, 3, {}, counts=Counts(2, 0, 2), there={stream.dataset.raw_index(DAY): 2})
    proof = prove_range(client, ledger, map(place, (1, 2, 3)), SPAN)
    assert failed(proof) == {}
    assert proof.counts == Counts(22, 15, 2, 4, 1)
    assert proof.days == [
        DayProof(stream.dataset.raw_index(DAY), 8, 2, 8, 8),
        DayProof(stream.dataset.raw_index(NEXT), 7, 0, 7, 7),
    ]
    assert {day.verdict for day in proof.days} == {"verified"}


def test_nothing_is_proven_of_nothing(client: OpenSearch, ledger: Ledger) -> None:
    proof = prove_range(client, ledger, [], SPAN)
    assert failed(proof) == {}
    assert proof.days == []


def test_objects_of_earlier_runs_count_for_their_days(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    load(ledger, stream, 1, {DAY: 5})
    load(ledger, stream, 2, {DAY: 3})
    (day,) = prove_range(client, ledger, [place(1)], SPAN).days
    assert (day.created, day.by_all, day.documents, day.others) == (5, 8, 8, 0)


BEYOND = (2_000, 3_000)


@pytest.mark.parametrize("state", ["running", "failed", "quarantined", "done"])
def test_each_range_is_proven_by_its_own_load(client: OpenSearch, ledger: Ledger, stream: Stream, state: Any) -> None:
    load(ledger, stream, 1, {DAY: 5}, counts=Counts(9, 5, 0, 4))
    removals = noted(stream, [NEXT])
    write(stream, 1, {NEXT: 4})
    (row,) = ledger.claim([(place(1), 10)], BEYOND, "b").claimed
    row = replace(row, counts=Counts(9, 4, 0, 5), days={stream.dataset.raw_index(NEXT): 4}, removals=removals)
    if state == "running":
        ledger.renew([row])
    else:
        ledger.finish([replace(row, state=state)])
    proof = prove_range(client, ledger, [place(1)], SPAN)
    assert (failed(proof), proof.counts) == ({}, Counts(9, 5, 0, 4))
    assert proof.days == [DayProof(stream.dataset.raw_index(DAY), 5, 0, 5, 5)]
    assert prove_range(client, ledger, [place(1)], BEYOND).holds == (state == "done")


def test_a_range_is_proven_by_the_loads_of_its_parts(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    load(ledger, stream, 1, {DAY: 5})
    removals = noted(stream, [NEXT])
    write(stream, 1, {NEXT: 4})
    (row,) = ledger.claim([(place(1), 10)], BEYOND, "b").claimed
    row = replace(row, state="done", counts=Counts(9, 4, 0, 5), days={stream.dataset.raw_index(NEXT): 4})
    ledger.finish([replace(row, removals=removals)])
    proof = prove_range(client, ledger, [place(1)], (1_500, 2_500))
    assert (failed(proof), proof.counts) == ({}, Counts(14, 9, 0, 5))
    assert [(day.created, day.documents) for day in proof.days] == [(5, 5), (4, 4)]
    assert set(failed(prove_range(client, ledger, [place(1)], (1_500, 3_001)))) == {"objects loaded for another range"}


def test_a_sample_of_an_earlier_load_that_is_missing_is_found(
    client: OpenSearch, ledger: Ledger, stream: Stream
) -> None:
    row = load(ledger, stream, 1, {DAY: 5})
    write(stream, 9, {DAY: 1})
    ledger.claim([(place(1), 10)], BEYOND, "b")
    client.delete(index=stream.dataset.raw_index(DAY), id=ids(1, DAY, 1)[0])
    found = failed(prove_range(client, ledger, [place(1)], SPAN))
    assert found["sampled documents that are missing"] == row.samples


def test_documents_of_an_attempt_that_came_to_nothing_count(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    index = stream.dataset.raw_index(DAY)
    load(ledger, stream, 1, {DAY: 5}, state="quarantined")
    said(ledger, stream, 1, {}, counts=Counts(5, 0, 5), there={index: 5})
    proof = prove_range(client, ledger, [place(1)], SPAN)
    assert (failed(proof), proof.days) == ({}, [DayProof(index, 0, 5, 5, 5)])
    client.delete(index=index, id=ids(1, DAY, 5)[4])
    assert "raw days that lost documents" in failed(prove_range(client, ledger, [place(1)], SPAN))


def test_documents_of_others_are_shown_and_allowed(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    load(ledger, stream, 1, {DAY: 5})
    write(stream, 9, {DAY: 4})
    proof = prove_range(client, ledger, [place(1)], SPAN)
    assert failed(proof) == {}
    assert [(day.others, day.verdict) for day in proof.days] == [(4, "verified")]


def test_lost_documents_are_found(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    load(ledger, stream, 1, {DAY: 5, NEXT: 2})
    index = stream.dataset.raw_index(DAY)
    client.delete(index=index, id=ids(1, DAY, 5)[4])
    proof = prove_range(client, ledger, [place(1)], SPAN)
    assert failed(proof) == {"raw days that lost documents": (f"{index}: 5 documents created, 4 found",)}
    assert [day.verdict for day in proof.days] == ["1 lost", "verified"]


def test_documents_lost_of_another_object_are_found_too(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    load(ledger, stream, 1, {DAY: 5})
    said(ledger, stream, 2, {DAY: 1})
    assert "raw days that lost documents" in failed(prove_range(client, ledger, [place(1)], SPAN))


def test_a_day_that_is_gone_is_found(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    row = load(ledger, stream, 1, {DAY: 5, NEXT: 1})
    index = stream.dataset.raw_index(DAY)
    client.indices.delete(index=index)
    proof = prove_range(client, ledger, [place(1)], SPAN)
    assert failed(proof) == {
        "raw days that lost documents": (f"{index}: 5 documents created, 0 found",),
        "sampled documents that are missing": (row.samples[0],),
    }
    assert proof.days[0].verdict == "gone"
    client.indices.create(index=f"{index}-of-others", body={"aliases": {index: {}}})
    client.bulk(index=index, body=[line for one in ids(1, DAY, 5) for line in ({"index": {"_id": one}}, {"device": 1})])
    assert "raw days that lost documents" in failed(prove_range(client, ledger, [place(1)], SPAN))
    client.indices.delete(index=f"{index}-of-others")


def test_a_sample_that_is_missing_is_found(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    row = load(ledger, stream, 1, {DAY: 5})
    write(stream, 9, {DAY: 1})
    index = stream.dataset.raw_index(DAY)
    client.delete(index=index, id=ids(1, DAY, 1)[0])
    assert failed(prove_range(client, ledger, [place(1)], SPAN)) == {
        BROKEN: (f"{index}: 2 operations or more deleted or replaced documents",),
        "sampled documents that are missing": row.samples,
    }


BROKEN = "raw days in which documents were deleted or replaced"


def test_as_many_documents_of_others_never_stand_for_those_that_are_gone(
    client: OpenSearch, ledger: Ledger, stream: Stream
) -> None:
    """The count is the same, and no sample is missing."""
    row = load(ledger, stream, 1, {DAY: 5})
    index = stream.dataset.raw_index(DAY)
    for one in ids(1, DAY, 5)[1:]:
        client.delete(index=index, id=one)
    write(stream, 9, {DAY: 4})
    assert row.samples == (f"{index}/{ids(1, DAY, 1)[0]}",)
    proof = prove_range(client, ledger, [place(1)], SPAN)
    assert failed(proof) == {BROKEN: (f"{index}: 8 operations or more deleted or replaced documents",)}
    assert [(day.documents, day.verdict) for day in proof.days] == [(5, "8 deleted or replaced")]
    assert verdict(proof).startswith(f"NOT proven: {BROKEN} (1): {index}: 8 operations")


def test_a_document_that_is_changed_in_place_is_not_what_was_loaded(
    client: OpenSearch, ledger: Ledger, stream: Stream
) -> None:
    load(ledger, stream, 1, {DAY: 5})
    index = stream.dataset.raw_index(DAY)
    client.update(index=index, id=ids(1, DAY, 5)[2], body={"doc": {"device": "other"}})
    assert failed(prove_range(client, ledger, [place(1)], SPAN)) == {
        BROKEN: (f"{index}: 1 operation or more deleted or replaced documents",)
    }


def test_an_index_that_is_refilled_with_as_many_documents_is_another_one(
    client: OpenSearch, ledger: Ledger, stream: Stream
) -> None:
    load(ledger, stream, 1, {DAY: 5})
    index = stream.dataset.raw_index(DAY)
    client.indices.delete(index=index)
    stream.create()
    write(stream, 1, {DAY: 5})
    proof = prove_range(client, ledger, [place(1)], SPAN)
    assert failed(proof) == {
        "raw days that lost documents": (f"{index}: was deleted and recreated since it was loaded",)
    }
    assert [(day.documents, day.verdict) for day in proof.days] == [(5, "deleted and recreated")]


def test_each_load_is_judged_by_the_index_that_it_was_for(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    """A day was condensed and deleted; late events began it anew, and lost documents since."""
    index = stream.dataset.raw_index(DAY)
    load(ledger, stream, 1, {DAY: 5})
    (former,) = noted(stream, [DAY]).values()
    client.indices.delete(index=index)
    load(ledger, stream, 2, {DAY: 3})
    asked: list[tuple[str, str, int]] = []

    def is_retired(*about: Any) -> bool:
        asked.append(about)
        return True

    places = [place(1), place(2)]
    proof = prove_range(client, ledger, places, SPAN, is_retired=is_retired)
    assert (failed(proof), proof.days[0].verdict) == ({}, "verified")
    assert (index, former.uuid, 5) in asked
    assert prove_range(client, ledger, [place(1)], SPAN, is_retired=is_retired).days[0].verdict.startswith("retired")
    client.delete(index=index, id=ids(2, DAY, 3)[2])
    write(stream, 9, {DAY: 1})
    assert set(failed(prove_range(client, ledger, places, SPAN, is_retired=is_retired))) == {BROKEN}
    lost = failed(prove_range(client, ledger, places, SPAN, is_retired=lambda *about: about[2] is None or about[2] < 5))
    uncarried = (f"{index}: was deleted after documents were created that history does not carry",)
    assert lost["raw days that lost documents"] == uncarried


def test_what_was_noted_of_no_load_is_not_proven(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    load(ledger, stream, 1, {DAY: 5}, removals={})
    index = stream.dataset.raw_index(DAY)
    proof = prove_range(client, ledger, [place(1)], SPAN)
    assert failed(proof) == {BROKEN: (f"{index}: its state before the load is not in the ledger",)}
    assert [day.verdict for day in proof.days] == ["not known"]


@pytest.mark.parametrize(
    ("line", "changes", "named"),
    [
        ("objects that failed", {"state": "failed", "error": "S3 is away."}, "{}: S3 is away."),
        ("objects in quarantine", {"state": "quarantined", "error": "No gzip."}, "{}: No gzip."),
        ("objects loaded for another range", {"span": (1_001, 2_000)}, "{}"),
    ],
)
def test_what_is_not_done_is_named(
    client: OpenSearch, ledger: Ledger, stream: Stream, line: str, changes: dict[str, Any], named: str
) -> None:
    load(ledger, stream, 1, {DAY: 1})
    load(ledger, stream, 2, {DAY: 1}, **changes)
    proof = prove_range(client, ledger, [place(1), place(2)], SPAN)
    assert failed(proof) == {line: (named.format(place(2)),)}
    assert proof.counts == Counts(1, 1)


def test_what_is_being_loaded_is_named(client: OpenSearch, ledger: Ledger) -> None:
    ledger.claim([(place(), 1)], SPAN, "somebody")
    named = (f"{place()}, by somebody, attempt 1",)
    assert failed(prove_range(client, ledger, [place()], SPAN)) == {"objects still being loaded": named}


def test_what_nobody_loaded_is_named_up_to_ten(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    load(ledger, stream, 1, {DAY: 1})
    missing = [place(1, "another version"), *map(place, range(2, 15))]
    (check,) = prove_range(client, ledger, [place(1), *missing], SPAN).failed
    assert check == BackfillCheck("objects that nobody loaded", 0, 14, False, tuple(map(str, missing[:10])))


@pytest.mark.parametrize(
    "changes",
    [
        {"counts": Counts(6, 5)},
        {"counts": Counts(5, 4, 1)},
        {"counts": Counts(5, 5), "there": {"x": 1}},
    ],
)
def test_counts_that_do_not_add_up_are_found(
    client: OpenSearch, ledger: Ledger, stream: Stream, changes: dict[str, Any]
) -> None:
    load(ledger, stream, 1, {DAY: 5}, **changes)
    found = failed(prove_range(client, ledger, [place(1)], SPAN))
    assert str(place(1)) in found["objects whose events do not add up"][0]
    assert ("events read = created + there + filtered + dead" in found) == (changes["counts"].read == 6)


def test_two_wrong_objects_do_not_make_a_right_sum(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    load(ledger, stream, 1, {DAY: 5}, counts=Counts(6, 5))
    load(ledger, stream, 2, {DAY: 5}, counts=Counts(4, 5))
    assert set(failed(prove_range(client, ledger, [place(1), place(2)], SPAN))) == {
        "objects whose events do not add up"
    }


def test_many_objects_are_read_in_parts(
    client: OpenSearch, ledger: Ledger, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prove_module, "_AT_ONCE", 3)
    for number in range(7):
        load(ledger, stream, number, {DAY: 1, NEXT: 1})
    proof = prove_range(client, ledger, map(place, range(8)), SPAN)
    assert failed(proof) == {"objects that nobody loaded": (str(place(7)),)}
    assert proof.counts == Counts(14, 14)


def test_unsearched_documents_are_counted(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    index = stream.create()
    client.indices.put_settings(index=index, body={"index.refresh_interval": "-1"})
    load(ledger, stream, 1, {DAY: 5})
    assert failed(prove_range(client, ledger, [place(1)], SPAN)) == {}


def test_serverless_is_waited_for(
    client: OpenSearch, stream: Stream, ledger_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asks it for a refresh; documents show after a while."""
    ledger = Ledger(client, stream.dataset.name, index=ledger_name, serverless=True)
    index = stream.create()
    client.indices.put_settings(index=index, body={"index.refresh_interval": "-1"})
    load(ledger, stream, 1, {DAY: 5})
    client.indices.refresh(index=ledger_name)
    refresh = client.indices.refresh
    monkeypatch.setattr(client.indices, "refresh", lambda **_: pytest.fail("no such thing on Serverless"))
    monkeypatch.setattr(prove_module, "VISIBLE", 0.2)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    assert "raw days that lost documents" in failed(prove_range(client, ledger, [place(1)], SPAN))
    monkeypatch.setattr(prove_module, "VISIBLE", 60)
    waited: list[float] = []

    def until_visible(seconds: float) -> None:
        waited.append(seconds)
        refresh(index=index)

    monkeypatch.setattr(time, "sleep", until_visible)
    assert failed(prove_range(client, ledger, [place(1)], SPAN)) == {}
    assert len(waited) == 1


@pytest.mark.long
def test_a_day_of_which_a_shard_is_away_is_not_counted(client: OpenSearch, stream: Stream) -> None:
    there, broken, absent = (stream.dataset.raw_index(DAY + timedelta(days=number)) for number in range(3))
    stream.fill(count=3)
    settings = {"number_of_shards": 2, "routing.allocation.total_shards_per_node": 1}  # there is one node
    client.indices.create(index=broken, body={"settings": settings}, params={"wait_for_active_shards": "0"})
    while client.cluster.health(index=broken)["active_primary_shards"] < 1:
        time.sleep(0.05)
    assert documents_in(client, [there, absent]) == {there: 3, absent: None}
    with pytest.raises(TransientError, match=rf"{broken} cannot be counted right now \(search_phase"):
        documents_in(client, [there, broken])
    assert documents_in(client, []) == {}


def test_a_sample_that_cannot_be_read_is_not_a_missing_one(
    client: OpenSearch, ledger: Ledger, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(ledger, stream, 1, {DAY: 5})
    mget = client.mget

    def half(**options: Any) -> Any:
        if options["body"]["docs"][0]["_index"] == ledger.index.name:
            return mget(**options)
        return {"docs": [{"error": {"type": "no_shard_available_action_exception"}}]}

    monkeypatch.setattr(client, "mget", half)
    with pytest.raises(TransientError, match="run the proof again"):
        prove_range(client, ledger, [place(1)], SPAN)


def test_the_proof_reads_as_tables(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    load(ledger, stream, 1, {DAY: 1_500})
    write(stream, 9, {DAY: 4})
    proof = prove_range(client, ledger, [place(1), Place("archive", "gone")], SPAN)
    (row,) = backfill_days_table(proof).rows
    assert row == (stream.dataset.raw_index(DAY), 1_500, 0, 1_500, 1_504, 4, "verified")
    lines = {line[0]: line[1:] for line in backfill_proof_table(proof).rows}
    assert lines["objects that nobody loaded"] == (0, 1, "NO")
    assert lines["raw days that lost documents"] == (0, 0, "yes")
    assert backfill_problems_table(proof).rows == [("objects that nobody loaded", "s3://archive/gone")]
    assert "does not hold" in backfill_proof_table(proof).title
