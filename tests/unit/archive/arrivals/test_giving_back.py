"""When messages come back that are not done: what others load waits for their lease, what failed waits ever longer."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event
from typing import Any

import pytest

from opensearch_strata.archive.arrivals.drain import Drain
from opensearch_strata.archive.arrivals.drained import Drained
from opensearch_strata.archive.arrivals.lane import Ticket
from opensearch_strata.archive.arrivals.queue import Message
from opensearch_strata.archive.arrivals.routing import Routes
from opensearch_strata.archive.ledger.store import LEASE


class Notes:
    """Stands for the inbox: notes what is asked of it."""

    def __init__(self) -> None:
        self.deleted: list[str] = []
        self.left: list[str] = []
        self.given_back: dict[str, float] = {}

    def delete(self, messages: Sequence[Message]) -> None:
        self.deleted += [one.id for one in messages]

    def let_go(self, messages: Sequence[Message]) -> None:
        self.left += [one.id for one in messages]

    def give_back(self, messages: Sequence[Message], seconds: float) -> None:
        self.given_back |= {one.id: seconds for one in messages}


def answered(**about: Any) -> Notes:
    """What becomes of a message, with `receives` and what its ticket says."""
    receives = about.pop("receives", 1)
    notes: Any = Notes()
    drain = Drain(notes, Routes([], [], is_sure=True), lambda _: pytest.fail("no lane is needed"), Event(), Drained())
    drain._tickets = [Ticket(Message("m", "r", "", 0, receives), **about)]
    drain._answer()
    found: Notes = notes
    return found


def test_a_message_is_deleted_when_nothing_in_it_is_open() -> None:
    assert answered().deleted == ["m"]
    still_open = answered(open=1)
    assert (still_open.deleted, still_open.left, still_open.given_back) == ([], [], {})


def test_what_is_left_to_the_redrive_policy_is_neither_deleted_nor_given_back() -> None:
    left = answered(is_left=True)
    assert (left.deleted, left.left, left.given_back) == ([], ["m"], {})


def test_what_a_broken_definition_may_need_is_held_for_hours() -> None:
    """Five receives, as a redrive policy may allow, last for more than a day."""
    hours = [answered(is_held=True, receives=receives).given_back["m"] / 3600 for receives in range(1, 7)]
    assert hours == [1, 2, 4, 8, 12, 12]
    held = answered(is_held=True, is_left=True)
    assert (held.deleted, held.left, held.given_back) == ([], [], {"m": 3600})
    assert answered(is_held=True, to_retry=True).given_back["m"] <= 60


def test_what_failed_comes_back_later_each_time() -> None:
    """Five receives, as a redrive policy may allow, last for hours, whatever the cause is."""
    pauses = [answered(to_retry=True, receives=receives).given_back["m"] for receives in range(1, 7)]
    for pause, most in zip(pauses, (60, 240, 960, 3840, 15360, 21600), strict=True):
        assert 0.8 * most <= pause <= most
    assert answered(to_retry=True, is_left=True).given_back


def test_what_others_are_loading_comes_back_when_the_lease_of_a_dead_loader_is_over() -> None:
    busy = answered(to_retry=True, is_busy=True)
    assert (busy.given_back["m"] > LEASE, busy.deleted) == (True, [])
    assert answered(to_retry=True, is_busy=True, receives=4).given_back["m"] > 3000
