"""Levels are the documents merged: built from proven rows, compared with them, noted, and rebuilt when they change."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, timedelta
from typing import Any

import pytest

from opensearch_strata.definition.days import day_bounds
from opensearch_strata.history.levels.build import levels_of_day, levels_of_month
from opensearch_strata.history.levels.outcome import UnitLevels
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.history.levels.stored import stored_levels
from opensearch_strata.history.reaggregate import reaggregate
from opensearch_strata.history.verify.proof import Proof
from opensearch_strata.sketches.hyperloglog import estimate
from opensearch_strata.sketches.hyperloglog import unpack as unpack_registers
from opensearch_strata.sketches.top_values import unpack as unpack_top
from tests.levels import assert_same, merged, notes, stored_rows
from tests.streams import DAY, Document, Stream, StreamFactory, definition_of, measurements

pytestmark = pytest.mark.versions

LEVELS = [
    {"bucket": "1h"},
    {"bucket": "6h", "group_by": ["site"]},
    {"bucket": "1d", "group_by": ["device"]},
    {"bucket": "1d"},
    {"bucket": "1M", "group_by": ["device"]},
    {"bucket": "1M"},
]


def prove_day(stream: Stream, day: date = DAY) -> Proof:
    proof = prove(stream.client, stream.dataset, day, engine="search")
    assert (proof.state, proof.failed, proof.without_levels) == ("verified", [], "")
    return proof


def documents_of(stream: Stream, day: date, seed: int) -> list[Document]:
    """Documents of a local day, some of them late by hours, days or months, and one without a time."""
    rng = random.Random(seed)
    start, end = day_bounds(day, stream.dataset.zone)
    documents = measurements(day, count=150, seed=seed, devices=4)
    for number, document in enumerate(documents):
        moment = start + (end - start) * rng.random()
        if number % 20 == 0:
            moment -= rng.choice([timedelta(hours=3), timedelta(days=2), timedelta(days=40)])
        document["@timestamp"] = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    del documents[7]["@timestamp"]
    return documents


@pytest.mark.parametrize(
    ("zone", "first", "levels"),
    [
        ("America/New_York", date(2024, 11, 3), LEVELS),  # a day of 25 hours
        ("Europe/Berlin", date(2024, 3, 31), LEVELS),  # one of 23 hours, the last of its month
        ("UTC", date(2024, 12, 31), None),
    ],
)
def test_levels_are_the_documents_merged(
    make_stream: StreamFactory, zone: str, first: date, levels: list[dict[str, Any]] | None
) -> None:
    stream = make_stream(time_zone=zone, history={"levels": levels})
    days = {day: documents_of(stream, day, seed) for seed, day in enumerate([first, first + timedelta(days=1)])}
    for day, documents in days.items():
        stream.write(documents, day)
        stream.condense(day)
        proof = prove_day(stream, day)
        assert {f"level {level.name}" for level in stream.dataset.levels} <= {check.name for check in proof.checks}
    for level in stream.dataset.levels:
        indices = {stream.dataset.levels_index(day): day for day in days}
        found = {
            i: row
            for day in indices.values()
            for i, row in stored_rows(stream.client, stream.dataset, day, level).items()
        }
        assert_same(found, merged(stream.dataset, level, days))
    for day in days:
        note = notes(stream.client, stream.dataset, day)
        assert note
        assert note.versions.keys() == {level.name for level in stream.dataset.levels if not level.is_of_months}


@pytest.fixture(scope="module")
def levelled(make_stream: StreamFactory) -> Stream:
    """A proven day with its levels; tests leave it with complete ones."""
    stream = make_stream(history={"levels": LEVELS})
    stream.condensed()
    prove_day(stream)
    return stream


def versions(stream: Stream) -> dict[str, str]:
    note = notes(stream.client, stream.dataset, DAY)
    return dict(note.versions) if note else {}


def states(found: UnitLevels) -> dict[str, str]:
    return {one.name: one.state for one in found.levels}


def test_what_is_complete_is_left_alone(levelled: Stream) -> None:
    before = versions(levelled)
    assert before.keys() == {"1h", "6h.site", "1d.device", "1d"}
    prove_day(levelled)
    assert versions(levelled) == before
    client, dataset = levelled.client, levelled.dataset
    for mode in ("look", "compare", "build"):
        assert set(states(levels_of_day(client, dataset, DAY, mode)).values()) == {"complete"}
        assert set(states(levels_of_month(client, dataset, DAY, mode)).values()) == {"complete"}


def test_late_documents_reach_every_level(stream: Stream) -> None:
    documents = stream.condensed(count=60)
    prove_day(stream)
    late = measurements(count=7, seed=8)
    stream.write(late)
    stream.condense()
    assert notes(stream.client, stream.dataset, DAY) is None  # from before the first row on, until all are compared
    prove_day(stream)
    for level in stream.dataset.levels:
        found = stored_rows(stream.client, stream.dataset, DAY, level)
        assert_same(found, merged(stream.dataset, level, {DAY: documents + late}))


def test_rows_that_no_document_founds_any_more_are_deleted_before_others_are_merged_from_them(stream: Stream) -> None:
    """A device has another name, and an hour has no documents any more: both are moved in the raw day."""
    documents = stream.condensed(count=60)
    prove_day(stream)
    first_hour, later = f"{DAY}T00", f"{DAY}T23:30:00+00:00"
    moved = [
        {
            **one,
            "device": "renamed" if one["device"] == "d1" else one["device"],
            "@timestamp": later if one["@timestamp"].startswith(first_hour) else one["@timestamp"],
        }
        for one in documents
    ]
    stream.client.delete_by_query(
        index=stream.dataset.raw_index(DAY), body={"query": {"match_all": {}}}, params={"refresh": "true"}
    )
    stream.write(moved)
    prove_day(stream)
    for level in stream.dataset.levels:
        found = stored_rows(stream.client, stream.dataset, DAY, level)
        assert_same(found, merged(stream.dataset, level, {DAY: moved}))


def test_a_new_metric_comes_into_the_levels_of_raw_days_and_old_ones_do_not_claim_it(stream: Stream) -> None:
    days = [DAY, DAY + timedelta(days=1)]
    for day in days:
        stream.condensed(day, count=60)
        prove_day(stream, day)
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    load = {"field": "load", "stats": ["min", "max", "sum", "count"], "sparse": True}
    power = {"field": "load", "stats": ["min", "max", "count"], "distribution": {"relative_error": 0.02}}
    metrics = {**definition_of("t")["metrics"], "load": load, "power": power}
    larger = Stream(stream.client, type(stream.dataset).model_validate(
        {**stream.dataset.model_dump(mode="json"), "metrics": metrics}
    ))  # fmt: skip
    done = [one.outcome for one in reaggregate(larger.client, larger.dataset, days[0], days[-1])]
    assert done == ["raw is gone", "rebuilt"]
    index = larger.dataset.levels_index(DAY)
    larger.client.indices.delete(index=index)
    found = [one for day in days for one in levels_of_day(larger.client, larger.dataset, day, "build").levels]
    assert {one.state for one in found} == {"built"}
    level = larger.dataset.levels[-1]
    old, new = sorted(
        stored_rows(larger.client, larger.dataset, DAY, level).values(), key=lambda row: str(row["@timestamp"])
    )
    assert "metrics.load.sum" in old
    assert not [field for field in old if "power" in field or field == "metrics.load.min"]
    assert {"metrics.load.min", "metrics.power.sketch", "metrics.power.p99"} <= new.keys()


@pytest.mark.parametrize(
    ("lost", "left"),
    [
        ("a row", "The rows of 2024-05-06 are not those that were proven"),
        ("the mark", "No rows of 2024-05-06 are noted"),
    ],
)
def test_levels_are_merged_from_proven_rows_only(stream: Stream, lost: str, left: str) -> None:
    stream.condensed(count=60)
    prove_day(stream)
    before = versions(stream)
    if lost == "a row":
        stream.drop_row(next(iter(stream.rows())))
    else:
        index = stream.dataset.month_index(DAY)
        meta = stream.client.indices.get_mapping(index=index)[index]["mappings"]["_meta"]["strata"]
        stream.client.indices.put_mapping(index=index, body={"_meta": {"strata": {**meta, "verified": {}}}})
    found = levels_of_day(stream.client, stream.dataset, DAY, "build")
    assert found.note.startswith(left)
    stored = stored_levels(stream.client, stream.dataset.levels_index(DAY), [stream.dataset.transform_id(DAY)])
    assert {name: one.version for name, one in stored[stream.dataset.transform_id(DAY)].items()} == before


def test_a_level_that_the_definition_drops_goes_and_one_that_it_adds_comes(levelled: Stream) -> None:
    client, dataset = levelled.client, levelled.dataset
    kept = versions(levelled)
    other = with_levels_of(levelled, [{"bucket": "1h"}, {"bucket": "12h", "group_by": ["device"]}])
    found = levels_of_day(client, other.dataset, DAY, "build")
    assert states(found) == {"1h": "complete", "12h.device": "built"}
    assert versions(other).keys() == {"1h", "12h.device"}
    assert versions(other)["1h"] == kept["1h"]
    back = levels_of_day(client, dataset, DAY, "build")
    assert states(back) == {"1h": "complete", "6h.site": "built", "1d.device": "built", "1d": "built"}


def with_levels_of(stream: Stream, levels: list[dict[str, Any]]) -> Stream:
    definition = stream.dataset.model_dump(mode="json")
    definition["history"]["levels"] = levels
    return Stream(stream.client, type(stream.dataset).model_validate(definition))


def test_a_day_whose_midnight_lies_in_a_bucket(make_stream: StreamFactory) -> None:
    """Days count whole rows, as readers do; parts of such a day cannot be merged."""
    levels = [{"bucket": "1h"}, {"bucket": "6h"}, {"bucket": "1d", "group_by": ["device"]}, {"bucket": "1d"}]
    stream = make_stream(time_zone="Asia/Kolkata", history={"levels": levels})
    days = [DAY, DAY + timedelta(days=1)]
    documents = {}
    for day in days:
        start, _ = day_bounds(day, stream.dataset.zone)
        documents[day] = measurements(day, count=96)
        for number, document in enumerate(documents[day]):
            document["@timestamp"] = (start + number * timedelta(minutes=15)).isoformat()
        stream.write(documents[day], day)
        stream.condense(day)
        proof = prove(stream.client, stream.dataset, day, engine="search")
        assert (proof.state, proof.failed, proof.without_levels) == ("verified", [], "")
        found = levels_of_day(stream.client, stream.dataset, day, "look")
        assert states(found) == {"1h": "complete", "6h": "missing", "1d.device": "complete", "1d": "complete"}
    for level in stream.dataset.levels:
        if level.bucket == "1d":
            found_rows = stored_rows(stream.client, stream.dataset, DAY, level)
            assert_same(found_rows, merged(stream.dataset, level, documents))


def test_an_index_of_another_calendar_is_refused_and_nothing_of_it_is_read(stream: Stream) -> None:
    stream.condensed(count=30)
    prove_day(stream)
    definition = {**stream.dataset.model_dump(mode="json"), "time_zone": "Europe/Berlin"}
    moved = Stream(stream.client, type(stream.dataset).model_validate(definition))
    proof = prove(moved.client, moved.dataset, DAY, engine="search")
    assert proof.state == "verified"
    assert "time_zone: 'UTC' in the index, 'Europe/Berlin' in the definition" in proof.without_levels
    assert "delete it, then run strata levels" in proof.without_levels
    assert set(states(levels_of_day(moved.client, moved.dataset, DAY, "look")).values()) == {"missing"}


def test_levels_carry_counted_and_distinct_values(make_stream: StreamFactory) -> None:
    counted = {"field": "device", "stats": ["count"], "distribution": {"top_values": 2}}
    different = {"field": "device", "stats": ["count"], "distribution": {"distinct": {"error": 0.02}}}
    stream = make_stream(metrics={"devices": counted, "fleet": different}, history={"group_by": ["site"]})
    documents = stream.fill(count=90)
    stream.condense()
    prove_day(stream)
    assert set(states(levels_of_day(stream.client, stream.dataset, DAY, "compare")).values()) == {"complete"}
    (daily,) = (level for level in stream.dataset.levels if level.name == "1d")
    (row,) = stored_rows(stream.client, stream.dataset, DAY, daily).values()
    texts = {
        leaf: row[leaf] + "=" * (-len(row[leaf]) % 4) for leaf in ("metrics.devices.top", "metrics.fleet.registers")
    }
    told, counts = unpack_top(texts["metrics.devices.top"]), Counter(document["device"] for document in documents)
    assert told.count == len(documents)
    assert len(told.listed) == 2
    assert all(value.low <= counts[value.value] <= value.high for value in told.listed)
    assert round(estimate(unpack_registers(texts["metrics.fleet.registers"]).tally)) == 3
