"""What a row keeps when another attempt begins, and when raw days are gone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.ledger import takeover
from opensearch_strata.archive.ledger.loads import Counts, Loaded
from opensearch_strata.archive.ledger.rows import ObjectRow
from opensearch_strata.archive.ledger.takeover import counted_anew, taken_over, without_days
from opensearch_strata.archive.spans import Span
from tests.ledgers import place

MONDAY, TUESDAY, WEDNESDAY = (0, 10), (10, 20), (20, 30)


def row_of(span: Span = MONDAY, state: Any = "done", **changes: Any) -> ObjectRow:
    return ObjectRow(place(), 1, span, state=state, **changes)


def load_of(span: Span, days: dict[str, int] | None = None, there: dict[str, int] | None = None) -> Loaded:
    days, there = days or {}, there or {}
    created, existed = sum(days.values()), sum(there.values())
    return Loaded(span, Counts(created + existed, created, existed), days, there, ())


def finished(row: ObjectRow, span: Span, days: dict[str, int] | None = None) -> ObjectRow:
    """The row after one more load."""
    load = load_of(span, days)
    return replace(taken_over(row, span), state="done", counts=load.counts, days=load.days)


# --- Ranges


@pytest.mark.parametrize(
    ("span", "is_done"), [((10, 20), True), ((11, 19), True), ((9, 20), False), ((10, 21), False), ((0, 5), False)]
)
def test_a_row_is_done_for_the_ranges_within_its_own(span: Span, is_done: bool) -> None:
    row = row_of((10, 20))
    assert row.is_done_for(span) == is_done
    assert bool(row.loaded_for(span)) == is_done
    assert not replace(row, state="quarantined").is_done_for(span)


def test_a_row_stays_done_for_the_ranges_before() -> None:
    row = finished(finished(row_of(MONDAY), WEDNESDAY), (50, 60))
    assert [load.span for load in row.finished] == [MONDAY, WEDNESDAY, (50, 60)]
    assert row.is_done_for(MONDAY)
    assert not row.is_done_for((0, 30))
    row = finished(row, TUESDAY)
    assert row.is_done_for((0, 30))
    assert not row.is_done_for((0, 60))


def test_whoever_loads_it_for_another_range_does_not_undo_it() -> None:
    row = taken_over(row_of(MONDAY, days={"mon": 3}), TUESDAY)
    for state in ("running", "failed", "quarantined"):
        now = replace(row, state=state)
        assert now.is_done_for(MONDAY)
        assert not now.is_done_for(TUESDAY)
        assert [load.days for load in now.loaded_for(MONDAY)] == [{"mon": 3}]


def test_the_load_of_just_that_range_speaks_for_it() -> None:
    row = finished(finished(row_of(MONDAY), (0, 30)), (50, 60))
    assert [load.span for load in row.loaded_for(MONDAY)] == [MONDAY]
    assert [load.span for load in row.loaded_for(WEDNESDAY)] == [(0, 30)]
    assert [load.span for load in row.loaded_for((5, 15))] == [(0, 30)]
    assert row.loaded_for((5, 55)) == ()


def test_several_loads_speak_for_a_range_that_none_covers_alone() -> None:
    row = finished(finished(finished(row_of(MONDAY), TUESDAY), WEDNESDAY), (50, 60))
    assert [load.span for load in row.loaded_for((5, 15))] == [MONDAY, TUESDAY]
    assert [load.span for load in row.loaded_for((0, 30))] == [MONDAY, TUESDAY, WEDNESDAY]


def test_ever_more_ranges_in_a_row_are_remembered_as_one() -> None:
    row = row_of((0, 10), counts=Counts(1, 1), days={"0": 1}, samples=("0/a",))
    for number in range(1, 100):
        row = finished(row, (10 * number, 10 * number + 10), {f"{number}": 1})
    assert row.is_done_for((0, 1000))
    assert len(row.loads) == takeover._MOST_LOADS
    joined, *alone = row.loads
    assert joined.counts == Counts(92, 92)
    assert joined.days == {f"{number}": 1 for number in range(92)}
    assert joined.samples == ("0/a",)
    assert {len(load.days) for load in alone} == {1}


def test_of_ranges_far_from_each_other_the_oldest_are_forgotten_but_not_their_documents() -> None:
    row = row_of((0, 10), days={"0": 1})
    for number in range(1, 12):
        row = finished(row, (20 * number, 20 * number + 10), {f"{number}": 1})
    assert len(row.finished) == takeover._MOST_LOADS + 1
    assert not row.is_done_for((0, 10))
    assert row.is_done_for((220, 230))
    assert row.is_done_for((80, 90))
    assert row.earlier == {f"{number}": 1 for number in range(11)}


# --- Documents


@pytest.mark.parametrize("state", ["done", "running", "failed", "quarantined"])
@pytest.mark.parametrize("span", [MONDAY, TUESDAY])
def test_what_was_created_stays_known_whatever_became_of_the_attempt(state: Any, span: Span) -> None:
    row = row_of(MONDAY, state, days={"mon": 3}, there={"mon": 1}, earlier={"mon": 1, "sun": 2}, resume=7)
    taken = taken_over(row, span)
    assert _created(taken) == {"mon": 4, "sun": 2}
    goes_on = state in ("running", "failed") and span == MONDAY
    assert taken.resume == (7 if goes_on else 0)
    assert taken.days == ({"mon": 3} if goes_on else {})
    assert [load.span for load in taken.loads] == ([MONDAY] if state == "done" else [])


def test_what_is_counted_in_another_way_was_created_all_the_same() -> None:
    row = row_of(MONDAY, "running", days={"mon": 3}, resume=7, owner="a", lease_until=5, attempt=2, seq_no=3)
    anew = counted_anew(row)
    assert (anew.days, anew.resume, anew.earlier) == ({}, 0, {"mon": 3})
    assert (anew.state, anew.owner, anew.lease_until, anew.attempt, anew.seq_no) == ("running", "a", 5, 2, 3)


@dataclass
class Object:
    """An object's documents by day, and what is in the index, as attempts of all kinds load them."""

    row: ObjectRow
    documents: dict[int, str]
    there: set[int] = field(default_factory=set)

    def attempt(self, span: Span, state: Any, reached: int, told: int) -> None:
        """Load records up to one; the ledger hears of those up to another one."""
        row = taken_over(self.row, span)
        for record in sorted(self.documents)[row.resume : len(self.documents) if state == "done" else reached]:
            day = self.documents[record]
            is_wanted = span[0] <= record < span[1]
            is_told = state == "done" or record < told
            if is_told:
                row = replace(row, counts=row.counts + Counts(1, *_outcome(is_wanted, record in self.there)))
                row = replace(row, resume=record + 1)
            if is_told and is_wanted:
                change: dict[str, Any] = (
                    {"there": _more(row.there, day)} if record in self.there else {"days": _more(row.days, day)}
                )
                row = replace(row, **change)
            if is_wanted:
                self.there.add(record)
        self.row = replace(row, state=state)


