"""Which levels, metrics and fields are drawn, and how index patterns keep kinds of indices apart."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opensearch_strata.dashboards.choice import chosen, interval_of, peak_of, trend_of
from opensearch_strata.dashboards.patterns import patterns_of
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import day_bounds
from opensearch_strata.definition.levels import Level
from opensearch_strata.errors import DefinitionError, Refused
from tests.streams import dataset_of


def names(dataset: Dataset) -> list[str | None]:
    choice = chosen(dataset)
    return [level.name if level else None for level in (choice.all, choice.hours, choice.groups, choice.merged)]


@pytest.mark.parametrize(
    ("levels", "wanted"),
    [
        (None, ["1d", "1h", "1d.device.site", "1d.device.site"]),
        ([], [None] * 4),
        ([{"bucket": "6h"}, {"bucket": "1M"}], ["6h", None, None, None]),
        ([{"bucket": "1M", "group_by": ["device"]}], [None, None, "1M.device", None]),
        (
            [{"bucket": "6h", "group_by": ["device"]}, {"bucket": "1d", "group_by": ["site"]}, {"bucket": "1M"}],
            ["1M", None, "6h.device", None],
        ),
    ],
)
def test_the_levels_that_are_drawn(levels: Any, wanted: list[str | None]) -> None:
    assert names(dataset_of("t", history={"levels": levels})) == wanted


@pytest.mark.parametrize("zone", ["UTC", "Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Monrovia"])
@pytest.mark.parametrize("bucket", ["5m", "20m", "90m", "6h", "1d", "1M"])
def test_no_two_rows_of_a_level_begin_in_one_interval_of_a_chart(zone: str, bucket: str) -> None:
    """Counted around each change of clocks of a year, as the server rounds: by the calendar or by the clock."""
    place, level = ZoneInfo(zone), Level(bucket)
    interval = interval_of(level)
    begins: list[datetime] = []
    year = [date(2024, 1, 1) + timedelta(days=number) for number in range(366)]
    uneven = {day for day in year if day_bounds(day, place)[1] - day_bounds(day, place)[0] != timedelta(days=1)}
    near = {day for day in year if {day - timedelta(days=1), day, day + timedelta(days=1)} & {*uneven, year[9]}}
    for day in year:
        start, end = day_bounds(day, place)
        if level.length is None:
            begins += [start] if day.day == 1 else []
        elif level.length == timedelta(days=1):
            begins.append(start)
        elif day in near:
            while start < end:
                begins.append(start)
                start += level.length
    rounded: set[tuple[int, ...]] = set()
    for moment in begins:
        local = moment.astimezone(place)
        if interval == "1M":
            rounded.add((local.year, local.month))
        elif interval == "1d":
            rounded.add((local.year, local.month, local.day))
        else:
            unit = {"m": 60, "h": 3600}[interval[-1]] * int(interval[:-1])
            offset = round((local.utcoffset() or timedelta()).total_seconds())
            rounded.add(((round(moment.timestamp()) + offset) // unit * unit, offset))
    assert len(rounded) == len(begins)


def test_a_metric_without_quantiles_is_drawn_by_what_it_has() -> None:
    stats = {"all": ["min", "max", "sum", "count", "avg"], "total": ["sum", "count"], "seen": ["count"]}
    metrics = {name: {"field": name, "stats": wanted} for name, wanted in stats.items()}
    dataset = dataset_of("t", metrics=metrics)
    assert [(field.path, field.joined) for field in trend_of(dataset, "all")] == [
        ("metrics.all.max", "max"), ("metrics.all.min", "min")
    ]  # fmt: skip
    assert [(peak_of(dataset, name).path, peak_of(dataset, name).joined) for name in metrics] == [
        ("metrics.all.max", "max"), ("metrics.total.sum", "sum"), ("metrics.seen.count", "sum")
    ]  # fmt: skip
    assert [field.label for field in trend_of(dataset, "seen")] == ["count"]


def test_quantiles_are_those_of_the_history() -> None:
    dataset = dataset_of("t", history={"quantiles": [99.9, 50]})
    assert [(field.path, field.label, field.joined, field.percent) for field in trend_of(dataset, "temperature")] == [
        ("metrics.temperature.p50", "p50", "sketch", 50),
        ("metrics.temperature.p99_9", "p99.9", "sketch", 99.9),
    ]
    assert [field.label for field in trend_of(dataset_of("t", history={"quantiles": []}), "temperature")] == [
        "maximum", "minimum"
    ]  # fmt: skip


def test_the_first_few_metrics_that_measure_are_drawn_unless_some_are_named() -> None:
    words = {"field": "word", "stats": ["count"], "distribution": {"top_values": 3}}
    metrics = {"word": words, **{f"m{number}": {"field": f"m{number}", "stats": ["count"]} for number in range(6)}}
    dataset = dataset_of("t", metrics=metrics)
    assert (chosen(dataset).metrics, chosen(dataset).left_out) == (("m0", "m1", "m2", "m3"), ("m4", "m5"))
    assert chosen(dataset, ["m5", "m0", "m5"]).metrics == ("m5", "m0")
    for wrong in ("word", "other"):
        with pytest.raises(DefinitionError, match=f"no metric '{wrong}' that measures; choose among m0, m1"):
            chosen(dataset, [wrong])


def found_by(expression: str, index: str) -> bool:
    """Whether a search by an expression finds an index, as the server resolves it: from left to right."""
    found = False
    for part in expression.split(","):
        if part.startswith("-"):
            found &= not fnmatchcase(index, part[1:])
        else:
            found |= fnmatchcase(index, part)
    return found


@pytest.mark.parametrize(
    ("raw", "history"),
    [
        ("t-{day}", "t-history-{month}"),
        ("t-history-raw-{day}", "t-history-{month}"),
        ("t-{day}", "t-{month}-history"),
        ("{day}-t", "{month}-history-t"),
    ],
)
def test_an_index_pattern_finds_its_own_indices_alone(raw: str, history: str) -> None:
    dataset = dataset_of("t", raw={"index": raw}, history={"index": history})
    patterns, day = patterns_of(dataset), datetime(2024, 5, 6, tzinfo=UTC).date()
    indices = {
        patterns.raw: dataset.raw_index(day),
        patterns.history: dataset.month_index(day),
        patterns.levels: dataset.levels_index(day),
    }
    assert len(indices) == 3
    for expression, own in indices.items():
        assert [index for index in indices.values() if found_by(expression, index)] == [own]


@pytest.mark.parametrize("raw", ["t-{day}", "t-levels-{day}"])
def test_kinds_of_indices_that_no_wildcard_tells_apart_are_refused(raw: str) -> None:
    history = "t-{month}" if raw == "t-{day}" else "t-history-{month}"
    dataset = dataset_of("t", raw={"index": raw}, history={"index": history})
    with pytest.raises(Refused, match=r"an index pattern for 't-(levels-)?\{day\}' that does not match 't-"):
        patterns_of(dataset)
