"""One run at a time decides over a raw day, and what a killed run held is let go by the next."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from threading import Thread
from typing import Any

import pytest
from opensearchpy import AuthorizationException

from opensearch_strata.connections.processes import this_process
from opensearch_strata.errors import Refused
from opensearch_strata.history.raw_day import hold
from opensearch_strata.history.raw_day.hold import (
    NOTE,
    Hold,
    OvertakenError,
    claim,
    held,
    hold_in,
    release,
    release_dead,
)
from opensearch_strata.history.raw_day.inspection import RawDay, inspect_raw_day
from tests.streams import DAY, Stream


@pytest.fixture
def stream(stream: Stream) -> Stream:
    """A raw day whose mapping bears a note of somebody else's, too."""
    stream.fill(count=5)
    stream.client.indices.put_mapping(index=stream.dataset.raw_index(DAY), body={"_meta": {"owner": "somebody"}})
    return stream


def raw_of(stream: Stream) -> RawDay:
    raw = inspect_raw_day(stream.client, stream.dataset, DAY)
    assert raw
    return raw


def noted(stream: Stream) -> Hold | None:
    return hold_in(raw_of(stream).meta)


def note(stream: Stream, value: Any) -> None:
    meta = {**raw_of(stream).meta, NOTE: value}
    stream.client.indices.put_mapping(index=stream.dataset.raw_index(DAY), body={"_meta": meta})


def somebody(*, process: str = "elsewhere/1/1", lasts: int = 60, lifts: bool = True) -> Hold:
    return Hold("another", process, int(time.time()) + lasts, lifts)


def test_a_held_day_takes_no_documents_and_is_free_again_afterwards(stream: Stream) -> None:
    with held(stream.client, raw_of(stream)) as mine:
        assert (noted(stream), stream.blocks()) == (mine, {"write"})
        with pytest.raises(AuthorizationException, match="cluster_block_exception"):
            stream.client.index(index=stream.dataset.raw_index(DAY), body={"device": "late"})
    assert (stream.blocks(), raw_of(stream).meta) == (set(), {"owner": "somebody"})


def test_whatever_fails_lets_go(stream: Stream) -> None:
    with pytest.raises(ZeroDivisionError), held(stream.client, raw_of(stream)):
        1 / 0  # noqa: B018
    assert (stream.blocks(), noted(stream)) == (set(), None)


def test_a_block_of_the_producers_stays(stream: Stream) -> None:
    stream.set_block("write", on=True)
    with held(stream.client, raw_of(stream)) as mine:
        assert not mine.lifts
    assert (stream.blocks(), noted(stream)) == ({"write"}, None)


def test_another_run_is_waited_for(stream: Stream) -> None:
    first = claim(stream.client, stream.dataset.raw_index(DAY))

    def ends() -> None:
        time.sleep(0.5)
        release(stream.client, stream.dataset.raw_index(DAY), first)

    Thread(target=ends).start()
    with held(stream.client, raw_of(stream)) as second:
        assert second.run != first.run
        assert stream.blocks() == {"write"}


def test_another_run_that_lasts_is_left_alone(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "_PATIENCE", 0.3)
    other = somebody()
    note(stream, asdict(other))
    with (
        pytest.raises(Refused, match=r"another run holds it, until \d\d:\d\d:\d\d UTC at the latest"),
        held(stream.client, raw_of(stream)),
    ):
        pytest.fail("two at once")
    assert not release_dead(stream.client, raw_of(stream))
    assert noted(stream) == other


@pytest.mark.parametrize(
    "left",
    [asdict(somebody(lasts=-1)), asdict(replace(somebody(), process="x")), {"run": 1}, "something else"],
    ids=["its time is over", "its process is dead", "of nobody", "no note"],
)
def test_what_a_killed_run_held_is_let_go_by_the_next(
    stream: Stream, left: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold, "is_dead", lambda process: process == "x")
    ours = isinstance(left, dict) and left.get("lifts")
    note(stream, left)
    stream.set_block("write", on=True)
    release_dead(stream.client, raw_of(stream))
    assert stream.blocks() == (set() if ours else {"write"})
    with held(stream.client, raw_of(stream)):
        pass
    assert stream.blocks() == (set() if ours else {"write"})


def test_a_live_process_of_this_machine_is_not_taken_for_dead(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    other = somebody(process=this_process())
    note(stream, asdict(other))
    monkeypatch.setattr(hold, "_MINE", {other.run})
    assert not release_dead(stream.client, raw_of(stream))


def test_a_run_of_this_process_that_could_not_let_go_is_known_to_be_over(stream: Stream) -> None:
    """Its last request got no answer."""
    note(stream, asdict(somebody(process=this_process())))
    stream.set_block("write", on=True)
    assert release_dead(stream.client, raw_of(stream))
    assert (stream.blocks(), noted(stream)) == (set(), None)


def test_a_person_keeps_a_day_whatever_runs_do(stream: Stream) -> None:
    with held(stream.client, raw_of(stream)):
        stream.set_block("read_only", on=True)
    assert stream.blocks() == {"read_only", "write"}
    assert not release_dead(stream.client, raw_of(stream))
    stream.set_block("read_only", on=None)


def test_of_two_that_ask_in_the_same_instant_one_has_it(stream: Stream) -> None:
    index = stream.dataset.raw_index(DAY)
    mine = claim(stream.client, index)
    other = somebody()
    note(stream, asdict(other))
    with pytest.raises(OvertakenError, match="another run took it over meanwhile"):
        hold.require_held(stream.client, index, mine)
    release(stream.client, index, mine)  # not its own any more
    assert noted(stream) == other
