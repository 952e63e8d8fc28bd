"""Which index counts for a month: its own, or one that stands in for it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from opensearch_strata.errors import TransientError
from opensearch_strata.history.month.stand_in import StandIn, months_in, require_none, stand_in_name, stand_in_of
from tests.streams import dataset_of

DATASET = dataset_of("plant")
MAY = date(2024, 5, 1)
MONTH = "plant-history-2024.05"
BESIDE = f"{MONTH}-stand-in"


def index(note: StandIn | None = None) -> dict[str, Any]:
    return {"mappings": {"_meta": note.noted()} if note else {}}


def test_the_name_of_a_stand_in_is_found_by_the_wildcard_and_is_no_month() -> None:
    assert stand_in_name(DATASET, date(2024, 5, 6)) == BESIDE
    assert DATASET.history.names.date_in(BESIDE) is None
    assert DATASET.history.names.expression == "plant-history-*"


@pytest.mark.parametrize("there", [{MONTH: index()}, {}])
def test_a_stand_in_counts_from_when_it_stands(there: dict[str, Any]) -> None:
    built, stands = StandIn(MONTH, "uuid"), StandIn(MONTH, "uuid", stands=True)
    assert months_in(DATASET, {**there, BESIDE: index(built)}) == dict.fromkeys(there, MAY)
    assert months_in(DATASET, {**there, BESIDE: index(stands)}) == {BESIDE: MAY}


@pytest.mark.parametrize("name", ["plant-history-2024.05-copy", "plant-history-2024.06-stand-in", "other"])
def test_what_only_says_that_it_stands_counts_for_nothing(name: str) -> None:
    noted = index(StandIn(MONTH, "", stands=True))
    assert months_in(DATASET, {MONTH: index(), name: noted}) == {MONTH: MAY}


@pytest.mark.parametrize("note", [None, "text", {"month": "x-2024", "stands": True}, {}])
def test_a_note_of_somebody_else_counts_for_nothing(note: Any) -> None:
    there: dict[str, Any] = {BESIDE: {"mappings": {"_meta": {"strata_stand_in": note}}}, MONTH: {"mappings": {}}}
    assert months_in(DATASET, there) == {MONTH: MAY}


def test_a_note_comes_back_as_it_was() -> None:
    note = StandIn(MONTH, "uuid", stands=True, blocked=True)
    assert stand_in_of(note.noted()) == note


def test_writers_wait_for_what_stands() -> None:
    require_none(BESIDE, None)
    require_none(BESIDE, {})
    require_none(BESIDE, StandIn(MONTH, "").noted())
    with pytest.raises(TransientError, match=f"{MONTH} is being replaced by an import or a rewrite"):
        require_none(BESIDE, StandIn(MONTH, "", stands=True).noted())
