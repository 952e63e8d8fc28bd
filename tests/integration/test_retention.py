"""Deleting: exactly what has left the window, exactly what was proven, and nothing that changed since."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Barrier
from typing import Any

import pytest
from opensearchpy import AuthorizationException, OpenSearch

from opensearch_strata import decisive
from opensearch_strata.cycle import require_proven
from opensearch_strata.dataset import Dataset
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.history.verify import verify
from opensearch_strata.retention import Proven, retire
from tests.mutations import drop_a_row
from tests.streams import DAY, Stream, StreamFactory, dataset_of, measurements

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
    values = {"index": real.index, "day": real.day, "uuid": real.uuid, "documents": real.documents, **change}
    values["index"] = values["index"].format(name=old.dataset.name)
    assert_kept(old, Proven(**values), "is not the raw day .*; nothing was deleted")
    assert old.rows()


def test_a_recreated_index_is_kept(old: Stream) -> None:
    before = proven(old)
    documents = measurements(count=40)
    old.client.indices.delete(index=before.index)
    old.write(documents)
    assert_kept(old, before, rf"was recreated since it was proven \(index UUID {before.uuid}, now .*\); it was kept")


def test_a_late_document_keeps_the_day(old: Stream) -> None:
    before = proven(old)
    old.write(measurements(count=1, seed=5))
    assert_kept(old, before, "was kept: proven with 40 documents, it holds 41 now and its rows carry 40")


def test_rows_that_vanished_keep_the_day(old: Stream) -> None:
    before = proven(old)
    drop_a_row(old)
    assert_kept(old, before, r"proven with 40 documents, it holds 40 now and its rows carry \d+")


def test_a_month_that_vanished_keeps_the_day(old: Stream) -> None:
    before = proven(old)
    old.client.indices.delete(index=old.dataset.month_index(DAY))
    assert_kept(old, before, "its rows carry 0")


def test_a_producers_own_block_stays(old: Stream) -> None:
    before = proven(old)
    old.write(measurements(count=1, seed=5))
    old.set_block("write", on=True)
    assert_kept(old, before, "it holds 41 now", blocks=("write",))


def test_a_day_that_is_blocked_already_is_deleted(old: Stream) -> None:
    """By its producers, or by a run that was killed before it could delete it."""
    old.set_block("write", on=True)
    assert retire_now(old, proven(old)) == "deleted"


def test_nobody_writes_between_the_last_count_and_the_deletion(old: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    real, refused = decisive.count, []

    def producer_comes_late(client: OpenSearch, index: str) -> int:
        count = real(client, index)
        with pytest.raises(AuthorizationException, match="cluster_block_exception"):
            client.index(index=index, body={"device": "late"})
        refused.append(index)
        return count

    monkeypatch.setattr(decisive, "count", producer_comes_late)
    assert retire_now(old, proven(old)) == "deleted"
    assert refused


def test_a_day_that_waits_for_its_archive_is_kept(old: Stream) -> None:
    archive = {"bucket": "b", "before_delete": True}
    waiting = Stream(old.client, dataset_of(old.dataset.name, raw=WINDOW, archive=archive))
    assert_kept(waiting, proven(waiting), r"wants its raw days archived before they are deleted \(archive.before_del")
    archived = Stream(old.client, dataset_of(old.dataset.name, raw=WINDOW, archive={**archive, "before_delete": False}))
    assert retire_now(archived, proven(archived)) == "deleted"


def test_a_read_only_day_is_kept(old: Stream) -> None:
    before = proven(old)
    old.set_block("read_only", on=True)
    assert_kept(old, before, "is read-only: another run rebuilds its rows, or somebody", blocks=("read_only",))


def test_a_day_held_at_the_last_moment_is_kept(old: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    real = decisive.count

    def another_run_holds(client: OpenSearch, index: str) -> int:
        count = real(client, index)
        client.indices.put_settings(index=index, body={"index.blocks.read_only": True})
        return count

    monkeypatch.setattr(decisive, "count", another_run_holds)
    before = proven(old)
    with pytest.raises(Refused, match="is read-only: another run rebuilds its rows"):
        retire_now(old, before)
    assert old.exists()


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
    assert_kept(old, before, "the server did not block writes to it")


def test_a_deletion_that_was_not_confirmed_is_no_success(old: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    before = proven(old)
    monkeypatch.setattr(old.client.indices, "delete", lambda **_: {"acknowledged": False})
    with pytest.raises(TransientError, match=r"did not confirm that it deleted"):
        retire_now(old, before)
    assert old.blocks() == set()


def test_one_that_fails_leaves_the_block_of_the_other(old: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    before = proven(old)
    answers: list[dict[str, Any]] = []
    real = old.client.indices.add_block

    def the_other_was_first(**call: Any) -> dict[str, Any]:
        real(**call)
        answers.append(real(**call))
        return answers[-1]

    monkeypatch.setattr(old.client.indices, "add_block", the_other_was_first)
    monkeypatch.setattr(decisive, "count", lambda *_: 0)
    with pytest.raises(Refused, match="it holds 0 now"):
        retire_now(old, before)
    assert answers[0]["indices"] == []
    assert old.blocks() == {"write"}


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
