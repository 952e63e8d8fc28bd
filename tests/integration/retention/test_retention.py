"""Deleting: exactly what has left the window, exactly what was proven, and nothing that changed since."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import date, timedelta
from threading import Barrier
from typing import Any

import orjson
import pytest
from opensearchpy import AuthorizationException, OpenSearch, TransportError

from opensearch_strata.connections.decisive import IncompleteAnswer, live_copies
from opensearch_strata.connections.safe_settings import MONTH, weaker
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.history.month.durable import require_durable
from opensearch_strata.history.raw_day.hold import NOTE, Hold, block_for, claim, hold_in, release_dead
from opensearch_strata.history.raw_day.inspection import RawDay, inspect_raw_day
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.workflows import retention
from opensearch_strata.workflows.cycle import require_proven
from opensearch_strata.workflows.retention import Proven, retire
from tests.mutations import drop_a_row
from tests.streams import DAY, Stream, StreamFactory, dataset_of, measurements

pytestmark = pytest.mark.versions

WINDOW = {"window_days": 3}
LEFT = DAY + timedelta(days=3)
"""The newest day of the first window that no longer holds DAY."""


@pytest.fixture
def old(make_stream: StreamFactory) -> Stream:
    """A condensed day that has left the window of LEFT."""
    stream = make_stream(raw=WINDOW)
    stream.condensed(count=40)
    return stream


def proven(stream: Stream) -> Proven:
    return require_proven(verify(stream.client, stream.dataset, DAY))


def raw_of(stream: Stream) -> RawDay:
    raw = inspect_raw_day(stream.client, stream.dataset, DAY)
    assert raw
    return raw


def retire_now(stream: Stream, proof: Proven, day: date = LEFT, *, dry_run: bool = False) -> str:
    return retire(stream.client, stream.dataset, proof, day, dry_run=dry_run)


def assert_kept(stream: Stream, proof: Proven, sentence: str, day: date = LEFT, blocks: tuple[str, ...] = ()) -> None:
    """It is refused with this sentence, the index is still there, and its blocks are as they were."""
    with pytest.raises(Refused, match=sentence):
        retire_now(stream, proof, day)
    assert stream.exists()
    assert stream.blocks() == set(blocks)


def test_a_proven_day_is_deleted_and_nothing_else(old: Stream) -> None:
    beside = old.create(DAY + timedelta(days=1))
    rows = old.rows()
    assert retire_now(old, proven(old)) == "deleted"
    found = old.client.indices.get(index=f"{old.dataset.name}-*")
    assert set(found) == {beside, old.dataset.month_index(DAY)}
    assert old.rows() == rows


def test_a_dry_run_touches_nothing(old: Stream) -> None:
    assert retire_now(old, proven(old), dry_run=True) == "dry_run"
    assert old.exists()
    assert old.blocks() == set()


def test_a_day_inside_the_window_is_refused(old: Stream) -> None:
    sentence = "is inside the window of 3 days that ends with 2024-05-08; it was kept"
    assert_kept(old, proven(old), sentence, day=LEFT - timedelta(days=1))


@pytest.mark.parametrize(
    "change",
    [{"index": "{name}-history-2024.05"}, {"index": "{name}-*"}, {"index": "_all"}, {"day": DAY - timedelta(days=1)}],
)
def test_only_the_days_own_index_is_deleted(old: Stream, change: dict[str, Any]) -> None:
    real = proven(old)
    if "index" in change:
        change = {"index": change["index"].format(name=old.dataset.name)}
    assert_kept(old, replace(real, **change), "is not the raw day .*; nothing was deleted")
    assert old.rows()


def test_a_recreated_index_is_kept(old: Stream) -> None:
    before = proven(old)
    documents = measurements(count=40)
    old.client.indices.delete(index=before.index)
    old.write(documents)
    assert_kept(old, before, rf"was kept: it was recreated after it was proven \(its UUID was {before.uuid} and is now")


def test_a_late_document_keeps_the_day(old: Stream) -> None:
    before = proven(old)
    old.write(measurements(count=1, seed=5))
    assert_kept(old, before, "was kept: it was proven with 40 documents, but now it holds 41 and its rows carry 40")


def test_rows_that_vanished_keep_the_day(old: Stream) -> None:
    before = proven(old)
    drop_a_row(old)
    assert_kept(old, before, r"it was proven with 40 documents and still holds them, but its rows carry \d+")


def test_a_month_that_vanished_keeps_the_day(old: Stream) -> None:
    before = proven(old)
    old.client.indices.delete(index=old.dataset.month_index(DAY))
    assert_kept(old, before, "its rows carry 0")


def test_a_producers_own_block_stays(old: Stream) -> None:
    before = proven(old)
    old.write(measurements(count=1, seed=5))
    old.set_block("write", on=True)
    assert_kept(old, before, "now it holds 41", blocks=("write",))


def test_a_day_that_is_blocked_already_is_deleted(old: Stream) -> None:
    """By its producers, or by a run that was killed before it could delete it."""
    old.set_block("write", on=True)
    assert retire_now(old, proven(old)) == "deleted"


def test_nobody_writes_between_the_last_look_and_the_deletion(old: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    real, refused = require_durable, list[str]()

    def producer_comes_late(client: OpenSearch, dataset: Dataset, raw: RawDay) -> None:
        with pytest.raises(AuthorizationException, match="cluster_block_exception"):
            client.index(index=raw.index, body={"device": "late"})
        refused.append(raw.index)
        real(client, dataset, raw)

    monkeypatch.setattr(retention, "require_durable", producer_comes_late)
    assert retire_now(old, proven(old)) == "deleted"
    assert refused


def update_a_document(stream: Stream) -> None:
    """As many documents as before, of which one says something else."""
    query = {"query": {"exists": {"field": "load"}}, "script": {"source": "ctx._source.load = 99"}, "max_docs": 1}
    stream.client.update_by_query(index=stream.dataset.raw_index(DAY), body=query, params={"refresh": "true"})


def exchange_a_document(stream: Stream) -> None:
    index = stream.dataset.raw_index(DAY)
    first = stream.client.search(index=index, body={"size": 1})["hits"]["hits"][0]["_id"]
    stream.client.delete(index=index, id=first)
    stream.write(measurements(count=1, seed=77))


def rename_a_device(stream: Stream) -> None:
    query = {"query": {"term": {"device": "d1"}}, "script": {"source": "ctx._source.device = 'renamed'"}}
    stream.client.update_by_query(index=stream.dataset.raw_index(DAY), body=query, params={"refresh": "true"})


def change_a_row(stream: Stream) -> None:
    identity, row = next(iter(stream.rows().items()))
    stream.put_row(identity, {**row, "metrics": {}})


def exchange_a_row(stream: Stream) -> None:
    identity, row = next(iter(stream.rows().items()))
    stream.drop_row(identity)
    stream.put_row("another", row)


def replace_the_month(stream: Stream) -> None:
    """By one row that says it carries everything."""
    month = stream.dataset.month_index(DAY)
    mappings = stream.client.indices.get_mapping(index=month)[month]["mappings"]
    row = next(iter(stream.rows().values()))
    stream.client.indices.delete(index=month)
    settings = {"index.number_of_replicas": 0}
    stream.client.indices.create(index=month, body={"settings": settings, "mappings": mappings})
    stream.put_row("all", {**row, "_doc_count": 40, "transform._doc_count": 40})


CHANGES: dict[str, tuple[Callable[[Stream], None], str]] = {
    "a document updated": (update_a_document, "its documents were written or deleted after it was proven, although"),
    "a document for another": (exchange_a_document, "its documents were written or deleted after it was proven"),
    "a device renamed": (rename_a_device, "its documents were written or deleted after it was proven"),
    "a row changed": (change_a_row, "its rows in .* were written or deleted after it was proven, although they carry"),
    "a row for another": (exchange_a_row, "its rows in .* were written or deleted after it was proven"),
    "the month replaced": (replace_the_month, "its rows in .* were written or deleted after it was proven"),
}
"""What leaves every count as it was, and the sentence that keeps the day."""


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_since_the_proof_keeps_the_day_whatever_the_counts_say(old: Stream, change: str) -> None:
    """Between the tasks `prove` and `delete` there may be days."""
    before = Proven.from_json(orjson.loads(orjson.dumps(proven(old).as_json())))
    CHANGES[change][0](old)
    assert_kept(old, before, CHANGES[change][1])


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_at_the_last_moment_keeps_the_day(
    old: Stream, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real = proven(old), block_for

    def too_late(client: OpenSearch, index: str, hold: Hold) -> None:
        CHANGES[change][0](old)
        real(client, index, hold)

    monkeypatch.setattr(retention, "block_for", too_late)
    assert_kept(old, before, CHANGES[change][1])


def test_a_proof_of_before_that_knows_no_versions_is_made_again(old: Stream) -> None:
    known = {name: value for name, value in proven(old).as_json().items() if name not in ("sequence", "carried")}
    assert_kept(old, Proven.from_json(known), "The next run proves it again")


def test_a_proof_survives_as_json(old: Stream) -> None:
    before = proven(old)
    assert Proven.from_json(orjson.loads(orjson.dumps(before.as_json()))) == before
    assert retire_now(old, Proven.from_json(before.as_json())) == "deleted"


def test_rows_that_are_not_durable_are_made_so_before_their_day_goes(old: Stream) -> None:
    month = old.dataset.month_index(DAY)
    old.client.indices.put_settings(index=month, body={"index.translog.durability": "async"})
    before = proven(old)
    assert retire_now(old, before) == "deleted"
    settings = old.client.indices.get_settings(index=month, params={"flat_settings": "true"})[month]["settings"]
    assert weaker(settings, MONTH) == {}
    stats = old.client.indices.stats(index=month, metric="translog")["indices"][month]["primaries"]["translog"]
    assert stats["uncommitted_operations"] == 0  # on the disk as segments


def with_copies(stream: Stream, copies: int | None) -> Stream:
    return Stream(stream.client, dataset_of(stream.dataset.name, raw=WINDOW, cycle={"history_copies": copies}))


def test_a_month_with_fewer_live_copies_than_it_should_have_keeps_the_day(old: Stream) -> None:
    month = old.dataset.month_index(DAY)
    old.client.indices.put_settings(index=month, body={"index.number_of_replicas": 1})  # for one node
    before = proven(old)
    assert_kept(old, before, f"shard 0 of {month} has 1 live copy, but a deletion requires 2 .*cycle.history_copies")
    assert retire_now(with_copies(old, 1), before) == "deleted"


@pytest.mark.long  # OpenSearch waits for the index
def test_an_index_that_is_gone_is_no_timeout_of_a_request(client: OpenSearch) -> None:
    with pytest.raises(IncompleteAnswer, match="the shards of no-such-index, or there is no such index"):
        live_copies(client, "no-such-index")


def test_a_person_may_demand_more_copies_than_there_are(old: Stream) -> None:
    assert_kept(with_copies(old, 2), proven(old), "has 1 live copy, but a deletion requires 2")


def test_a_day_that_waits_for_its_archive_is_kept(old: Stream) -> None:
    archive = {"bucket": "archives", "before_delete": True}
    waiting = Stream(old.client, dataset_of(old.dataset.name, raw=WINDOW, archive=archive))
    assert_kept(waiting, proven(waiting), r"raw days are archived before they are deleted \(archive.before_del")
    archived = Stream(old.client, dataset_of(old.dataset.name, raw=WINDOW, archive={**archive, "before_delete": False}))
    assert retire_now(archived, proven(archived)) == "deleted"


def test_a_read_only_day_is_kept(old: Stream) -> None:
    before = proven(old)
    old.set_block("read_only", on=True)
    assert_kept(old, before, "it is read-only, so somebody holds it", blocks=("read_only",))


def test_a_day_held_at_the_last_moment_is_kept(old: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    real = require_durable

    def somebody_holds(client: OpenSearch, dataset: Dataset, raw: RawDay) -> None:
        client.indices.put_settings(index=raw.index, body={"index.blocks.read_only": True})
        real(client, dataset, raw)

    monkeypatch.setattr(retention, "require_durable", somebody_holds)
    before = proven(old)
    with pytest.raises(Refused, match="it is read-only, so somebody holds it"):
        retire_now(old, before)
    assert old.blocks() == {"read_only", "write"}
    old.set_block("read_only", on=None)
    monkeypatch.undo()
    hold = hold_in(raw_of(old).meta)
    assert hold
    monkeypatch.setattr(Hold, "over", property(lambda _: True))  # that run ended long ago
    assert release_dead(old.client, raw_of(old))
    assert old.blocks() == set()


FULL_DISK = {"index.blocks.read_only_allow_delete": True}


def fill_disk(stream: Stream, *indices: str) -> None:
    """What the server does with the indices of a node whose disk is full."""
    for index in indices or [stream.dataset.raw_index(DAY)]:
        stream.client.indices.put_settings(index=index, body=FULL_DISK)


@pytest.mark.parametrize("month_too", [False, True])
def test_a_full_disk_does_not_keep_what_would_make_room(old: Stream, month_too: bool) -> None:
    proof = proven(old)
    month = old.dataset.month_index(DAY)
    fill_disk(old, old.dataset.raw_index(DAY), *([month] if month_too else []))
    assert retire_now(old, proof, dry_run=True) == "dry_run"
    assert old.blocks() == {"read_only_allow_delete"}
    assert retire_now(old, proof) == "deleted"


def test_a_day_that_is_kept_has_the_block_of_a_full_disk_again(old: Stream) -> None:
    proof = proven(old)
    drop_a_row(old)
    fill_disk(old)
    assert_kept(old, proof, "its rows carry", blocks=("read_only_allow_delete",))


def test_what_is_written_while_the_block_of_a_full_disk_is_lifted_keeps_the_day(
    old: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = proven(old)
    fill_disk(old)
    real = claim

    def late(client: OpenSearch, index: str) -> Hold:
        old.write(measurements(count=1, seed=9))
        return real(client, index)

    monkeypatch.setattr(retention, "claim", late)
    assert_kept(old, proof, "proven with 40 documents, but now it holds 41", blocks=("read_only_allow_delete",))


def test_a_disk_that_is_full_once_more_while_a_day_is_held_leaves_nothing_behind(
    old: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = proven(old)
    real = block_for

    def full(client: OpenSearch, index: str, hold: Hold) -> None:
        fill_disk(old)
        real(client, index, hold)

    monkeypatch.setattr(retention, "block_for", full)
    with pytest.raises(TransportError, match="flood-stage"):
        retire_now(old, proof)
    monkeypatch.undo()
    assert old.blocks() == {"read_only_allow_delete"}
    assert retire_now(old, proof) == "deleted"


def test_a_closed_day_is_kept(old: Stream) -> None:
    before = proven(old)
    old.client.indices.close(index=before.index)
    with pytest.raises(Refused, match="is closed, so its documents cannot be read; it was kept"):
        retire_now(old, before)
    old.client.indices.open(index=before.index)
    assert retire_now(old, before) == "deleted"


def test_a_day_that_is_gone_already(old: Stream) -> None:
    before = proven(old)
    old.client.indices.delete(index=before.index)
    assert retire_now(old, before) == "gone"


def test_an_alias_in_place_of_the_day_is_never_deleted(old: Stream) -> None:
    before = proven(old)
    old.client.indices.delete(index=before.index)
    real = old.create(index=f"{old.dataset.name}-real")
    old.client.indices.put_alias(index=real, name=before.index)
    with pytest.raises(Refused, match=f"is an alias or data stream of {real}, not an index"):
        retire_now(old, before)
    assert old.client.indices.exists(index=real)


def test_a_block_that_was_not_set_keeps_the_day(old: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    before = proven(old)
    denied = {"acknowledged": False, "shards_acknowledged": False, "indices": []}
    monkeypatch.setattr(old.client.indices, "add_block", lambda **_: denied)
    assert_kept(old, before, r"the server did not block writes to it .* needs the permission indices:admin/block/add")


def test_a_block_that_not_all_shards_know_is_lifted_again(old: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    before, real = proven(old), old.client.indices.add_block
    monkeypatch.setattr(old.client.indices, "add_block", lambda **kw: {**real(**kw), "shards_acknowledged": False})
    with pytest.raises(TransientError, match="was kept: a shard of it did not block writes in time"):
        retire_now(old, before)
    assert old.exists()
    assert old.blocks() == set()


def test_a_block_that_one_shard_did_not_know_at_first_is_set_anew(old: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    before, real, first = proven(old), old.client.indices.add_block, iter([{"shards_acknowledged": False}])
    monkeypatch.setattr(old.client.indices, "add_block", lambda **kw: {**real(**kw), **next(first, {})})
    assert retire_now(old, before) == "deleted"


def test_a_block_that_did_not_reach_every_shard_is_not_lifted_for_another_run(
    old: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real = proven(old), old.client.indices.add_block

    def another_takes_over(**query: Any) -> Any:
        claim_for_another(old)
        return {**real(**query), "shards_acknowledged": False}

    monkeypatch.setattr(old.client.indices, "add_block", another_takes_over)
    monkeypatch.setattr("opensearch_strata.history.raw_day.hold._PATIENCE", 0.1)
    with pytest.raises(Refused, match="was kept: another run"):
        retire_now(old, before)
    assert old.blocks() == {"write"}  # the other one's now


def test_a_deletion_that_was_not_confirmed_is_no_success(old: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    before = proven(old)
    monkeypatch.setattr(old.client.indices, "delete", lambda **_: {"acknowledged": False})
    with pytest.raises(TransientError, match=r"did not confirm that .* is deleted"):
        retire_now(old, before)
    assert old.blocks() == set()


def lost_answer(old: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first answer to the block is lost, and the client asks again by itself."""
    real, lost = old.client.indices.add_block, list[Any]()

    def asked_twice(**call: Any) -> dict[str, Any]:
        if not lost:
            lost.append(real(**call))
        return dict(real(**call))

    monkeypatch.setattr(old.client.indices, "add_block", asked_twice)


