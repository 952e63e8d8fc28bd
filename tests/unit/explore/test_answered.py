"""Frames of the reader as charts, tables and files."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pandas as pd
import pytest

from opensearch_strata.airflow.ui.explore import answered as module
from opensearch_strata.airflow.ui.explore.answered import Answered, joined, of_pages
from opensearch_strata.airflow.ui.explore.asked import Asked, stats_of
from opensearch_strata.airflow.ui.explore.table import as_csv, as_text
from tests.streams import DAY, dataset_of

MEASURED = dataset_of("shop")
TEMPERATURE = MEASURED.metrics["temperature"]
SHOP = MEASURED.model_copy(update={"metrics": {**MEASURED.metrics, "pressure": TEMPERATURE}})
START = datetime(2024, 5, 6, tzinfo=UTC)


def frame(metric: str, sources: list[str], by: list[Any] | None = None, **attrs: Any) -> pd.DataFrame:
    """A page of the reader: each record's values are its number, counted from 1."""
    number = len(sources)
    steps = number if by is None else number // len(set(by))
    times = [START + timedelta(hours=place % steps) for place in range(number)]
    columns: dict[str, Any] = {} if by is None else {"site": pd.Categorical(by)}
    columns |= {f"{metric}.{stat}": [float(n + 1) for n in range(number)] for stat in stats_of(SHOP, metric)}
    columns[f"{metric}.count"] = pd.array(range(1, number + 1), dtype="Int64")
    columns["source"] = pd.Categorical(sources, categories=["raw", "history", "both"])
    made = pd.DataFrame(columns, index=pd.DatetimeIndex(times, name="time"))
    made.attrs = attrs
    return made


def of(metric: str, pages: list[pd.DataFrame], *metrics: str, by: str = "") -> Answered:
    return of_pages(SHOP, Asked(metrics or (metric,), DAY, DAY, "1h", by), [metric], pages)[metric]


def test_bands_have_a_value_for_each_time_and_raw_spans_are_told() -> None:
    pages = [
        frame("temperature", ["history", "raw"], notes=["A note."], levels=["1d"]),
        frame("temperature", ["raw"], notes=["A note."]).set_axis([START + timedelta(hours=2)]),
    ]
    pages[1].loc[pages[1].index[0], "temperature.p50"] = float("nan")
    found = of("temperature", pages)
    (series,) = found.series
    hours = [START.timestamp() + 3600 * hour for hour in range(3)]
    assert series.times == hours
    assert list(series.lines) == ["p50", "p90", "p99", "min", "max", "avg", "count"]
    assert series.lines["p50"] == [1.0, 2.0, None]
    assert found.raw == [(hours[1], hours[2])]
    assert (found.sources, found.levels, found.notes) == (["history", "raw"], ["1d"], ["A note."])
    assert found.as_json("UTC")["charts"][0]["lines"]["count"] == [1.0, 2.0, 1.0]


def test_values_of_a_group_are_lines_most_documents_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LINES", 2)
    found = of("temperature", [frame("temperature", ["raw"] * 6, ["a", "a", "b", "b", "c", "c"])], by="site")
    assert found.series[0].lines == {"p50 of c": [5.0, 6.0], "p50 of b": [3.0, 4.0]}
    assert found.notes == ["The 2 values with most documents are drawn, of 3; the file and the table have all of them."]
    assert len(found.records) == 6


def test_documents_without_the_group_are_a_line_that_no_value_is_taken_for() -> None:
    page = frame("temperature", ["raw"] * 3, ["none", "without site", "gone"])
    page["site"] = page["site"].cat.remove_categories("gone")
    found = of("temperature", [page], by="site")
    assert found.series[0].lines == {"p50 without site": [3.0], "p50 of without site": [2.0], "p50 of none": [1.0]}
    for rows in (as_text(found), [*csv.reader(StringIO(as_csv(found)))][1:]):
        assert [row[1] for row in rows] == ["none", "without site", "without site"]
    assert found.notes == [
        "One value of site is the text 'without site'; the file and the table do not tell it from documents without "
        "site. The charts do."
    ]
    page = page.iloc[[0, 2]]
    assert of("temperature", [page], by="site").notes == []


def test_numbers_of_a_column_have_the_decimals_of_their_metric() -> None:
    coarse = TEMPERATURE.model_copy(update={"decimals": 1})
    shop = SHOP.model_copy(update={"metrics": {**SHOP.metrics, "pressure": coarse}})
    both = ("temperature", "pressure")
    found = []
    for name in both:
        page = frame(name, ["raw"])
        page[f"{name}.p50"], page[f"{name}.min"], page[f"{name}.avg"] = 12.0, 11.5, 1234567.125
        found.append(of_pages(shop, Asked(both, DAY, DAY, "1h"), [name], [page])[name])
    table = [dict(zip(found[0].columns, row, strict=True)) for row in as_text(joined(found))]
    assert [[row[stat] for stat in ("p50", "min", "avg", "count")] for row in table] == [
        ["12", "11.5", "1.23457e+06", "1"],
        ["12.0", "11.5", "1234567.125", "1"],
    ]


def test_several_metrics_share_a_table() -> None:
    both = ("temperature", "load")
    found = joined([of(name, [frame(name, ["raw"])], *both) for name in both])
    assert found.columns == ["time", "metric", "p50", "p90", "p99", "min", "max", "avg", "count", "source"]
    assert [record[1:] for record in found.records] == [
        ["temperature", 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1, "raw"],
        ["load", None, None, None, None, None, 1.0, 1, "raw"],
    ]
    assert [one.metric for one in found.series] == ["temperature", "load"]


def test_metrics_of_one_question_leave_out_what_only_the_other_has() -> None:
    both = ["temperature", "pressure"]
    page = pd.concat([frame(both[0], ["raw"] * 3).iloc[:, :-1], frame(both[1], ["raw"] * 3)], axis=1)
    page.iloc[1, page.columns.get_loc("pressure.count")] = pd.NA
    found = of_pages(SHOP, Asked((*both,), DAY, DAY, "1h"), both, [page])
    hours = [START.timestamp() + 3600 * hour for hour in range(3)]
    assert [found[name].series[0].times for name in both] == [hours, [hours[0], hours[2]]]
    assert found["pressure"].series[0].lines["count"] == [1.0, 3.0]
    assert [record[1] for record in joined([*found.values()]).records] == [both[0]] * 3 + [both[1]] * 2


def test_too_many_records_are_cut_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RECORDS", 3)
    found = of("temperature", [frame("temperature", ["raw"] * 2)] * 3)
    assert len(found.records) == 3
    assert found.notes == ["Only the first 3 records of temperature are here; ask for less."]


def test_a_file_computes_nothing_in_a_spreadsheet() -> None:
    page = frame("temperature", ["raw"] * 2, ["=1+1", "a,b\n"])
    rows = list(csv.reader(StringIO(as_csv(of("temperature", [page], by="site")))))
    assert rows[0][:3] == ["time", "site", "metric"]
    assert [row[1] for row in rows[1:]] == ["'=1+1", "a,b\n"]
    assert rows[1][0] == "2024-05-06T00:00:00+00:00"


def test_what_was_read_from_both_is_read_from_each() -> None:
    assert of("temperature", [frame("temperature", ["both", "history"])]).sources == ["history", "raw"]


def test_nothing_is_nothing() -> None:
    found = of("temperature", [])
    assert (found.records, found.raw, found.series[0].times) == ([], [], [])
