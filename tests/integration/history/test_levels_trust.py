"""Levels are merged from, and read for, nothing but what they were compared with, by whichever definition."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from opensearch_strata.definition.days import day_bounds
from opensearch_strata.definition.levels import Level
from opensearch_strata.history.levels.build import levels_of_day, levels_of_month
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.reader import read
from tests.integration.history.test_levels_touched import put
from tests.levels import assert_same, merged, month_note, stored_rows
from tests.streams import DAY, Stream, StreamFactory

NEXT = DAY + timedelta(days=1)
LEVELS: list[dict[str, Any]] = [{"bucket": "1h"}, {"bucket": "1d"}, {"bucket": "1M"}]
DAILY, MONTHLY = Level("1d"), Level("1M")


def changed(stream: Stream, levels: list[dict[str, Any]], metrics: dict[str, Any]) -> Stream:
    """The stream by another definition.

    :param metrics: metric -> keys that replace its own; None for a metric that goes
    """
    definition = stream.dataset.model_dump(mode="json", exclude_none=True)
    definition["history"]["levels"] = levels
    for name, keys in metrics.items():
        if keys is None:
            del definition["metrics"][name]
        else:
            kept = {**definition["metrics"][name], **keys}
            definition["metrics"][name] = {key: value for key, value in kept.items() if value is not None}
    return Stream(stream.client, type(stream.dataset).model_validate(definition))


def proven(stream: Stream, day: date) -> None:
    assert prove(stream.client, stream.dataset, day, engine="search").without_levels == ""
    stream.client.indices.delete(index=stream.dataset.raw_index(day))


def ask(
    stream: Stream, interval: str | None = None, first: date = DAY, last: date = NEXT, **asked: Any
) -> pd.DataFrame:
    start, end = (day_bounds(day, stream.dataset.zone)[0] for day in (first, last))
    question = {"metrics": ["temperature"], "stats": ["max", "p50", "sum", "count"], **asked}
    return read(stream.client, stream.dataset, start, end, interval=interval, **question)


def assert_as_base_rows(stream: Stream, interval: str | None, **asked: Any) -> list[str]:
    """The answer is that of base rows; return the levels that it was read from."""
    found, base = (ask(one, interval, **asked) for one in (stream, changed(stream, [], {})))
    added = [name for name in base.columns if name.endswith((".sum", ".avg"))]
    pd.testing.assert_frame_equal(found.drop(columns=added), base.drop(columns=added), check_exact=True)
    pd.testing.assert_frame_equal(found[added], base[added], rtol=1e-12)
    levels: list[str] = found.attrs["levels"]
    return levels


def test_a_row_that_somebody_changed_is_merged_into_no_month(make_stream: StreamFactory) -> None:
    stream = make_stream(history={"levels": LEVELS})
    client, dataset = stream.client, stream.dataset
    documents = {day: stream.condensed(day, count=60) for day in (DAY, NEXT)}
    proven(stream, DAY)
    ((identity, row),) = stored_rows(client, dataset, DAY, DAILY).items()
    put(stream, identity, {**row, "metrics.temperature.max": 999_999.0})
    proven(stream, NEXT)
    assert_same(stored_rows(client, dataset, DAY, MONTHLY), merged(dataset, MONTHLY, documents))
    assert_as_base_rows(stream, "1M")
    # What an earlier release merged from such rows is not believed once they are found.
    assert levels_of_day(client, dataset, DAY, "build").problem == ""
    assert month_note(client, dataset, DAY) is None
    assert levels_of_month(client, dataset, DAY, "build").problem == ""
    rebuilt = month_note(client, dataset, DAY)
    assert rebuilt
    assert rebuilt.versions.keys() == {"1M"}


@pytest.mark.parametrize(
    "lacking",
    [
        {"load": None},
        {"load": {"stats": ["count"]}},
        {"temperature": {"distribution": None}},
    ],
    ids=["a metric", "a statistic", "a distribution"],
)
def test_levels_of_a_definition_that_lacks_something_are_not_read_for_it(
    make_stream: StreamFactory, lacking: dict[str, Any]
) -> None:
    whole = make_stream(history={"levels": []})
    whole.condensed(count=60)
    proven(whole, DAY)
    poorer = changed(whole, LEVELS, lacking)
    assert levels_of_day(poorer.client, poorer.dataset, DAY, "build").problem == ""
    again = changed(whole, LEVELS, {})
    asked = {"metrics": ["temperature", "load"], "stats": ["sum", "count"]} if "load" in lacking else {}
    for interval in ("1d", None):
        assert assert_as_base_rows(again, interval, **asked) == []
    assert ask(poorer, "1d", stats=["max", "count"]).attrs["levels"] == ["1d"]
    found = levels_of_day(again.client, again.dataset, DAY, "look").levels
    assert {one.state for one in found} == {"missing"}
    assert {one.state for one in levels_of_day(again.client, again.dataset, DAY, "build").levels} == {"built"}
    assert assert_as_base_rows(again, "1d", **asked) == ["1d"]


@pytest.mark.parametrize("error", [0.02, 0.03])
def test_sketches_of_levels_have_the_step_of_the_rows_whatever_the_definition_says_now(
    make_stream: StreamFactory, error: float
) -> None:
    whole = make_stream(history={"levels": [{"bucket": "1h"}]})
    whole.condensed(count=60)
    proven(whole, DAY)
    coarser = changed(whole, LEVELS, {"temperature": {"distribution": {"relative_error": error}}})
    assert {one.state for one in levels_of_day(coarser.client, coarser.dataset, DAY, "build").levels} == {
        "complete",
        "built",
    }
    for stream in (coarser, changed(whole, LEVELS, {})):
        assert {one.state for one in levels_of_day(stream.client, stream.dataset, DAY, "look").levels} == {"complete"}
        for interval in ("1d", None):
            assert assert_as_base_rows(stream, interval) == ["1d"]


def test_an_answer_names_the_levels_that_have_a_row_in_it(make_stream: StreamFactory) -> None:
    stream = make_stream(history={"levels": LEVELS})
    for day in (DAY, NEXT):
        stream.condensed(day, count=60)
    proven(stream, DAY)
    proven(changed(stream, [], {}), NEXT)
    after = NEXT + timedelta(days=1)
    assert ask(stream, "1d").attrs["levels"] == ["1d"]
    assert ask(stream, "1d", NEXT, after).attrs["levels"] == []
    assert ask(stream, "1d", DAY, after).attrs["levels"] == ["1d"]
    assert ask(stream, None, DAY, after).attrs["levels"] == ["1d"]
    assert {one.state for one in levels_of_day(stream.client, stream.dataset, NEXT, "build").levels} == {"built"}
    assert levels_of_month(stream.client, stream.dataset, DAY, "build").problem == ""
    month = ask(stream, "1M", DAY.replace(day=1), date(DAY.year, DAY.month + 1, 1))
    assert month.attrs["levels"] == ["1M"]
