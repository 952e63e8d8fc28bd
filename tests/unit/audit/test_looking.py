"""Looks that fail, and days that change while they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta

import pytest

from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.workflows.audit.audit import Audited
from opensearch_strata.workflows.audit.cost import Cost
from opensearch_strata.workflows.audit.findings import Finding, failed
from opensearch_strata.workflows.audit.inventory import DayState, Inventory
from opensearch_strata.workflows.audit.looking import Looks, settled
from tests.streams import DAY

NEXT = DAY + timedelta(days=1)
GOOD = Finding("day", DAY, "It is well.", "fine")
BAD = Finding("rows", DAY, "Its rows are gone.", "lost", "Import them.")
WORSE = Finding("archive", DAY, "Its archive is gone.", "lost", "Put it back.")
OTHER = Finding("rows", NEXT, "Its rows are gone.", "lost", "Import them.")


def raising(error: Exception) -> Callable[[], Iterator[Finding]]:
    def look() -> Iterator[Finding]:
        yield BAD
        raise error

    return look


@pytest.mark.parametrize("error", [TypeError("a bug"), ValueError("forged"), Refused("It is closed.")])
def test_what_was_found_before_a_failure_counts_and_the_failure_is_a_finding(error: Exception) -> None:
    bad, unfinished = Looks().at(DAY, raising(error))
    assert bad is BAD
    assert (unfinished.kind, unfinished.day, unfinished.is_passing) == ("unfinished", DAY, False)
    assert str(error) in unfinished.finding
    assert failed([unfinished])


def test_looks_that_fail_again_and_again_for_want_of_an_answer_are_given_up() -> None:
    looks, looked = Looks(), []

    def look() -> Iterator[Finding]:
        looked.append(1)
        raise TransientError("S3 did not answer.")
        yield

    found = [one for _ in range(9) for one in looks.at(DAY, look)]
    assert len(looked) == 3
    assert ["was not looked at" in one.finding for one in found] == [False] * 3 + [True] * 6
    assert Audited("shop", found, Cost(), Cost()).may_pass
    assert not Audited("shop", [*found, BAD], Cost(), Cost()).may_pass


def test_failures_of_single_days_are_no_reason_to_give_up() -> None:
    looks = Looks()
    for _ in range(9):
        assert len(looks.at(DAY, raising(ValueError("forged")))) == 2
    for error in [Refused("no"), Refused("no"), None, Refused("no"), Refused("no"), None] * 2:
        assert looks.at(DAY, raising(error) if error else lambda: [GOOD])[0] in (BAD, GOOD)


def steps(*looks: list[Finding]) -> tuple[list[Finding], list[list[date]]]:
    """What is made of the results of one look after the other, and the days that were looked at."""
    left, seen = list(looks), []

    def look(inventory: Inventory) -> list[Finding]:
        seen.append([state.day for state in inventory.days])
        return left.pop(0)

    def take(first: date, last: date) -> Inventory:
        return Inventory([DayState(DAY), DayState(NEXT)], last, {})

    return settled(Inventory([DayState(DAY), DayState(NEXT)], NEXT, {}), look, take), seen


def test_a_day_is_only_lost_if_it_is_found_twice() -> None:
    assert steps([GOOD]) == ([GOOD], [[DAY, NEXT]])
    assert steps([BAD, OTHER], [OTHER, BAD]) == ([OTHER, BAD], [[DAY, NEXT]] * 2)
    assert steps([BAD], [GOOD]) == ([GOOD], [[DAY, NEXT], [DAY]])
    assert steps([BAD, OTHER], [BAD, GOOD]) == ([BAD, GOOD], [[DAY, NEXT]] * 2)


def test_a_day_in_which_each_look_finds_something_else_is_moving() -> None:
    (one,), seen = steps([BAD], [WORSE], [BAD])
    assert seen == [[DAY, NEXT], [DAY], [DAY]]
    assert (one.kind, one.severity, one.is_passing) == ("unfinished", "look", True)
    assert one.finding == f"It changed while it was looked at. {BAD.finding}"
    assert steps([BAD], [WORSE], [WORSE])[0] == [WORSE]


def test_what_was_found_counts_if_it_cannot_be_looked_at_again() -> None:
    def take(first: date, last: date) -> Inventory:
        raise TransientError("OpenSearch did not answer.")

    bad, unfinished = settled(Inventory([], DAY, {}), lambda _: [BAD], take)
    assert (bad, unfinished.kind) == (BAD, "unfinished")
