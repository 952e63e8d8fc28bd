"""What is said to be proven covers the whole range that was asked for, also what earlier runs loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.ledger.index import LEDGER_INDEX
from opensearch_strata.history.verify.repair import prove as prove_rows
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.backfill.plan_ref import PlanRef
from opensearch_strata.workflows.backfill.settle import settle_day
from opensearch_strata.workflows.backfill.verdict import verdict
from opensearch_strata.workflows.cycle import require_proven
from opensearch_strata.workflows.retention import retire
from tests.archives import Archive, forget_ledger, held, intake_of, same
from tests.shell import Shell
from tests.streams import DAY, TYPES, Document, Stream, measurements

NEXT = DAY + timedelta(days=1)
NOW = datetime.combine(DAY + timedelta(days=100), datetime.min.time(), UTC)

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def target(client: OpenSearch, shell: Shell, archive: Archive) -> Iterator[Stream]:
    """The dataset that the archive belongs to, known to the shell."""
    stream = shell.stream(intake=intake_of(archive.bucket), raw={"fields": TYPES})
    yield stream
    forget_ledger(client, stream.dataset.name)


def backfill(shell: Shell, target: Stream, code: int = 0, more: str = "", last: Any = DAY) -> Any:
    return shell.json(f"backfill {target.dataset.name} --from {DAY} --to {last} --apply {more}", code)


def loaded(client: OpenSearch, shell: Shell, target: Stream, archive: Archive) -> tuple[Backfill, PlanRef]:
    """Load what the archive holds, and plan the same once more: what is proven by this plan is what was loaded."""
    backfill(shell, target)
    steps = Backfill(client, target.dataset, lambda: archive.s3)
    return steps, steps.write(steps.plan(None, DAY, DAY))


def delete(target: Stream, count: int, skip: int = 0) -> None:
    """Delete some documents, the earliest ones first."""
    index = target.dataset.raw_index(DAY)
    body = {"size": count, "from": skip, "sort": ["@timestamp"], "_source": False}
    target.client.indices.refresh(index=index)
    for hit in target.client.search(index=index, body=body)["hits"]["hits"]:
        target.client.delete(index=index, id=hit["_id"])


def test_a_run_with_nothing_left_to_load_proves_what_is_there(shell: Shell, target: Stream, archive: Archive) -> None:
    archive.fill(DAY)
    first = backfill(shell, target)["proof"]
    again = backfill(shell, target)["proof"]
    assert (again["counts"], again["holds"]) == (first["counts"], True)
    assert again["days"] == first["days"]


def test_a_second_run_proves_the_objects_of_the_first_with_its_own(
    shell: Shell, target: Stream, archive: Archive
) -> None:
    archive.fill(DAY)
    backfill(shell, target)
    archive.put(measurements(DAY, count=30, seed=1), "late")
    proof = backfill(shell, target)["proof"]
    assert (proof["counts"]["created"], proof["days"][0]["created"]) == (270, 270)


@pytest.mark.long
def test_what_others_delete_again_and_again_is_loaded_again_and_again(
    shell: Shell, target: Stream, archive: Archive
) -> None:
    """Documents that survived the first time are already there at the second: they are not forgotten by that."""
    sent = archive.fill(DAY)
    backfill(shell, target)
    for count, skip in ((10, 0), (20, 40), (5, 100), (1, 7)):
        delete(target, count, skip)
        proof = backfill(shell, target)["proof"]
        assert (proof["counts"]["created"], proof["counts"]["existed"]) == (count, 240 - count)
        assert same(held(target, DAY), sent)
    assert backfill(shell, target)["plan"]["to_load"]["objects"] == 0


def test_documents_of_others_never_stand_for_those_that_are_lost(
    shell: Shell, target: Stream, archive: Archive
) -> None:
    sent = archive.fill(DAY)
    backfill(shell, target)
    others: list[Document] = measurements(DAY, count=50, seed=5)
    delete(target, 50, 100)
    target.write(others)
    plan = backfill(shell, target)["plan"]
    assert plan["loaded_again"] == {target.dataset.raw_index(DAY): "had documents deleted or replaced"}
    assert same(held(target, DAY), [*sent, *others])


def test_a_day_that_was_made_anew_with_as_many_documents_is_loaded_again(
    shell: Shell, target: Stream, archive: Archive
) -> None:
    sent = archive.fill(DAY)
    backfill(shell, target)
    index = target.dataset.raw_index(DAY)
    target.client.indices.delete(index=index)
    others = target.fill(DAY, count=300, seed=7)
    assert backfill(shell, target)["plan"]["loaded_again"] == {index: "was deleted and recreated"}
    assert same(held(target, DAY), [*sent, *others])


def test_a_day_that_is_made_anew_before_the_proof_is_not_proven(
    client: OpenSearch, target: Stream, shell: Shell, archive: Archive
) -> None:
    archive.fill(DAY)
    steps, ref = loaded(client, shell, target, archive)
    client.indices.delete(index=target.dataset.raw_index(DAY))
    target.fill(DAY, count=300, seed=7)
    proof = steps.prove(ref)
    assert not proof.holds
    assert proof.days[0].verdict == "deleted and recreated"
    assert "was deleted and recreated since it was loaded" in verdict(proof)


def retired(target: Stream) -> str:
    """The daily cycle deletes a day behind its proof."""
    target.condense()
    proven = require_proven(prove_rows(target.client, target.dataset, DAY))
    newest = DAY + timedelta(days=90)
    assert retire(target.client, target.dataset, proven, newest, dry_run=False) == "deleted"
    return target.dataset.raw_index(DAY)


def test_a_day_that_the_daily_cycle_retired_is_told_as_retired(
    client: OpenSearch, shell: Shell, target: Stream, archive: Archive
) -> None:
    sent = archive.fill(DAY)
    steps, ref = loaded(client, shell, target, archive)
    index = retired(target)
    proof = steps.prove(ref)
    assert (proof.holds, proof.days[0].verdict) == (True, "retired (condensed and proven)")
    assert "1 raw day retired: condensed, proven and deleted." in verdict(proof)
    assert "not known" not in verdict(proof)
    again = backfill(shell, target)
    assert again["plan"]["loaded_again"] == {index: "was retired: condensed, proven and deleted"}
    assert same(held(target, DAY), sent)


def test_a_day_that_was_changed_before_it_was_retired_is_not_proven(
    client: OpenSearch, shell: Shell, target: Stream, archive: Archive
) -> None:
    """As many documents as were loaded, but one of them is somebody else's: history carries what was there."""
    sent = archive.fill(DAY)
    steps, ref = loaded(client, shell, target, archive)
    delete(target, 1)
    target.write(measurements(DAY, count=1, seed=3))
    index = retired(target)
    proof = steps.prove(ref)
    assert (proof.holds, proof.days[0].verdict) == (False, "retired, with documents removed before")
    assert f"{index}: 2 operations or more deleted or replaced documents before it was proven" in verdict(proof)
    assert proof.again == f"run `strata backfill {target.dataset.name} --from {DAY} --to {DAY} --apply`"
    assert backfill(shell, target)["proof"]["holds"]
    assert same(held(target, DAY), sent)


