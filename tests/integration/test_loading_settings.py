"""Settings for loading on a real node: set, shared by several loaders, and given back in any case."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Barrier, Event, Timer
from typing import Any
from uuid import uuid4

import pytest
from opensearchpy import OpenSearch, RequestError

from opensearch_strata.archive import loading_settings, raw_indices
from opensearch_strata.archive.ledger import Ledger
from opensearch_strata.archive.loading_settings import LOADING, prepare, renew, restore, restore_abandoned
from opensearch_strata.errors import Refused, TransientError
from tests.faults.proxy import Answer, FaultyProxy, Forward, Request
from tests.faults.rules import refused
from tests.ledgers import ledger_index
from tests.streams import DAY, Stream, StreamFactory

NEXT = DAY + timedelta(days=1)


class Killed(BaseException):
    """Ends a loader where no handler of its own is asked."""


@pytest.fixture
def impatient(client: OpenSearch, stream: Stream, ledger_name: str) -> Ledger:
    """One whose leases are short."""
    return Ledger(client, stream.dataset.name, index=ledger_name, lease=0.3)


def settings(stream: Stream, day: date = DAY) -> dict[str, str | None]:
    name = stream.dataset.raw_index(day)
    found = stream.client.indices.get_settings(index=name, params={"flat_settings": "true"})[name]["settings"]
    return {key: found.get(key) for key in LOADING}


def properties(stream: Stream, day: date = DAY) -> dict[str, Any]:
    name = stream.dataset.raw_index(day)
    found: dict[str, Any] = stream.client.indices.get_mapping(index=name)[name]["mappings"]["properties"]
    return found


def written_down(ledger: Ledger) -> list[str]:
    return sorted(stored.source["raw_index"] for stored in ledger.index.find(ledger.query("settings")))


def create(stream: Stream, day: date = DAY, **changes: Any) -> dict[str, str | None]:
    stream.create(day)
    if changes:
        stream.client.indices.put_settings(index=stream.dataset.raw_index(day), body=changes)
    return settings(stream, day)


CUSTOM = {"index.refresh_interval": "17s", "index.number_of_replicas": "3"}


# --- Indices and mappings


def test_missing_days_are_created_and_mapped(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    stream.create(DAY)
    assert prepare(client, ledger, stream.dataset, [DAY, NEXT], "a") == [stream.dataset.raw_index(NEXT)]
    for day in (DAY, NEXT):
        there = properties(stream, day)
        assert there["@timestamp"] == {"type": "date"}
        assert there["device"] == {"type": "keyword"}
        assert {name: body["type"] for name, body in there["archive"]["properties"].items()} == dict.fromkeys(
            ("owner", "log_group", "log_stream", "event_id", "object", "position"), "keyword"
        )
    assert prepare(client, ledger, stream.dataset, [DAY, NEXT], "a") == []
    restore(client, ledger, "a")


def test_a_template_has_the_last_word(client: OpenSearch, make_stream: StreamFactory, ledger_name: str) -> None:
    stream = make_stream()
    name = f"test-template-{uuid4().hex[:8]}"
    device = {"type": "keyword", "ignore_above": 99}
    template = {"settings": {"index.refresh_interval": "42s"}, "mappings": {"properties": {"device": device}}}
    pattern = stream.dataset.raw.names.expression
    client.indices.put_index_template(
        name=name, body={"index_patterns": [pattern], "priority": 7, "template": template}
    )
    try:
        ledger = Ledger(client, stream.dataset.name, index=ledger_name)
        prepare(client, ledger, stream.dataset, [DAY], "a")
        assert properties(stream)["device"] == device
        assert properties(stream)["site"] == {"type": "keyword"}
        assert settings(stream) == LOADING
        restore(client, ledger, "a")
        assert settings(stream)["index.refresh_interval"] == "42s"
    finally:
        client.indices.delete_index_template(name=name)


def test_many_days_need_few_requests(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    days = [DAY + timedelta(days=number) for number in range(5)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_indices, "_LINE", 60)  # two names or three
        created = prepare(client, ledger, stream.dataset, days, "a")
        assert created == [stream.dataset.raw_index(day) for day in days]
        assert all(settings(stream, day) == LOADING for day in days)
        assert restore(client, ledger, "a") == created
    assert all(settings(stream, day)["index.number_of_replicas"] == "1" for day in days)


def test_types_that_need_more_than_a_name_are_refused(
    client: OpenSearch, make_stream: StreamFactory, ledger_name: str
) -> None:
    stream = make_stream(raw={"fields": {"price": "scaled_float"}})
    ledger = Ledger(client, stream.dataset.name, index=ledger_name)
    with pytest.raises(Refused, match=r"cannot be mapped.*scaling_factor.*Mend raw.fields"):
        prepare(client, ledger, stream.dataset, [DAY], "a")


def test_a_data_stream_template_is_refused(client: OpenSearch, stream: Stream, ledger: Ledger) -> None:
    name = f"test-template-{uuid4().hex[:8]}"
    body = {"index_patterns": [stream.dataset.raw.names.expression], "priority": 7, "data_stream": {}}
    client.indices.put_index_template(name=name, body=body)
    try:
        with pytest.raises(Refused, match="could not be created"):
            prepare(client, ledger, stream.dataset, [DAY], "a")
    finally:
        client.indices.delete_index_template(name=name)


# --- Set and given back


def test_settings_are_set_and_given_back(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    before = create(stream, **CUSTOM)
    unset = create(stream, NEXT)
    assert unset["index.refresh_interval"] is None
    prepare(client, ledger, stream.dataset, [DAY, NEXT], "a")
    assert settings(stream) == settings(stream, NEXT) == LOADING
    assert len(written_down(ledger)) == 2
    assert restore(client, ledger, "a") == [stream.dataset.raw_index(DAY), stream.dataset.raw_index(NEXT)]
    assert settings(stream) == before
    assert settings(stream, NEXT) == unset
    assert written_down(ledger) == []
    assert restore(client, ledger, "a") == []


def test_replicas_that_expand_by_themselves_come_back(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    before = create(stream, **{"index.auto_expand_replicas": "0-1"})
    prepare(client, ledger, stream.dataset, [DAY], "a")
    assert settings(stream) == LOADING
    restore(client, ledger, "a")
    assert settings(stream) == before


def test_restored_days_are_searchable(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    create(stream, **{"index.refresh_interval": "-1"})  # a new interval would refresh by itself
    prepare(client, ledger, stream.dataset, [DAY], "a")
    name = stream.dataset.raw_index(DAY)
    client.bulk(index=name, body=[{"create": {"_id": "1"}}, {"device": "d1"}])
    restore(client, ledger, "a")
    assert client.count(index=name)["count"] == 1


def test_preparing_twice_keeps_the_originals(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    before = create(stream, **CUSTOM)
    prepare(client, ledger, stream.dataset, [DAY], "a")
    prepare(client, ledger, stream.dataset, [DAY], "a")
    restore(client, ledger, "a")
    assert settings(stream) == before


def test_the_last_loader_gives_back(client: OpenSearch, impatient: Ledger, stream: Stream) -> None:
    before = create(stream, **CUSTOM)
    prepare(client, impatient, stream.dataset, [DAY], "a")
    prepare(client, impatient, stream.dataset, [DAY], "b")
    leaving = Event()
    with ThreadPoolExecutor(1) as pool:

        def stay_alive() -> None:
            while not leaving.wait(0.02):
                renew(impatient, stream.dataset, [DAY], "b")

        alive = pool.submit(stay_alive)
        assert restore(client, impatient, "a") == []
        assert settings(stream) == LOADING
        leaving.set()
        alive.result()
    assert restore(client, impatient, "b") == [stream.dataset.raw_index(DAY)]
    assert settings(stream) == before


def test_only_own_days_and_own_dataset_are_left(
    client: OpenSearch, ledger: Ledger, make_stream: StreamFactory, stream: Stream, ledger_name: str
) -> None:
    other = make_stream()
    foreign = Ledger(client, other.dataset.name, index=ledger_name)
    prepare(client, foreign, other.dataset, [DAY], "a")
    prepare(client, ledger, stream.dataset, [DAY], "a")
    prepare(client, ledger, stream.dataset, [NEXT], "b")
    assert restore(client, ledger, "a") == [stream.dataset.raw_index(DAY)]
    assert settings(stream, NEXT) == LOADING
    assert settings(other) == LOADING
    restore(client, ledger, "b")
    restore(client, foreign, "a")


def test_loaders_that_begin_at_once_write_down_the_originals(
    client: OpenSearch, impatient: Ledger, stream: Stream
) -> None:
    before = create(stream, **CUSTOM)
    start = Barrier(4)

    def begin(owner: str) -> None:
        start.wait()
        prepare(client, impatient, stream.dataset, [DAY], owner)
        assert settings(stream) == LOADING

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(begin, "abcd"))
    (stored,) = impatient.index.find(impatient.query("settings"))
    assert stored.source["originals"] == before
    assert {user["owner"] for user in stored.source["users"]} == set("abcd")
    time.sleep(0.31)
    assert restore_abandoned(client, impatient) == [stream.dataset.raw_index(DAY)]
    assert settings(stream) == before


def test_loaders_that_come_and_go_leave_the_originals(client: OpenSearch, impatient: Ledger, stream: Stream) -> None:
    before = create(stream, **CUSTOM)
    start = Barrier(3)

    def come_and_go(owner: str) -> None:
        start.wait()
        for _ in range(4):
            prepare(client, impatient, stream.dataset, [DAY], owner)
            restore(client, impatient, owner)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(come_and_go, "abc"))
    restore_abandoned(client, impatient)
    assert settings(stream) == before
    assert written_down(impatient) == []


# --- Kills


def fail_at(client: OpenSearch, monkeypatch: pytest.MonkeyPatch, call: str, *, after: bool = False) -> None:
    """Kill whoever calls a method of the client's indices, before or after it did its work."""
    real = getattr(client.indices, call)

    def killed(*args: Any, **options: Any) -> Any:
        if after:
            real(*args, **options)
        raise Killed

    monkeypatch.setattr(client.indices, call, killed)


