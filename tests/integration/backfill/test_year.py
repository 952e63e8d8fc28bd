"""The flights of 2013, all 336,776, from archives as Firehose leaves them into raw days: each there, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from opensearchpy import OpenSearch

from benchmarks.material.emulated_s3 import BUCKET, emulated_s3, s3_at
from local.samples.firehose import Written, write_flights
from local.samples.flights import flights, flights_dataset, index_template
from opensearch_strata.archive.backfill_proof import BackfillProof
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.targets.made_days import create
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import days_between
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.backfill.verdict import verdict
from tests.archives import forget_ledger
from tests.streams import Stream, StreamFactory

pytestmark = [pytest.mark.exhaustive, pytest.mark.timeout(900)]  # the year is loaded by the first test

FIRST, LAST = date(2013, 1, 1), date(2013, 12, 31)
DAYS = days_between(FIRST, LAST)
FLIGHTS = 336_776
PREFIX = "firehose/"
OWNER = "test/year"


@dataclass(frozen=True)
class Year:
    """What was left in S3, where it was loaded to, and the proof."""

    s3: Any
    written: Written
    stream: Stream
    proof: BackfillProof


@pytest.fixture(scope="module")
def year(client: OpenSearch, make_stream: StreamFactory) -> Iterator[Year]:
    """The year, loaded by the steps of a backfill."""
    stream = flights_stream(make_stream)
    template = index_template() | {"index_patterns": [stream.dataset.raw.index.format(day="2*")]}
    client.indices.put_index_template(name=stream.dataset.name, body=template)
    try:
        with emulated_s3() as server:
            s3 = s3_at(server.url)
            yield Year(s3, written_beside(client, stream.dataset, s3), stream, loaded(s3, client, stream.dataset))
    finally:
        forget_ledger(client, stream.dataset.name)
        client.indices.delete_index_template(name=stream.dataset.name)


def flights_stream(make_stream: StreamFactory) -> Stream:
    """The dataset that is shipped, under a name of its own."""
    shipped = flights_dataset().model_dump(exclude={"raw": {"index"}, "history": {"index"}})
    parts = {part: shipped[part] for part in ("time_zone", "raw", "history", "metrics")}
    return make_stream(**parts, intake=shipped["intake"] | {"source": f"s3://{BUCKET}/{PREFIX}"})


def written_beside(client: OpenSearch, dataset: Dataset, s3: Any) -> Written:
    """Archives are written while the node creates a raw day after the other, which takes as long."""
    with ThreadPoolExecutor(1) as pool:
        creating = pool.map(lambda day: create(client, dataset.raw_index(day), "a year"), DAYS)
        written = write_flights(s3, BUCKET, PREFIX, FIRST, LAST)
        list(creating)
    return written


def loaded(s3: Any, client: OpenSearch, dataset: Dataset) -> BackfillProof:
    """All steps, as the shell takes them."""
    backfill = Backfill(client, dataset, lambda: s3)
    ref = backfill.write(backfill.plan(None, FIRST, LAST))
    backfill.prepare(ref, OWNER)
    for number in range(ref.batches):
        backfill.load(ref, number, OWNER, settings=LoadSettings()).require_success()
    backfill.end(OWNER)
    return backfill.prove(ref)


def test_every_day_holds_the_flights_of_its_rows_in_the_csv(year: Year) -> None:
    expected: Counter[str] = Counter()
    miles: Counter[str] = Counter()
    for day, _, document in flights(FIRST, LAST):
        expected[year.stream.dataset.raw_index(day)] += 1
        miles[year.stream.dataset.raw_index(day)] += document["distance"]
    by_day = {"terms": {"field": "_index", "size": 1000}, "aggs": {"miles": {"sum": {"field": "distance"}}}}
    body = {"size": 0, "track_total_hits": True, "aggs": {"days": by_day}}
    found = year.stream.client.search(index=year.stream.dataset.raw.index.format(day="2*"), body=body)
    days = found["aggregations"]["days"]["buckets"]
    assert {day["key"]: day["doc_count"] for day in days} == expected
    assert {day["key"]: day["miles"]["value"] for day in days} == miles
    assert len(expected) == 365
    assert found["hits"]["total"]["value"] == FLIGHTS


def test_the_proof_holds_and_names_what_came_twice(year: Year) -> None:
    assert year.proof.holds, verdict(year.proof)
    counts, written = year.proof.counts, year.written
    assert written.late > 0
    assert written.control > 0
    assert written.duplicates > 0
    assert (counts.created, counts.existed) == (FLIGHTS, written.duplicates)
    assert (counts.filtered, counts.dead) == (0, 0)
    assert counts.read == FLIGHTS + written.duplicates
    assert len(year.proof.days) == 365
    assert not any(day.others for day in year.proof.days)


def test_a_second_run_finds_nothing_to_do(year: Year) -> None:
    again = Backfill(year.stream.client, year.stream.dataset, lambda: year.s3).plan(None, FIRST, LAST)
    assert again.batches == []
    assert again.left_out.objects == year.written.objects - 1  # the one under processing-failed/ is set apart
    assert again.again == {}
    assert again.verdict.endswith("are loaded already.")
