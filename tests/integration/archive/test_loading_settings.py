"""Raw days set up for loading on a real node: those that a load makes, shared by several loaders, and given back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from threading import Barrier, BrokenBarrierError, Timer
from typing import Any
from uuid import uuid4

import pytest
from opensearchpy import OpenSearch, RequestError

from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.targets import raw_indices, under_load
from opensearch_strata.archive.targets.loading_settings import LOADING, prepare, renew, restore
from opensearch_strata.archive.targets.made_days import LoadNote, notes
from opensearch_strata.connections.safe_settings import SAFE
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
    """One by which a loader is soon taken for dead."""
    return Ledger(client, stream.dataset.name, index=ledger_name, day_lease=0.3)


@pytest.fixture
def template(client: OpenSearch) -> Iterator[Any]:
    """Templates for the raw days of a stream, which are gone after the test."""
    made = []

    def make(stream: Stream, **settings: Any) -> None:
        made.append(f"test-template-{uuid4().hex[:8]}")
        patterns = [stream.dataset.raw.names.expression]
        body = {"index_patterns": patterns, "priority": 7, "template": {"settings": settings}}
        client.indices.put_index_template(name=made[-1], body=body)

    yield make
    for name in made:
        client.indices.delete_index_template(name=name)


def all_settings(stream: Stream, day: date = DAY) -> dict[str, Any]:
    name = stream.dataset.raw_index(day)
    found: dict[str, Any] = stream.client.indices.get_settings(index=name, params={"flat_settings": "true"})
    settings: dict[str, Any] = found[name]["settings"]
    return settings


def settings(stream: Stream, day: date = DAY) -> dict[str, str | None]:
    found = all_settings(stream, day)
    return {key: found.get(key) for key in LOADING}


def properties(stream: Stream, day: date = DAY) -> dict[str, Any]:
    name = stream.dataset.raw_index(day)
    found: dict[str, Any] = stream.client.indices.get_mapping(index=name)[name]["mappings"]["properties"]
    return found


def note(stream: Stream, day: date = DAY) -> LoadNote | None:
    name = stream.dataset.raw_index(day)
    return notes(stream.client, [name]).get(name)


def registered(ledger: Ledger) -> dict[str, list[str]]:
    """Raw index -> who is written down as loading into it."""
    return {name: sorted(under_load.users(one.source)) for name, one in under_load.registrations(ledger).items()}


def create(stream: Stream, day: date = DAY, **changes: Any) -> dict[str, str | None]:
    stream.create(day)
    if changes:
        stream.client.indices.put_settings(index=stream.dataset.raw_index(day), body=changes)
    return settings(stream, day)


CUSTOM = {"index.refresh_interval": "17s", "index.number_of_replicas": "3"}
ORIGINALS = {**CUSTOM, "index.auto_expand_replicas": None}


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
    restore(client, ledger, stream.dataset, "a")


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
        restore(client, ledger, stream.dataset, "a")
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
        assert restore(client, ledger, stream.dataset, "a") == created
    assert all(settings(stream, day)["index.number_of_replicas"] == "1" for day in days)


def test_types_that_need_more_than_a_name_are_refused(
    client: OpenSearch, make_stream: StreamFactory, ledger_name: str
) -> None:
    stream = make_stream(raw={"fields": {"price": "scaled_float"}})
    ledger = Ledger(client, stream.dataset.name, index=ledger_name)
    with pytest.raises(Refused, match=r"cannot be mapped.*scaling_factor.*Correct raw.fields"):
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


# --- Days that are there


def test_days_that_are_there_keep_refresh_and_replicas(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    before = create(stream, DAY, **CUSTOM)
    prepare(client, ledger, stream.dataset, [DAY], "a")
    assert settings(stream) == before
    assert note(stream) is None
    assert registered(ledger) == {stream.dataset.raw_index(DAY): ["a"]}
    assert properties(stream)["archive"]
    assert restore(client, ledger, stream.dataset, "a") == []
    assert settings(stream) == before
    assert registered(ledger) == {}


def test_a_day_that_an_earlier_load_made_is_there(
    client: OpenSearch, ledger: Ledger, stream: Stream, template: Any
) -> None:
    template(stream, **CUSTOM)
    prepare(client, ledger, stream.dataset, [DAY], "a")
    restore(client, ledger, stream.dataset, "a")
    prepare(client, ledger, stream.dataset, [DAY], "b")
    assert settings(stream) == ORIGINALS
    restore(client, ledger, stream.dataset, "b")


# --- Set and given back


def test_settings_are_set_and_given_back(client: OpenSearch, ledger: Ledger, stream: Stream, template: Any) -> None:
    template(stream, **CUSTOM)
    names = [stream.dataset.raw_index(DAY), stream.dataset.raw_index(NEXT)]
    prepare(client, ledger, stream.dataset, [DAY, NEXT], "a")
    assert settings(stream) == settings(stream, NEXT) == LOADING
    assert note(stream) == LoadNote("a", ORIGINALS)
    assert registered(ledger) == {name: ["a"] for name in names}
    assert restore(client, ledger, stream.dataset, "a") == names
    assert settings(stream) == settings(stream, NEXT) == ORIGINALS
    assert note(stream) == LoadNote("a", None)
    assert registered(ledger) == {}
    assert restore(client, ledger, stream.dataset, "a") == []


def test_what_a_template_says_of_the_mapping_stays_known(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    name = f"test-template-{uuid4().hex[:8]}"
    meta = {"owner": "plant", "strata": {"kept": True}}
    body = {"index_patterns": [stream.dataset.raw.names.expression], "priority": 7}
    client.indices.put_index_template(name=name, body={**body, "template": {"mappings": {"_meta": meta}}})
    try:
        prepare(client, ledger, stream.dataset, [DAY], "a")
        restore(client, ledger, stream.dataset, "a")
        index = stream.dataset.raw_index(DAY)
        found = client.indices.get_mapping(index=index)[index]["mappings"]["_meta"]
        assert found == {"owner": "plant", "strata": {"kept": True, "made_by": "a"}}
    finally:
        client.indices.delete_index_template(name=name)


def test_days_that_a_load_makes_are_safe_against_any_template(
    client: OpenSearch, ledger: Ledger, stream: Stream, template: Any
) -> None:
    weak = {"index.translog.durability": "async", **dict.fromkeys([*SAFE][1:], "drops")}
    template(stream, **weak)
    prepare(client, ledger, stream.dataset, [DAY], "a")
    restore(client, ledger, stream.dataset, "a")
    assert SAFE.items() <= all_settings(stream).items()


def test_replicas_that_expand_by_themselves_come_back(
    client: OpenSearch, ledger: Ledger, stream: Stream, template: Any
) -> None:
    template(stream, **{"index.auto_expand_replicas": "0-1"})
    prepare(client, ledger, stream.dataset, [DAY], "a")
    assert settings(stream) == LOADING
    restore(client, ledger, stream.dataset, "a")
    assert settings(stream)["index.auto_expand_replicas"] == "0-1"


def test_restored_days_are_searchable(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    create(stream, DAY, **{"index.refresh_interval": "-1"})  # a new interval would refresh by itself
    prepare(client, ledger, stream.dataset, [DAY], "a")
    name = stream.dataset.raw_index(DAY)
    client.bulk(index=name, body=[{"create": {"_id": "1"}}, {"device": "d1"}])
    restore(client, ledger, stream.dataset, "a")
    assert client.count(index=name)["count"] == 1


def test_preparing_twice_keeps_the_originals(client: OpenSearch, ledger: Ledger, stream: Stream, template: Any) -> None:
    template(stream, **CUSTOM)
    prepare(client, ledger, stream.dataset, [DAY], "a")
    prepare(client, ledger, stream.dataset, [DAY], "a")
    restore(client, ledger, stream.dataset, "a")
    assert settings(stream) == ORIGINALS


def test_the_last_loader_gives_back(client: OpenSearch, ledger: Ledger, stream: Stream, template: Any) -> None:
    template(stream, **CUSTOM)
    prepare(client, ledger, stream.dataset, [DAY], "a")
    prepare(client, ledger, stream.dataset, [DAY], "b")
    assert restore(client, ledger, stream.dataset, "a") == []
    assert settings(stream) == LOADING
    assert registered(ledger) == {stream.dataset.raw_index(DAY): ["b"]}
    assert restore(client, ledger, stream.dataset, "b") == [stream.dataset.raw_index(DAY)]
    assert settings(stream) == ORIGINALS


def test_only_own_days_and_own_dataset_are_left(
    client: OpenSearch, ledger: Ledger, make_stream: StreamFactory, stream: Stream, ledger_name: str
) -> None:
    other = make_stream()
    foreign = Ledger(client, other.dataset.name, index=ledger_name)
    prepare(client, foreign, other.dataset, [DAY], "a")
    prepare(client, ledger, stream.dataset, [DAY], "a")
    prepare(client, ledger, stream.dataset, [NEXT], "b")
    assert restore(client, ledger, stream.dataset, "a") == [stream.dataset.raw_index(DAY)]
    assert settings(stream, NEXT) == LOADING
    assert settings(other) == LOADING
    restore(client, ledger, stream.dataset, "b")
    restore(client, foreign, other.dataset, "a")


def test_loaders_that_begin_at_once_write_down_the_originals(
    client: OpenSearch, impatient: Ledger, stream: Stream, template: Any
) -> None:
    template(stream, **CUSTOM)
    start = Barrier(4)

    def begin(owner: str) -> list[str]:
        start.wait()
        return prepare(client, impatient, stream.dataset, [DAY], owner)

    with ThreadPoolExecutor(4) as pool:
        created = list(pool.map(begin, "abcd"))
    assert sum(map(len, created)) == 1
    assert settings(stream) == LOADING
    there = note(stream)
    assert there
    assert there.originals == ORIGINALS
    time.sleep(0.31)
    assert restore(client, impatient, stream.dataset, "next") == [stream.dataset.raw_index(DAY)]
    assert settings(stream) == ORIGINALS


def test_loaders_that_come_and_go_leave_the_originals(
    client: OpenSearch, ledger: Ledger, stream: Stream, template: Any
) -> None:
    template(stream, **CUSTOM)
    start = Barrier(3)

    def come_and_go(owner: str) -> None:
        start.wait()
        for _ in range(4):
            prepare(client, ledger, stream.dataset, [DAY], owner)
            restore(client, ledger, stream.dataset, owner)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(come_and_go, "abc"))
    assert settings(stream) == ORIGINALS
    assert registered(ledger) == {}


def test_of_two_that_leave_at_once_one_gives_back(
    client: OpenSearch, ledger: Ledger, stream: Stream, template: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sees the other, and would leave the day to it."""
    template(stream, **CUSTOM)
    for owner in "ab":
        prepare(client, ledger, stream.dataset, [DAY], owner)
    both, asked = Barrier(2), under_load.registrations

    def together(ledger: Ledger) -> Any:
        found = asked(ledger)
        with suppress(BrokenBarrierError):
            both.wait(1)
        return found

    monkeypatch.setattr(under_load, "registrations", together)
    with ThreadPoolExecutor(2) as pool:
        back = list(pool.map(lambda owner: restore(client, ledger, stream.dataset, owner), "ab"))
    assert sorted(back) == [[], [stream.dataset.raw_index(DAY)]]
    assert settings(stream) == ORIGINALS
    assert registered(ledger) == {}


