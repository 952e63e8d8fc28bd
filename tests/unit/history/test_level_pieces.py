"""Rows count for the calendar days and months for which readers count them, each once."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import day_bounds
from opensearch_strata.definition.levels import Level
from opensearch_strata.history.levels.merge.merging import Days, Merge, RowsOfUnit
from opensearch_strata.history.levels.merge.pieces import after_cut, pieces_of
from opensearch_strata.history.query.borders import rows_of_span
from opensearch_strata.history.query.question import Question, milliseconds, moment_of
from tests.streams import dataset_of

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"]
DATASETS = {
    (zone, bucket): dataset_of("t", time_zone=zone, history={"bucket": bucket})
    for zone in ZONES
    for bucket in ("15m", "1h", "6h", "1d")
}
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2025, 1, 1), timezones=st.just(UTC))
DATED = st.tuples(st.sampled_from(ZONES), st.sampled_from(["15m", "1h", "6h", "1d"])).map(DATASETS.__getitem__)
DAILY, MONTHLY = Level("1d"), Level("1M")


def counts_for(dataset: Dataset, bucket: int, raw_day: date, start: datetime, end: datetime) -> bool:
    """Whether a reader counts a row of a raw day for a span."""
    question = Question(dataset, milliseconds(start), milliseconds(end), ("load",), ("sum",))
    rows = rows_of_span(question, question.start, question.end)
    if rows.whole and rows.whole[0] <= bucket < rows.whole[1]:
        return True
    return any(
        edge.bucket == bucket
        and (edge.since is None or raw_day >= edge.since)
        and (edge.before is None or raw_day < edge.before)
        for edge in rows.edges
    )


@given(DATED, MOMENTS, st.integers(-40, 40))
@example(DATASETS["Asia/Kolkata", "1h"], datetime(2024, 5, 5, 18, 40, tzinfo=UTC), 0)
@example(DATASETS["Europe/Berlin", "1d"], datetime(2024, 3, 31, 12, tzinfo=UTC), 1)
def test_a_row_counts_for_the_day_and_month_for_which_readers_count_it(
    dataset: Dataset, moment: datetime, late: int
) -> None:
    length = round(dataset.history.bucket_length.total_seconds() * 1000)
    bucket = milliseconds(moment) // length * length
    begin = moment_of(bucket).astimezone(dataset.zone).date()
    raw_day = begin + timedelta(days=late)
    days = {begin} | after_cut(dataset, [begin])
    for level, unit in ((DAILY, raw_day), (MONTHLY, raw_day.replace(day=1))):
        found = [
            piece
            for piece in pieces_of(dataset, level, unit, days, dataset.history.bucket_length)
            if piece.start <= bucket < piece.end
        ]
        assert len(found) == 1
        start = moment_of(found[0].time)
        local = start.astimezone(dataset.zone).date()
        after = (local + timedelta(days=32)).replace(day=1) if level.is_of_months else local + timedelta(days=1)
        assert counts_for(dataset, bucket, raw_day, start, day_bounds(after, dataset.zone)[0])


@given(DATED, st.lists(st.dates(date(2024, 1, 1), date(2024, 12, 31)), min_size=1, max_size=5), st.integers(0, 10**7))
def test_parts_are_whole_buckets_and_meet(dataset: Dataset, days: list[date], rows: int) -> None:
    level = Level("6h")
    source = RowsOfUnit("m", ["id"], days[0])
    merge = Merge(None, dataset, level, source, Days(days, has_more=False, rows=rows), {})  # type: ignore[arg-type]
    for piece in pieces_of(dataset, level, days[0], days, timedelta()):
        parts = list(merge._parts(piece, 6 * 3_600_000))
        assert parts[0][0] == piece.start
        assert parts[-1][1] == piece.end
        assert all(one[1] == other[0] for one, other in itertools.pairwise(parts))
        assert all((start - piece.start) % (6 * 3_600_000) == 0 for start, _ in parts)
        assert len(parts) <= 5
