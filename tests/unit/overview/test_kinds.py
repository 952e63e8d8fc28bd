"""What a day is called, for every combination of what is left of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.month.marks import Mark
from opensearch_strata.workflows.audit.archived import ArchiveSeen
from opensearch_strata.workflows.audit.day_findings import judge_day
from opensearch_strata.workflows.audit.inventory import DayState, Inventory, Unreadable
from opensearch_strata.workflows.overview.kinds import MEANINGS, STANDINGS, Cell, cell_of
from tests.overviews import GONE, KINDS, MARK, OBJECTS, PARTS, PROVEN, RAW, ROWS, SHOP, State
from tests.streams import DAY, dataset_of

DAILY = dataset_of("shop", raw={"required_daily": True})
PLAIN = dataset_of("shop")
HALF = replace(ROWS, documents=5, number=2)
WRITTEN = replace(ROWS, version="m/99/6/3")


MONTH = DAY.replace(day=1)
SHUT = {MONTH: Unreadable("It is closed.", False)}


def cell(state: State, window_end: date = DAY + timedelta(days=9), dataset: Dataset = SHOP, **more: Any) -> Cell:
    busy = {name: more.pop(name) for name in ("loading", "replaced") if name in more}
    day = DayState(DAY, **state)
    return cell_of(dataset, day, Inventory([day], window_end, more.pop("unreadable", {}), **more), **busy)


_STANDINGS = {
    **dict.fromkeys(["raw", "unproven", "stored", "empty", "amiss"], "look"),
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
        ({"objects": PARTS}, "lost", "bad"),
        ({"objects": OBJECTS, "mark": MARK}, "stored", "bad"),
        ({**GONE, "rows": HALF}, "amiss", "bad"),
        ({**GONE, "rows": WRITTEN}, "amiss", "look"),
        ({**GONE, "mark": None}, "amiss", "look"),
        ({**GONE, "created": 100}, "amiss", "look"),
        ({**GONE, "objects": PARTS}, "amiss", "bad"),
        ({**GONE, "objects": {}, "linked": True}, "amiss", "bad"),
        ({**PROVEN, "created": 100}, "amiss", "look"),
        ({**PROVEN, "objects": PARTS}, "amiss", "look"),
        ({**PROVEN, "objects": PARTS, "linked": True}, "amiss", "bad"),
        ({**PROVEN, "mark": replace(MARK, fingerprint="another")}, "amiss", "look"),
        ({**KINDS["restored"], "created": 100}, "amiss", "look"),
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
    assert cell(PROVEN, loading={DAY}).kind == "loading"
    assert cell(PROVEN, replaced={MONTH}).kind == "rebuilding"
    assert cell({}, replaced={MONTH}).kind == "missing"
    assert cell({"rows": ROWS}, unreadable=SHUT).kind == "unreadable"
    assert cell(RAW, unreadable=SHUT, window_end=DAY).kind == "unreadable"
    assert cell(PROVEN, unreadable=SHUT).kind != "unreadable"


@pytest.mark.parametrize(("mark", "kind"), [(MARK, "rows"), (None, "amiss")])
def test_rows_alone_are_well_only_with_their_proof(mark: Mark | None, kind: str) -> None:
    assert cell({"rows": ROWS, "mark": mark}, dataset=PLAIN).kind == kind
    assert cell({"rows": HALF, "mark": MARK}, dataset=PLAIN).standing == "bad"


def test_what_an_archive_that_is_not_known_could_hold_is_not_said_to_be_lost() -> None:
    states: list[State] = [{"rows": ROWS, "mark": MARK}, {"mark": MARK}, {"created": 5}, {}]
    for state in states:
        assert (cell(state, archive_seen=False).kind, cell(state, archive_seen=False).standing) == ("unseen", "look")
    short = cell({"rows": HALF, "mark": MARK}, archive_seen=False)
    assert (short.kind, short.standing) == ("amiss", "bad")
    assert cell(PROVEN, archive_seen=False).kind == "proven"


def test_the_sentence_says_counts_sizes_and_what_is_wrong() -> None:
    late = cell({**PROVEN, "documents": 1200, "raw_bytes": 4096, "rows_bytes": 2048, "objects": OBJECTS})
    assert late.sentence == (
        f"{DAY}, differs: 1,200 raw documents (4.0 KiB), 3 rows for 10 documents (2.0 KiB), 2 archived objects "
        f"(100 B). 1,190 documents came after its rows were made; the next audit, or the cycle before it deletes the "
        f"day, condenses it again."
    )
    assert cell({}).sentence == f"{DAY}, missing."
    unknown = cell({**PROVEN, "raw_bytes": None, "rows_bytes": None}).sentence
    assert "10 raw documents (size not known), 3 rows (size not known)" in unknown


_STATES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "documents": st.integers(0, 11),
        "uuid": st.sampled_from(["uuid", "another"]),
        "rows": st.sampled_from([None, ROWS, HALF, WRITTEN]),
        "mark": st.sampled_from([None, MARK, replace(MARK, fingerprint="another")]),
        "objects": st.sampled_from([{}, OBJECTS, PARTS]),
        "copied": st.booleans(),
        "linked": st.booleans(),
        "created": st.sampled_from([None, 3, 100]),
        "problem": st.sampled_from(["", "It is closed."]),
        "wanted": st.sampled_from(["", "it was restored"]),
    },
)


@pytest.mark.parametrize("dataset", [SHOP, PLAIN, DAILY])
@given(data=st.data())
def test_no_day_is_well_of_which_an_audit_says_otherwise(dataset: Dataset, data: st.DataObject) -> None:
    state = DayState(DAY, **data.draw(_STATES))
    if dataset.archive is None:
        state = replace(state, objects={}, copied=False, linked=False)
    unreadable, seen = data.draw(st.sampled_from([{}, SHUT])), data.draw(st.booleans())
    since = data.draw(st.sampled_from([None, DAY]))
    inventory = Inventory([state], DAY + timedelta(days=data.draw(st.integers(0, 1))), unreadable, since, seen)
    archive = ArchiveSeen(DAY, holds=True) if state.has_manifest else None
    found = [one.severity for one in judge_day(dataset, state, archive, inventory)]
    shown = cell_of(dataset, state, inventory)
    if shown.kind == "missing":  # it may be nobody's fault
        assert found == ["look"]
    elif {"lost", "would be lost"} & set(found):
        assert shown.standing == "bad"
    elif "look" in found:
        assert shown.standing in ("bad", "look")
    if shown.kind == "gone":
        assert state.has_proven_rows


@given(_STATES, st.booleans(), st.booleans(), st.booleans())
def test_every_day_has_one_kind_with_a_meaning(state: dict[str, Any], load: bool, swap: bool, shut: bool) -> None:
    found = cell(
        state,
        loading={DAY} if load else frozenset(),
        replaced={MONTH} if swap else frozenset(),
        unreadable=SHUT if shut else {},
    )
    assert found.kind in MEANINGS
    assert found.standing in STANDINGS
    assert found.sentence.startswith(f"{DAY}, {MEANINGS[found.kind].label}")
    if found.kind in ("proven", "archived"):
        assert found.documents == found.carried
        assert not load