def test_a_lost_ledger_loses_no_settings(client: OpenSearch, stream: Stream, template: Any) -> None:
    template(stream, **CUSTOM)
    with ledger_index(client) as name:
        ledger = Ledger(client, stream.dataset.name, index=name)
        ledger.ensure()
        prepare(client, ledger, stream.dataset, [DAY], "a")
        client.indices.delete(index=name)
        ledger.ensure()
        assert restore(client, ledger, stream.dataset, "a") == [stream.dataset.raw_index(DAY)]
        assert settings(stream) == ORIGINALS
        prepare(client, ledger, stream.dataset, [NEXT], "killed")
        client.indices.delete(index=name)
        assert restore(client, ledger, stream.dataset, "another") == [stream.dataset.raw_index(NEXT)]
        assert settings(stream, NEXT) == ORIGINALS


def test_what_a_version_of_before_wrote_into_the_ledger_is_given_back(
    client: OpenSearch, impatient: Ledger, stream: Stream
) -> None:
    before = create(stream, DAY, **CUSTOM)
    prepare(client, impatient, stream.dataset, [DAY], "old")
    (stored,) = impatient.index.find(impatient.query("settings"))
    impatient.index.change([stored.id], lambda _, source: {**(source or {}), "originals": before})
    raw_indices.put_settings(client, {stream.dataset.raw_index(DAY): LOADING})
    time.sleep(0.31)
    assert restore(client, impatient, stream.dataset, "new") == [stream.dataset.raw_index(DAY)]
    assert settings(stream) == before
    assert registered(impatient) == {}


