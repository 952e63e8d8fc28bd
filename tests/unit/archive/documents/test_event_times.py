"""When events happened: one fate for one kind of value, what cannot be is noticed, what is wrong is shown."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.decode.formats import strata
from opensearch_strata.archive.documents.shaper import Dead, Document, Shaped, Shaper
from opensearch_strata.archive.events import Event, Place
from opensearch_strata.archive.lines import line_of
from opensearch_strata.definition.dataset import Dataset
from tests.streams import definition_of

SEVEN = 1741158001  # 2025-03-05T07:00:01Z
DAY = (1741132800000, 1741219200000)  # 2025-03-05
KEY = "2025/03/05/07/x.json"


def dataset_with(**intake: Any) -> Dataset:
    raw = {"index": "t-{day}", "timestamp": "@timestamp"}
    return Dataset.model_validate(definition_of("t", raw=raw, intake=intake) | {"time_zone": "UTC"})


def shaped(
    value: Any, span: tuple[int, int] | None = DAY, key: str = KEY, modified: int | None = None, **intake: Any
) -> Shaped:
    shaper = Shaper(dataset_with(**intake), Place("b", key), span, modified)
    return shaper.shaped(Event(0, 0, {"@timestamp": value}, b"raw"))


def time_of(value: Any, **options: Any) -> str:
    made = shaped(value, **options)
    assert isinstance(made, Document), made
    stamp: str = orjson.loads(made.source)["@timestamp"]
    return stamp


@pytest.mark.parametrize("span", [DAY, None])
@pytest.mark.parametrize("value", [SEVEN, SEVEN + 0.5, str(SEVEN), f"{SEVEN}.123"])
def test_seconds_read_as_milliseconds_are_noticed_whatever_they_are_written_as(value: Any, span: Any) -> None:
    made = shaped(value, span)
    assert isinstance(made, Dead)
    assert (made.reason, made.index, made.id) == ("time_out_of_range", "", "")
    assert repr(value) in made.detail
    assert "reads as 1970-01-21T03:39:18.001Z" in made.detail
    assert "intake.timestamp_format" in made.detail


@pytest.mark.parametrize("value", [SEVEN * 10**6, SEVEN * 10**9, "1741158001123456", -SEVEN])
def test_finer_units_read_as_milliseconds_are_noticed_too(value: Any) -> None:
    for span in (DAY, None):
        made = shaped(value, span)
        assert isinstance(made, Dead)
        assert made.reason == "time_out_of_range"
        assert repr(value) in made.detail


@pytest.mark.parametrize(
    ("unit", "factor"), [("epoch_seconds", 1), ("epoch_millis", 10**3), ("epoch_micros", 10**6), ("epoch_nanos", 10**9)]
)
def test_a_unit_that_is_stated_is_read(unit: str, factor: int) -> None:
    for value in (SEVEN * factor, str(SEVEN * factor), f"{SEVEN * factor}.25"):
        assert time_of(value, timestamp_format=unit).startswith("2025-03-05T07:00:01.")
    for other in {10**3, 10**6, 10**9} - {factor}:
        made = shaped(SEVEN * other, timestamp_format=unit)
        assert isinstance(made, Dead)
        assert made.reason == "time_out_of_range"


@given(st.sampled_from([1, 10**3, 10**6, 10**9]), st.booleans())
def test_of_a_list_of_units_the_one_counts_that_gives_a_time_that_can_be(factor: int, as_text: bool) -> None:
    value: Any = str(SEVEN * factor) if as_text else SEVEN * factor
    units = ["epoch_nanos", "epoch_seconds", "epoch_micros", "epoch_millis", "iso8601"]
    assert time_of(value, timestamp_format=units) == "2025-03-05T07:00:01.000Z"
    assert time_of("2025-03-05 07:00:01 UTC", timestamp_format=units) == "2025-03-05T07:00:01.000Z"


def test_events_of_other_days_are_filtered_up_to_ten_years_away() -> None:
    for year in (2016, 2024, 2026, 2034):
        assert shaped(f"{year}-03-05T07:00:01Z") is None
    for year in (1999, 2014, 2036, 2999):
        made = shaped(f"{year}-03-05T07:00:01Z")
        assert isinstance(made, Dead)
        assert made.reason == "time_out_of_range"


def test_old_events_are_read_where_they_are_asked_for_whenever_the_object_arrived() -> None:
    assert time_of("2005-03-05T07:00:01Z", span=(1109980800000, 1110067200000)) == "2005-03-05T07:00:01.000Z"
    assert shaped("2015-03-05T07:00:01Z", span=(1109980800000, 1110067200000)) is None
    assert time_of(1000, span=(0, 86_400_000)) == "1970-01-01T00:00:01.000Z"


def test_a_time_that_an_envelope_states_in_another_unit_is_noticed() -> None:
    shaper = Shaper(dataset_with(), Place("b", KEY), DAY)
    made = shaper.shaped(Event(0, 0, "text", b"", SEVEN, "an id"))
    assert isinstance(made, Dead)
    assert made.reason == "time_out_of_range"


def test_a_day_of_our_own_archive_in_another_unit_is_noticed_or_read() -> None:
    (event,) = strata.events([line_of("x", b'{"@timestamp":1741158001}')])
    for formats, expected in ((None, Dead), ("epoch_seconds", Document), (["iso8601", "epoch_seconds"], Document)):
        made = Shaper(dataset_with(timestamp_format=formats), Place("b", KEY), DAY).shaped(event)
        assert isinstance(made, expected)
    # What we loaded ourselves is ISO 8601, and milliseconds are usual, whatever unit the logs have.
    for value in (b'"2025-03-05T07:00:01.000Z"', b"1741158001000"):
        (event,) = strata.events([line_of("x", b'{"@timestamp":%b}' % value)])
        made = Shaper(dataset_with(timestamp_format="epoch_seconds"), Place("b", KEY), DAY).shaped(event)
        assert isinstance(made, Document)


@pytest.mark.parametrize("value", ["05/Mar/2025:07:00:01 +0000", "2025/03/05", "1_741", "\x1b[31m", "", None, {}, []])
def test_a_value_that_is_no_time_is_shown_with_the_key_that_cures_it(value: Any) -> None:
    intakes: list[dict[str, Any]] = [{}, {"timestamp_format": "epoch_seconds"}]
    for intake in intakes:
        made = shaped(value, **intake)
        assert isinstance(made, Dead)
        assert made.reason == "no_time"
        assert repr(value) in made.detail
        assert "intake.timestamp_format" in made.detail


def test_a_time_without_a_year_takes_it_from_the_key_or_the_days_or_the_last_change() -> None:
    syslog: dict[str, Any] = {"timestamp_format": "%b %d %H:%M:%S"}
    stamp = "2025-03-05T07:00:01.000Z"
    assert time_of("Mar  5 07:00:01", **syslog) == stamp
    assert time_of("Mar  5 07:00:01", span=None, **syslog) == stamp
    assert time_of("Mar  5 07:00:01", key="syslog", **syslog) == stamp
    assert time_of("Mar  5 07:00:01", key="syslog", span=None, modified=DAY[1], **syslog) == stamp
    made = shaped("Mar  5 07:00:01", key="syslog", span=None, **syslog)
    assert isinstance(made, Dead)
    assert "a year" in made.detail
    assert isinstance(shaped("Mar  5 07:00:01", key="syslog", span=(0, 2 * DAY[1]), **syslog), Dead)


def test_a_time_without_a_zone_is_of_the_zone_of_the_log() -> None:
    assert time_of("2025-03-05 08:00:01", log_time_zone="Europe/Berlin") == "2025-03-05T07:00:01.000Z"


def test_most_events_later_than_their_key_tell_of_a_clock_that_is_not_stated() -> None:
    def problem(zone: str, *hours: int) -> str:
        shaper = Shaper(dataset_with(layout_time_zone=zone), Place("b", "app/2025/03/05/02/x.json"), DAY)
        for number, hour in enumerate(hours):
            shaper.shaped(Event(number, 0, {"@timestamp": f"2025-03-05T{hour:02d}:30:00Z"}, b"%d" % number))
        return shaper.problem

    assert "Of 3 events of s3://b/app/2025/03/05/02/x.json, 3 are later than the time in its" in problem("UTC", 7, 7, 7)
    assert "layout_time_zone" in problem("UTC", 7)
    assert problem("America/New_York", 7, 7, 7) == ""
    assert problem("UTC", 2, 3, 7) == problem("UTC", 1, 2) == problem("UTC") == ""
