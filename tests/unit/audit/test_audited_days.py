"""What the copies of a day say about one another, for every combination of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.store.manifest import NAME
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.month.marks import Mark
from opensearch_strata.history.query.sources.carried import DayRows
from opensearch_strata.workflows.audit.archived import ArchiveSeen
from opensearch_strata.workflows.audit.day_findings import is_proven, is_redefined, see_day
from opensearch_strata.workflows.audit.findings import Finding
from opensearch_strata.workflows.audit.inventory import DayState, Inventory, StoredObject, Unreadable
from tests.streams import DAY, dataset_of

DATASET = dataset_of("shop", archive={"bucket": "shop-archive"})
UNGUARDED = dataset_of("shop", archive={"bucket": "shop-archive", "before_delete": False})
ROWS = DayRows(10, 3, "m/3/6/3", frozenset({"uuid"}))
MARK = Mark(10, "uuid", DATASET.fingerprint, "m/3/6/3")
OBJECTS = {NAME: StoredObject(10, "STANDARD", False)}
HELD = ArchiveSeen(DAY, holds=True, documents=10, totals_agree=True)


def seen(
    archive: ArchiveSeen | None = None, *, unreadable: bool = False, dataset: Dataset = DATASET, **state: Any
) -> list[Finding]:
    if archive:
        state.setdefault("objects", OBJECTS)
    return list(see_day(dataset, DayState(DAY, **state), archive, inventory(unreadable=unreadable)))


def inventory(emptied_since: date | None = None, *, unreadable: bool = False) -> Inventory:
    months = {DAY.replace(day=1): Unreadable("It is closed.", False)} if unreadable else {}
    return Inventory([], DAY, months, emptied_since)


@pytest.mark.parametrize(
    ("state", "kind", "severity"),
    [
        ({}, "missing", "look"),
        ({"mark": MARK}, "missing", "lost"),
        ({"created": 5}, "ledger", "lost"),
        ({"linked": True}, "archive", "lost"),
        ({"rows": ROWS, "mark": MARK}, "archive", "look"),
        ({"rows": ROWS, "mark": MARK, "dataset": UNGUARDED}, "day", "fine"),
        ({"rows": ROWS, "mark": None, "dataset": UNGUARDED}, "mark", "look"),
        ({"rows": ROWS, "mark": MARK, "linked": True}, "archive", "lost"),
        ({"rows": ROWS, "mark": MARK, "archive": HELD}, "day", "fine"),
        ({"mark": MARK, "archive": HELD}, "rows", "would be lost"),
        ({"archive": HELD}, "rows", "look"),
        ({"archive": replace(HELD, rows_proven=True)}, "rows", "would be lost"),
        ({"documents": 10, "created": 11}, "ledger", "look"),
        ({"problem": "It is closed.", "shut": True}, "unreadable", "look"),
        ({"problem": "A shard is missing."}, "unreadable", "would be lost"),
    ],
)
def test_what_is_left_of_a_day_decides(state: dict[str, Any], kind: str, severity: str) -> None:
    (one,) = seen(**state)
    assert (one.kind, one.severity, one.day) == (kind, severity, DAY)
    assert bool(one.cure) == (severity != "fine")


def test_rows_of_which_fewer_are_left_than_were_proven() -> None:
    fewer = DayRows(9, 3, "m/3/7/4")
    assert [one.severity for one in seen(rows=fewer, mark=MARK) if one.kind == "mark"] == ["lost"]
    assert [one.severity for one in seen(HELD, rows=fewer, mark=MARK) if one.kind == "mark"] == ["would be lost"]


def test_a_month_that_cannot_be_read_makes_no_day_missing() -> None:
    assert seen(unreadable=True) == []


def test_a_day_without_an_archive_that_should_have_one() -> None:
    """It may have been deleted before it needed one, unless days have traces of archives, and none has an archive."""

    def severity(emptied_since: date | None, dataset: Dataset = DATASET) -> str:
        state = DayState(DAY, rows=ROWS, mark=MARK)
        (one,) = see_day(dataset, state, None, inventory(emptied_since))
        return one.severity

    assert severity(None) == "look"
    assert severity(DAY) == severity(DAY - timedelta(days=1)) == "lost"
    assert severity(DAY + timedelta(days=1)) == "look"
    assert severity(DAY, dataset_of("shop")) == severity(DAY, UNGUARDED) == "fine"


def test_rows_of_an_earlier_definition_are_not_said_to_be_of_this_one() -> None:
    former = replace(MARK, fingerprint="another")
    gone, archived = seen(HELD, rows=ROWS, mark=former)
    assert (gone.kind, gone.severity, archived.kind) == ("definition", "fine", "day")
    assert is_redefined(DATASET, DayState(DAY, rows=ROWS, mark=former))
    assert not is_redefined(DATASET, DayState(DAY, rows=ROWS, mark=MARK))


def test_no_cure_costs_documents_that_only_the_rows_have() -> None:
    more = DayRows(11, 3, "m/3/7/4")
    (one,) = [one for one in seen(HELD, rows=more, mark=MARK) if one.kind == "mark"]
    assert "they stand for 1 document that its archive lacks" in one.cure
    assert "--allow-poorer" not in one.cure
    (one,) = seen(replace(HELD, rows_proven=True))
    assert "--allow-poorer" not in one.cure


@pytest.mark.parametrize(
    ("change", "proven"),
    [
        ({}, True),
        ({"documents": 11}, False),
        ({"uuid": "another"}, False),
        ({"mark": None}, False),
        ({"rows": None}, False),
        ({"rows": DayRows(10, 3, "m/3/9/5")}, False),
        ({"mark": Mark(10, "uuid", "f")}, True),
    ],
)
def test_a_mark_applies_to_the_documents_and_rows_of_its_proof(change: dict[str, Any], proven: bool) -> None:
    assert is_proven(DayState(DAY, **{"documents": 10, "uuid": "uuid", "rows": ROWS, "mark": MARK, **change})) == proven


@given(
    st.none() | st.integers(0, 20),
    st.sampled_from([None, ROWS, DayRows(9, 2, "m/2/3/2")]),
    st.sampled_from([None, MARK]),
    st.sampled_from([None, HELD, ArchiveSeen(DAY)]),
    st.booleans(),
    st.none() | st.integers(0, 20),
)
def test_a_day_with_a_good_copy_of_its_documents_is_never_lost(
    documents: int | None, rows: DayRows | None, mark: Mark | None, archive: Any, linked: bool, created: int | None
) -> None:
    found = seen(archive, documents=documents, rows=rows, mark=mark, linked=linked, created=created)
    if documents is not None or (archive and archive.holds):
        assert "lost" not in {one.severity for one in found}
    for one in found:
        assert one.cure or one.severity == "fine"