# --- Kills


def fail_at(client: OpenSearch, monkeypatch: pytest.MonkeyPatch, call: str, *, after: bool = False) -> None:
    """Kill whoever calls a method of the client's indices, before or after it did its work."""
    real = getattr(client.indices, call)

    def killed(*args: Any, **options: Any) -> Any:
        if after:
            real(*args, **options)
        raise Killed

    monkeypatch.setattr(client.indices, call, killed)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", ["create", "put_mapping", "put_settings", "get"])
def test_a_killed_loader_is_cleared_up_by_the_next_run(
    client: OpenSearch,
    impatient: Ledger,
    stream: Stream,
    monkeypatch: pytest.MonkeyPatch,
    template: Any,
    call: str,
    after: bool,
) -> None:
    template(stream, **CUSTOM)
    with monkeypatch.context() as patch:
        fail_at(client, patch, call, after=after)
        with pytest.raises(Killed):
            prepare(client, impatient, stream.dataset, [DAY, NEXT], "dead")
    time.sleep(0.31)
    restore(client, impatient, stream.dataset, "next")
    for day in (DAY, NEXT):
        if stream.exists(day):
            assert settings(stream, day) == ORIGINALS
    assert registered(impatient) == {}
    prepare(client, impatient, stream.dataset, [DAY, NEXT], "next")
    assert properties(stream, NEXT)["device"] == {"type": "keyword"}
    restore(client, impatient, stream.dataset, "next")
    assert settings(stream) == settings(stream, NEXT) == ORIGINALS


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", ["put_settings", "put_mapping", "refresh"])
def test_a_teardown_that_is_killed_is_finished_by_the_next(
    client: OpenSearch,
    ledger: Ledger,
    stream: Stream,
    monkeypatch: pytest.MonkeyPatch,
    template: Any,
    call: str,
    after: bool,
) -> None:
    template(stream, **CUSTOM)
    prepare(client, ledger, stream.dataset, [DAY], "a")
    with monkeypatch.context() as patch:
        fail_at(client, patch, call, after=after)
        with pytest.raises(Killed):
            restore(client, ledger, stream.dataset, "a")
    restore(client, ledger, stream.dataset, "a")
    assert settings(stream) == ORIGINALS
    assert registered(ledger) == {}


