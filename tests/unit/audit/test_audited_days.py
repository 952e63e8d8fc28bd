"""What the copies of a day say about one another, for every combination of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.store.manifest import NAME
from opensearch_strata.history.month.marks import Mark
from opensearch_strata.history.query.sources.carried import DayRows
from opensearch_strata.workflows.audit.archived import ArchiveSeen
from opensearch_strata.workflows.audit.day_findings import is_proven, see_day
from opensearch_strata.workflows.audit.findings import Finding
from opensearch_strata.workflows.audit.inventory import DayState, StoredObject
from tests.streams import DAY, dataset_of

DATASET = dataset_of("shop", archive={"bucket": "shop-archive"})
ROWS = DayRows(10, 3, "m/3/6/3", frozenset({"uuid"}))
MARK = Mark(10, "uuid", DATASET.fingerprint, "m/3/6/3")
OBJECTS = {NAME: StoredObject(10, "STANDARD", False)}
HELD = ArchiveSeen(DAY, holds=True, documents=10, totals_agree=True)


def seen(archive: ArchiveSeen | None = None, *, unreadable: bool = False, **state: Any) -> list[Finding]:
    if archive:
        state.setdefault("objects", OBJECTS)
    return list(see_day(DATASET, DayState(DAY, **state), archive, first_archived=None, unreadable=unreadable))


@pytest.mark.parametrize(
    ("state", "kind", "severity"),
    [
        ({}, "missing", "look"),
        ({"mark": MARK}, "missing", "lost"),
        ({"created": 5}, "ledger", "lost"),
        ({"linked": True}, "archive", "lost"),
        ({"rows": ROWS, "mark": MARK}, "day", "fine"),
        ({"rows": ROWS, "mark": MARK, "linked": True}, "archive", "lost"),
        ({"rows": ROWS, "mark": MARK, "archive": HELD}, "day", "fine"),
        ({"mark": MARK, "archive": HELD}, "rows", "would be lost"),
        ({"archive": HELD}, "rows", "look"),
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


def test_a_day_without_an_archive_after_the_first_one_that_has_one() -> None:
    state = DayState(DAY, rows=ROWS, mark=MARK)
    (one,) = see_day(DATASET, state, None, first_archived=DAY.replace(day=1), unreadable=False)
    assert (one.kind, one.severity) == ("archive", "look")
    (one,) = see_day(dataset_of("shop"), state, None, first_archived=None, unreadable=False)
    assert one.severity == "fine"


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
