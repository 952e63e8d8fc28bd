"""How times are written: formats by name and by directives, and what is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opensearch_strata.definition.loading.intake import Intake
from opensearch_strata.definition.notation.time_formats import epoch_ms, reads

BERLIN = ZoneInfo("Europe/Berlin")
SEVEN = 1741158001000  # 2025-03-05T07:00:01Z
NOVEMBER = 1762000000000


def read(value: Any, time_format: str, near: int | None = None) -> int | None:
    return reads(time_format)(value, UTC, near)


@pytest.mark.parametrize(
    ("value", "time_format", "milliseconds"),
    [
        ("2025-03-05T07:00:01.123456789Z", "iso8601", 123),
        ("2025-03-05 07:00:01,123", "iso8601", 123),
        ("2025-03-05 07:00:01 UTC", "iso8601", 0),
        ("2025-03-05 07:00:01.5 GMT", "iso8601", 500),
        ("2025-03-05T07:00:01+0000", "iso8601", 0),
        ("2025-03-05T09:00:01 +02:00", "iso8601", 0),
        ("2025-03-05T12:45:01.123+05:45", "iso8601", 123),
        ("2025-03-05T07:00Z", "iso8601", -1000),
        ("20250305T070001Z", "iso8601", 0),
        ("Wed, 05 Mar 2025 07:00:01 GMT", "rfc2822", 0),
        ("5 Mar 2025 08:00:01 +0100", "rfc2822", 0),
        ("Wed, 05 Mar 2025 07:00 +0000", "rfc2822", -1000),
        ("05/Mar/2025:07:00:01 +0000", "%d/%b/%Y:%H:%M:%S %z", 0),
        ("05/mar/2025:02:00:01 -0500", "%d/%b/%Y:%H:%M:%S %z", 0),
        ("2025/03/05 07:00:01", "%Y/%m/%d %H:%M:%S", 0),
        ("2025-03-05\t07:00:01", "%Y-%m-%d %H:%M:%S", 0),
        ("3/5/25 7:00:01 AM", "%m/%d/%y %I:%M:%S %p", 0),
        ("Wednesday, March 5, 2025 12:00:01 am", "%A, %B %d, %Y %I:%M:%S %p", -7 * 3_600_000),
        ("2025.064 07:00:01.123456789", "%Y.%j %H:%M:%S.%f", 123),
        ("100% 2025-03-05T07:00:01utc", "100%% %Y-%m-%dT%H:%M:%S%z", 0),
        (1741158001, "epoch_seconds", 0),
        ("1741158001", "epoch_seconds", 0),
        (1741158001.123, "epoch_seconds", 123),
        ("1741158001.123", "epoch_seconds", 123),
        (1741158001123, "epoch_millis", 123),
        ("1741158001123.999", "epoch_millis", 123),
        ("1741158001123456", "epoch_micros", 123),
        (1741158001123456789, "epoch_nanos", 123),
        ("1741158001123456789", "epoch_nanos", 123),
    ],
)
def test_usual_times_are_read_where_they_are_stated(value: Any, time_format: str, milliseconds: int) -> None:
    assert read(value, time_format) == SEVEN + milliseconds


def test_the_end_of_a_day_in_all_its_writings() -> None:
    midnight = epoch_ms(datetime(2017, 1, 1, tzinfo=UTC))
    for time_format in ("iso8601", "%Y-%m-%dT%H:%M:%S%z"):
        assert read("2016-12-31T23:59:60Z", time_format) == midnight - 1  # in the day that it ends
        assert read("2016-12-31T24:00:00Z", time_format) == midnight
        assert read("2016-12-31T24:00:01Z", time_format) is None
    assert read("2016-12-31 24:00 UTC", "iso8601") == midnight


@pytest.mark.parametrize(
    ("value", "time_format"),
    [
        ("1_741_158_001", "epoch_seconds"),
        ("١٧٤١١٥٨٠٠١", "epoch_seconds"),
        (" 1741158001", "epoch_seconds"),
        ("1e9", "epoch_seconds"),
        ("", "epoch_millis"),
        (True, "epoch_seconds"),
        (float("nan"), "epoch_seconds"),
        (float("inf"), "epoch_nanos"),
        (None, "iso8601"),
        (1741158001, "iso8601"),
        (20250305, "%Y%m%d"),
        ("2025-02-30", "%Y-%m-%d"),
        ("2025.366", "%Y.%j"),
        ("2025.000", "%Y.%j"),
        ("05/Mär/2025", "%d/%b/%Y"),
        ("2025-03-05 x", "%Y-%m-%d"),
        ("2025-03-05" + " " * 300 + "07", "%Y-%m-%d %H"),
    ],
)
def test_what_is_no_time_of_a_format_is_none(value: Any, time_format: str) -> None:
    assert read(value, time_format) is None


@pytest.mark.parametrize("wrong", ["%q", "%", "%Y", "%d/%b/", "epoch", "%Y %y %m %d", "%Y-%m-%d %I", "%Y-%m-%d %d", ""])
def test_what_is_no_format_is_refused_with_those_that_are(wrong: str) -> None:
    if wrong == "%d/%b/":  # without a year: the object's date tells it
        reads(wrong)
        return
    with pytest.raises(ValueError, match="epoch_seconds"):
        Intake(timestamp_format=wrong)
    with pytest.raises(ValueError, match="epoch_seconds"):
        Intake(timestamp_format=["iso8601", wrong])


def test_a_time_without_a_zone_is_of_the_zone_of_the_log() -> None:
    for time_format in ("iso8601", "%Y-%m-%d %H:%M:%S"):
        assert reads(time_format)("2025-03-05 08:00:01", BERLIN, None) == SEVEN
        assert reads(time_format)("2025-07-05 08:00:01", BERLIN, None) == epoch_ms(
            datetime(2025, 7, 5, 6, 0, 1, tzinfo=UTC)
        )


def test_a_time_without_a_year_is_the_last_that_was_not_later() -> None:
    syslog = "%b %d %H:%M:%S"
    assert read("Mar  5 07:00:01", syslog) is None
    assert read("Mar  5 07:00:01", syslog, near=NOVEMBER) == SEVEN
    assert read("Mar  5 07:00:01", syslog, near=SEVEN - 3_600_000) == SEVEN  # a clock that is an hour ahead
    assert read("Dec 31 23:59:59", syslog, near=epoch_ms(datetime(2025, 1, 1, tzinfo=UTC))) == epoch_ms(
        datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC)
    )
    assert read("Feb 29 00:00:00", syslog, near=SEVEN) == epoch_ms(datetime(2024, 2, 29, tzinfo=UTC))


times = st.datetimes(datetime(1970, 1, 2), datetime(9990, 1, 1), timezones=st.just(UTC))


@given(
    times,
    st.sampled_from(
        [
            "%Y-%m-%dT%H:%M:%S.%f%z", "%d/%b/%Y:%H:%M:%S.%f %z", "%a, %d %b %Y %H:%M:%S.%f %z",
            "%A %B %d %Y %I:%M:%S.%f %p", "%Y %j %H %M %S %f",
        ]
    ),
    st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu"]),
)  # fmt: skip
def test_what_strftime_writes_is_read_again(moment: datetime, time_format: str, zone: str) -> None:
    local = moment.astimezone(ZoneInfo(zone)) if "%z" in time_format else moment
    assert local.utcoffset() is not None
    assert reads(time_format)(local.strftime(time_format), UTC, None) == epoch_ms(moment)


@given(
    st.integers(-(10**21), 10**21), st.sampled_from([("epoch_seconds", 3), ("epoch_micros", -3), ("epoch_nanos", -6)])
)
@example(-1, ("epoch_nanos", -6))
def test_numbers_and_texts_have_one_fate(number: int, unit: tuple[str, int]) -> None:
    name, tens = unit
    exact = number * 10**tens if tens > 0 else number // 10**-tens
    assert read(number, name) == read(str(number), name) == exact


@given(st.integers(0, 2**40), st.integers(0, 999))
def test_decimals_are_read_as_they_are_written(seconds: int, milliseconds: int) -> None:
    text = f"{seconds}.{milliseconds:03d}"
    assert read(text, "epoch_seconds") == seconds * 1000 + milliseconds
    if seconds < 2**33:  # as many digits as a float keeps
        assert read(float(text), "epoch_seconds") == seconds * 1000 + milliseconds


@given(st.text(max_size=40), st.sampled_from(["iso8601", "rfc2822", "epoch_nanos", "%d/%b/%Y:%H:%M:%S %z", "%b %d"]))
def test_no_text_is_a_fault(text: str, time_format: str) -> None:
    read(text, time_format, SEVEN)


@given(times)
def test_iso_is_read_as_python_writes_it(moment: datetime) -> None:
    assert (
        read(moment.isoformat(), "iso8601")
        == epoch_ms(moment)
        == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // (timedelta(milliseconds=1))
    )
