"""Each panel asks OpenSearch as its program would, and shows what ``read()`` answers."""

from __future__ import annotations

import math
import random
from datetime import UTC, date, datetime, timedelta

import pytest

from opensearch_strata.dashboards.applying import store_scripts
from opensearch_strata.dashboards.made import made
from opensearch_strata.dashboards.vega import PERCENTS
from opensearch_strata.definition.days import day_bounds, days_between
from opensearch_strata.history.levels.prove import prove
from tests.dashboards import Shown, by_part, vega_search
from tests.drawn import (
    Drawn,
    asked,
    assert_same,
    dashboards_answer,
    grafana_answers,
    highest,
    searched,
    times,
    vega_answer,
)
from tests.streams import Document, Stream, StreamFactory

pytestmark = pytest.mark.versions

FIRST, LAST = date(2024, 3, 31), date(2024, 4, 1)
"""Clocks go forward on the first day: the midnights of London are both on that day of UTC. The months are two."""
SITE = 'the "site" \\ of: $__from + [[x]] 😀'
TYPES = {"at $x": "date", "device": "keyword", SITE: "keyword", "temperature": "double", "load": "short"}


@pytest.fixture(scope="module")
def drawn(make_stream: StreamFactory) -> Drawn:
    stream = make_stream(
        TYPES,
        time_zone="Europe/London",
        raw={"timestamp": "at $x"},
        history={"group_by": ["device", SITE]},
    )
    documents = {}
    for day in days_between(FIRST, LAST):
        documents[day] = documents_of(stream, day)
        stream.write(documents[day], day)
        stream.condense(day)
        assert prove(stream.client, stream.dataset, day, engine="search").state == "verified"
    stream.client.indices.refresh(index=stream.dataset.levels_index(FIRST))
    store_scripts(stream.client)
    start, end = day_bounds(FIRST, stream.dataset.zone)[0], day_bounds(LAST, stream.dataset.zone)[1]
    return Drawn(stream, made(stream.dataset), Shown(start, end - timedelta(milliseconds=1)), documents)


def documents_of(stream: Stream, day: date) -> list[Document]:
    """Documents over a local day: negative, zero and missing values, and groups of two fields."""
    rng = random.Random(f"{day}")
    start, end = day_bounds(day, stream.dataset.zone)
    documents = []
    for number in range(120):
        moment = start + (end - start) * rng.random()
        document: Document = {"at $x": moment.isoformat(), "device": f"d{number % 4}", SITE: f"s{number % 3}"}
        if rng.random() < 0.9:
            document["temperature"] = 0.0 if rng.random() < 0.05 else rng.lognormvariate(1, 2) - 3
        document["load"] = rng.randrange(-50, 100)
        documents.append(document)
    return documents


def test_the_trend_of_quantiles_is_that_of_read(drawn: Drawn) -> None:
    buckets = vega_answer(drawn, "trend-temperature")["aggregations"]["days"]["buckets"]
    frame = asked(drawn, ["p50", "p90", "p99"])
    assert [bucket["key"] for bucket in buckets] == times(frame)
    for place, stat in enumerate(("p50", "p90", "p99")):
        assert_same([bucket["merged"]["value"]["quantiles"][place] for bucket in buckets], frame[f"temperature.{stat}"])


def test_the_trend_of_a_metric_without_a_sketch_is_what_its_rows_have(drawn: Drawn) -> None:
    buckets = dashboards_answer(drawn, "trend-load")["aggregations"]["1"]["buckets"]
    assert_same([bucket["2"]["value"] for bucket in buckets], asked(drawn, ["sum"], metrics=["load"])["load.sum"])


def test_the_volume_counts_documents_and_a_click_leads_to_them(drawn: Drawn) -> None:
    buckets = dashboards_answer(drawn, "volume")["aggregations"]["1"]["buckets"]
    assert [bucket["2"]["value"] for bucket in buckets] == [120, 120]
    # A click on a bar narrows the time range to it; its documents are those in the list.
    begin, end = (datetime.fromtimestamp(bucket["key"] / 1000, UTC) for bucket in buckets)
    end -= timedelta(milliseconds=1)
    hits = dashboards_answer(drawn, "documents", Shown(begin, end))["hits"]
    assert hits["total"]["value"] == 120
    written = {document["at $x"] for document in drawn.documents[FIRST]}
    assert {hit["_source"]["at $x"] for hit in hits["hits"]} == written


def test_the_highest_are_those_of_read(drawn: Drawn) -> None:
    found = highest(vega_answer(drawn, "highest-temperature"))
    wanted = asked(drawn, ["p99"], by=["device"]).groupby("device")["temperature.p99"].max()
    assert_same([found[device] for device in wanted.index], wanted)
    assert len(found) == len(wanted)


def test_the_highest_of_a_metric_without_a_sketch_are_those_of_read(drawn: Drawn) -> None:
    buckets = dashboards_answer(drawn, "highest-load")["aggregations"]["1"]["buckets"]
    frame = asked(drawn, ["sum"], None, metrics=["load"], by=["device"])
    wanted = frame.set_index("device")["load.sum"].sort_values(ascending=False)
    assert [bucket["key"] for bucket in buckets] == list(wanted.index)
    assert_same([bucket["2"]["value"] for bucket in buckets], wanted)


def test_the_heat_map_has_each_hour_of_the_local_clock(drawn: Drawn) -> None:
    buckets = [
        bucket
        for bucket in vega_answer(drawn, "hours-temperature")["aggregations"]["hours"]["buckets"]
        if bucket["peak"]["value"] is not None
    ]
    frame = asked(drawn, ["p99"], "1h")
    assert [bucket["key_as_string"][:13] for bucket in buckets] == list(frame.index.strftime("%Y-%m-%dT%H"))
    assert_same([bucket["peak"]["value"]["quantiles"][0] for bucket in buckets], frame["temperature.p99"])


