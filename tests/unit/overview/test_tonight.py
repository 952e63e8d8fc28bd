"""What the next run is going to do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from opensearch_strata.workflows.audit.inventory import Inventory, Unreadable
from opensearch_strata.workflows.overview.overview import Overview
from opensearch_strata.workflows.overview.tonight import next_run, tonight
from tests.overviews import END, MARK, NOW, OBJECTS, PARTS, PROVEN, RAW, ROWS, SHOP, State, overview
from tests.streams import DAY, dataset_of

DAILY = dataset_of("shop", raw={"window_days": 3, "required_daily": True})
ARCHIVE = {"bucket": "shop-archive"}
BEFORE_THE_RUN = datetime(2024, 5, 14, 1, tzinfo=UTC)
RECREATED = {**PROVEN, "uuid": "another"}


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
    assert "(confirmed)" in found.consent.sentence
    assert not found.consent.line


def test_days_that_the_run_condenses_first_are_not_kept() -> None:
    states = {9: {**PROVEN, "documents": 15}, 8: RAW, 7: RECREATED, 6: {**RECREATED, "documents": 11}, 5: PROVEN}
    found = tonight(overview({**states, 0: PROVEN}, dataset_of("shop", raw={"window_days": 3})), NOW)
    assert found.deletes == [END - timedelta(days=ago) for ago in (9, 8, 7, 5)]
    assert found.lacks == {
        date(2024, 5, 4): "5 documents came after its rows were made.",
        date(2024, 5, 5): "It was never condensed.",
        date(2024, 5, 6): "It was recreated; it stays if it lacks anything that its rows carry.",
    }
    assert list(found.refuses) == [date(2024, 5, 7)]
    assert "nothing shows whether it includes those" in found.refuses[date(2024, 5, 7)]


def test_days_whose_rows_cannot_be_read_stay() -> None:
    seen = overview({9: PROVEN, 0: PROVEN})
    shut = Inventory(seen.inventory.days, END, {DAY.replace(day=1): Unreadable("shop_2024-05 is closed.", False)})
    found = tonight(Overview(SHOP, NOW, shut, seen.cells), BEFORE_THE_RUN)
    assert found.refuses == {END - timedelta(days=9): "shop_2024-05 is closed."}
    assert found.condenses == "shop_2024-05 is closed. So shop-2024.05.13 cannot be condensed, and the run fails."


_KEPT = "They are kept as they are, and the run fails."


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (RAW, "with 10 documents is condensed and proven."),
        (PROVEN, "is condensed already (3 rows); it is condensed and proven again."),
        ({**PROVEN, "documents": 12}, "with 12 documents is condensed and proven."),
        ({**PROVEN, "documents": 9}, f"holds 9 documents, but its rows carry 10. {_KEPT}"),
        ({"rows": ROWS}, f"does not exist, but its rows carry 10. {_KEPT}"),
        ({**PROVEN, "documents": 0}, f"is empty, but its rows carry 10. {_KEPT}"),
        ({}, "does not exist, so there is nothing to condense."),
        ({"documents": 0, "uuid": "uuid"}, "is empty, so there is nothing to condense."),
    ],
)
def test_tonight_says_what_becomes_of_the_day(state: State, told: str) -> None:
    assert tonight(overview({0: state}), BEFORE_THE_RUN).condenses == f"shop-2024.05.13 {told}"


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"problem": "It is closed."}, "It is closed. So shop-2024.05.13 cannot be condensed, and the run fails."),
        (
            RECREATED,
            "shop-2024.05.13 was recreated after its rows were made. It is condensed and proven if it holds everything "
            "that they carry; if not, the run fails.",
        ),
        (
            {**RECREATED, "documents": 11},
            "It was recreated after its rows were made: it holds 11 documents, they carry 10, and nothing shows "
            "whether it includes those. The rows are kept as they are, and the run fails.",
        ),
    ],
)
def test_tonight_says_why_the_day_may_not_be_condensed(state: State, told: str) -> None:
    assert tonight(overview({0: state}), BEFORE_THE_RUN).condenses == told


@pytest.mark.parametrize(("state", "there"), [({}, "does not exist"), ({"documents": 0, "uuid": "u"}, "is empty")])
def test_a_day_that_is_due_makes_the_run_fail_if_it_has_no_documents(state: State, there: str) -> None:
    found = tonight(overview({0: state}, DAILY), BEFORE_THE_RUN)
    why = "although every day is due (raw.required_daily), so the run fails"
    assert found.condenses == f"shop-2024.05.13 {there}, {why}."


def test_a_day_that_is_over_and_of_which_nothing_is_known_does_not_exist() -> None:
    found = tonight(overview({1: PROVEN}), BEFORE_THE_RUN)
    assert found.condenses == "shop-2024.05.13 does not exist, so there is nothing to condense."


def days(*ago: int) -> list[date]:
    return [END - timedelta(days=one) for one in ago]


def test_an_archive_without_a_manifest_is_written_anew_and_so_is_that_of_a_day_that_grew() -> None:
    archived = {**PROVEN, "objects": OBJECTS}
    grown = {**archived, "documents": 15}
    states = {9: {**PROVEN, "objects": PARTS}, 8: grown, 7: archived}
    assert (
        tonight(overview({**states, 0: PROVEN}, dataset_of("shop", archive=ARCHIVE)), NOW).archives == []
    )  # no window
    found = tonight(overview({**states, 0: PROVEN}, dataset_of("shop", archive=ARCHIVE, raw={"window_days": 3})), NOW)
    assert (found.deletes, found.archives) == (days(9, 8, 7), days(9, 8))


def test_days_are_archived_when_they_are_old_enough() -> None:
    archive = {**ARCHIVE, "after_days": 3}
    states = {6: PROVEN, 5: {**PROVEN, "objects": OBJECTS}, 4: {**PROVEN, "documents": 9}, 3: {"documents": 0}}
    states |= {2: {**PROVEN, "wanted": "it was restored"}, 1: PROVEN, 0: PROVEN}
    found = tonight(overview(states, dataset_of("shop", raw={"window_days": 30}, archive=archive)), NOW)
    assert (found.deletes, found.archives) == ([], days(6, 2, 1))
    assert found.unarchived == {END - timedelta(days=4): "It holds 9 documents, but its rows carry 10."}
    own = dataset_of("shop", raw={"window_days": 30}, archive={**ARCHIVE, "after_days": 1, "before_delete": False})
    assert tonight(overview({1: PROVEN, 0: PROVEN}, own), NOW).archives == days(1, 0, -1)
    assert tonight(overview({1: PROVEN, 0: PROVEN}, own), BEFORE_THE_RUN).archives == days(1, 0)


def test_what_is_archived_is_not_known_if_the_archive_was_not_looked_at() -> None:
    found = tonight(overview({9: PROVEN, 8: {"rows": ROWS, "mark": MARK}, 0: PROVEN}, archive_seen=False), NOW)
    assert (found.deletes, found.archives) == (days(9), None)
