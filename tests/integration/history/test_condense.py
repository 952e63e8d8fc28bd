"""Raw day -> rows on a real node: nothing is lost, nothing is counted twice, history never gets poorer."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.errors import DefinitionError, Refused, TransientError
from opensearch_strata.history.buckets import bucket_pages
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.condense.engines.search import condense_by_search
from opensearch_strata.history.month.index import ensure_month
from opensearch_strata.history.raw_day.inspection import inspect_raw_day
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.sketches.ddsketch import bins_of, pack
from tests.streams import DAY, TYPES, Document, Stream, StreamFactory, assert_verified, definition_of, measurements
from tests.transform_api import TransformApi

pytestmark = pytest.mark.versions


def key_of(document: Document) -> tuple[str | None, str | None, int]:
    hour = datetime.fromisoformat(document["@timestamp"]).replace(minute=0, second=0, microsecond=0)
    return (document.get("device"), document.get("site"), int(hour.timestamp() * 1000))


def test_rows_are_what_python_makes_of_the_documents(stream: Stream) -> None:
    documents = stream.condensed()
    rows = {(row["device"], row["site"], row["@timestamp"]): row for row in stream.rows().values()}
    counted = Counter(map(key_of, documents))
    assert {key: row["_doc_count"] for key, row in rows.items()} == counted
    for key, row in rows.items():
        values = [d["temperature"] for d in documents if key_of(d) == key and "temperature" in d]
        found = row["metrics"].get("temperature")
        if not values:
            assert found is None
            continue
        assert (found["count"], found["min"], found["max"]) == (len(values), min(values), max(values))
        assert found["sum"] == pytest.approx(math.fsum(values), rel=1e-15, abs=1e-15)
        assert found["avg"] == found["sum"] / found["count"]
        assert found["sketch"] == pack(bins_of(values, 10), 10)
    assert_verified(stream)


def test_the_run_reports_what_it_did(stream: Stream) -> None:
    stream.fill()
    seen: list[int] = []
    run = stream.condense(on_documents=seen.append)
    assert run is not None
    assert (run.engine, run.documents, run.rows) == ("search", 240, len(stream.rows()))
    assert sum(seen) == 240
    assert run.search_seconds > 0
    assert run.index_seconds > 0


def test_a_second_run_writes_the_same_rows(stream: Stream) -> None:
    stream.condensed()
    before = stream.rows()
    stream.condense()
    assert stream.rows() == before


def test_pages_and_slices_make_the_same_rows(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    stream.condensed()
    whole = stream.rows()
    monkeypatch.setattr("opensearch_strata.history.buckets.aggregation.PAGE_SIZE", 7)
    for parallel in (1, 5):
        monkeypatch.setattr(bucket_pages, "searches_at_once", lambda *_, searches=parallel: searches)
        run = stream.condense()
        assert run is not None
        assert (run.documents, run.rows) == (240, len(whole))
        assert stream.rows() == whole


def test_a_cluster_that_allows_fewer_buckets_gets_smaller_pages(stream: Stream) -> None:
    stream.condensed()
    whole = stream.rows()
    limit = "search.max_buckets"
    stream.client.cluster.put_settings(body={"transient": {limit: 10}})
    try:
        run = stream.condense()
        assert run is not None
        assert (run.documents, run.rows) == (240, len(whole))
        assert_verified(stream)
    finally:
        stream.client.cluster.put_settings(body={"transient": {limit: None}})
    assert stream.rows() == whole


def test_documents_without_group_or_time_are_rows_of_their_own(stream: Stream) -> None:
    stream.fill(count=60)
    stream.write([{"temperature": 1.5}, {"device": "d1", "temperature": 2.5}, {"load": 3}, {}])
    stream.condense()
    rows = [row for row in stream.rows().values() if row["@timestamp"] is None]
    assert sorted((row["device"] or "", row["_doc_count"]) for row in rows) == [("", 3), ("d1", 1)]
    proof = verify(stream.client, stream.dataset, DAY)
    assert proof.state == "verified"
    assert proof.null_rows >= 2


def test_a_day_without_any_time(stream: Stream) -> None:
    stream.write([{"device": "d", "temperature": 1.0}] * 3)
    stream.condense()
    (row,) = stream.rows().values()
    assert (row["@timestamp"], row["_doc_count"]) == (None, 3)
    assert_verified(stream)


def test_times_in_a_format_of_the_producers(make_stream: StreamFactory) -> None:
    stream = make_stream({**TYPES, "@timestamp": {"type": "date", "format": "epoch_second"}})
    noon = 1_714_996_800
    stream.write([{"@timestamp": noon + 600 * n, "device": "d", "temperature": n} for n in range(12)])
    stream.condense()
    assert sorted(row["@timestamp"] for row in stream.rows().values()) == [noon * 1000, (noon + 3600) * 1000]
    assert_verified(stream)


def test_events_of_other_days_are_not_lost(stream: Stream) -> None:
    moments = ["1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z", "2024-05-05T23:59:59Z", "2025-01-01T00:00:00Z"]
    stream.write([{"@timestamp": moment, "device": "d", "temperature": 1.0} for moment in moments])
    stream.fill(count=30)
    stream.condense()
    assert -3_600_000 in {row["@timestamp"] for row in stream.rows().values()}
    assert_verified(stream)


NUMBERS: dict[str, list[Any]] = {
    "byte": [-128, 0, 127],
    "short": [-32768, 32767],
    "integer": [-(2**31), 2**31 - 1],
    "long": [-(2**63), 2**63 - 1, 2**53 + 1],
    "unsigned_long": [0, 2**63, 2**64 - 1],
    "half_float": [-65504, 0.1, 1e-7],
    "float": [-3.4e38, 0.1, 1e-45],
    "double": [-1e300, 0.1, 5e-324],
    "scaled_float": [-1.25, 0.1, 1e12],
}


def test_every_numeric_type_is_condensed_and_verified(make_stream: StreamFactory) -> None:
    stats = ["min", "max", "sum", "count", "avg"]
    metrics = {
        kind: {"field": f"of.{kind}", "stats": stats, "distribution": {"relative_error": 0.01}} for kind in NUMBERS
    }
    types: dict[str, Any] = {"@timestamp": "date", "device": "keyword", "of": {"properties": {}}}
    for kind in NUMBERS:
        scaling = {"scaling_factor": 100} if kind == "scaled_float" else {}
        types["of"]["properties"][kind] = {"type": kind, **scaling}
    stream = make_stream(types, metrics=metrics, history={"group_by": ["device"]})
    documents = [
        {"@timestamp": DAY.isoformat(), "device": f"d{n}", "of": {kind: values[n % len(values)]}}
        for kind, values in NUMBERS.items()
        for n in range(6)
    ]
    stream.write(documents)
    stream.condense()
    assert_verified(stream)
    assert {kind for row in stream.rows().values() for kind in row["metrics"]} == set(NUMBERS)


def test_groups_of_every_type_and_paths(make_stream: StreamFactory) -> None:
    types = {
        **{"@timestamp": "date", "temperature": "double", "load": "short"},
        **{"host.ip": "ip", "on": "boolean", "number": "long"},
        "site": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
    }
    stream = make_stream(types, history={"group_by": ["host.ip", "on", "number", "site.raw"]})
    base = {"@timestamp": DAY.isoformat(), "temperature": 1.0}
    hosts = ["10.0.0.1", "::1"]
    keys = [{"host": {"ip": ip}, "on": on, "number": -3, "site": "a:b"} for ip in hosts for on in (True, False)]
    stream.write([base, *({**base, **key} for key in keys)])
    stream.condense()
    rows = stream.rows().values()
    assert {(row["host.ip"], row["on"], row["number"], row["site.raw"]) for row in rows} == {
        *((ip, on, -3, "a:b") for ip in hosts for on in (True, False)),
        (None, None, None, None),
    }
    assert_verified(stream)


def test_fields_that_the_raw_day_does_not_have(make_stream: StreamFactory) -> None:
    metrics = {name: {**metric, "sparse": True} for name, metric in definition_of("t")["metrics"].items()}
    stream = make_stream({"@timestamp": "date", "device": "keyword"}, metrics=metrics)
    stream.write([{"@timestamp": DAY.isoformat(), "device": "d"}])
    stream.condense()
    (row,) = stream.rows().values()
    assert (row["site"], row["metrics"]) == (None, {})
    proof = verify(stream.client, stream.dataset, DAY)
    (held,) = proof.failed  # rows say all of it, and a person has to say that no document has a site
    assert (proof.state, "site" in held.named[0]) == ("held", True)


def test_fields_of_a_wrong_type_are_refused_one_by_one(make_stream: StreamFactory) -> None:
    types = {"@timestamp": "keyword", "device": "text", "site": "double", "temperature": "text", "load": "boolean"}
    stream = make_stream(types)
    stream.create()
    with pytest.raises(DefinitionError) as refused:
        stream.condense()
    sentence = str(refused.value)
    assert sentence.startswith(f"{stream.dataset.raw_index(DAY)} does not fit dataset")
    for phrase in (
        "raw.timestamp: field '@timestamp' is keyword",
        "group_by 'device': field 'device' is text",
        "group_by 'site': field 'site' is double",
        "metrics.temperature.field: field 'temperature' is text",
        "metrics.load.field: field 'load' is boolean",
    ):
        assert phrase in sentence
    assert stream.rows() == {}


def test_values_whose_sum_is_no_number_are_refused(make_stream: StreamFactory) -> None:
    stream = make_stream()
    stream.write([{"@timestamp": DAY.isoformat(), "device": "d", "temperature": 1.7e308}] * 2)
    with pytest.raises(Refused, match=r"values of 'temperature' that add up to more than a number can hold"):
        stream.condense()


@pytest.mark.parametrize(
    ("field", "values"), [("device", ["d1", "d2"]), ("@timestamp", ["2024-05-06T01:00:00Z", "2024-05-06T02:00:00Z"])]
)
def test_a_document_that_would_be_in_two_rows_is_refused(stream: Stream, field: str, values: list[str]) -> None:
    stream.fill(count=20)
    stream.write([{"@timestamp": DAY.isoformat(), "device": "d1", "temperature": 1.0, field: values}])
    with pytest.raises(Refused, match=f"has documents with several values of {field}, by which"):
        stream.condense()
    assert stream.rows() == {}


def test_missing_and_empty_days_make_no_month(stream: Stream) -> None:
    assert stream.condense() is None
    stream.create()
    assert stream.condense() is None
    assert not stream.client.indices.exists(index=stream.dataset.month_index(DAY))


def test_an_alias_in_place_of_the_day_is_refused(stream: Stream) -> None:
    real = stream.create(index=f"{stream.dataset.name}-real")
    stream.client.indices.put_alias(index=real, name=stream.dataset.raw_index(DAY))
    with pytest.raises(Refused, match=f"is an alias or data stream of {real}, not an index"):
        stream.condense()


def test_late_documents_are_condensed_on_top(stream: Stream) -> None:
    stream.condensed()
    stream.write(measurements(count=30, seed=9))
    run = stream.condense()
    assert run is not None
    assert run.documents == 270
    assert_verified(stream)


def test_a_source_that_moves_is_condensed_again(stream: Stream) -> None:
    stream.fill()
    late = [measurements(count=20, seed=1), measurements(count=20, seed=2)]

    def producer(_: int) -> None:
        if late:
            stream.write(late.pop())

    run = stream.condense(on_documents=producer)
    assert run is not None
    assert run.documents == 280
    assert_verified(stream)


def test_a_source_that_never_rests_is_tried_again_later(stream: Stream) -> None:
    stream.fill(count=40)
    with pytest.raises(TransientError, match=r"was still changing after 3 passes \(now \d+ documents\)"):
        stream.condense(on_documents=lambda _: stream.write(measurements(count=1)))


def test_rows_that_a_busy_cluster_refuses_are_sent_again(stream: Stream, opensearch_url: str) -> None:
    stream.fill()
    with TransformApi(opensearch_url) as api, OpenSearch(api.url) as busy:
        api.faults.refuse(2, 429, path="_bulk")
        run = condense(busy, stream.dataset, DAY, engine="search")
    assert run is not None
    assert run.documents == 240
    assert_verified(stream)


def test_searches_that_a_busy_cluster_refuses_are_asked_again(stream: Stream, opensearch_url: str) -> None:
    stream.fill()
    raw = inspect_raw_day(stream.client, stream.dataset, DAY)
    assert raw is not None
    ensure_month(stream.client, stream.dataset, DAY)
    with TransformApi(opensearch_url) as api, OpenSearch(api.url) as busy:
        api.faults.refuse(3, 429, path="_search")
        run = condense_by_search(busy, stream.dataset, raw)
    assert run.documents == 240
    assert_verified(stream)


def test_an_inspected_day(stream: Stream) -> None:
    stream.fill(count=10)
    stream.set_block("write", on=True)
    raw = inspect_raw_day(stream.client, stream.dataset, DAY)
    assert raw is not None
    assert (raw.index, raw.documents, raw.types, raw.blocked) == (
        stream.dataset.raw_index(DAY),
        10,
        TYPES,
        frozenset({"write"}),
    )


def test_a_day_of_many_hours_and_devices_in_two_shards(make_stream: StreamFactory) -> None:
    stream = make_stream(shards=2, history={"bucket": "15m", "shards": 2})
    start = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    documents: list[Document] = [
        {"@timestamp": (start + timedelta(minutes=n % 1440)).isoformat(), "device": f"d{n % 37}", "temperature": n % 11}
        for n in range(6000)
    ]
    for batch in range(3):
        stream.write(documents[batch::3])
    run = stream.condense()
    assert run is not None
    assert run.documents == 6000
    assert_verified(stream)
