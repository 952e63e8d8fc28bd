"""A day is proven by what its raw day holds now, whatever happened to it since the queue brought its objects."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from opensearch_strata.archive.backfill_proof import BackfillProof
from opensearch_strata.archive.documents.reading import reading_of
from opensearch_strata.archive.ledger.loads import Counts
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused
from opensearch_strata.workflows.arrivals.sweep import Swept, prove_day, sweep
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.backfill.verdict import verdict
from tests.archives import ledger_of
from tests.arrivals import Inflow
from tests.faults.archives import QUICK, START, cloudwatch, events, message, ndjson
from tests.streams import DAY

MORNING = datetime(2024, 5, 7, 1, 30, tzinfo=UTC)
LATE = "logs/2024/05/06/23/late"
BROKEN = "raw days in which documents were deleted or replaced"
LOST = "raw days that lost documents"


@pytest.fixture
def loaded(inflow: Inflow) -> Inflow:
    """A hundred documents of the day, in two objects that the queue told of."""
    inflow.put(cloudwatch(events(range(60))), "logs/2024/05/06/08/x")
    inflow.put(ndjson(range(60, 100)), "logs/2024/05/06/09/y")
    inflow.drain()
    return inflow


def steps(inflow: Inflow, dataset: Dataset | None = None) -> Backfill:
    return Backfill(inflow.stream.client, dataset or inflow.dataset, lambda: inflow.s3)


def proof_of(inflow: Inflow, dataset: Dataset | None = None) -> BackfillProof:
    return prove_day(steps(inflow, dataset), dataset or inflow.dataset, DAY)


def swept(inflow: Inflow, dataset: Dataset | None = None) -> Swept:
    return sweep(steps(inflow, dataset), dataset or inflow.dataset, MORNING, "tests", QUICK)


def failed(proof: BackfillProof) -> set[str]:
    return {check.name for check in proof.failed}


def ids_of(inflow: Inflow, size: int) -> list[str]:
    """Ids of some documents that are no samples of a load."""
    client, index = inflow.stream.client, inflow.dataset.raw_index(DAY)
    rows = ledger_of(client, inflow.dataset.name, "object")
    samples = [sample.partition("/")[2] for row in rows for sample in row["samples"]]
    others = {"bool": {"must_not": {"ids": {"values": samples}}}}
    client.indices.refresh(index=index)
    body = {"size": size, "_source": False, "sort": ["@timestamp"], "query": others}
    return [hit["_id"] for hit in client.search(index=index, body=body)["hits"]["hits"]]


def exchange(inflow: Inflow) -> None:
    """Documents that are no samples are deleted, and replaced by as many of others."""
    client, index = inflow.stream.client, inflow.dataset.raw_index(DAY)
    for one in ids_of(inflow, 7):
        client.delete(index=index, id=one)
    for number in range(7):
        client.index(index=index, body={"@timestamp": START, **message(1_000 + number)})


def change(inflow: Inflow) -> None:
    """A document is changed in place."""
    (one,) = ids_of(inflow, 1)
    inflow.stream.client.update(index=inflow.dataset.raw_index(DAY), id=one, body={"doc": {"site": "south"}})


def refill(inflow: Inflow) -> None:
    """The index is deleted and made again, with as many documents."""
    inflow.stream.client.indices.delete(index=inflow.dataset.raw_index(DAY))
    inflow.stream.write([{"@timestamp": START, **message(1_000 + number)} for number in range(100)])


@pytest.mark.parametrize(("harm", "line"), [(exchange, BROKEN), (change, BROKEN), (refill, LOST)])
def test_a_day_whose_documents_were_exchanged_is_not_proven_until_they_are_looked_up(
    loaded: Inflow, harm: Callable[[Inflow], None], line: str
) -> None:
    assert proof_of(loaded).holds
    harm(loaded)
    index, proof = loaded.dataset.raw_index(DAY), proof_of(loaded)
    assert failed(proof) - {"sampled documents that are missing"} == {line}
    assert (
        f"then run `strata backfill {loaded.dataset.name} --from {DAY} --to {DAY} --apply`: it looks up each document "
        f"of the raw days named here by its id, and loads the rest."
    ) in verdict(proof)
    assert [day.documents for day in proof.days] == [100]
    found = swept(loaded)
    assert (found.found.objects, [*found.again], found.proof.holds) == (2, [index], True)
    assert found.proof.counts.read == 100
    assert set(range(100)) <= set(loaded.stored())
    again = proof_of(loaded)
    assert again.holds, verdict(again)


def test_producers_that_only_add_documents_do_not_disturb_a_proof(loaded: Inflow) -> None:
    loaded.stream.write([{"@timestamp": START, **message(1_000 + number)} for number in range(50)])
    proof = proof_of(loaded)
    assert (proof.holds, [day.others for day in proof.days]) == (True, [50])
    assert swept(loaded).found.objects == 0


def test_documents_that_lucene_rejects_cost_one_look_up(inflow: Inflow) -> None:
    """A term that is too long may have got a sequence number by then, which no document bears."""
    index = inflow.stream.create()
    inflow.stream.client.indices.put_mapping(index=index, body={"properties": {"note": {"type": "keyword"}}})
    for start in (0, 10, 20):
        documents = [{"@timestamp": START + n, **message(n)} for n in range(start, start + 10)]
        documents[5]["note"] = "x" * 40_000
        inflow.put(b"".join(orjson.dumps(one) + b"\n" for one in documents), f"logs/2024/05/06/08/{start}")
    inflow.drain()
    assert failed(proof_of(inflow)) <= {BROKEN}
    assert swept(inflow).proof.holds
    proof = proof_of(inflow)
    assert (proof.holds, proof.counts.created + proof.counts.existed, proof.counts.dead) == (True, 27, 3)


def test_the_command_that_is_named_mends_a_neighbouring_day_as_well(inflow: Inflow) -> None:
    """An object holds documents of the next day, whose index was harmed; the day itself is as it was."""
    client, following = inflow.stream.client, DAY + timedelta(days=1)
    lines = [{"@timestamp": START + day * 86_400_000 + 1000, **message(day)} for day in (0, 1)]
    inflow.put(b"".join(orjson.dumps(line) + b"\n" for line in lines), "logs/2024/05/06/23/x")
    inflow.drain()
    index = inflow.dataset.raw_index(following)
    client.indices.refresh(index=index)
    (hit,) = client.search(index=index)["hits"]["hits"]
    client.delete(index=index, id=hit["_id"])
    client.index(index=index, body=hit["_source"])
    proof = proof_of(inflow)
    assert BROKEN in failed(proof)
    assert f"--from {DAY} --to {following} --apply" in verdict(proof)
    assert swept(inflow).proof.holds  # it looks at the days until this morning
    assert proof_of(inflow).holds


# --- Other definitions


def renamed(dataset: Dataset, **parts: dict[str, Any]) -> Dataset:
    """The dataset by another definition."""
    said = dataset.model_dump(by_alias=True, exclude_defaults=True, mode="json")
    for part, more in parts.items():
        said[part] = {**said.get(part, {}), **more} if isinstance(more, dict) else more
    return Dataset.model_validate(said)


def test_raw_days_of_another_name_are_not_proven_by_those_of_before(loaded: Inflow) -> None:
    name = loaded.dataset.name
    other = renamed(loaded.dataset, raw={"index": f"{name}-other-{{day}}"})
    client, index = loaded.stream.client, other.raw_index(DAY)
    proof = proof_of(loaded, other)
    assert failed(proof) == {"objects loaded into raw days of other names"}
    plan = steps(loaded, other).plan(None, DAY, DAY)
    assert (plan.amount.objects, plan.moved.objects, plan.left_out.objects) == (2, 2, 0)
    assert swept(loaded, other).proof.holds
    client.indices.refresh(index=index)
    assert client.count(index=index)["count"] == 100
    assert proof_of(loaded, other).holds
    loaded.assert_loaded(range(100))
    assert proof_of(loaded).holds  # if the name is taken back: what was loaded under it is still there
    client.indices.delete(index=loaded.dataset.raw_index(DAY))
    assert failed(proof_of(loaded)) == {LOST, "sampled documents that are missing"}
    assert proof_of(loaded, other).holds


def test_a_message_that_comes_again_loads_into_the_raw_day_of_the_new_name(loaded: Inflow) -> None:
    (first, _) = loaded.objects
    loaded.dataset = other = renamed(loaded.dataset, raw={"index": f"{loaded.dataset.name}-other-{{day}}"})
    loaded.queues.send({"Records": [loaded.notified(first.place.key, first.place.etag, first.size)]})
    drained = loaded.drain()
    assert (drained.done, drained.there, drained.counts.created) == (1, 0, 60)
    loaded.stream.client.indices.refresh(index=other.raw_index(DAY))
    assert loaded.stream.client.count(index=other.raw_index(DAY))["count"] == 60


def test_an_attempt_that_began_under_the_old_name_begins_anew(inflow: Inflow) -> None:
    listed = inflow.put(ndjson(range(100)), "logs/2024/05/06/08/x")
    ledger, before = inflow.ledger, steps(inflow).plan(None, DAY, DAY)
    (row,) = ledger.claim([(listed.place, listed.size)], before.span, "killed").claimed
    stood = replace(row, resume=40, counts=Counts(40, 40), days={inflow.dataset.raw_index(DAY): 40}, state="failed")
    ledger.finish([replace(stood, format="json", landing=reading_of(inflow.dataset).landing)])
    other = renamed(inflow.dataset, raw={"index": f"{inflow.dataset.name}-other-{{day}}"})
    found = swept(inflow, other)
    assert found.proof.holds, verdict(found.proof)
    assert (found.proof.counts.read, found.proof.counts.created) == (100, 100)


def test_objects_whose_times_are_read_otherwise_are_not_proven_and_not_stored_twice(loaded: Inflow) -> None:
    other = renamed(loaded.dataset, intake={"log_time_zone": "Asia/Kolkata"})
    client, index = loaded.stream.client, loaded.dataset.raw_index(DAY)
    assert failed(proof_of(loaded, other)) == {"objects whose times are read otherwise now"}
    exchange(loaded)  # even then: what has another time now would be there twice
    loaded.put(ndjson(range(100, 110)), LATE)
    loaded.queues.empty()
    found = swept(loaded, other)
    assert (found.found.objects, failed(found.proof)) == (1, {"objects whose times are read otherwise now"})
    assert "delete the raw days that hold the documents" in found.warning
    assert index in found.warning
    (first, *_) = loaded.objects
    loaded.dataset = other
    loaded.queues.send({"Records": [loaded.notified(first.place.key, first.place.etag, first.size)]})
    assert loaded.drain().there == 1
    assert sum(loaded.stored().values()) == 110
    client.indices.delete(index=index)
    found = swept(loaded, other)
    assert found.proof.holds, verdict(found.proof)
    loaded.assert_loaded(range(110))


# --- What else may happen to what a proof rests on


def test_an_object_that_was_rewritten_after_its_load_is_another_one(loaded: Inflow) -> None:
    loaded.put(ndjson(range(60, 101)), "logs/2024/05/06/09/y")
    loaded.queues.empty()
    time.sleep(1.1)  # S3 dates objects to the second, and those that come after the question are not part of it
    assert failed(proof_of(loaded)) == {"objects that nobody loaded"}


def test_without_the_ledger_nothing_is_proven(loaded: Inflow) -> None:
    loaded.forget_ledger()
    proof = proof_of(loaded)
    assert (failed(proof), proof.counts.read) == ({"objects that nobody loaded"}, 0)


def test_a_day_all_of_whose_objects_were_deleted_proves_nothing(loaded: Inflow) -> None:
    for listed in loaded.objects:
        loaded.s3.delete_object(Bucket=loaded.bucket, Key=listed.place.key)
    with pytest.raises(Refused, match="nothing to prove"):
        proof_of(loaded)


def test_a_snapshot_that_is_restored_in_place_is_not_what_was_loaded(loaded: Inflow) -> None:
    """The index keeps its UUID, and others write as many documents as were lost by that."""
    client, index, name = loaded.stream.client, loaded.dataset.raw_index(DAY), loaded.bucket
    wait = {"wait_for_completion": "true"}
    client.snapshot.create_repository(repository=name, body={"type": "fs", "settings": {"location": name}})
    client.snapshot.create(repository=name, snapshot="one", body={"indices": index}, params=wait)
    try:
        loaded.put(ndjson(range(100, 110)), LATE)
        loaded.drain()
        uuid = client.indices.get(index=index)[index]["settings"]["index"]["uuid"]
        client.indices.close(index=index)
        client.snapshot.restore(
            repository=name, snapshot="one", body={"indices": index, "include_global_state": False}, params=wait
        )
        assert client.indices.get(index=index)[index]["settings"]["index"]["uuid"] == uuid
        loaded.stream.write([{"@timestamp": START, **message(1_000 + number)} for number in range(10)])
        proof = proof_of(loaded)
        assert (proof.days[0].documents, proof.days[0].verdict) == (110, "restored or reset")
        assert BROKEN in failed(proof)
        assert swept(loaded).proof.holds
        assert set(range(110)) <= set(loaded.stored())
    finally:
        client.snapshot.delete(repository=name, snapshot="one")
        client.snapshot.delete_repository(repository=name)
