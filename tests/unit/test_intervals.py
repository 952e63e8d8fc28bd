"""Intervals as they are written, and those that rows cannot answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.history.intervals import Interval
from tests.streams import dataset_of


@pytest.mark.parametrize("text", ["", "h", "0h", "1.5h", "2d", "3M", "1w", "1H", "60s", " 1h", "1h "])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(Refused, match="is no interval; write 15m, 1h, 6h, 1d or 1M"):
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
        ("1d", "Europe/London", "6h"),  # in winter
    ],
)
def test_intervals_that_rows_can_answer(interval: str, zone: str, bucket: str) -> None:
    check(interval, zone, bucket)


@pytest.mark.parametrize("interval", ["15m", "90m"])
def test_finer_than_the_buckets_is_refused(interval: str) -> None:
    with pytest.raises(Refused, match=f"'{interval}' is not a multiple of the bucket '1h'"):
        check(interval)


@pytest.mark.parametrize(
    ("interval", "zone", "bucket", "month", "days"),
    [
        ("1d", "Asia/Kolkata", "1h", 1, 3),
        ("6h", "Asia/Kolkata", "1h", 1, 3),
        ("1M", "Australia/Adelaide", "1h", 1, 3),
        ("1d", "America/New_York", "6h", 1, 3),
        ("1d", "Europe/London", "6h", 7, 3),  # summer time begins days an hour before a bucket
        ("1d", "Europe/London", "6h", 1, 200),
    ],
)
def test_borders_that_cut_buckets_are_refused(interval: str, zone: str, bucket: str, month: int, days: int) -> None:
    with pytest.raises(Refused, match=f"Buckets of '{bucket}' start on UTC borders, which are no borders of a day"):
        check(interval, zone, bucket, month=month, days=days)
