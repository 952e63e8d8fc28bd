"""What panels show where one day has rows of several raw days, of several relative errors, and some without a sum."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from opensearch_strata.dashboards.applying import store_scripts
from opensearch_strata.dashboards.made import made
from opensearch_strata.dashboards.vega import PERCENTS
from opensearch_strata.definition.days import day_bounds
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.reader import read
from tests.dashboards import Shown
from tests.drawn import Drawn, assert_same, dashboards_answer, grafana_answers, highest, vega_answer
from tests.streams import Document, Stream, StreamFactory, dataset_of

pytestmark = pytest.mark.versions

FIRST, LAST = date(2024, 4, 30), date(2024, 5, 1)
"""Two months, because a month is read at the coarsest error that it states."""
LATE = {"@timestamp": f"{FIRST}T12:30:00Z", "device": "d0", "site": "s", "temperature": 1000.0, "load": 1000}


def metrics(error: float, stats: list[str]) -> dict[str, Any]:
    return {
        "temperature": {
            "field": "temperature",
            "stats": ["min", "max", "sum", "count", "avg"],
            "distribution": {"relative_error": error},
            "decimals": 1,
        },
        "load": {"field": "load", "stats": stats},
    }


def documents_of(day: date) -> list[Document]:
    return [
        {
            "@timestamp": f"{day}T{number // 4:02}:{number % 4}0:00Z",
            "device": f"d{number % 3}",
            "site": "s",
            "temperature": 10.0 + 3.7 * (number % 11) + day.day,
            "load": number % 7 + 1,
        }
        for number in range(96)
    ]


@pytest.fixture(scope="module")
def drawn(make_stream: StreamFactory) -> Drawn:
    """The first day came with the former definition, but for one document that came with the second day."""
    old = make_stream(metrics=metrics(0.02, ["min", "max", "count"]))
    new = Stream(
        old.client,
        dataset_of(old.dataset.name, metrics=metrics(0.01, ["min", "max", "sum", "count", "avg"])),
    )
    documents = {FIRST: documents_of(FIRST), LAST: documents_of(LAST)}
    for stream, day in ((old, FIRST), (new, LAST)):
        stream.write([*documents[day], *([LATE] if day == LAST else [])], day)
        stream.condense(day)
        proof = prove(stream.client, stream.dataset, day, engine="search")
        assert (proof.state, proof.without_levels) == ("verified", "")
        stream.client.indices.delete(index=stream.dataset.raw_index(day))
    new.client.indices.refresh(index=new.dataset.levels_index(FIRST))
    store_scripts(new.client)
    shown = Shown(
        day_bounds(FIRST, new.dataset.zone)[0], day_bounds(LAST, new.dataset.zone)[1] - timedelta(milliseconds=1)
    )
    return Drawn(new, made(new.dataset), shown, documents)


def of_day(drawn: Drawn, day: date, stats: list[str], interval: str = "1d", **options: Any) -> pd.DataFrame:
    """What ``read()`` answers for one day."""
    dataset = drawn.stream.dataset
    wanted = {"metrics": ["temperature"], "stats": stats, "interval": interval, **options}
    return read(drawn.stream.client, dataset, *day_bounds(day, dataset.zone), **wanted)


def of_days(drawn: Drawn, stats: list[str], interval: str = "1d", **options: Any) -> pd.DataFrame:
    return pd.concat([of_day(drawn, day, stats, interval, **options) for day in (FIRST, LAST)])


def test_a_late_document_does_not_become_the_quantile_of_its_day(drawn: Drawn) -> None:
    buckets = vega_answer(drawn, "trend-temperature")["aggregations"]["days"]["buckets"]
    stats = ["p50", "p90", "p99"]
    frame = of_days(drawn, stats)
    assert frame["temperature.p99"].iloc[0] < 1000
    for place, stat in enumerate(stats):
        assert_same([bucket["merged"]["value"]["quantiles"][place] for bucket in buckets], frame[f"temperature.{stat}"])


@pytest.mark.parametrize("levels", [True, False])
def test_any_quantile_is_merged_at_the_coarsest_error_of_its_rows(drawn: Drawn, levels: bool) -> None:
    """Base rows of the first day are in two indices, so each shard has met another error."""
    if not levels:
        dataset = drawn.stream.dataset
        history = dataset.history.model_copy(update={"levels": []})
        drawn = drawn._replace(found=made(dataset.model_copy(update={"history": history})))
    buckets = vega_answer(drawn, "quantiles-temperature")["aggregations"]["days"]["buckets"]
    stats = ["p10", "p50", "p99"]
    frame = of_days(drawn, stats)
    for percent, stat in zip((10, 50, 99), stats, strict=True):
        found = [bucket["merged"]["value"]["quantiles"][PERCENTS.index(percent)] for bucket in buckets]
        assert_same(found, frame[f"temperature.{stat}"])


def test_a_late_document_is_one_of_its_hour_and_of_its_device(drawn: Drawn) -> None:
    buckets = vega_answer(drawn, "hours-temperature")["aggregations"]["hours"]["buckets"]
    frame = of_days(drawn, ["p99"], "1h")
    assert_same([bucket["peak"]["value"]["quantiles"][0] for bucket in buckets], frame["temperature.p99"])
    found = highest(vega_answer(drawn, "highest-temperature"))
    wanted = of_days(drawn, ["p99"], by=["device"]).groupby("device")["temperature.p99"].max()
    assert_same([found[device] for device in wanted.index], wanted)


def test_extremes_are_joined_as_extremes(drawn: Drawn) -> None:
    buckets = dashboards_answer(drawn, "trend-load")["aggregations"]["1"]["buckets"]
    frame = of_days(drawn, ["max", "min"], metrics=["load"])
    assert list(frame["load.max"]) == [1000, 7]
    assert_same([bucket["2"]["value"] for bucket in buckets], frame["load.max"])
    assert_same([bucket["3"]["value"] for bucket in buckets], frame["load.min"])


def test_an_average_is_drawn_of_days_whose_rows_have_sums(drawn: Drawn) -> None:
    first, last = vega_answer(drawn, "averages-load")["aggregations"]["days"]["buckets"]
    assert first["summed"]["count"]["value"] < first["count"]["value"]  # so it is left out
    assert last["summed"]["count"]["value"] == last["count"]["value"] == 96
    (wanted,) = of_day(drawn, LAST, ["avg"], metrics=["load"])["load.avg"]
    assert math.isclose(last["summed"]["sum"]["value"] / last["count"]["value"], wanted)


def test_grafana_draws_bounds_where_it_cannot_tell_a_quantile(drawn: Drawn) -> None:
    answers = grafana_answers(drawn, "temperature: p50, p90, p99 of each day")
    first, last = (of_day(drawn, day, ["p50", "p90", "p99"]) for day in (FIRST, LAST))
    for place, stat in enumerate(("p50", "p90", "p99")):
        exact, most, least = (
            [bucket["4"]["value"] for bucket in answer["aggregations"]["1"]["buckets"]]
            for answer in answers[3 * place : 3 * place + 3]
        )
        # A row has its quantiles with the decimals of the metric.
        assert exact[0] is None
        assert math.isclose(exact[1], round(last[f"temperature.{stat}"].iloc[0], 1))
        assert most == [1000, None]
        assert least[1] is None
        assert round(least[0], 1) <= round(first[f"temperature.{stat}"].iloc[0], 1) < most[0]


def test_grafana_divides_no_sum_by_counts_of_rows_without_one(drawn: Drawn) -> None:
    (answer,) = grafana_answers(drawn, "load: average", "30d")
    found = [bucket["4"]["value"] for bucket in answer["aggregations"]["1"]["buckets"]]
    loads = [document["load"] for document in [*drawn.documents[LAST], LATE]]
    assert_same(found, pd.Series([sum(loads) / len(loads)]))
