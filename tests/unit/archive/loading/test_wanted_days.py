"""Until when a restored day is wanted: what the note says, and what another restore makes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.ledger.rows import document_of_sample, sample_of
from opensearch_strata.archive.targets.wanted_days import Wanted, why_wanted
from opensearch_strata.definition.loading.restore_request import keeping_problem
from opensearch_strata.workflows.backfill.plan_ref import PlanRef
from opensearch_strata.workflows.backfill.restored_days import wanted_for
from tests.streams import DAY

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
moments = st.datetimes(
    datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.sampled_from([UTC, timezone(timedelta(hours=5))])
)


@given(moments, moments)
def test_a_day_is_wanted_until_its_mark_and_no_longer(until: datetime, now: datetime) -> None:
    meta = {"strata": {"keep_until": Wanted(until, exactly=True).text}}
    assert bool(why_wanted(meta, now)) == (now < until.replace(microsecond=0))


@pytest.mark.parametrize("meta", [{}, {"strata": {}}, {"strata": None}, {"strata": {"made_by": "x"}}, {"other": 1}])
def test_a_day_without_a_mark_may_go(meta: dict[str, Any]) -> None:
    assert why_wanted(meta, NOW) == ""


@pytest.mark.parametrize(
    ("note", "exactly", "covered"),
    [
        (None, False, False),
        (None, True, False),
        (NOW, False, True),
        (NOW, True, True),
        (NOW + timedelta(days=1), False, True),
        (NOW + timedelta(days=1), True, False),
        (NOW - timedelta(days=1), False, False),
        ("nonsense", False, True),
        ("nonsense", True, False),
    ],
)
def test_what_somebody_asked_for_is_never_shortened_by_default(note: Any, exactly: bool, covered: bool) -> None:
    text = note.isoformat() if isinstance(note, datetime) else note
    assert Wanted(NOW, exactly).covers(text) is covered


def test_the_usual_number_of_days() -> None:
    assert wanted_for(None, "keep", NOW) == Wanted(NOW + timedelta(days=7), exactly=False)
    assert wanted_for(3, "condense", NOW) == Wanted(NOW + timedelta(days=3), exactly=True)
    assert wanted_for(0, "keep", NOW) == Wanted(NOW, exactly=True)
    assert wanted_for(None, "condense_and_drop", NOW) == Wanted(NOW, exactly=False)


def test_a_number_of_days_is_about_restored_days() -> None:
    assert keeping_problem("archive", "keep", 3) == keeping_problem(None, "keep", None) == ""
    assert keeping_problem("archive", "condense_and_drop", 0) == ""
    assert "is about restored days" in keeping_problem("s3://b/", "keep", 3)
    assert "is about restored days" in keeping_problem(None, "keep", 0)
    assert "drops right away" in keeping_problem("archive", "condense_and_drop", 1)


def test_a_plan_is_handed_on_as_json() -> None:
    ref = PlanRef(
        "20260504T120000000000-x", "s3://b/", DAY, DAY + timedelta(days=9), (1, 2), "", 3, ((DAY, DAY),),
        ((DAY, DAY + timedelta(days=2)), (DAY + timedelta(days=5), DAY + timedelta(days=5))), "2026-05-11", True,
    )  # fmt: skip
    assert PlanRef.of_json(ref.as_json()) == ref
    assert [(day - DAY).days for day in ref.archived_days] == [0, 1, 2, 5]
    before = {
        key: value for key, value in ref.as_json().items() if key not in ("archived", "keep_until", "keep_exactly")
    }
    assert PlanRef.of_json(before).archived == ()


@given(st.text(min_size=1), st.none() | st.text(min_size=1))
def test_a_sample_names_its_document(identity: str, routing: str | None) -> None:
    found = document_of_sample(sample_of("raw-2024.05.06", identity, routing))
    assert found == {"_index": "raw-2024.05.06", "_id": identity, **({"routing": routing} if routing else {})}
