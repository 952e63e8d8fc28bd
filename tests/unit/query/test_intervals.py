"""Intervals as they are written, and those that rows cannot answer."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.history.query.intervals import Interval, borders_notes, zone_warning
from tests.streams import dataset_of


@pytest.mark.parametrize("text", ["", "h", "0h", "1.5h", "2d", "3M", "1w", "1H", "60s", " 1h", "1h "])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(Refused, match="is not an interval; write 15m, 1h, 6h, 1d or 1M"):
        Interval.parse(text)


@pytest.mark.parametrize("text", ["7h", "5h", "7m", "36h", "1441m"])
def test_what_does_not_divide_a_day_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=f"'{text}' does not divide a day"):
        Interval.parse(text)


def check(interval: str, zone: str = "UTC", bucket: str = "1h", **span: Any) -> None:
    dataset = dataset_of("t", time_zone=zone, history={"bucket": bucket})
    start = datetime(2024, span.get("month", 1), 5, tzinfo=ZoneInfo(zone))
    Interval.parse(interval).check(dataset, start, start + timedelta(days=span.get("days", 3)))


@pytest.mark.parametrize(
    ("interval", "zone", "bucket"),
    [
        *(("1h", "UTC", "1h"), ("6h", "UTC", "1h"), ("1M", "UTC", "6h"), ("1d", "America/New_York", "1h")),
        ("1h", "Asia/Kolkata", "1h"),  # named by where the bucket begins
        ("1d", "Asia/Kolkata", "30m"),
        ("12h", "Europe/London", "6h"),  # in winter
    ],
)
def test_intervals_that_rows_can_answer(interval: str, zone: str, bucket: str) -> None:
    check(interval, zone, bucket)


@pytest.mark.parametrize("interval", ["15m", "90m"])
def test_finer_than_the_buckets_is_refused(interval: str) -> None:
    with pytest.raises(Refused, match=f"'{interval}' is not a multiple of the bucket '1h'"):
        check(interval)


@pytest.mark.parametrize(
    ("zone", "bucket", "month", "days", "cure"),
    [
        ("Asia/Kolkata", "1h", 1, 3, "30m"),
        ("Asia/Kathmandu", "1h", 1, 3, "15m"),
        ("Asia/Kathmandu", "30m", 1, 3, "15m"),
        ("Australia/Adelaide", "1h", 1, 3, "30m"),
        ("Australia/Lord_Howe", "1h", 7, 3, "30m"),  # off the hour in winter alone
        ("Australia/Lord_Howe", "1h", 2, 90, "30m"),
        ("America/New_York", "3h", 1, 3, "1h"),
        ("Europe/London", "3h", 7, 3, "1h"),
        ("Europe/London", "3h", 1, 200, "1h"),
    ],
)
def test_parts_of_a_day_that_cut_buckets_are_refused(zone: str, bucket: str, month: int, days: int, cure: str) -> None:
    cannot = f"of '6h' cannot be computed in {zone}.*buckets of '{bucket}'.*; history.bucket {cure} would make"
    with pytest.raises(Refused, match=cannot):
        check("6h", zone, bucket, month=month, days=days)


@pytest.mark.parametrize("interval", ["1d", "1M", "24h"])
@pytest.mark.parametrize(
    ("zone", "bucket"), [("Asia/Kolkata", "1h"), ("Europe/Berlin", "1d"), ("America/New_York", "6h")]
)
def test_days_and_months_are_told_by_the_rows_raw_day(interval: str, zone: str, bucket: str) -> None:
    check(interval, zone, bucket)
    dataset = dataset_of("t", time_zone=zone, history={"bucket": bucket})
    start = datetime(2024, 1, 5, tzinfo=ZoneInfo(zone))
    (note,) = borders_notes(dataset, Interval.parse(interval), start, start + timedelta(days=3))
    assert f"Days in {zone} begin inside buckets of {bucket}" in note
    assert "count for their raw day, so an event that came late may count for an adjacent day" in note


def test_what_is_exact_needs_no_note() -> None:
    for zone, bucket in (("UTC", "1d"), ("Europe/Berlin", "1h"), ("Asia/Kolkata", "30m"), ("Asia/Kathmandu", "15m")):
        dataset = dataset_of("t", time_zone=zone, history={"bucket": bucket})
        start = datetime(2024, 1, 5, tzinfo=ZoneInfo(zone))
        assert borders_notes(dataset, Interval.parse("1d"), start, start + timedelta(days=300)) == []
        assert zone_warning(dataset, date(2026, 1, 1)) is None
    kolkata = dataset_of("t", time_zone="Asia/Kolkata")
    hours = datetime(2024, 1, 5, 1, 30, tzinfo=ZoneInfo("Asia/Kolkata"))
    assert borders_notes(kolkata, None, hours, hours + timedelta(hours=5)) == []  # borders of buckets


def test_records_that_are_buckets_say_that_they_are() -> None:
    dataset = dataset_of("t", time_zone="Europe/Berlin", history={"bucket": "6h"})
    start = datetime(2024, 1, 5, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    (note,) = borders_notes(dataset, Interval.parse("6h"), start, start + timedelta(days=3))
    assert note.startswith("Records of 6h are buckets of rows, which begin at UTC boundaries and not at midnight in Eu")


@pytest.mark.parametrize(
    ("zone", "bucket", "cure"),
    [("Asia/Kolkata", "1h", "30m"), ("Pacific/Chatham", "1h", "15m"), ("Europe/London", "1d", "1h")],
)
def test_a_definition_whose_days_cut_buckets_is_warned_of(zone: str, bucket: str, cure: str) -> None:
    warning = zone_warning(dataset_of("t", time_zone=zone, history={"bucket": bucket}), date(2026, 1, 1)) or ""
    assert f"t: Days in {zone} begin inside buckets of {bucket}" in warning
    assert f"(not with history.bucket {cure})" in warning
    assert "can be changed until the first day is condensed" in warning