@pytest.mark.parametrize("filters", [{}, {"device": "d1"}, {"device": "d2", SITE: "s0"}])
def test_any_quantile_of_any_groups_is_that_of_read(drawn: Drawn, filters: dict[str, str]) -> None:
    shown = drawn.shown
    if filters:
        shown = Shown(shown.start, shown.end, [{"match_phrase": {field: value}} for field, value in filters.items()])
    buckets = vega_answer(drawn, "quantiles-temperature", shown)["aggregations"]["days"]["buckets"]
    stats = [f"p{percent:g}" for percent in PERCENTS]
    frame = asked(drawn, ["min", "max", "count", *stats], where=filters)
    assert [bucket["key"] for bucket in buckets] == times(frame)
    merged = [bucket["merged"]["value"] for bucket in buckets]
    for stat in ("min", "max", "count"):
        assert_same([one[stat] for one in merged], frame[f"temperature.{stat}"])
    for place, stat in enumerate(stats):
        assert_same([one["quantiles"][place] for one in merged], frame[f"temperature.{stat}"])


def test_any_quantile_is_also_that_of_base_rows(drawn: Drawn) -> None:
    dataset = drawn.stream.dataset
    history = dataset.history.model_copy(update={"levels": []})
    found = made(dataset.model_copy(update={"history": history}))
    one = by_part(found.objects, dataset.name)["quantiles-temperature"]
    index, body = vega_search(one, drawn.shown)
    assert index == f"{dataset.name}-history-*"
    buckets = searched(drawn, index, body)["aggregations"]["days"]["buckets"]
    assert_same(
        [bucket["merged"]["value"]["quantiles"][PERCENTS.index(90)] for bucket in buckets],
        asked(drawn, ["p90"])["temperature.p90"],
    )


def test_averages_of_what_filters_select_are_those_of_all_documents(drawn: Drawn) -> None:
    shown = Shown(drawn.shown.start, drawn.shown.end, [{"match_phrase": {"device": "d1"}}])
    buckets = vega_answer(drawn, "averages-load", shown)["aggregations"]["days"]["buckets"]
    found = [bucket["summed"]["sum"]["value"] / bucket["count"]["value"] for bucket in buckets]
    for one, documents in zip(found, drawn.documents.values(), strict=True):
        loads = [document["load"] for document in documents if document["device"] == "d1"]
        assert math.isclose(one, sum(loads) / len(loads))


def test_grafana_shows_the_same_trend_although_it_knows_no_calendar(drawn: Drawn) -> None:
    answers = grafana_answers(drawn, "temperature: p50, p90, p99 of each day")
    frame = asked(drawn, ["p50", "p90", "p99"])
    for place, stat in enumerate(("p50", "p90", "p99")):
        exact, *bounds = (answer["aggregations"]["1"]["buckets"] for answer in answers[3 * place : 3 * place + 3])
        assert [bucket["key"] for bucket in exact] == times(frame)
        assert_same([bucket["4"]["value"] for bucket in exact], frame[f"temperature.{stat}"])
        assert all(bucket["4"]["value"] is None for buckets in bounds for bucket in buckets)


def test_grafana_averages_are_those_of_all_documents_at_any_interval(drawn: Drawn) -> None:
    values = [
        document["temperature"]
        for documents in drawn.documents.values()
        for document in documents
        if "temperature" in document
    ]
    (answer,) = grafana_answers(drawn, "temperature: average", "30d")
    sums = [
        (bucket["2"]["value"], bucket["3"]["value"], bucket["4"]["value"])
        for bucket in answer["aggregations"]["1"]["buckets"]
    ]
    assert sum(count for _, count, _ in sums) == len(values)
    assert math.isclose(sum(total for total, _, _ in sums), sum(values))
    assert all(math.isclose(average, total / count) for total, count, average in sums)


def test_grafana_counts_documents_and_finds_the_highest(drawn: Drawn) -> None:
    (answer,) = grafana_answers(drawn, "Documents", "12h")
    assert sum(bucket["1"]["value"] for bucket in answer["aggregations"]["2"]["buckets"]) == 240
    (answer,) = grafana_answers(drawn, "temperature: highest p99 of a row by group")
    frame = asked(drawn, ["p99"], by=["device", SITE])
    wanted = frame.groupby("device")["temperature.p99"].max().sort_values(ascending=False)
    buckets = answer["aggregations"]["1"]["buckets"]
    assert [bucket["key"] for bucket in buckets] == list(wanted.index)
    assert_same([bucket["2"]["value"] for bucket in buckets], wanted)


def test_a_link_of_grafana_leads_to_the_documents_of_a_point(drawn: Drawn) -> None:
    (panel,) = [one for one in drawn.found.grafana["panels"] if one["title"].startswith("temperature: p50")]
    (link,) = panel["fieldConfig"]["defaults"]["links"]
    start, end = day_bounds(date(2024, 4, 1), drawn.stream.dataset.zone)
    half = timedelta(milliseconds=int(link["url"].rpartition("=")[2])) / 2
    shown = Shown(start - half, start + half - timedelta(milliseconds=1))  # `time` is the middle of `time.window`
    (answer,) = grafana_answers(drawn, "Raw documents", shown=shown)
    found = [hit["_source"]["at $x"] for hit in answer["hits"]["hits"]]
    assert found == sorted(found, reverse=True)
    day = [document["at $x"] for document in drawn.documents[date(2024, 4, 1)]]
    assert end - start == half
    assert set(day) <= set(found)