def test_without_a_note_of_its_state_a_retired_day_is_proven_by_number(
    client: OpenSearch, shell: Shell, target: Stream, archive: Archive
) -> None:
    """As it is of days that an earlier release proved, and of months that were made again from their copies."""
    archive.fill(DAY)
    steps, ref = loaded(client, shell, target, archive)
    retired(target)
    month = target.dataset.month_index(DAY)
    meta = client.indices.get_mapping(index=month)[month]["mappings"]["_meta"]
    assert meta["strata"].pop("raw_states").keys() == {f"{DAY}"}
    client.indices.put_mapping(index=month, body={"_meta": meta})
    proof = steps.prove(ref)
    assert proof.holds
    assert "Of 1 retired day, it is not known what became of documents between load and deletion" in verdict(proof)


def test_an_object_that_came_too_late_to_be_listed_is_loaded_again_with_the_others(
    client: OpenSearch, shell: Shell, target: Stream, archive: Archive
) -> None:
    """It was loaded from its notification, so only the ledger knows of it. Its load is forgotten like theirs."""
    arrived = DAY + timedelta(days=6)
    archive.fill(DAY, count=40)
    late, others = measurements(DAY, count=40, seed=8)[:3], measurements(arrived, count=40, seed=8)
    archive.put([*late, *others], "far")
    backfill(shell, target, last=arrived)
    held_before = held(target, DAY)
    assert len(held_before) == 43
    delete(target, 43)
    assert backfill(shell, target)["proof"]["holds"]
    assert same(held(target, DAY), held_before)