def test_a_block_whose_answer_was_lost_is_ours(old: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    before = proven(old)
    lost_answer(old, monkeypatch)
    assert retire_now(old, before) == "deleted"


def test_a_block_whose_answer_was_lost_is_lifted(old: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    before = proven(old)
    old.write(measurements(count=1, seed=5))
    lost_answer(old, monkeypatch)
    assert_kept(old, before, "now it holds 41")
    assert hold_in(raw_of(old).meta) is None


def claim_for_another(stream: Stream) -> None:
    """Another run holds the day from now on."""
    hold = Hold("another", "", int(time.time()) + 60, lifts=True)
    stream.client.indices.put_mapping(index=stream.dataset.raw_index(DAY), body={"_meta": {NOTE: asdict(hold)}})


def test_a_run_that_is_taken_for_dead_deletes_nothing(old: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    before, real = proven(old), require_durable

    def another_takes_over(client: OpenSearch, dataset: Dataset, raw: RawDay) -> None:
        monkeypatch.setattr(retention, "require_durable", real)
        monkeypatch.setattr(retention, "_RACES", 0)
        claim_for_another(old)
        real(client, dataset, raw)

    monkeypatch.setattr(retention, "require_durable", another_takes_over)
    monkeypatch.setattr("opensearch_strata.history.raw_day.hold._PATIENCE", 0.1)
    with pytest.raises(Refused, match="was kept: another run"):
        retire(old.client, old.dataset, before, LEFT, dry_run=False)
    assert old.exists()
    assert old.blocks() == {"write"}  # the other one's now


def test_two_at_once_delete_it_once(old: Stream) -> None:
    before, together = proven(old), Barrier(2)

    def one(_: int) -> str:
        together.wait()
        return retire_now(old, before)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(one, range(2))) == ["deleted", "gone"]
    assert not old.exists()


def test_a_dataset_that_is_not_this_one_deletes_nothing(old: Stream) -> None:
    other: Dataset = dataset_of("tother", raw=WINDOW)
    with pytest.raises(Refused, match="is not the raw day 2024-05-06 of 'tother'"):
        retire(old.client, other, proven(old), LEFT, dry_run=False)
    assert old.exists()
