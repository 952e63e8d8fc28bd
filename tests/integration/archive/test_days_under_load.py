"""One owner for days under load: who loads, who deletes, and what becomes of days that vanish meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.ledger.index import LEDGER_INDEX
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.targets import raw_indices, shard_room, under_load
from opensearch_strata.archive.targets.loading_settings import prepare
from opensearch_strata.archive.targets.ready_days import ReadyDays
from opensearch_strata.archive.targets.under_load import confirm_alone, register, require_not_loading, take_over, users
from opensearch_strata.connections.processes import this_process
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.cycle import require_proven
from opensearch_strata.workflows.retention import retire
from tests.archives import Archive, forget_ledger, held, intake_of, ledger_of, same
from tests.faults.proxy import Answer, FaultyProxy, Forward, Request
from tests.faults.rules import refused, web_page
from tests.streams import DAY, TYPES, Stream, StreamFactory

NEXT = DAY + timedelta(days=1)
LEFT = DAY + timedelta(days=3)
"""The newest day of the first window that no longer holds DAY."""


def dead_process() -> str:
    machine, _, started = this_process().rpartition("/")
    return f"{machine}/{int(started) + 1}"


@pytest.fixture
def target(client: OpenSearch, make_stream: StreamFactory, archive: Archive) -> Iterator[Stream]:
    """The dataset that the archive belongs to; no raw day is there yet."""
    stream = make_stream(intake=intake_of(archive.bucket), raw={"fields": TYPES, "window_days": 3})
    Ledger(client, stream.dataset.name).ensure()
    yield stream
    forget_ledger(client, stream.dataset.name)


@pytest.fixture
def ours(target: Stream) -> Ledger:
    """The ledger that the daily cycle asks."""
    return Ledger(target.client, target.dataset.name)


# --- Registrations


def test_a_registration_holds_for_hours_and_one_of_a_process_for_minutes(ours: Ledger) -> None:
    register(ours, ["x-1", "x-2"], "run")
    register(ours, ["x-1"], "shell", this_process())
    left = {
        o: (until / 1000 - time.time()) / 60 for o, until in users(under_load.read(ours, ["x-1"])["x-1"].source).items()
    }
    assert 350 < left["run"] <= 360
    assert 9 < left["shell"] <= 10
    assert under_load.renewal(ours) > 3600
    assert under_load.renewal(ours, this_process()) == 150


def test_a_dead_process_of_this_machine_is_no_user(ours: Ledger) -> None:
    register(ours, ["x"], "killed", dead_process())
    assert users(under_load.read(ours, ["x"])["x"].source) == {}
    assert take_over(ours, ["x", "unknown"], "next") == ["x"]
    assert list(users(under_load.read(ours, ["x"])["x"].source)) == ["next"]
    assert take_over(ours, ["x"], "third") == []


def test_nobody_is_alone_once_another_one_came(ours: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not confirm_alone(ours, "x", "a")
    register(ours, ["x"], "a")
    assert confirm_alone(ours, "x", "a")
    real = ours.index.write

    def another_is_faster(changes: Any) -> Any:
        monkeypatch.undo()
        register(ours, ["x"], "b")
        return real(changes)

    monkeypatch.setattr(ours.index, "write", another_is_faster)
    assert not confirm_alone(ours, "x", "a")
    under_load.leave(ours, ["x"], "b")
    assert confirm_alone(ours, "x", "a")


# --- The daily cycle


@pytest.fixture
def old(target: Stream) -> Stream:
    """A condensed day that has left the window of LEFT."""
    target.condensed(count=40)
    return target


def retire_now(old: Stream) -> str:
    proven = require_proven(verify(old.client, old.dataset, DAY))
    return retire(old.client, old.dataset, proven, LEFT, dry_run=False)


def test_a_day_into_which_somebody_loads_is_kept(old: Stream, ours: Ledger) -> None:
    prepare(old.client, ours, old.dataset, [DAY], "archive_backfill/run")
    with pytest.raises(
        Refused, match=r"was kept: archive_backfill/run \(registered until .* UTC\) is loading into it\. Run"
    ):
        retire_now(old)
    assert old.exists()
    assert old.blocks() == set()
    under_load.leave(ours, [old.dataset.raw_index(DAY)], "archive_backfill/run")
    assert retire_now(old) == "deleted"


def test_a_load_that_begins_under_the_block_keeps_the_day(
    old: Stream, ours: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, real = old.dataset.raw_index(DAY), old.client.indices.add_block

    def comes_meanwhile(**asked: Any) -> Any:
        answer = real(**asked)
        register(ours, [index], "b")
        return answer

    monkeypatch.setattr(old.client.indices, "add_block", comes_meanwhile)
    with pytest.raises(Refused, match=r"b .* is loading into it"):
        retire_now(old)
    assert old.exists()
    assert old.blocks() == set()


def test_a_dead_loader_keeps_no_day(old: Stream, ours: Ledger) -> None:
    register(ours, [old.dataset.raw_index(DAY)], "killed", dead_process())
    assert retire_now(old) == "deleted"


def test_without_a_ledger_nobody_loads(client: OpenSearch) -> None:
    require_not_loading(client, "x", "x-1", ledger_index="no-ledger-of-this-name")


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        (web_page, TransientError),
        (refused(500, "null_pointer_exception"), TransientError),
        (refused(503, "no_shard_available_action_exception"), TransientError),
        (refused(403, "security_exception", "no permissions for [indices:data/read/mget]"), Refused),
        (lambda *_: Answer.of_json(200, {}), TransientError),
        (lambda *_: Answer.of_json(200, {"docs": []}), TransientError),
        (lambda *_: Answer.of_json(200, {"docs": [{"error": {"type": "x", "reason": "y"}}]}), TransientError),
        (lambda *_: Answer.of_json(200, {"docs": [{"error": {"type": "security_exception"}}]}), Refused),
    ],
)
def test_a_ledger_that_cannot_be_read_keeps_the_day(
    proxy: FaultyProxy, through: OpenSearch, monkeypatch: pytest.MonkeyPatch, rule: Any, kind: type[Exception]
) -> None:
    monkeypatch.setattr(under_load, "_PATIENCE", 0.3)
    proxy.add(rule, path="_mget")
    with pytest.raises(kind, match=r"x-1 was kept: the ledger strata-ledger cannot be read, so it is not known"):
        require_not_loading(through, "x", "x-1")


def test_one_odd_answer_of_the_ledger_keeps_nothing(proxy: FaultyProxy, through: OpenSearch) -> None:
    proxy.add(web_page, path="_mget", times=1)
    require_not_loading(through, "x", "x-1")


# --- Days that vanish


def test_a_day_that_vanished_before_its_load_is_made_again(target: Stream, archive: Archive) -> None:
    sent = archive.fill(DAY)
    ref = Backfill(target.client, target.dataset).write(plan(target, archive))
    index = target.dataset.raw_index(DAY)
    Backfill(target.client, target.dataset).prepare(ref, "test/a")
    target.client.indices.delete(index=index)
    under_load.leave(Ledger(target.client, target.dataset.name), [index], "test/a")
    Backfill(target.client, target.dataset, lambda: archive.s3).load(
        ref, 0, "test/a", settings=LoadSettings()
    ).require_success()
    properties = target.client.indices.get_mapping(index=index)[index]["mappings"]["properties"]
    assert properties["device"] == {"type": "keyword"}
    assert list(users(under_load.read(Ledger(target.client, target.dataset.name), [index])[index].source)) == ["test/a"]
    Backfill(target.client, target.dataset).end("test/a")
    assert Backfill(target.client, target.dataset, lambda: archive.s3).prove(ref).holds
    assert same(held(target, DAY), sent)


@pytest.mark.parametrize("made_anew", [False, True])
def test_a_day_that_is_deleted_while_it_is_loaded_stops_the_load_in_a_sentence(
    target: Stream, archive: Archive, proxy: FaultyProxy, through: OpenSearch, made_anew: bool
) -> None:
    sent = archive.fill(DAY)
    index, times = target.dataset.raw_index(DAY), list[float]()

    def deleted_after_the_first(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if b'"create":{"_index":"' + index.encode() in request.body and not times:
            times.append(1)
            target.client.indices.delete(index=index)
            if made_anew:
                target.client.index(index=index, body={"device": "a producer's"})
        return answer

    proxy.add(deleted_after_the_first)
    ref = Backfill(target.client, target.dataset).write(plan(target, archive))
    Backfill(target.client, target.dataset).prepare(ref, "test/a")
    with pytest.raises(Refused, match=rf"{index} was deleted or recreated during the load"):
        Backfill(through, target.dataset, lambda: archive.s3).load(
            ref, 0, "test/a", settings=LoadSettings(body_bytes=4_000, in_flight=1)
        )
    assert target.exists() == made_anew
    Backfill(target.client, target.dataset).end("test/a")
    proxy.clear()
    if made_anew:
        target.client.indices.delete(index=index)
    again = Backfill(target.client, target.dataset).write(plan(target, archive))
    Backfill(target.client, target.dataset).prepare(again, "test/b")
    Backfill(target.client, target.dataset, lambda: archive.s3).load(
        again, 0, "test/b", settings=LoadSettings()
    ).require_success()
    Backfill(target.client, target.dataset).end("test/b")
    assert Backfill(target.client, target.dataset, lambda: archive.s3).prove(again).holds
    assert same(held(target, DAY), sent)


def test_a_day_of_which_no_key_told_is_made_before_its_first_document(target: Stream, archive: Archive) -> None:
    """An export of long ago may hold any day, so none is prepared; what it holds is mapped all the same."""
    intake = target.dataset.intake.model_copy(update={"max_lateness": "400d"})
    target.dataset = target.dataset.model_copy(update={"intake": intake})
    sent = archive.fill(DAY)
    ref = Backfill(target.client, target.dataset).write(plan(target, archive, DAY - timedelta(days=300), NEXT))
    assert ref.held == ()
    assert Backfill(target.client, target.dataset).prepare(ref, "test/a") == []
    Backfill(target.client, target.dataset, lambda: archive.s3).load(
        ref, 0, "test/a", settings=LoadSettings()
    ).require_success()
    assert list(registered(target)) == [target.dataset.raw_index(DAY)]
    Backfill(target.client, target.dataset).end("test/a")
    index = target.dataset.raw_index(DAY)
    assert target.client.indices.get_mapping(index=index)[index]["mappings"]["properties"]["device"] == {
        "type": "keyword"
    }
    assert same(held(target, DAY), sent)


def registered(target: Stream) -> list[str]:
    return [row["raw_index"] for row in ledger_of(target.client, target.dataset.name, "settings")]


def test_only_days_that_objects_can_hold_are_made(target: Stream, archive: Archive) -> None:
    archive.fill(DAY)
    ref = Backfill(target.client, target.dataset).write(plan(target, archive, date(2021, 1, 1), date(2024, 12, 31)))
    assert DAY in ref.held_days
    assert len(ref.held_days) <= 4
    created = Backfill(target.client, target.dataset).prepare(ref, "test/a")
    assert created == [target.dataset.raw_index(day) for day in ref.held_days]
    assert registered(target) == created
    Backfill(target.client, target.dataset, lambda: archive.s3).load(
        ref, 0, "test/a", settings=LoadSettings()
    ).require_success()
    assert Backfill(target.client, target.dataset).end("test/a") == [name for name in created if name != created[-2]]
    assert registered(target) == []


def test_days_are_registered_before_they_are_made(
    target: Stream, ours: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = target.client.indices.create

    def looked_at(index: str, **options: Any) -> Any:
        assert list(users(under_load.read(ours, [index])[index].source)) == ["a"]
        return real(index=index, **options)

    monkeypatch.setattr(target.client.indices, "create", looked_at)
    assert len(prepare(target.client, ours, target.dataset, [DAY, NEXT], "a")) == 2


# --- Room in the cluster


def test_days_that_the_cluster_has_no_room_for_are_refused_before_the_first_is_made(
    target: Stream, ours: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_room, "shard_room", lambda _: shard_room.ShardRoom(open=990, most=1000, nodes=1))
    few = [DAY + timedelta(days=number) for number in range(4)]
    with pytest.raises(Refused, match=r"4 raw days would have to be created.* 2 shards each.* 990 of the 1,000 shards"):
        prepare(target.client, ours, target.dataset, few, "a")
    assert registered(target) == []
    assert not target.exists()
    assert len(prepare(target.client, ours, target.dataset, few[:3], "a")) == 3
    Backfill(target.client, target.dataset).end("a")


def test_the_room_is_what_the_cluster_says(client: OpenSearch) -> None:
    room = shard_room.shard_room(client)
    assert room
    assert room.nodes == 1
    assert room.most == 1000
    client.indices.create(index="test-shard-room", body={"settings": {"number_of_shards": 3, "number_of_replicas": 1}})
    try:
        found = shard_room.shard_room(client)
        assert found
        assert found.open == room.open + 6
    finally:
        client.indices.delete(index="test-shard-room")


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({}, 2000),
        ({"persistent": {"cluster.max_shards_per_node": "50"}}, 100),
        ({"transient": {"cluster.max_shards_per_node": "10"}, "persistent": {"cluster.max_shards_per_node": "50"}}, 20),
        ({"defaults": {"cluster.max_shards_per_cluster": "-1"}}, 2000),
        ({"persistent": {"cluster.max_shards_per_cluster": "700"}}, 700),
    ],
)
def test_the_limit_of_two_data_nodes(settings: Any, most: int) -> None:
    assert shard_room.most_shards(settings, 2) == most


def test_a_cluster_at_its_limit_is_told_with_the_right_cure(
    target: Stream, ours: Ledger, proxy: FaultyProxy, through: OpenSearch
) -> None:
    no = refused(400, "validation_exception", "this action would add [2] total shards, but this cluster currently has "
                 "[999]/[1000] maximum shards open")  # fmt: skip
    proxy.add(lambda r, f: no(r, f) if r.method == "PUT" else f(r), path=target.dataset.raw_index(DAY))
    with pytest.raises(Refused, match=r"could not be created.*maximum shards open.*raise cluster\.max_shards_per_node"):
        prepare(through, ours, target.dataset, [DAY], "a")


# --- Snapshots


def test_an_empty_day_in_a_snapshot_is_left_to_the_next_run(
    target: Stream, ours: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from opensearchpy import RequestError

    prepare(target.client, ours, target.dataset, [DAY], "a")

    def in_a_snapshot(**_: Any) -> Any:
        raise RequestError(400, "snapshot_in_progress_exception", {})

    monkeypatch.setattr(target.client.indices, "delete", in_a_snapshot)
    assert Backfill(target.client, target.dataset).end("a") == []
    assert "may be empty and could not be deleted" in caplog.text
    monkeypatch.undo()
    assert target.exists()
    assert target.blocks() == set()
    assert Backfill(target.client, target.dataset).end("b") == [target.dataset.raw_index(DAY)]
    assert not target.exists()


def plan(target: Stream, archive: Archive, first: date = DAY, last: date = DAY) -> Any:
    return Backfill(target.client, target.dataset, lambda: archive.s3).plan(None, first, last)


def test_a_load_renews_what_it_holds_and_leaves_nothing_running(
    target: Stream, client: OpenSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(client, target.dataset.name, day_lease=0.4)
    days, index = ReadyDays(client, ledger, target.dataset, "a"), target.dataset.raw_index(DAY)
    with days.held():
        days.make_ready([index])
        time.sleep(1)
        assert list(users(under_load.read(ledger, [index])[index].source)) == ["a"]
    time.sleep(0.5)
    assert users(under_load.read(ledger, [index])[index].source) == {}
    assert ledger.index.name == LEDGER_INDEX
    monkeypatch.setattr(raw_indices, "_PATIENCE", 1)
    days.require_kept()
    client.indices.delete(index=index)
    with pytest.raises(Refused, match="was deleted or recreated"):
        days.require_kept()