def test_late_documents_that_were_deleted_with_their_day_are_not_proven(
    client: OpenSearch, shell: Shell, target: Stream, archive: Archive
) -> None:
    """They came after the proof. By number, the documents of others in the rows would stand for them."""
    archive.fill(DAY, count=100)
    backfill(shell, target)
    target.write(measurements(DAY, count=200, seed=9))
    target.condense()
    require_proven(prove_rows(client, target.dataset, DAY))
    archive.put(measurements(DAY, count=50, seed=7), "late")
    steps, ref = loaded(client, shell, target, archive)
    client.indices.delete(index=target.dataset.raw_index(DAY))
    proof = steps.prove(ref)
    assert (proof.holds, proof.days[0].verdict) == (False, "gone, not all of it in history")


def test_rows_that_were_lost_after_the_day_was_retired_are_missed(
    client: OpenSearch, shell: Shell, target: Stream, archive: Archive
) -> None:
    """Here, too, the rows that are left stand for more documents than were loaded."""
    archive.fill(DAY, count=100)
    target.write(measurements(DAY, count=200, seed=9))
    steps, ref = loaded(client, shell, target, archive)
    retired(target)
    target.drop_row(next(iter(target.rows())))
    proof = steps.prove(ref)
    assert (proof.holds, proof.days[0].verdict) == (False, "gone, not all of it in history")


def test_documents_that_are_deleted_from_a_day_of_joined_shards_are_missed(
    client: OpenSearch, shell: Shell, target: Stream, archive: Archive
) -> None:
    """An index that was shrunk has seen fewer operations than it has documents."""
    index, source = target.dataset.raw_index(DAY), f"{target.dataset.name}-source"
    fields = {name: {"type": kind} for name, kind in TYPES.items()}
    settings = {"index.number_of_shards": 2, "index.number_of_replicas": 0}
    client.indices.create(index=source, body={"settings": settings, "mappings": {"properties": fields}})
    try:
        others = [json.dumps({"index": {}}) + "\n" + json.dumps(one) for one in measurements(DAY, count=300, seed=5)]
        client.bulk(index=source, body="\n".join([*others, ""]), params={"refresh": "true"})
        client.indices.put_settings(index=source, body={"index.blocks.write": True})
        one = {"settings": {"index.number_of_shards": 1, "index.blocks.write": None, "index.number_of_replicas": 0}}
        client.indices.shrink(index=source, target=index, body=one, params={"wait_for_active_shards": "1"})
        archive.fill(DAY, count=100)
        steps, ref = loaded(client, shell, target, archive)
        assert steps.prove(ref).holds
        delete(target, 30)
        target.write(measurements(DAY, count=30, seed=6))
        proof = steps.prove(ref)
        assert (proof.holds, proof.days[0].holds, proof.days[0].documents) == (False, False, 400)
    finally:
        client.indices.delete(index=source)


def test_nothing_is_forgotten_of_a_day_that_cannot_be_loaded_again(
    client: OpenSearch, shell: Shell, target: Stream, archive: Archive
) -> None:
    archive.fill(DAY, count=40)
    steps, ref = loaded(client, shell, target, archive)
    index, other = target.dataset.raw_index(DAY), f"{target.dataset.name}-other"
    body = {"source": {"index": index}, "dest": {"index": other}}
    client.indices.refresh(index=index)
    client.reindex(body=body, params={"refresh": "true"})
    client.indices.delete(index=index)
    client.indices.put_alias(index=other, name=index)
    try:
        told = shell.run(f"backfill {target.dataset.name} --from {DAY} --to {DAY} --apply", 1).stderr
        assert f"{index} is an alias of {other}" in " ".join(told.split())
        proof = steps.prove(ref)
        assert (proof.holds, proof.counts.created) == (False, 40)
    finally:
        client.indices.delete(index=other)


