"""Search bodies: slices that share a day out, pages of buckets, totals that prove them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.history.aggregation import rows_body, totals_body
from opensearch_strata.history.engines.search import slice_queries
from opensearch_strata.history.scripts import condense_metric
from tests.streams import dataset_of, definition_of

DATASET = dataset_of("t")
METRICS: dict[str, Any] = definition_of("t")["metrics"]
HOUR = 3_600_000
times = st.integers(-(10**12), 4 * 10**12)


def matches(query: dict[str, Any], time: int | None) -> bool:
    """Whether a document of this time matches, as the server would decide; None for a document without one."""
    ((kind, body),) = query.items()
    match kind:
        case "match_all":
            return True
        case "range":
            limits = body["@timestamp"]
            assert limits["format"] == "epoch_millis"
            return time is not None and limits.get("gte", time) <= time < limits.get("lt", time + 1)
        case "exists":
            return time is not None
        case "bool" if "must_not" in body:
            return not matches(body["must_not"], time)
        case "bool":
            assert body["minimum_should_match"] == 1
            return any(matches(part, time) for part in body["should"])
    raise AssertionError(f"unknown query {query}")


@given(times, st.integers(0, 10**10), st.integers(1, 8), st.none() | times, st.sampled_from(["1h", "15m", "1d"]))
def test_each_document_is_in_one_slice(first: int, span: int, parallel: int, time: int | None, bucket: str) -> None:
    dataset = dataset_of("t", history={"bucket": bucket})
    queries = slice_queries(dataset, first, first + span, parallel)
    assert 1 <= len(queries) <= parallel
    assert sum(matches(query, time) for query in queries) == 1


@given(times, st.integers(0, 10**9), st.integers(1, 8), times)
def test_no_bucket_is_cut(first: int, span: int, parallel: int, time: int) -> None:
    start = time // HOUR * HOUR
    for query in slice_queries(DATASET, first, first + span, parallel):
        assert len({matches(query, moment) for moment in (start, time, start + HOUR - 1)}) == 1


@given(times, st.integers(1, 8))
def test_slices_are_of_like_length(first: int, parallel: int) -> None:
    queries = slice_queries(DATASET, first, first + 24 * HOUR - 1, parallel)
    hours = [sum(matches(query, first + n * HOUR) for n in range(24)) for query in queries]
    assert max(hours) - min(hours) <= 2


@pytest.mark.parametrize(("first", "last", "parallel"), [(0, 0, 4), (5, HOUR - 1, 4), (0, 10 * HOUR, 1)])
def test_one_slice_is_the_whole_day_as_the_server_ends_it_early(first: int, last: int, parallel: int) -> None:
    assert slice_queries(DATASET, first, last, parallel) == [{"match_all": {}}]


def test_groups_come_first_and_time_last() -> None:
    composite = rows_body(DATASET, {"match_all": {}}, None)["aggs"]["rows"]["composite"]
    assert [next(iter(source)) for source in composite["sources"]] == ["device", "site", "@timestamp"]
    assert all(next(iter(body.values()))["missing_bucket"] for s in composite["sources"] for body in s.values())
    assert "after" not in composite


def test_a_page_begins_behind_the_one_before() -> None:
    after = {"device": None, "site": "x", "@timestamp": 0}
    assert rows_body(DATASET, {"match_all": {}}, after)["aggs"]["rows"]["composite"]["after"] == after


def test_the_time_of_a_row_has_one_name_whatever_the_field() -> None:
    dataset = dataset_of("t", raw={"timestamp": "event.time"})
    source = rows_body(dataset, {"match_all": {}}, None)["aggs"]["rows"]["composite"]["sources"][-1]
    assert source["@timestamp"]["date_histogram"]["field"] == "event.time"


def test_totals_come_from_the_servers_own_aggregations() -> None:
    aggs = totals_body(DATASET)["aggs"]
    assert aggs["temperature.count"] == {"value_count": {"field": "temperature"}}
    assert aggs["temperature.sum"] == {"sum": {"field": "temperature"}}
    assert aggs["totals"] == condense_metric(DATASET, finished=False)


def test_scripts_have_one_text_for_all_datasets() -> None:
    texts = [
        {name: part for name, part in condense_metric(dataset)["scripted_metric"].items() if name != "params"}
        for dataset in (DATASET, dataset_of("u", metrics={"load": METRICS["load"]}))
    ]
    assert texts[0] == texts[1]
    assert all(len(script["source"].encode()) < 65_535 for script in texts[0].values())  # script.max_size_in_bytes


def test_params_hold_no_null() -> None:
    # the server cannot copy params that do
    assert condense_metric(DATASET)["scripted_metric"]["params"]["steps"] == [10, 0]
    assert "None" not in str(condense_metric(DATASET)["scripted_metric"]["params"])


def test_evaluator_knows_the_time_of_a_document() -> None:
    noon = int(datetime(2024, 5, 6, 12, tzinfo=UTC).timestamp() * 1000)
    assert matches({"range": {"@timestamp": {"gte": noon, "format": "epoch_millis"}}}, noon)
    assert not matches({"range": {"@timestamp": {"lt": noon, "format": "epoch_millis"}}}, noon)
