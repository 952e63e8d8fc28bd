"""Raw days whose documents are of odd hours: of very many, of years that no calendar of Python has, of several."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.export import hours
from opensearch_strata.archive.export.hours import HOUR, count_by_hour
from opensearch_strata.errors import Refused
from opensearch_strata.workflows.archives import archive_states
from tests.archives import forget_ledger
from tests.raw_archives import archived, documents, restore
from tests.streams import DAY, Stream, StreamFactory

NOON = 1_715_000_400_000
MICROSECONDS = 1_714_989_600_000_000
FAR = {
    "in microseconds": f'{{"@timestamp":{MICROSECONDS},"device":"d1","temperature":1.5}}',
    "before year 1": '{"@timestamp":-63000000000000,"device":"d1","temperature":2.5}',
    "1969": '{"@timestamp":"1969-12-31T23:59:59.999Z","device":"d2"}',
}


@pytest.fixture
def stream(client: OpenSearch, make_stream: StreamFactory, bucket: str) -> Iterator[Stream]:
    made = make_stream(archive={"bucket": bucket, "prefix": "a/"})
    yield made
    forget_ledger(client, made.dataset.name)


def put(stream: Stream, texts: dict[str, str]) -> str:
    index = stream.dataset.raw_index(DAY)
    for name, text in texts.items():
        stream.client.index(index=index, id=name, body=text)
    stream.client.indices.refresh(index=index)
    return index


def test_times_beyond_the_calendar_are_archived_and_come_back(stream: Stream, s3: Any) -> None:
    stream.fill(DAY, 20)
    index = put(stream, FAR)
    sent = documents(stream.client, index)
    manifest = archived(stream, s3).manifest
    assert manifest.hours["+056315-11-10T16"] == manifest.hours["-000027-08-11T08"] == 1
    assert manifest.hours["1969-12-31T23"] == 1
    assert (manifest.first, manifest.last) == (-63_000_000_000_000, MICROSECONDS)
    assert sum(manifest.hours.values()) == 23
    assert [state.problem for state in archive_states(s3, stream.dataset, deep=True)] == [""]
    stream.client.indices.delete(index=index)
    assert restore(stream, s3).holds
    assert documents(stream.client, index) == sent
    assert archived(stream, s3).outcome == "already archived"


@pytest.mark.parametrize("kind", ["date", "date_nanos"])
def test_very_many_hours_are_counted_by_pages(stream: Stream, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    stream.types = {**stream.types, "@timestamp": kind}
    stream.shards = 2
    moments = [NOON + number * step for step in (HOUR // 3, 50 * HOUR) for number in range(40)]
    stream.write([{"@timestamp": moment, "device": "d1"} for moment in moments], DAY)
    stream.write([{"device": "d1"}], DAY)
    index = stream.dataset.raw_index(DAY)
    whole = count_by_hour(stream.client, index, "@timestamp", 81)
    monkeypatch.setattr(hours, "_PAGE", 7)
    paged = count_by_hour(stream.client, index, "@timestamp", 81)
    assert paged == whole
    assert (len(paged.counts), paged.undated, sum(paged.counts.values())) == (53, 1, 80)


def test_a_day_of_many_hours_is_archived(stream: Stream, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hours, "_PAGE", 7)
    stream.write([{"@timestamp": NOON - number * HOUR, "device": "d1"} for number in range(300)], DAY)
    manifest = archived(stream, s3).manifest
    assert (manifest.documents, len(manifest.hours)) == (300, 300)


def test_documents_of_several_hours_are_refused_page_by_page_too(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.fill(DAY, 20)
    index = put(stream, {"twice": f'{{"@timestamp":[{NOON},{NOON + 30 * HOUR}],"device":"d1"}}'})
    for page in (10_000, 3):
        monkeypatch.setattr(hours, "_PAGE", page)
        with pytest.raises(Refused, match=r"holds 21 documents, but 22 times of @timestamp\. Some have several"):
            count_by_hour(stream.client, index, "@timestamp", 21)


def test_more_hours_than_a_manifest_can_name_are_refused(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hours, "MOST_HOURS", 10)
    stream.fill(DAY, 40)
    with pytest.raises(Refused, match="of more than 10 different hours, too many for a manifest"):
        count_by_hour(stream.client, stream.dataset.raw_index(DAY), "@timestamp", 40)


def test_hours_are_named_in_every_year() -> None:
    day = timedelta(days=1) // timedelta(milliseconds=1)
    assert hours.hour_name(0) == "1970-01-01T00"
    assert hours.hour_name(-HOUR) == "1969-12-31T23"
    assert hours.hour_name(253_402_300_800_000 - HOUR) == "9999-12-31T23"
    assert hours.hour_name(253_402_300_800_000) == "+010000-01-01T00"
    assert hours.hour_name(-62_135_596_800_000) == "0001-01-01T00"
    assert hours.hour_name(-62_135_596_800_000 - 366 * day) == "0000-01-01T00"
    assert hours.hour_name(-62_135_596_800_000 - 366 * day - HOUR) == "-000001-12-31T23"
