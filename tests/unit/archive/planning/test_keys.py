"""What keys say of arrival, which prefixes are listed for a time, and which objects are set apart."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opensearch_strata.archive.store.keys import (
    Arrival,
    Layout,
    arrival_in_key,
    arrival_in_name,
    arrival_of,
    is_error_folder,
    reason_apart,
)
from opensearch_strata.definition.loading.intake import Intake

FIREHOSE = Layout("%Y/%m/%d/%H/")
LAYOUTS = ["%Y/%m/%d/%H/", "year=%Y/month=%m/day=%d/hour=%H/", "%Y-%m-%d/", "%Y%m%d%H", "y%Y/%m/", "%Y/"]
UUID = "5e6dc317-071b-45ba-a9d3-4805ba39c2ba"
HOUR = 3_600_000

moments = st.integers(0, 400 * 24 * 60).map(lambda minute: at(2012, 11, 1) + minute * 60_000)


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type, misc]


def key_at(layout: str, moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).strftime(layout) + "object"


def test_a_year_with_margins_is_a_few_prefixes() -> None:
    assert FIREHOSE.prefixes(at(2012, 12, 31, 23), at(2014, 1, 2)) == ["2012/12/31/23/", "2013/", "2014/01/01/"]


def test_a_day_with_margins_is_hours_and_days() -> None:
    assert FIREHOSE.prefixes(at(2013, 1, 4, 23), at(2013, 1, 7)) == ["2013/01/04/23/", "2013/01/05/", "2013/01/06/"]


def test_an_hour_that_has_begun_counts() -> None:
    assert FIREHOSE.prefixes(at(2013, 1, 5, 4, 59), at(2013, 1, 5, 6, 1)) == [
        "2013/01/05/04/", "2013/01/05/05/", "2013/01/05/06/",
    ]  # fmt: skip


def test_a_layout_of_days_lists_no_hours() -> None:
    layout = Layout("year=%Y/month=%m/day=%d/")
    assert layout.prefixes(at(2013, 1, 31, 23), at(2013, 3, 1, 1)) == [
        "year=2013/month=01/day=31/", "year=2013/month=02/day=", "year=2013/month=03/day=01/",
    ]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@given(start=moments, length=st.integers(1, 500 * 24).map(lambda hours: hours * HOUR), offset=st.floats(0, 0.999999))
def test_whatever_arrived_in_the_time_is_listed_once(layout: str, start: int, length: int, offset: float) -> None:
    prefixes = Layout(layout).prefixes(start, start + length)
    key = key_at(layout, int(start + length * offset))
    assert len([prefix for prefix in prefixes if key.startswith(prefix)]) == 1
    assert len(prefixes) <= 2 * (23 + 30 + 11) + 3


@given(start=moments, length=st.integers(1, 90 * 24), beside=st.sampled_from([-1, 1]))
def test_no_whole_hour_beside_the_time_is_listed(start: int, length: int, beside: int) -> None:
    end = start + length * HOUR
    stranger = start // HOUR * HOUR - 1 if beside < 0 else end + HOUR
    assert not any(key_at("%Y/%m/%d/%H/", stranger).startswith(p) for p in FIREHOSE.prefixes(start, end))


@pytest.mark.parametrize("layout", LAYOUTS)
@given(moment=moments)
def test_a_key_says_its_unit(layout: str, moment: int) -> None:
    arrival = Layout(layout).arrival(key_at(layout, moment))
    assert arrival is not None
    assert arrival.start <= moment < arrival.end
    assert key_at(layout, arrival.start) == key_at(layout, arrival.end - 1)
    assert key_at(layout, arrival.start - 1) != key_at(layout, arrival.start) != key_at(layout, arrival.end)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2013/02/28/05/x", Arrival(at(2013, 2, 28, 5), at(2013, 2, 28, 6))),
        ("2013/02/28/x", Arrival(at(2013, 2, 28), at(2013, 3, 1))),
        ("2013/02/30/05/x", Arrival(at(2013, 2, 1), at(2013, 3, 1))),
        ("2013/13/01/05/x", Arrival(at(2013, 1, 1), at(2014, 1, 1))),
        ("2013/12/31/23/x", Arrival(at(2013, 12, 31, 23), at(2014, 1, 1))),
        ("12/31/23/x", None),
        ("processing-failed/2013/01/01/00/x", None),
    ],
)
def test_a_key_that_follows_the_layout_in_part_says_that_much(text: str, expected: Arrival | None) -> None:
    assert FIREHOSE.arrival(text) == expected


@pytest.mark.parametrize("stream", ["flights", "rds-general-7-2013-01-01-00-00-00", "a-b_c.d"])
@pytest.mark.parametrize("extension", ["", ".gz", ".snappy.parquet", ".zip"])
def test_the_name_is_read_from_the_right(stream: str, extension: str) -> None:
    name = f"{stream}-12-2013-01-05-07-08-09-{UUID}{extension}"
    assert arrival_in_name(f"2013/01/05/07/{name}") == Arrival(at(2013, 1, 5, 7, 8, 9), at(2013, 1, 5, 7, 8, 10))


@pytest.mark.parametrize(
    "name",
    [
        "000000.gz",
        f"flights-12-2013-02-30-07-08-09-{UUID}",
        f"flights-2013-01-05-07-08-09-{UUID[:-1]}",
        f"flights-12-2013-01-05-07-08-09-{UUID}-part",
        f"flights-12-2013-01-05-07-08-09-{UUID}/object",
    ],
)
def test_other_names_say_nothing(name: str) -> None:
    assert arrival_in_name(name) is None


def test_the_name_is_finer_than_the_prefix_and_must_agree_with_it() -> None:
    name = f"flights-12-2013-01-05-07-08-09-{UUID}.gz"
    assert arrival_of(FIREHOSE, f"2013/01/05/07/{name}") == Arrival(at(2013, 1, 5, 7, 8, 9), at(2013, 1, 5, 7, 8, 10))
    assert arrival_of(FIREHOSE, f"2013/01/05/08/{name}") == Arrival(at(2013, 1, 5, 8), at(2013, 1, 5, 9))
    assert arrival_of(FIREHOSE, f"other/{name}") is None


def test_borders_of_a_time() -> None:
    arrival = Arrival(100, 200)
    assert arrival.meets(199, 300)
    assert not arrival.meets(200, 300)
    assert arrival.meets(0, 101)
    assert not arrival.meets(0, 100)


@pytest.mark.parametrize(
    ("text", "size", "reason"),
    [
        ("2013/01/05/07/x.gz", 1, None),
        ("2013/01/05/07/", 0, "empty"),
        ("2013/01/05/07/x.gz", 0, "empty"),
        ("aws-logs-write-test", 27, "marker"),
        ("export/aws-logs-write-test", 0, "marker"),
        ("aws-logs-write-test/000000.gz", 9, None),
        ("processing-failed/2013/01/05/07/x", 9, "errors"),
        ("AmazonOpenSearchService-failed/2013/x", 9, "errors"),
        ("AmazonOpenSearchService_failed/x", 9, "errors"),
        ("2013/01/05/07/decompression-failed/x", 9, "errors"),
        ("failed/x", 9, None),
        ("2013/processing-failed", 9, None),
        ("2013/01/05/manifest.json", 9, "manifest"),
        ("flights-2013.01.05.manifest.json", 9, "manifest"),
        ("manifests/x.json", 9, None),
    ],
)
def test_what_is_set_apart(text: str, size: int, reason: str | None) -> None:
    assert reason_apart(text, size) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2013/01/05/07/logo.png", "skipped"),
        ("tmp/2013/x", "skipped"),
        ("2013/01/05/07/logo.PNG", None),
        ("2013/tmp/x", None),
        ("logo.png.gz", None),
        ("2013/01/05/a[draft].gz", "skipped"),
        ("2013/01/05/orders.gz", None),
        ("2013/01/05/manifest.json", "manifest"),
    ],
)
def test_keys_that_the_dataset_leaves_out(text: str, reason: str | None) -> None:
    assert reason_apart(text, 9, ["*.png", "tmp/*", "*[draft]*"]) == reason


@pytest.mark.parametrize(
    "name",
    [
        "processing-failed", "AmazonOpenSearchService-failed", "AmazonOpenSearchService_failed", "elasticsearch-failed",
        "splunk-failed", "format-conversion-failed", "http-endpoint-failed", "decompression-failed", "snowflake-failed",
        "iceberg-failed",
    ],
)  # fmt: skip
def test_error_types_of_firehose(name: str) -> None:
    assert is_error_folder(name)


@pytest.mark.parametrize("name", ["login-failed", "orders_failed", "failed", "my-processing-failed"])
def test_folders_of_other_things_that_failed(name: str) -> None:
    assert not is_error_folder(name)


@given(start=moments, span=st.integers(1, 72))
@example(start=at(2013, 1, 5), span=24)
def test_an_event_is_found_wherever_its_object_may_have_arrived(start: int, span: int) -> None:
    """The margin: an object of any arrival in [t - early, t + late] lies under a prefix and meets the time."""
    early, late = HOUR, 24 * HOUR
    arrived = (start - early, start + span * HOUR + late)
    for arrival in (arrived[0], start, arrived[1] - 60_000):
        text = key_at("%Y/%m/%d/%H/", arrival)
        found = arrival_of(FIREHOSE, text)
        assert found is not None
        assert found.meets(*arrived)
        assert sum(text.startswith(prefix) for prefix in FIREHOSE.prefixes(*arrived)) == 1


ZONES = ["UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia"]
UNPADDED = ["%Y/%-m/%-d/%-H/", "year=%Y/month=%-m/day=%-d/", "%Y-%-m-%d/"]
years = st.integers(0, 365 * 24 * 4).map(lambda quarter: at(2010, 11, 1) + quarter * 15 * 60_000)

lengths = st.integers(1, 72 * 60).map(lambda minutes: minutes * 60_000)


def shown_in(layout: str, moment: int, zone: str) -> str:
    return datetime.fromtimestamp(moment / 1000, ZoneInfo(zone)).strftime(layout) + "object"


@pytest.mark.parametrize("layout", [*LAYOUTS, *UNPADDED])
@given(years, lengths, st.floats(0, 0.999999), st.sampled_from(ZONES))
@example(at(2011, 11, 6, 5, 50), 30 * 60_000, 0.6, "America/New_York")  # its clock shows 01:50, 01:00, 01:20
@example(
    at(2010, 11, 7, 2, 0), 40 * 60_000, 0.7625, "America/St_Johns"
)  # set back a minute past midnight, in which it arrived
def test_what_arrived_is_listed_once_in_any_zone(
    layout: str, start: int, length: int, offset: float, zone: str
) -> None:
    arrived = int(start + length * offset)
    key = shown_in(layout, arrived, zone)
    laid_out = Layout(layout, ZoneInfo(zone))
    prefixes = laid_out.prefixes(start, start + length)
    assert len([prefix for prefix in prefixes if key.startswith(prefix)]) == 1
    said = laid_out.arrival(key)
    assert said is not None
    assert said.start <= arrived < said.end
    assert said.end - said.start <= (367 * 24 + 2) * HOUR


def test_an_hour_that_a_clock_shows_twice_is_both() -> None:
    new_york = Layout("%Y/%m/%d/%H/", ZoneInfo("America/New_York"))
    assert new_york.arrival("2011/11/06/01/x") == Arrival(at(2011, 11, 6, 5), at(2011, 11, 6, 7))
    listed = new_york.prefixes(at(2011, 11, 6, 4), at(2011, 11, 6, 7))
    assert listed[1:3] == ["2011/11/06/00/", "2011/11/06/01/"]
    assert len(listed) == 4  # by both offsets of the day


def test_firehose_names_objects_by_the_clock_of_the_layout_or_by_utc() -> None:
    new_york = Layout("%Y/%m/%d/%H/", ZoneInfo("America/New_York"))
    for hour in (19, 0):
        day = 4 if hour else 5
        name = f"2025/03/04/19/s-1-2025-03-{day:02d}-{hour:02d}-30-00-{UUID}"
        assert arrival_of(new_york, name) == Arrival(at(2025, 3, 5, 0, 30), at(2025, 3, 5, 0, 30, 1))


def test_a_whole_key_says_its_arrival_whatever_is_before() -> None:
    assert arrival_in_key(FIREHOSE, "a/b/2025/03/05/07/x") == Arrival(at(2025, 3, 5, 7), at(2025, 3, 5, 8))
    assert arrival_in_key(FIREHOSE, "1234/x/2025/03/x") == Arrival(at(2025, 3, 1), at(2025, 4, 1))
    assert arrival_in_key(FIREHOSE, "2025/x") is None
    assert arrival_in_key(FIREHOSE, "x") is None


@pytest.mark.parametrize("layout", ["%Y/%-m", "%Y/%-m%d/", "%Y/%-m1/", "%-Y/", "%Y/%-d/", "%Y/%M/", "%Y/%"])
def test_a_layout_that_cannot_be_read_is_refused(layout: str) -> None:
    with pytest.raises(ValueError, match="must"):
        Intake(layout=layout)
