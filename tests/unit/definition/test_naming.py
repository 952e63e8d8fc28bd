"""Index names by date: written and read back without doubt, or refused when the dataset is checked."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.definition.index_names import IndexTemplate, day_of_transform, transform_id

DAY_FORMATS = ["%Y.%m.%d", "%Y-%m-%d", "%Y%m%d", "%d.%m.%Y", "%Y.%j", "%Y%j", "y%Y.m%m.d%d", "%m%d%Y"]
MONTH_FORMATS = ["%Y.%m", "%Y-%m", "%Y%m", "%m.%Y"]
DAYS, MONTHS = {"%Y%m%d", "%Y%j"}, {"%Y%m"}
dates = st.dates(date(1970, 1, 1), date(2199, 12, 31))


@given(dates, st.sampled_from(DAY_FORMATS), st.sampled_from(["logs-{day}", "logs-{day}-v2", "{day}.logs"]))
def test_days_round_trip(day: date, date_format: str, template: str) -> None:
    names = IndexTemplate(template, "day", date_format)
    assert names.problem(DAYS) is None
    assert names.date_in(names.name(day)) == day


@given(dates, st.sampled_from(MONTH_FORMATS))
def test_months_round_trip(day: date, date_format: str) -> None:
    names = IndexTemplate("logs-history-{month}", "month", date_format)
    assert names.problem(MONTHS) is None
    assert names.date_in(names.name(day)) == day.replace(day=1)


@given(st.text("0123456789.-x٣", max_size=12), st.sampled_from(DAY_FORMATS))
def test_only_names_that_would_be_given_are_read(text: str, date_format: str) -> None:
    names = IndexTemplate("x-{day}", "day", date_format)
    for name in (text, f"x-{text}"):
        day = names.date_in(name)
        assert day is None or names.name(day) == name


@pytest.mark.parametrize(
    "name",
    [
        "x-2024.02.30",  # no such day
        "x-2024.13.01",
        "x-2024.2.3",
        "x-0999.01.01",
        "x-1969.12.31",
        "x-٢٠٢٤.01.01",
        "x-2024.01.01-v2",
        "y-2024.01.01",
        "x-2024.01",
        "x-",
        "x-2024.01.01\n",
    ],
)
def test_other_names_hold_no_date(name: str) -> None:
    assert IndexTemplate("x-{day}", "day", "%Y.%m.%d").date_in(name) is None


def test_literal_text_is_literal() -> None:
    names = IndexTemplate("a.b-{day}", "day", "%Y.%m.%d")
    assert names.date_in("a.b-2024.01.02") == date(2024, 1, 2)
    assert names.date_in("axb-2024.01.02") is None
    assert names.date_in("a.b-2024x01x02") is None
    assert names.expression == "a.b-*"


@pytest.mark.parametrize(
    ("template", "date_format", "sentence"),
    [
        ("logs", "%Y.%m.%d", "'logs' must contain {day} exactly once"),
        ("{day}-{day}", "%Y.%m.%d", "exactly once"),
        ("{dag}-{day}", "%Y.%m.%d", "no other braces"),
        ("logs-{month}", "%Y.%m.%d", "must contain {day}"),
        ("logs-{day}", "%Y.%m.%d-%H", "contains '%H'; use only %Y, %m, %d, %j"),
        ("logs-{day}", "%y.%m.%d", "contains '%y'"),
        ("logs-{day}", "%Y.%b.%d", "contains '%b'"),
        ("logs-{day}", "%Y%%%m%d", "contains '%%'"),
        ("logs-{day}", "%Y.%m.%d%", "contains '%'"),
        ("logs-{day}", "%Y.%m", "must contain the directives %Y%j or %Y%m%d, each once"),
        ("logs-{day}", "%Y.%m.%d.%d", "each once"),
        ("logs-{day}", "%Y.%m.%d.%j", "each once"),
        ("logs-{day}", "daily", "must contain the directives"),
        ("Logs-{day}", "%Y.%m.%d", "'Logs-2024.02.29', which is not a valid index name"),
        ("-logs-{day}", "%Y.%m.%d", "not a valid index name"),
        ("lo gs-{day}", "%Y.%m.%d", "not a valid index name"),
        ("logs*-{day}", "%Y.%m.%d", "not a valid index name"),
        ("logs-{day}", "%Y/%m/%d", "not a valid index name"),
        ("logs-{day}", "%YT%m%d", "not a valid index name"),
    ],
)
def test_refused_templates(template: str, date_format: str, sentence: str) -> None:
    problem = IndexTemplate(template, "day", date_format).problem(DAYS)
    assert problem is not None
    assert sentence in problem


def test_a_month_needs_a_month() -> None:
    problem = IndexTemplate("h-{month}", "month", "%Y.%m.%d").problem(MONTHS)
    assert problem == "date format '%Y.%m.%d' must contain the directives %Y%m, each once"


@given(dates, dates)
def test_transform_ids_of_a_dataset_have_one_width_and_no_id_contains_another(one: date, other: date) -> None:
    ids = [transform_id("flights", day) for day in (one, other)]
    assert len(ids[0]) == len(ids[1])
    assert (ids[0] in ids[1]) == (one == other)


@given(dates)
def test_transform_ids_round_trip(day: date) -> None:
    assert day_of_transform("flights", transform_id("flights", day)) == day
    assert day_of_transform("light", transform_id("flights", day)) is None


@pytest.mark.parametrize("other", ["strata-flights-by-hand", "strata-flights-2024.02.30", "flights-2024.01.01", ""])
def test_other_ids_are_of_no_day(other: str) -> None:
    assert day_of_transform("flights", other) is None


def test_consecutive_days_have_different_names() -> None:
    for date_format in DAY_FORMATS:
        names = IndexTemplate("x-{day}", "day", date_format)
        written = [names.name(date(2023, 12, 1) + timedelta(days=n)) for n in range(500)]
        assert all(one != other for one, other in pairwise(written))
        assert len(set(written)) == 500
