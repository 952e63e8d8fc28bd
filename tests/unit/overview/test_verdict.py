"""What days amount to, and what the next run will do with them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.workflows.overview.tonight import next_run, tonight
from opensearch_strata.workflows.overview.verdict import told_days, verdict_of
from tests.overviews import END, MARK, NOW, OBJECTS, PROVEN, RAW, ROWS, SHOP, State, overview
from tests.streams import DAY, dataset_of


def test_a_dataset_without_faults_is_well() -> None:
    found = verdict_of(overview({1: PROVEN, 0: PROVEN}))
    assert (found.standing, found.sentences) == ("well", [f"All days are as they should be; {END} is proven."])
    assert verdict_of(overview({})).sentences == ["There is no day yet."]


def test_the_worst_is_said_first() -> None:
    found = verdict_of(overview({4: {"mark": MARK}, 3: RAW, 2: RAW, 1: PROVEN, 0: RAW}, dead=1, unseen=["No S3."]))
    assert found.standing == "bad"
    assert found.sentences == [
        "1 day was there, and is nowhere: 2024-05-09.",
        "2 days are raw only: 2024-05-10 to 2024-05-11.",
        "1 record could not be loaded (dead letters).",
        "No S3.",
        "1 day is raw only: 2024-05-13.",
    ]


def test_proofs_that_are_behind_are_said() -> None:
    found = verdict_of(overview({5: PROVEN, 4: {**PROVEN, "mark": None}, 0: RAW}))
    assert "The newest proven day is 2024-05-08, 5 days behind the window." in found.sentences


@given(st.sets(st.integers(0, 60), min_size=1))
def test_days_are_told_as_spans_that_add_up(ago: set[int]) -> None:
    told = told_days(sorted(END - timedelta(days=one) for one in ago))
    spans, _, rest = told.partition(" and ")
    count = int(rest.split()[0]) if rest else 0
    for span in spans.split(", "):
        first, _, last = span.partition(" to ")
        count += (date.fromisoformat(last or first) - date.fromisoformat(first)).days + 1
    assert count == len(ago)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2024, 5, 14, 2, 59, tzinfo=UTC), date(2024, 5, 13)),
        (datetime(2024, 5, 14, 3, 0, tzinfo=UTC), date(2024, 5, 14)),
        (datetime(2023, 5, 14, 3, 0, tzinfo=UTC), date(2024, 1, 1)),
    ],
)
def test_the_next_run_is_of_the_day_before_it_begins(now: datetime, day: date) -> None:
    found = next_run(SHOP, now)
    assert found == (day, datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC).replace(hour=3))


def test_a_schedule_that_ended_has_no_next_run() -> None:
    ended = dataset_of("shop", cycle={"end_date": date(2024, 2, 1)})
    assert next_run(ended, NOW) is None
    assert tonight(overview({0: PROVEN}, ended), NOW).day is None


def test_tonight_says_what_leaves_the_window_and_what_stays() -> None:
    expired = {**PROVEN, "objects": OBJECTS}
    states = {
        9: expired,
        8: PROVEN,
        7: PROVEN,
        6: {"documents": 0, "uuid": "uuid"},
        5: {**PROVEN, "wanted": "it was restored"},
        4: {**PROVEN, "documents": 9},
        3: PROVEN,
        2: PROVEN,
        0: PROVEN,
    }
    loading = {END - timedelta(days=3): "Somebody is loading into it."}
    found = tonight(overview(states, loading=loading), NOW)
    assert found.day == DAY.replace(day=14)
    assert found.condenses == "shop-2024.05.14 is condensed and proven when 2024-05-14 is over."
    assert found.deletes == [date(2024, 5, 4), date(2024, 5, 5)]
    assert found.archives == [date(2024, 5, 5)]
    assert found.waits == 2  # the third old day, and the one that leaves the window tonight
    assert found.refuses == {
        date(2024, 5, 7): "It is empty, and an empty raw day is never verified.",
        date(2024, 5, 8): "It stays: it was restored.",
        date(2024, 5, 9): "It holds 9 documents, but its rows carry 10.",
        date(2024, 5, 10): "Somebody is loading into it.",
    }
    assert "(confirmed)" in found.consent


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (RAW, "shop-2024.05.13 with 10 documents is condensed and proven."),
        (PROVEN, "shop-2024.05.13 is condensed already (3 rows); it is proven again."),
        ({"rows": ROWS}, "shop-2024.05.13 does not exist, so there is nothing to condense."),
    ],
)
def test_tonight_says_what_becomes_of_the_day(state: State, told: str) -> None:
    assert tonight(overview({0: state}), datetime(2024, 5, 14, 1, tzinfo=UTC)).condenses == told