@pytest.mark.parametrize(
    ("call", "after"), [("put_settings", False), ("put_settings", True), ("get", False), ("create", True)]
)
def test_a_killed_loader_is_cleared_up_by_the_next_run(
    client: OpenSearch,
    impatient: Ledger,
    stream: Stream,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    after: bool,
) -> None:
    before = create(stream, **CUSTOM)
    with monkeypatch.context() as patch:
        fail_at(client, patch, call, after=after)
        with pytest.raises(Killed):
            prepare(client, impatient, stream.dataset, [DAY, NEXT], "dead")
    prepare(client, impatient, stream.dataset, [DAY, NEXT], "next")
    assert settings(stream) == LOADING
    assert len(restore(client, impatient, "next")) == 2
    assert settings(stream) == before
    assert properties(stream, NEXT)["device"] == {"type": "keyword"}


def test_a_kill_between_writing_down_and_reading_is_cleared_up(
    client: OpenSearch, impatient: Ledger, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = create(stream, **CUSTOM)

    def killed(*_: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(loading_settings, "settings_of", killed)
        with pytest.raises(Killed):
            prepare(client, impatient, stream.dataset, [DAY], "dead")
    time.sleep(0.31)
    assert restore_abandoned(client, impatient) == [stream.dataset.raw_index(DAY)]
    assert settings(stream) == before
    assert written_down(impatient) == []


@pytest.mark.parametrize(("call", "after"), [("put_settings", False), ("put_settings", True), ("refresh", False)])
def test_a_teardown_that_is_killed_is_finished_by_the_next(
    client: OpenSearch, ledger: Ledger, stream: Stream, monkeypatch: pytest.MonkeyPatch, call: str, after: bool
) -> None:
    before = create(stream, **CUSTOM)
    prepare(client, ledger, stream.dataset, [DAY], "a")
    with monkeypatch.context() as patch:
        fail_at(client, patch, call, after=after)
        with pytest.raises(Killed):
            restore(client, ledger, "a")
    if call == "refresh":  # the ledger's own refresh comes before all
        assert restore(client, ledger, "a") == [stream.dataset.raw_index(DAY)]
    else:
        assert restore_abandoned(client, ledger) == [stream.dataset.raw_index(DAY)]
    assert settings(stream) == before
    assert written_down(ledger) == []


def test_a_dead_user_is_waited_for_no_longer_than_its_lease(
    client: OpenSearch, impatient: Ledger, stream: Stream
) -> None:
    before = create(stream, **CUSTOM)
    prepare(client, impatient, stream.dataset, [DAY], "dead")
    prepare(client, impatient, stream.dataset, [DAY], "a")
    began = time.monotonic()
    assert restore(client, impatient, "a") == [stream.dataset.raw_index(DAY)]
    assert time.monotonic() - began < 5
    assert settings(stream) == before


def test_who_slept_for_longer_than_a_lease_prepares_again(
    client: OpenSearch, stream: Stream, ledger_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken for dead between writing down and setting: the settings were given back already."""
    before = create(stream, **CUSTOM)
    ledger = Ledger(client, stream.dataset.name, index=ledger_name)
    real = client.indices.put_settings
    calls: list[Any] = []

    def overslept(**options: Any) -> Any:
        calls.append(options["body"])
        if len(calls) == 1:
            (stored,) = ledger.index.find(ledger.query("settings"))
            ledger.index.change([stored.id], lambda _, source: source and {**source, "users": []})
            restore_abandoned(client, ledger)
        return real(**options)

    monkeypatch.setattr(client.indices, "put_settings", overslept)
    prepare(client, ledger, stream.dataset, [DAY], "a")
    assert settings(stream) == LOADING
    restore(client, ledger, "a")
    assert settings(stream) == before


def test_renewing_needs_a_write_now_and_then_only(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    prepare(client, ledger, stream.dataset, [DAY], "a")

    def version() -> int:
        (stored,) = ledger.index.find(ledger.query("settings"))
        return stored.seq_no

    first = version()
    renew(ledger, stream.dataset, [DAY, NEXT], "a")
    renew(ledger, stream.dataset, [DAY], "nobody")
    assert version() == first
    restore(client, ledger, "a")
    renew(ledger, stream.dataset, [DAY], "a")
    assert written_down(ledger) == []


# --- Faults


def test_an_index_that_was_deleted_meanwhile_is_fine(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    prepare(client, ledger, stream.dataset, [DAY, NEXT], "a")
    client.indices.delete(index=stream.dataset.raw_index(DAY))
    renew(ledger, stream.dataset, [DAY, NEXT], "a")
    restore(client, ledger, "a")
    assert settings(stream, NEXT)["index.refresh_interval"] is None
    assert not stream.exists(DAY)
    assert written_down(ledger) == []


@pytest.mark.parametrize(
    ("block", "words"),
    [("read_only", "is read-only: another run"), ("write", "is write-blocked: another run")],
)
def test_a_day_that_somebody_holds_is_refused(
    client: OpenSearch, ledger: Ledger, stream: Stream, block: str, words: str
) -> None:
    create(stream, NEXT)
    before = create(stream, **CUSTOM)
    stream.set_block(block, True)
    with pytest.raises(Refused, match=f"{stream.dataset.raw_index(DAY)} {words}.*index.blocks.{block} to null"):
        prepare(client, ledger, stream.dataset, [DAY, NEXT], "a")
    stream.set_block(block, None)
    assert settings(stream) == before
    assert written_down(ledger) == []


def test_a_full_disk_may_pass(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    create(stream)
    stream.set_block("read_only_allow_delete", True)
    with pytest.raises(TransientError, match="a disk of the cluster is full"):
        prepare(client, ledger, stream.dataset, [DAY], "a")
    stream.set_block("read_only_allow_delete", None)


def test_a_closed_day_is_refused(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    client.indices.close(index=stream.create())
    with pytest.raises(Refused, match="is closed"):
        prepare(client, ledger, stream.dataset, [DAY], "a")


def test_an_alias_in_place_of_a_day_is_refused(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    real = stream.create(index=f"{stream.dataset.name}-real")
    client.indices.put_alias(index=real, name=stream.dataset.raw_index(DAY))
    with pytest.raises(Refused, match=f"{stream.dataset.raw_index(DAY)} is an alias of {real}"):
        prepare(client, ledger, stream.dataset, [DAY], "a")


def test_a_day_that_is_blocked_at_the_end_is_named_and_given_back_later(
    client: OpenSearch, ledger: Ledger, stream: Stream
) -> None:
    before = create(stream, **CUSTOM)
    create(stream, NEXT, **CUSTOM)
    prepare(client, ledger, stream.dataset, [DAY, NEXT], "a")
    stream.set_block("read_only", True)
    with pytest.raises(Refused, match=f"undone in {stream.dataset.raw_index(DAY)}: .*read-only.*written down"):
        restore(client, ledger, "a")
    assert settings(stream, NEXT) == before
    stream.set_block("read_only", None)
    assert restore_abandoned(client, ledger) == [stream.dataset.raw_index(DAY)]
    assert settings(stream) == before


def no_room(index: str) -> Any:
    """No replicas for an index, as cluster.max_shards_per_node has it, which counts for all tests of a node."""
    no = refused(400, "validation_exception", "this cluster currently has maximum shards open")

    def rule(request: Request, forward: Forward) -> Answer:
        wants = index in request.path and b'"index.number_of_replicas":"3"' in request.body.replace(b" ", b"")
        return (no if request.method == "PUT" and wants else lambda *_: forward(request))(request, forward)

    return rule


def test_a_day_without_room_for_its_replicas_keeps_no_other_from_its_settings(
    client: OpenSearch, ledger: Ledger, stream: Stream, ledger_name: str, opensearch_url: str
) -> None:
    before = create(stream, **CUSTOM)
    create(stream, NEXT, **CUSTOM)
    later = DAY + timedelta(days=2)
    create(stream, later, **CUSTOM)
    index = stream.dataset.raw_index(NEXT)
    with FaultyProxy(opensearch_url) as proxy, OpenSearch(proxy.url) as behind:
        proxy.add(no_room(index), path="_settings")
        theirs = Ledger(behind, stream.dataset.name, index=ledger_name)
        prepare(behind, theirs, stream.dataset, [DAY, NEXT], "a")
        with pytest.raises(Refused, match=rf"undone in {index}: .*maximum shards open.*written down.*make room"):
            restore(behind, theirs, "a")
        assert settings(stream) == before
        assert settings(stream, NEXT) == {**LOADING, "index.refresh_interval": "17s"}
        assert written_down(ledger) == [index]
        prepare(behind, theirs, stream.dataset, [later], "b")
        assert restore(behind, theirs, "b") == [stream.dataset.raw_index(later)]  # the other one is not its fault
        assert settings(stream, later) == before
    assert restore_abandoned(client, ledger) == [index]
    assert settings(stream, NEXT) == before


def test_a_domain_that_insists_on_its_copies_keeps_them(
    client: OpenSearch, ledger: Ledger, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With cluster.routing.allocation.awareness.balance, as domains over three zones have it."""
    before = create(stream, **CUSTOM)
    real = client.indices.put_settings

    def balanced(**options: Any) -> Any:
        if options["body"].get("index.number_of_replicas") == "0":
            raise RequestError(400, "illegal_argument_exception", {})
        return real(**options)

    monkeypatch.setattr(client.indices, "put_settings", balanced)
    prepare(client, ledger, stream.dataset, [DAY], "a")
    assert settings(stream) == {**before, "index.refresh_interval": "-1"}
    restore(client, ledger, "a")
    assert settings(stream) == before


def test_a_ledger_that_is_blocked_for_a_moment_is_waited_for(client: OpenSearch, stream: Stream) -> None:
    before = create(stream, **CUSTOM)
    with ledger_index(client) as name:
        ledger = Ledger(client, stream.dataset.name, index=name)
        ledger.ensure()
        prepare(client, ledger, stream.dataset, [DAY], "a")
        client.indices.put_settings(index=name, body={"index.blocks.write": True})
        lift = Timer(0.3, client.indices.put_settings, kwargs={"index": name, "body": {"index.blocks.write": None}})
        lift.start()
        assert restore(client, ledger, "a") == [stream.dataset.raw_index(DAY)]
        lift.join()
    assert settings(stream) == before


def test_serverless_has_no_settings(client: OpenSearch, stream: Stream, ledger_name: str) -> None:
    ledger = Ledger(client, stream.dataset.name, index=ledger_name, serverless=True)
    assert prepare(client, ledger, stream.dataset, [DAY], "a") == [stream.dataset.raw_index(DAY)]
    assert settings(stream)["index.refresh_interval"] is None
    assert properties(stream)["device"] == {"type": "keyword"}
    assert restore(client, ledger, "a") == restore_abandoned(client, ledger) == []
    renew(ledger, stream.dataset, [DAY], "a")