def _outcome(is_wanted: bool, is_there: bool) -> tuple[int, int, int]:
    return is_wanted and not is_there, is_wanted and is_there, not is_wanted


def _more(days: Any, day: str) -> dict[str, int]:
    return {**days, day: days.get(day, 0) + 1}


attempts = st.tuples(
    st.tuples(st.integers(0, 29), st.integers(1, 30)).map(lambda found: (found[0], found[0] + found[1])),
    st.sampled_from(["done", "done", "running", "failed", "quarantined"]),
    st.integers(0, 30),
    st.integers(0, 30),
)


@given(st.lists(attempts, min_size=1, max_size=14))
def test_no_more_is_said_to_be_created_than_is_there_and_nothing_wanted_is_missing(found: list[Any]) -> None:
    """Over attempts of any ranges and ends, in any order."""
    thing = Object(row_of(MONDAY, "failed"), {number: f"day-{number // 10}" for number in range(30)})
    for span, state, reached, told in found:
        if thing.row.is_done_for(span):
            continue
        thing.attempt(span, state, reached, told)
        held = Counter(thing.documents[record] for record in thing.there)
        assert _created(thing.row) <= held
        for load in thing.row.loaded_for(span):
            assert load.counts.balanced
            assert load.counts.created == sum(load.days.values())
        assert all({*range(*load.span)} & thing.documents.keys() <= thing.there for load in thing.row.finished)
        if all(told >= reached for *_, reached, told in found):  # every checkpoint was written
            assert _created(thing.row) == held


def _created(row: ObjectRow) -> Counter[str]:
    return Counter(row.earlier) + Counter(row.days)


# --- Raw days that are gone


def test_a_row_of_other_days_stays_as_it_is() -> None:
    row = row_of(MONDAY, days={"mon": 3})
    assert without_days(row, ["tue"]) is row
    assert without_days(row, []) is row


def test_a_row_of_nothing_else_is_no_more() -> None:
    assert without_days(row_of(MONDAY, days={"mon": 3}), ["mon", "tue"]) is None
    assert without_days(row_of(MONDAY, there={"mon": 3}), ["mon"]) is None
    half = without_days(row_of((0, 20), days={"mon": 3, "tue": 4}), ["mon"])
    assert half
    assert without_days(half, ["tue"]) is None


def test_a_day_that_is_gone_leaves_the_loads_of_the_others() -> None:
    row = finished(row_of(MONDAY, days={"mon": 3}), TUESDAY, {"tue": 4})
    without = without_days(row, ["tue"])
    assert without
    assert without.is_done_for(MONDAY)
    assert not without.is_done_for(TUESDAY)
    assert _created(without) == {"mon": 3}
    assert (without.state, without.resume) == ("failed", 0)
    assert "tue are gone" in without.error

    without = without_days(row, ["mon"])
    assert without
    assert without.is_done_for(TUESDAY)
    assert not without.is_done_for(MONDAY)
    assert (_created(without), without.state) == ({"tue": 4}, "done")


def test_a_load_of_several_days_is_undone_and_what_it_created_elsewhere_known() -> None:
    without = without_days(row_of((0, 20), days={"mon": 3, "tue": 4}), ["tue"])
    assert without
    assert not without.is_done_for(MONDAY)
    assert _created(without) == {"mon": 3}


@pytest.mark.parametrize("state", ["running", "failed", "quarantined"])
def test_what_was_interrupted_begins_anew(state: Any) -> None:
    row = row_of(TUESDAY, state, days={"tue": 3}, resume=7, loads=(load_of(MONDAY, {"mon": 1}),), earlier={"mon": 1})
    without = without_days(row, ["tue"])
    assert without
    assert (without.state, without.resume, without.lease_until) == ("failed", 0, 0)
    assert taken_over(without, TUESDAY).resume == 0
    assert without.is_done_for(MONDAY)


def test_documents_of_an_attempt_that_came_to_nothing_are_gone_too() -> None:
    row = row_of(TUESDAY, "done", days={"tue": 3}, earlier={"mon": 1})
    assert without_days(row, ["mon"]) == replace(row, earlier={})
