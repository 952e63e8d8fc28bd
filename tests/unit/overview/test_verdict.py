"""What days amount to."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.workflows.overview.verdict import told_days, verdict_of
from tests.overviews import END, MARK, PROVEN, RAW, overview


def test_a_dataset_without_faults_is_well() -> None:
    found = verdict_of(overview({1: PROVEN, 0: PROVEN}))
    assert (found.standing, found.sentences) == ("well", [f"All days are as they should be; {END} is proven."])


def test_a_dataset_without_a_day_says_what_it_waits_for() -> None:
    found = verdict_of(overview({}))
    assert (found.standing, found.sentences) == (
        "waiting",
        ["No raw day has been seen yet; an index named like shop-{day}, such as shop-2024.05.13, is awaited."],
    )


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
