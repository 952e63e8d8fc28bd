"""What a day is called, for every combination of what is left of it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.workflows.audit.inventory import DayState
from opensearch_strata.workflows.overview.kinds import MEANINGS, STANDINGS, Cell, cell_of
from tests.overviews import KINDS, MARK, OBJECTS, PROVEN, RAW, ROWS, SHOP, State
from tests.streams import DAY, dataset_of

DAILY = dataset_of("shop", raw={"required_daily": True})


def cell(state: State, day: date = DAY, window_end: date = DAY + timedelta(days=9), **more: Any) -> Cell:
    return cell_of(more.pop("dataset", SHOP), DayState(day, **state), window_end=window_end, **more)


_STANDINGS = {
    **dict.fromkeys(["raw", "unproven", "stored", "empty"], "look"),
    **dict.fromkeys(["differs", "lost", "unreadable"], "bad"),
}


@pytest.mark.parametrize(
    ("state", "kind", "standing"),
    [
        *((state, kind, _STANDINGS.get(kind, "well")) for kind, state in KINDS.items()),
        ({**PROVEN, "uuid": "another"}, "unproven", "look"),
        ({**PROVEN, "documents": 11}, "differs", "look"),
        ({"created": 5}, "lost", "bad"),
        ({"linked": True}, "lost", "bad"),
    ],
)
def test_what_is_left_of_a_day_names_it(state: State, kind: str, standing: str) -> None:
    assert (cell(state).kind, cell(state).standing) == (kind, standing)


def test_the_newest_day_may_wait_for_its_cycle() -> None:
    assert [cell(state, window_end=DAY).standing for state in (RAW, {**PROVEN, "documents": 11}, {})] == ["waiting"] * 3
    assert cell({**PROVEN, "documents": 9}, window_end=DAY).standing == "bad"


def test_a_missing_day_is_bad_where_every_day_is_due() -> None:
    assert cell({}, dataset=DAILY).standing == "bad"


def test_loads_and_rebuilt_months_come_before_what_is_there() -> None:
    month = DAY.replace(day=1)
    assert cell(PROVEN, loading={DAY}).kind == "loading"
    assert cell(PROVEN, replaced={month}).kind == "rebuilding"
    assert cell({}, replaced={month}).kind == "missing"
    assert cell({"rows": ROWS}, unreadable={month}).kind == "unreadable"
    assert cell(PROVEN, unreadable={month}).kind != "unreadable"


def test_the_sentence_says_counts_sizes_and_what_is_wrong() -> None:
    late = cell({**PROVEN, "documents": 1200, "raw_bytes": 4096, "rows_bytes": 2048, "objects": OBJECTS})
    assert late.sentence == (
        f"{DAY}, differs: 1,200 raw documents (4.0 KiB), 3 rows for 10 documents (2.0 KiB), 2 archived objects "
        f"(100 B). 1,190 documents came after its rows were made; the next audit, or the cycle before it deletes the "
        f"day, condenses it again."
    )
    assert cell({}).sentence == f"{DAY}, missing."


_STATES = st.fixed_dictionaries(
    {},
    optional={
        "documents": st.integers(0, 11),
        "uuid": st.sampled_from(["uuid", "another"]),
        "rows": st.sampled_from([None, ROWS]),
        "mark": st.sampled_from([None, MARK]),
        "objects": st.sampled_from([{}, OBJECTS]),
        "copied": st.booleans(),
        "linked": st.booleans(),
        "created": st.sampled_from([None, 3]),
        "problem": st.sampled_from(["", "It is closed."]),
        "wanted": st.sampled_from(["", "it was restored"]),
    },
)


@given(_STATES, st.booleans(), st.booleans(), st.booleans())
def test_every_day_has_one_kind_with_a_meaning(state: dict[str, Any], load: bool, swap: bool, shut: bool) -> None:
    month = {DAY.replace(day=1)}
    found = cell(
        state,
        loading={DAY} if load else frozenset(),
        replaced=month if swap else frozenset(),
        unreadable=month if shut else frozenset(),
    )
    assert found.kind in MEANINGS
    assert found.standing in STANDINGS
    assert found.sentence.startswith(f"{DAY}, {MEANINGS[found.kind].label}")
    if found.kind in ("proven", "archived"):
        assert found.documents == found.carried
        assert not load