def test_a_dead_user_keeps_nobody_from_giving_back(
    client: OpenSearch, impatient: Ledger, ledger: Ledger, stream: Stream, template: Any
) -> None:
    template(stream, **CUSTOM)
    prepare(client, impatient, stream.dataset, [DAY], "dead")
    prepare(client, ledger, stream.dataset, [DAY], "a")
    time.sleep(0.31)
    assert restore(client, ledger, stream.dataset, "a") == [stream.dataset.raw_index(DAY)]
    assert settings(stream) == ORIGINALS


def test_who_slept_for_longer_than_its_registration_gives_back(
    client: OpenSearch, ledger: Ledger, stream: Stream, monkeypatch: pytest.MonkeyPatch, template: Any
) -> None:
    """Taken for dead between writing down and setting: the settings were given back already."""
    template(stream, **CUSTOM)
    real = client.indices.put_settings
    calls: list[Any] = []

    def overslept(**options: Any) -> Any:
        calls.append(options["body"])
        if len(calls) == 1:
            (stored,) = ledger.index.find(ledger.query("settings"))
            ledger.index.change([stored.id], lambda _, source: source and {**source, "users": []})
            restore(client, ledger, stream.dataset, "another")
        return real(**options)

    monkeypatch.setattr(client.indices, "put_settings", overslept)
    prepare(client, ledger, stream.dataset, [DAY], "a")
    assert settings(stream) == ORIGINALS
    restore(client, ledger, stream.dataset, "a")
    assert settings(stream) == ORIGINALS


