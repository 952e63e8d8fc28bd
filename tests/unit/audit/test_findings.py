"""Findings are put in order, and equal ones of consecutive days become one."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.workflows.audit.findings import SEVERITIES, Finding, counts_of, failed, joined

FIRST = date(2024, 2, 27)

findings = st.builds(
    Finding,
    kind=st.sampled_from(["missing", "late"]),
    day=st.integers(0, 12).map(lambda number: FIRST + timedelta(days=number)),
    finding=st.sampled_from(["It is gone.", "It came late."]),
    severity=st.sampled_from(SEVERITIES),
)


def days_of(one: Finding) -> list[date]:
    assert one.day
    return [one.day + timedelta(days=number) for number in range(((one.last or one.day) - one.day).days + 1)]


def test_consecutive_days_become_one_line_and_the_worst_comes_first() -> None:
    gone = [
        Finding("missing", FIRST + timedelta(days=number), "It is gone.", "look", "load {first} to {last}")
        for number in (2, 0, 1, 5)
    ]
    late = Finding("late", FIRST, "It came late.", "lost", "see {first}")
    found = joined([*gone, late])
    assert [(one.days, one.severity) for one in found] == [
        ("2024-02-27", "lost"), ("2024-02-27 .. 2024-02-29", "look"), ("2024-03-03", "look"),
    ]  # fmt: skip
    assert [one.what_to_do for one in found[1:]] == ["load 2024-02-27 to 2024-02-29", "load 2024-03-03 to 2024-03-03"]
    assert counts_of(found) == {"lost": 1, "would be lost": 0, "look": 2, "fine": 0}
    assert failed(found)
    assert not failed(found[1:])


def test_a_finding_that_is_not_about_a_day() -> None:
    one = Finding("leftover", None, "Dropped.", "fine")
    assert joined([one]) == [one]
    assert (one.days, one.what_to_do, one.as_json()["day"]) == ("", "", None)


@given(st.sets(findings))
def test_no_day_is_lost_and_none_is_added(found: set[Finding]) -> None:
    def told(one: Finding) -> tuple[str, str, str]:
        return one.kind, one.finding, one.severity

    together = joined(found)
    assert {(told(one), day) for one in together for day in days_of(one)} == {(told(one), one.day) for one in found}
    assert sum(len(days_of(one)) for one in together) == len(found)
    places = [SEVERITIES.index(one.severity) for one in together]
    assert places == sorted(places)
    assert failed(together) == failed(found)
