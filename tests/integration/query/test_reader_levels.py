"""Levels in answers: whatever is asked and whatever of them is there, the answer is that of base rows."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import day_bounds
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.history.levels.span import levels_of_span
from opensearch_strata.history.month.level_notes import LevelNote, note_levels
from opensearch_strata.history.query.sources import carried
from opensearch_strata.reader import read
from tests.streams import Document, Stream, StreamFactory, dataset_of, measurements

pytestmark = pytest.mark.versions

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
DAYS = [date(2024, 3, 29) + number * DAY for number in range(6)]  # clocks in Berlin change on the 31st
LEVELS = [
    {"bucket": "1h"},
    {"bucket": "6h", "group_by": ["site"]},
    {"bucket": "1d", "group_by": ["device", "site"]},
    {"bucket": "1d"},
    {"bucket": "1M"},
]
STATS = ["min", "p1", "p50", "p99", "max", "avg", "sum", "count"]


def documents_of(zone: Any, day: date) -> list[Document]:
    """Documents of a local day, some of them late by hours or days."""
    rng = random.Random(f"{day}")
    start, end = day_bounds(day, zone)
    documents = measurements(day, count=80, devices=3)
    for number, document in enumerate(documents):
        moment = start + (end - start) * rng.random() - (number % 20 == 0) * rng.choice([3, 50]) * HOUR
        document["@timestamp"] = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return documents


def built(make_stream: StreamFactory, zone: str) -> Stream:
    """Three days that only history has, one that is proven and raw, one whose levels are missing, one that is raw."""
    stream = make_stream(time_zone=zone, history={"levels": LEVELS} if zone == "Europe/Berlin" else {})
    for day in DAYS:
        stream.write(documents_of(stream.dataset.zone, day), day)
        if day == DAYS[5]:
            continue
        stream.condense(day)
        levelled = stream.dataset if day != DAYS[4] else without_levels(stream.dataset)
        proof = prove(stream.client, levelled, day, engine="search")
        assert (proof.state, proof.without_levels) == ("verified", "")
        if day < DAYS[3]:
            stream.client.indices.delete(index=stream.dataset.raw_index(day))
    return stream


@pytest.fixture(scope="module")
def berlin(make_stream: StreamFactory) -> Stream:
    return built(make_stream, "Europe/Berlin")


@pytest.fixture(scope="module")
def kolkata(make_stream: StreamFactory) -> Stream:
    """Its midnights cut buckets."""
    return built(make_stream, "Asia/Kolkata")


def without_levels(dataset: Dataset) -> Dataset:
    return dataset.model_copy(update={"history": dataset.history.model_copy(update={"levels": []})})


def local(stream: Stream, day: date, hour: int = 0) -> datetime:
    return day_bounds(day, stream.dataset.zone)[0] + hour * HOUR


def ask(stream: Stream, dataset: Dataset, start: datetime, end: datetime, **question: Any) -> pd.DataFrame:
    asked = {"metrics": ["temperature"], "stats": STATS, **question}
    return read(stream.client, dataset, start, end, **asked)


def levels_of_same_answers(stream: Stream, start: datetime, end: datetime, **question: Any) -> list[str]:
    """Ask with levels and without; return which levels were read."""
    found = ask(stream, stream.dataset, start, end, **question)
    expected = ask(stream, without_levels(stream.dataset), start, end, **question)
    levels: list[str] = found.attrs.pop("levels")
    assert expected.attrs.pop("levels") == []
    assert found.attrs == expected.attrs
    added = [name for name in expected.columns if name.endswith((".sum", ".avg"))]
    pd.testing.assert_frame_equal(found[added], expected[added], rtol=1e-12, atol=1e-12)
    pd.testing.assert_frame_equal(found.drop(columns=added), expected.drop(columns=added), check_exact=True)
    return levels


questions = st.fixed_dictionaries(
    {
        "interval": st.sampled_from([None, "1h", "2h", "6h", "1d", "1d", "1M"]),
        "by": st.sampled_from([[], [], ["device", "site"], ["site", "device"], ["site"], ["device"]]),
        "where": st.sampled_from([{}, {}, {"site": "north"}, {"device": "d0", "site": None}, {"site": None}]),
        "metrics": st.sampled_from([["temperature"], ["temperature", "load"]]),
    }
)
borders = st.tuples(st.integers(0, len(DAYS)), st.sampled_from([0, 0, 0, 1, 6, 7]))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(questions, st.lists(borders, min_size=2, max_size=2, unique=True).map(sorted))
def test_answers_are_those_of_base_rows(berlin: Stream, question: dict[str, Any], span: list[tuple[int, int]]) -> None:
    assume(span[0] < (len(DAYS), 0))  # nothing is known of what comes after
    start, end = (local(berlin, DAYS[0] + day * DAY, hour) for day, hour in span)
    stats = ["sum", "count"] if "load" in question["metrics"] else STATS
    levels_of_same_answers(berlin, start, end, **question, stats=stats)


@pytest.mark.parametrize(
    ("question", "levels"),
    [
        ({"interval": "1d"}, ["1d", "6h.site", "1h"]),  # shorter buckets of the day whose start is cut
        ({"interval": "1h"}, ["1h"]),
        ({"interval": "6h", "by": ["site"]}, ["6h.site"]),
        ({"interval": "1d", "by": ["device", "site"]}, ["1d.device.site"]),
        ({"interval": "1d", "by": ["site"], "where": {"device": "d1"}}, ["1d.device.site"]),
        ({"interval": "1M", "where": {"device": "d1"}}, ["1d.device.site"]),
        ({}, ["1d", "6h.site", "1h"]),
        ({"interval": "1h", "by": ["device"]}, []),
    ],
    ids=str,
)
def test_the_coarsest_level_that_answers_exactly_is_read(
    berlin: Stream, question: dict[str, Any], levels: list[str]
) -> None:
    start, end = local(berlin, DAYS[0], 3), local(berlin, DAYS[-1] + DAY)
    assert levels_of_same_answers(berlin, start, end, **question) == levels


def test_a_month_is_one_row_where_all_of_its_days_are_proven_and_gone(berlin: Stream) -> None:
    start, end = local(berlin, date(2024, 3, 1)), local(berlin, date(2024, 4, 1))
    found = ask(berlin, berlin.dataset, start, end, interval="1M")
    assert found.attrs["levels"][0] == "1M"
    assert levels_of_same_answers(berlin, start, end, interval="1M") == found.attrs["levels"]


@pytest.mark.parametrize("interval", ["1h", "1d", "1M", None])
def test_days_that_begin_within_a_bucket(kolkata: Stream, interval: str | None) -> None:
    for start, end in ((DAYS[0], DAYS[-1] + DAY), (DAYS[0], DAYS[2]), (DAYS[1], DAYS[3])):
        for by in ([], ["device", "site"]):
            levels_of_same_answers(kolkata, local(kolkata, start), local(kolkata, end), interval=interval, by=by)
            if interval != "1h":  # ends within the day that is proven and raw, which begins within a bucket
                levels_of_same_answers(kolkata, local(kolkata, start), local(kolkata, DAYS[3], 12), interval=interval)
    assert levels_of_same_answers(kolkata, local(kolkata, DAYS[0]), local(kolkata, DAYS[1]), interval="1d")[0] == "1d"


def test_months_that_hold_what_their_marks_name_are_not_looked_into(berlin: Stream) -> None:
    start, end = local(berlin, DAYS[0]), local(berlin, DAYS[2])
    with patch.object(carried, "_days", side_effect=carried._days) as looked:
        ask(berlin, berlin.dataset, start, end, interval="1d")
    months = {call.args[2] for call in looked.call_args_list}
    assert berlin.dataset.month_index(DAYS[-1]) in months or not months


@pytest.fixture
def small(make_stream: StreamFactory) -> Stream:
    """A day that only history has, with its levels."""
    stream = make_stream()
    stream.write(documents_of(stream.dataset.zone, DAYS[0]), DAYS[0])
    stream.condense(DAYS[0])
    assert prove(stream.client, stream.dataset, DAYS[0], engine="search").without_levels == ""
    stream.client.indices.delete(index=stream.dataset.raw_index(DAYS[0]))
    return stream


def levels_of(stream: Stream, **question: Any) -> list[str]:
    start, end = local(stream, DAYS[0]), local(stream, DAYS[0] + DAY)
    return levels_of_same_answers(stream, start, end, **{"interval": "1d", **question})


def change_level(stream: Stream, name: str, script: str) -> None:
    """Write or delete rows of a level as somebody else might."""
    index = stream.dataset.levels_index(DAYS[0])
    stream.client.indices.refresh(index=index)
    body = {"query": {"term": {"metrics._level": name}}}
    if script == "delete":
        stream.client.delete_by_query(index=index, body=body, params={"refresh": "true"})
    else:
        stream.client.index(index=index, id="stranger", body={"metrics": {"_level": name}}, params={"refresh": "true"})


def test_levels_that_were_touched_are_not_read(small: Stream) -> None:
    assert levels_of(small) == ["1d"]
    assert levels_of(small, by=["device", "site"]) == ["1d.device.site"]
    change_level(small, "1d", "delete")
    assert levels_of(small) == ["1d.device.site"]
    change_level(small, "1d.device.site", "delete")
    assert levels_of(small) == ["1h"]
    change_level(small, "1h", "add")  # of no day
    assert levels_of(small) == ["1h"]


def test_rows_that_changed_since_their_levels_were_built_are_read_themselves(small: Stream) -> None:
    identity = next(iter(small.rows(DAYS[0])))
    small.drop_row(identity, DAYS[0])
    assert levels_of(small) == []


def test_without_its_index_there_is_no_level(small: Stream) -> None:
    index = small.dataset.levels_index(DAYS[0])
    small.client.indices.close(index=index)
    assert levels_of(small) == []
    small.client.indices.delete(index=index)
    assert levels_of(small) == []


def test_a_late_document_turns_a_day_back_to_raw_and_its_levels_are_left_out(small: Stream) -> None:
    late = {"@timestamp": local(small, DAYS[0], 5).isoformat(), "device": "d1", "site": "north", "temperature": 9.5}
    small.write([late], DAYS[0] + DAY)
    assert levels_of(small) == ["1d"]  # and the raw day of the late one
    small.write([late], DAYS[0])  # recreated: both are read
    assert levels_of(small) == ["1d"]


@pytest.fixture
def pair(make_stream: StreamFactory) -> Stream:
    """Two days with as many rows that only history has; the first is not proven."""
    stream = make_stream(history={"levels": [{"bucket": "1d"}]})
    for day in DAYS[:2]:
        alike = [
            {**document, "@timestamp": document["@timestamp"].replace(f"{DAYS[0]}", f"{day}")}
            for document in measurements(DAYS[0], count=60)
        ]
        stream.write(alike, day)
        stream.condense(day)
    assert prove(stream.client, stream.dataset, DAYS[1], engine="search").without_levels == ""
    for day in DAYS[:2]:
        stream.client.indices.delete(index=stream.dataset.raw_index(day))
    return stream


def test_rows_that_no_proof_names_do_not_stand_for_proven_ones(pair: Stream) -> None:
    span = local(pair, DAYS[0]), local(pair, DAYS[2])
    month = pair.dataset.month_index(DAYS[0])
    query = {"term": {"transform._id": pair.dataset.transform_id(DAYS[1])}}
    proven = pair.client.count(index=month, body={"query": query})["count"]
    assert 2 * proven == len(pair.rows(DAYS[0]))
    pair.client.delete_by_query(index=month, body={"query": query}, params={"refresh": "true"})
    notes = ask(pair, pair.dataset, *span, interval="1d").attrs["notes"]
    assert any(f"The history of {DAYS[1]} carries 0 of 60 proven documents" in note for note in notes)
    assert any(f"No proof is recorded that the history of {DAYS[0]} is complete" in note for note in notes)


def test_rows_of_a_level_that_no_note_names_do_not_stand_for_noted_ones(make_stream: StreamFactory) -> None:
    stream = make_stream(history={"levels": [{"bucket": "1d"}]})
    for day in DAYS[:2]:
        stream.write(measurements(day, count=60), day)
        stream.condense(day)
        assert prove(stream.client, stream.dataset, day, engine="search").without_levels == ""
        stream.client.indices.delete(index=stream.dataset.raw_index(day))
    span = local(stream, DAYS[0]), local(stream, DAYS[2])
    assert levels_of_same_answers(stream, *span, interval="1d") == ["1d"]
    note_levels(stream.client, stream.dataset.month_index(DAYS[0]), {DAYS[0]: LevelNote("")})
    query = {"term": {"transform._id": stream.dataset.transform_id(DAYS[1])}}
    index = stream.dataset.levels_index(DAYS[1])
    stream.client.delete_by_query(index=index, body={"query": query}, params={"refresh": "true"})
    assert levels_of_same_answers(stream, *span, interval="1d") == []


def test_where_registers_have_several_precisions_base_rows_are_read(make_stream: StreamFactory) -> None:
    def defined(error: float) -> dict[str, Any]:
        user = {"field": "device", "stats": ["count"], "distribution": {"distinct": {"error": error}}}
        return {"history": {"levels": [{"bucket": "1M"}]}, "metrics": {"user": user}}

    stream = make_stream(**defined(0.02))
    later = Stream(stream.client, dataset_of(stream.dataset.name, **defined(0.05)))
    for day, one in zip(DAYS[:2], (stream, later), strict=True):
        one.write(measurements(day, count=60, devices=4), day)
        one.condense(day)
        prove(one.client, one.dataset, day, engine="search")
        one.client.indices.delete(index=one.dataset.raw_index(day))
    levels_of_span(later.client, later.dataset, DAYS[0], DAYS[1], "build")
    span = local(later, date(2024, 3, 1)), local(later, date(2024, 4, 1))
    asked: dict[str, Any] = {"metrics": ["user"], "stats": ["distinct", "count"]}
    assert levels_of_same_answers(later, *span, **asked) == []
    assert ask(later, later.dataset, *span, **asked)["user.distinct"].tolist() == [4]