def test_who_is_still_loading_registers_again_if_the_ledger_was_lost(client: OpenSearch, stream: Stream) -> None:
    with ledger_index(client) as name:
        ledger = Ledger(client, stream.dataset.name, index=name)
        ledger.ensure()
        prepare(client, ledger, stream.dataset, [DAY], "a")
        client.indices.delete(index=name)
        renew(ledger, stream.dataset, [DAY], "a")
        assert registered(ledger) == {stream.dataset.raw_index(DAY): ["a"]}
        restore(client, ledger, stream.dataset, "a")


# --- Faults


def test_an_index_that_was_deleted_meanwhile_is_fine(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    prepare(client, ledger, stream.dataset, [DAY, NEXT], "a")
    client.indices.delete(index=stream.dataset.raw_index(DAY))
    renew(ledger, stream.dataset, [DAY, NEXT], "a")
    restore(client, ledger, stream.dataset, "a")
    assert settings(stream, NEXT)["index.refresh_interval"] is None
    assert not stream.exists(DAY)
    assert registered(ledger) == {}


@pytest.mark.parametrize(
    ("block", "words"),
    [("read_only", "is read-only: another run"), ("write", "is write-blocked: another run")],
)
def test_a_day_that_somebody_holds_is_refused(
    client: OpenSearch,
    ledger: Ledger,
    stream: Stream,
    monkeypatch: pytest.MonkeyPatch,
    block: str,
    words: str,
) -> None:
    monkeypatch.setattr(raw_indices, "_BLOCKED_SHORTLY", 0.5)
    create(stream, NEXT)
    before = create(stream, DAY, **CUSTOM)
    stream.set_block(block, True)
    with pytest.raises(Refused, match=f"{stream.dataset.raw_index(DAY)} {words}.*index.blocks.{block} to null"):
        prepare(client, ledger, stream.dataset, [DAY, NEXT], "a")
    stream.set_block(block, None)
    assert settings(stream) == before
    assert registered(ledger) == {}


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


def test_a_day_that_is_blocked_for_a_moment_is_waited_for(client: OpenSearch, ledger: Ledger, stream: Stream) -> None:
    """As while somebody blocks it who would delete it, and sees that we load."""
    create(stream)
    stream.set_block("write", True)
    lift = Timer(1, stream.set_block, ["write", None])
    lift.start()
    prepare(client, ledger, stream.dataset, [DAY], "a")
    lift.join()
    restore(client, ledger, stream.dataset, "a")


def test_a_day_that_is_blocked_at_the_end_is_named_and_given_back_later(
    client: OpenSearch, ledger: Ledger, stream: Stream, template: Any
) -> None:
    template(stream, **CUSTOM)
    prepare(client, ledger, stream.dataset, [DAY, NEXT], "a")
    stream.set_block("read_only", True)
    with pytest.raises(Refused, match=f"undone in {stream.dataset.raw_index(DAY)}: .*read-only.*recorded"):
        restore(client, ledger, stream.dataset, "a")
    assert settings(stream, NEXT) == ORIGINALS
    stream.set_block("read_only", None)
    assert restore(client, ledger, stream.dataset, "b") == [stream.dataset.raw_index(DAY)]
    assert settings(stream) == ORIGINALS


def no_room(index: str) -> Any:
    """No replicas for an index, as cluster.max_shards_per_node has it, which counts for all tests of a node."""
    no = refused(400, "validation_exception", "this cluster currently has maximum shards open")

    def rule(request: Request, forward: Forward) -> Answer:
        wants = index in request.path and b'"index.number_of_replicas":"3"' in request.body.replace(b" ", b"")
        return (no if request.method == "PUT" and wants else lambda *_: forward(request))(request, forward)

    return rule


def test_a_day_without_room_for_its_replicas_keeps_no_other_from_its_settings(
    client: OpenSearch, ledger: Ledger, stream: Stream, ledger_name: str, opensearch_url: str, template: Any
) -> None:
    template(stream, **CUSTOM)
    later = DAY + timedelta(days=2)
    index = stream.dataset.raw_index(NEXT)
    with FaultyProxy(opensearch_url) as proxy, OpenSearch(proxy.url) as behind:
        proxy.add(no_room(index), path="_settings")
        theirs = Ledger(behind, stream.dataset.name, index=ledger_name)
        prepare(behind, theirs, stream.dataset, [DAY, NEXT], "a")
        with pytest.raises(Refused, match=rf"undone in {index}: .*maximum shards open.*recorded.*make room"):
            restore(behind, theirs, stream.dataset, "a")
        assert settings(stream) == ORIGINALS
        assert settings(stream, NEXT) == {**LOADING, "index.refresh_interval": "17s"}
        prepare(behind, theirs, stream.dataset, [later], "b")
        assert restore(behind, theirs, stream.dataset, "b") == [stream.dataset.raw_index(later)]  # not its fault
        assert settings(stream, later) == ORIGINALS
    assert restore(client, ledger, stream.dataset, "c") == [index]
    assert settings(stream, NEXT) == ORIGINALS


def test_a_domain_that_insists_on_its_copies_keeps_them(
    client: OpenSearch, ledger: Ledger, stream: Stream, monkeypatch: pytest.MonkeyPatch, template: Any
) -> None:
    """With cluster.routing.allocation.awareness.balance, as domains over three zones have it."""
    template(stream, **CUSTOM)
    real = client.indices.put_settings

    def balanced(**options: Any) -> Any:
        if options["body"].get("index.number_of_replicas") == "0":
            raise RequestError(400, "illegal_argument_exception", {})
        return real(**options)

    monkeypatch.setattr(client.indices, "put_settings", balanced)
    prepare(client, ledger, stream.dataset, [DAY], "a")
    assert settings(stream) == {**ORIGINALS, "index.refresh_interval": "-1"}
    restore(client, ledger, stream.dataset, "a")
    assert settings(stream) == ORIGINALS


def test_a_ledger_that_is_blocked_for_a_moment_is_waited_for(client: OpenSearch, stream: Stream, template: Any) -> None:
    template(stream, **CUSTOM)
    with ledger_index(client) as name:
        ledger = Ledger(client, stream.dataset.name, index=name)
        ledger.ensure()
        prepare(client, ledger, stream.dataset, [DAY], "a")
        client.indices.put_settings(index=name, body={"index.blocks.write": True})
        lift = Timer(0.3, client.indices.put_settings, kwargs={"index": name, "body": {"index.blocks.write": None}})
        lift.start()
        assert restore(client, ledger, stream.dataset, "a") == [stream.dataset.raw_index(DAY)]
        lift.join()
    assert settings(stream) == ORIGINALS


def test_serverless_has_no_settings(client: OpenSearch, stream: Stream, ledger_name: str) -> None:
    ledger = Ledger(client, stream.dataset.name, index=ledger_name, serverless=True)
    assert prepare(client, ledger, stream.dataset, [DAY], "a") == [stream.dataset.raw_index(DAY)]
    assert settings(stream)["index.refresh_interval"] is None
    assert properties(stream)["device"] == {"type": "keyword"}
    assert restore(client, ledger, stream.dataset, "a") == []
    renew(ledger, stream.dataset, [DAY], "a")