def test_a_day_that_somebody_deleted_is_not_told_as_retired(
    client: OpenSearch, shell: Shell, target: Stream, archive: Archive
) -> None:
    """History carries an earlier index of the name, not this one."""
    archive.fill(DAY)
    target.condensed(count=10)
    client.indices.delete(index=target.dataset.raw_index(DAY))
    steps, ref = loaded(client, shell, target, archive)
    client.indices.delete(index=target.dataset.raw_index(DAY))
    proof = steps.prove(ref)
    assert (proof.holds, proof.days[0].verdict) == (False, "gone")


def test_history_carries_all_events_of_the_archive_whatever_was_deleted_in_between(
    client: OpenSearch, shell: Shell, target: Stream, archive: Archive
) -> None:
    archive.fill(DAY)
    backfill(shell, target)
    delete(target, 10)
    backfill(shell, target)
    delete(target, 20, 40)
    backfill(shell, target, more="--then condense")
    assert sum(row["transform._doc_count"] for row in target.rows().values()) == 240
    assert settle_day(client, target.dataset, DAY, "condense_and_drop", NOW).documents == 240


def test_a_run_in_which_documents_are_replaced_proves_nothing_until_they_are_looked_up(
    client: OpenSearch, shell: Shell, target: Stream, archive: Archive
) -> None:
    archive.fill(DAY)
    steps, ref = loaded(client, shell, target, archive)
    index = target.dataset.raw_index(DAY)
    (hit,) = client.search(index=index, body={"size": 1, "sort": ["@timestamp"]})["hits"]["hits"]
    client.index(index=index, id=hit["_id"], body={**hit["_source"], "device": "other"})
    proof = steps.prove(ref)
    assert (proof.holds, proof.days[0].replaced) == (False, 1)
    assert verdict(proof) == (
        f"NOT proven: raw days in which documents were deleted or replaced (1): {index}: 1 operation or more deleted "
        f"or replaced documents. Everything that is loaded is kept; fix the cause, then run `strata backfill "
        f"{target.dataset.name} --from {DAY} --to {DAY} --apply`: it looks up each document of the raw days named here "
        f"by its id, and loads the rest."
    )
    again = backfill(shell, target)
    assert (again["proof"]["counts"]["created"], again["proof"]["counts"]["existed"]) == (0, 240)


def test_objects_that_come_while_it_is_loaded_are_counted_and_not_missing(
    client: OpenSearch, shell: Shell, target: Stream, archive: Archive
) -> None:
    archive.fill(DAY)
    steps, ref = loaded(client, shell, target, archive)
    archive.put(measurements(DAY, count=3, seed=1), "late")
    long_ago = f"{datetime.now(UTC) - timedelta(hours=1):%Y%m%dT%H%M%S%f}-x"
    proof = steps.prove(type(ref)(**{**vars(ref), "plan_id": long_ago}))
    assert (proof.holds, proof.later) == (True, 1)
    assert "1 object arrived since the plan and will be loaded by the next run." in verdict(proof)


def test_days_that_a_ledger_knows_no_state_of_are_looked_up_once(
    client: OpenSearch, shell: Shell, target: Stream, archive: Archive
) -> None:
    sent = archive.fill(DAY)
    backfill(shell, target)
    unmark = {"script": "ctx._source.remove('marks')", "query": {"term": {"dataset": target.dataset.name}}}
    client.indices.refresh(index=LEDGER_INDEX)
    client.update_by_query(index=LEDGER_INDEX, body=unmark, params={"refresh": "true"})
    delete(target, 10)
    others: list[Document] = measurements(DAY, count=10, seed=5)
    target.write(others)
    assert backfill(shell, target)["plan"]["loaded_again"] == {
        target.dataset.raw_index(DAY): "was loaded before its state was noted"
    }
    assert same(held(target, DAY), [*sent, *others])
    assert backfill(shell, target)["plan"]["loaded_again"] == {}
