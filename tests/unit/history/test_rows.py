"""Rows: the ids that Index Management gave to recorded rows, and the documents beside them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.places import PROJECT
from opensearch_strata.history.month.row_ids import row_id, row_of_bucket
from opensearch_strata.history.month.rows_of_day import StoredRow, is_stray
from tests.streams import DAY, dataset_of

RECORDING = PROJECT / "tests" / "recordings" / "transform-api" / "success.json"
RECORDED = next(
    exchange["response"]["hits"]["hits"]
    for exchange in json.loads(RECORDING.read_text())["exchanges"]
    if "_search" in exchange.get("request", {}).get("path", "")
)
DATASET = dataset_of("t")
TRANSFORM = DATASET.transform_id(DAY)
KEY = {"device": "d1", "site": None, "@timestamp": 1_715_000_400_000}


@pytest.mark.parametrize("hit", RECORDED, ids=lambda hit: hit["_id"])
def test_ids_are_those_of_index_management(hit: dict[str, Any]) -> None:
    source = hit["_source"]
    assert row_id(source["transform._id"], [source["device"], source["hour"]]) == hit["_id"]


def test_a_recorded_row_has_a_missing_group() -> None:
    assert any(hit["_source"]["device"] is None for hit in RECORDED)


def test_keys_are_written_as_java_does() -> None:
    assert row_id("t", [True, 7]) == row_id("t", ["true", "7"])
    assert row_id("t", [False]) != row_id("t", ["False"])


def test_every_key_and_the_transform_decide_the_id() -> None:
    ids = {row_id("t", ["a", 1]), row_id("t", ["a", 2]), row_id("t", ["b", 1]), row_id("u", ["a", 1])}
    assert len(ids) == 4
    assert all(len(identity) == 22 for identity in ids)


def bucket() -> dict[str, Any]:
    temperature, load = [0.0, 0.0, "Infinity", "-Infinity"], [3.0, 0.0, 1.0, 2.0]
    return {"key": KEY, "doc_count": 7, "metrics": {"value": [[[*temperature, *load], [0, 2], [None, None]]]}}


def test_row_of_a_bucket() -> None:
    identity, source = row_of_bucket(DATASET, TRANSFORM, bucket())
    assert identity == row_id(TRANSFORM, ["d1", None, 1_715_000_400_000])
    assert source == {
        "transform._id": "strata-t-2024.05.06",
        "_doc_count": 7,
        "transform._doc_count": 7,
        "device": "d1",
        "site": None,
        "@timestamp": 1_715_000_400_000,
        "metrics": {"load": {"sum": 3.0, "count": 2}},
    }


def test_a_row_knows_its_raw_index() -> None:
    _, source = row_of_bucket(DATASET, TRANSFORM, bucket(), "raw-uuid")
    assert source["metrics"] == {"load": {"sum": 3.0, "count": 2}, "_raw": "raw-uuid"}


def stored(identity: str, source: dict[str, Any]) -> StoredRow:
    return StoredRow(identity, [source[field] for field in ("device", "site", "@timestamp")], 7)


def test_a_row_is_no_stray_under_its_own_id() -> None:
    identity, source = row_of_bucket(DATASET, TRANSFORM, bucket())
    assert not is_stray(DATASET, DAY, stored(identity, source))


@pytest.mark.parametrize("change", [{"device": "d2"}, {"site": "x"}, {"@timestamp": 0}, {"device": None}])
def test_a_row_whose_keys_were_changed_is_a_stray(change: dict[str, Any]) -> None:
    identity, source = row_of_bucket(DATASET, TRANSFORM, bucket())
    assert is_stray(DATASET, DAY, stored(identity, {**source, **change}))
    assert is_stray(DATASET, DAY, stored("by-hand", source))
