"""Levels and base rows as parts of a span: wherever the borders are and whatever is complete, each row counts once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensearch_strata.definition.days import day_bounds, day_of
from opensearch_strata.definition.levels import Level
from opensearch_strata.history.query.borders import RowsOfSpan, rows_of_span
from opensearch_strata.history.query.level_choice.cover import PartOfRows, answers, border, parts_of
from opensearch_strata.history.query.question import Question, milliseconds, moment_of
from tests.streams import dataset_of
from tests.unit.query.test_borders import counts

DAY = timedelta(days=1)
HOUR = 3_600_000
DAYS = [date(2024, 3, 27) + number * DAY for number in range(12)]
START = datetime(2024, 3, 28, tzinfo=UTC)
ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"]
WITHIN_DAYS = ["UTC", "America/New_York", "Europe/Berlin"]  # there, parts of a day are made of whole buckets
LEVELS = [Level("1M"), Level("1d"), Level("1h"), Level("6h"), Level("1d", ("device", "site"))]


def question_of(zone: str, interval: str | None = None, by: Sequence[str] = ()) -> Question:
    dataset = dataset_of("t", time_zone=zone)
    end = START + 9 * DAY
    return Question.checked(dataset, START, end, metrics=["load"], stats=["sum"], interval=interval, by=by)


def row_of_level(question: Question, level: Level, bucket: int, day: date) -> int:
    """When the row of a level begins that a base row of a raw day is merged into, as `read` sorts it into records."""
    begin = border(question, level, bucket - 24 * HOUR, after=False)
    while True:
        end = border(question, level, begin + 1, after=True)
        if counts(rows_of_span(question, begin, end), bucket, day):
            return begin
        begin = end


def times(question: Question, parts: Sequence[PartOfRows], bucket: int, day: date) -> int:
    """How often a base row is read."""
    found = 0
    for part in parts:
        if part.level is None:
            found += day not in part.days and counts(part.rows, bucket, day)
        elif day in part.days:
            found += counts(part.rows, row_of_level(question, part.level, bucket, day), day)
    return found


def days_of(level: Level) -> st.SearchStrategy[Collection[date]]:
    """The raw days that may be read from a level: any, or whole months."""
    return st.sampled_from([DAYS, DAYS[:5], DAYS[5:]]) if level.is_of_months else st.sets(st.sampled_from(DAYS))


@settings(max_examples=50)
@given(st.data(), st.sampled_from(ZONES))
def test_each_row_counts_once_whatever_levels_there_are(data: st.DataObject, zone: str) -> None:
    question = question_of(zone)
    usable = [level for level in LEVELS if zone in WITHIN_DAYS or level != Level("6h")]
    levels = {level: data.draw(days_of(level)) for level in data.draw(st.lists(st.sampled_from(usable), unique=True))}
    midnights = [milliseconds(day_bounds(day, question.dataset.zone)[0]) for day in DAYS]
    buckets = st.integers(midnights[0] // HOUR + 1, midnights[-1] // HOUR).map(lambda hour: hour * HOUR)
    borders = st.one_of(st.sampled_from(midnights), buckets)
    start, end = sorted(data.draw(st.lists(borders, min_size=2, max_size=2, unique=True)))
    parts = list(parts_of(question, levels, start, end))
    for _ in range(40):
        bucket, late = data.draw(buckets), data.draw(st.sampled_from([0, 0, 1, -1, 3]))
        day = day_of(moment_of(bucket), question.dataset.zone) + late * DAY
        expected = counts(rows_of_span(question, start, end), bucket, day)
        assert times(question, parts, bucket, day) == expected


def test_the_coarsest_rows_come_first_and_the_others_fill_the_ends() -> None:
    question = question_of("UTC")
    days = [date(2024, 3, 28) + number * DAY for number in range(5)]
    levels = {Level("1d"): days[:4], Level("1h"): days}
    start, end = (milliseconds(datetime(2024, 3, day, hour, tzinfo=UTC)) for day, hour in ((28, 5), (31, 0)))
    midnight = start + 19 * HOUR
    assert list(parts_of(question, levels, start, end)) == [
        PartOfRows(Level("1d"), RowsOfSpan((midnight, end), []), frozenset(days[:4])),
        PartOfRows(Level("1h"), RowsOfSpan((midnight, end), []), frozenset(days[4:])),
        PartOfRows(None, RowsOfSpan((midnight, end), []), frozenset(days)),
        PartOfRows(Level("1h"), RowsOfSpan((start, midnight), []), frozenset(days)),
        PartOfRows(None, RowsOfSpan((start, midnight), []), frozenset(days)),
    ]


@pytest.mark.parametrize(
    ("interval", "by", "wanted"),
    [
        ("1h", [], ["1h"]),
        ("2h", [], ["1h"]),
        ("6h", [], ["1h", "6h"]),
        ("1d", [], ["1d", "1h", "6h", "1d.device.site"]),
        ("1d", ["site"], ["1d.device.site"]),
        ("1M", [], ["1M", "1d", "1h", "6h", "1d.device.site"]),
        (None, ["device"], ["1d.device.site"]),
        ("1h", ["device"], []),
    ],
)
def test_levels_answer_what_is_made_of_their_rows(interval: str | None, by: list[str], wanted: list[str]) -> None:
    question = question_of("America/New_York", interval, by=by)
    assert [level.name for level in LEVELS if answers(question, level)] == wanted


def test_top_values_are_merged_from_base_rows_alone() -> None:
    metric = {"field": "status", "stats": ["count"], "distribution": {"top_values": 3}}
    dataset = dataset_of("t", metrics={"status": metric})
    for stat, answered in (("count", True), ("top", False)):
        question = Question.checked(dataset, START, START + DAY, metrics=["status"], stats=[stat], interval="1d")
        assert answers(question, Level("1d")) == answered
