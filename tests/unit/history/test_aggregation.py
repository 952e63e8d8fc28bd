"""Search bodies: pages of buckets, totals that prove them."""

from __future__ import annotations

from typing import Any

from opensearch_strata.history.buckets.aggregation import proof_body, rows_body
from opensearch_strata.history.buckets.scripts import condense_metric
from tests.streams import dataset_of, definition_of

DATASET = dataset_of("t")
METRICS: dict[str, Any] = definition_of("t")["metrics"]


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


def test_a_proof_asks_for_each_bucket_twice() -> None:
    aggs = proof_body(DATASET, ["temperature"], {"match_all": {}}, None, 9)["aggs"]["rows"]["aggs"]
    assert aggs["server temperature"] == {"stats": {"field": "temperature"}}
    assert aggs["server load"] == {"stats": {"field": "load"}}
    assert aggs["metrics"] == condense_metric(DATASET, ["temperature"], finished=False)


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
