"""Days side by side in a year."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.presentation.calendar import MONTHS, years_of


@given(st.sets(st.dates(date(1999, 12, 25), date(2003, 1, 5)), max_size=60))
def test_each_day_is_there_once_in_the_row_of_its_weekday(days: set[date]) -> None:
    years = years_of({day: day for day in days})
    placed = [
        (cell, weekday) for year in years for weekday, row in enumerate(year.rows) for cell in row if cell is not None
    ]
    assert sorted(cell for cell, _ in placed) == sorted(days)
    assert all(cell.weekday() == weekday for cell, weekday in placed)
    assert [year.number for year in years] == sorted((year.number for year in years), reverse=True)
    for year in years:
        assert len(year.rows) == 7
        assert {len(row) for row in year.rows} == {sum(month.weeks for month in year.months)}


@given(st.integers(1970, 2199))
def test_days_follow_each_other_down_and_to_the_right(number: int) -> None:
    start = date(number, 1, 1)
    days = [start + timedelta(days=ordinal) for ordinal in range((date(number, 12, 31) - start).days + 1)]
    (year,) = years_of({day: day for day in days})
    columns = [[row[week] for row in year.rows] for week in range(len(year.rows[0]))]
    assert [day for column in columns for day in column if day] == days
    assert [month.name for month in year.months] == list(MONTHS)
    begins = 0
    for number, month in enumerate(year.months, 1):
        first = next(day for day in columns[begins] if day)
        assert first.month == number or (first + timedelta(days=6)).month == number
        begins += month.weeks


def test_nothing_is_no_year() -> None:
    assert years_of({}) == []
