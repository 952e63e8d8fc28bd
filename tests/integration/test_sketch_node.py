"""Painless and Python are twins: the same values give the same bytes, on any number of segments and shards."""

from __future__ import annotations

import math
import random
import struct
import sys
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.history.aggregation import rows_body
from opensearch_strata.history.sketch import bins_of, pack, scale
from tests.streams import DAY, Document, StreamFactory, dataset_of

ERRORS = {"fine": 0.001, "usual": 0.01, "coarse": 0.05}
METRICS = {
    **{
        name: {"field": "v", "stats": ["min", "max", "count"], "distribution": {"relative_error": error}}
        for name, error in ERRORS.items()
    },
    "total": {"field": "w", "stats": ["sum", "count", "avg"]},
}
TYPES = {"@timestamp": "date", "device": "keyword", "v": "double", "w": "double"}
NEXT_TO_POWERS = [
    near
    for power in range(-600, 600, 7)
    for gamma in [scale(0.01).gamma]
    for x in [gamma**power]
    for near in (math.nextafter(x, 0), x, math.nextafter(x, math.inf))
]


def random_double(rng: random.Random) -> float:
    """Any finite double: 64 random bits."""
    while True:
        (value,) = struct.unpack("<d", rng.randbytes(8))
        if math.isfinite(value):
            return float(value)


def cases() -> dict[str, list[list[float]]]:
    """Name -> values of each of its documents."""
    rng = random.Random(7)
    powers = [2.0**n for n in range(-1074, 1024, 3)]
    return {
        "one": [[3.7]],
        "zeros": [[0.0], [-0.0], [0.0, -0.0]],
        "subnormals": [[sign * n * 5e-324] for n in (1, 2, 3, 1000, 2**40, 2**52 - 1) for sign in (1, -1)],
        "extremes": [[sys.float_info.max], [-sys.float_info.max], [sys.float_info.min], [-sys.float_info.min]],
        "powers of two": [[x] for x in powers] + [[-x] for x in powers],
        "powers of gamma": [[x] for x in NEXT_TO_POWERS],
        "negative": [[-rng.lognormvariate(0, 3)] for _ in range(300)],
        "any double": [[random_double(rng)] for _ in range(1600)],
        "all in one bin": [[5.0]] * 700,
        "512": [[rng.gauss(0, 10)] for _ in range(512)],
        "513": [[rng.gauss(0, 10)] for _ in range(513)],
        "1025": [[rng.lognormvariate(0, 1)] for _ in range(1025)],
        "1600 in wide bins": [[rng.lognormvariate(0, 5)] for _ in range(1600)],
        "several in a document": [[rng.gauss(0, 1) for _ in range(rng.randrange(1, 9))] for _ in range(200)],
        "900 in a document": [[rng.expovariate(1) for _ in range(900)], [1.0]],
    }


CASES = cases()


@pytest.fixture(scope="module", params=[(1, 1), (2, 5)], ids=["one segment", "two shards of many segments"])
def rows(request: pytest.FixtureRequest, client: OpenSearch, make_stream: StreamFactory) -> dict[str, Any]:
    """Case -> metrics of its row, as the node computes them."""
    shards, batches = request.param
    stream = make_stream(TYPES, shards, metrics=METRICS, history={"group_by": ["device"]})
    index = stream.create()
    # Each slice of segments has a state of its own, which the reduce script has to merge.
    client.indices.put_settings(
        index=index, body={"index.search.concurrent_segment_search.mode": "all" if batches > 1 else "none"}
    )
    documents: list[Document] = [
        {"@timestamp": DAY.isoformat(), "device": name, "v": values} for name, case in CASES.items() for values in case
    ]
    random.Random(1).shuffle(documents)
    for batch in range(batches):
        stream.write(documents[batch::batches])
    answer = client.search(index=index, body=rows_body(stream.dataset, {"match_all": {}}, None))
    buckets = answer["aggregations"]["rows"]["buckets"]
    return {bucket["key"]["device"]: bucket["metrics"]["value"] for bucket in buckets}


@pytest.mark.parametrize("case", CASES)
def test_bytes_are_those_of_python(rows: dict[str, Any], case: str) -> None:
    values = [value for document in CASES[case] for value in document]
    for metric, error in ERRORS.items():
        found = rows[case][metric]
        assert found["sketch"] == pack(bins_of(values, error))
        assert (found["count"], found["min"], found["max"]) == (len(values), min(values), max(values))


def test_the_absent_metric_is_left_out(rows: dict[str, Any]) -> None:
    assert all("total" not in metrics for metrics in rows.values())


def test_sums_carry_the_digits_that_additions_drop(client: OpenSearch, make_stream: StreamFactory) -> None:
    rng = random.Random(3)
    sums = {
        "cancelling": [1e16, 1.0, -1e16] * 40,
        "tenths": [0.1] * 1000,
        "wide": [rng.lognormvariate(0, 20) * rng.choice((1, -1)) for _ in range(500)],
    }
    stream = make_stream(TYPES, 2, metrics=METRICS, history={"group_by": ["device"]})
    documents = [{"@timestamp": DAY.isoformat(), "device": name, "w": w} for name in sums for w in sums[name]]
    for batch in range(3):
        stream.write(documents[batch::3])
    body = rows_body(stream.dataset, {"match_all": {}}, None)
    answer = client.search(index=stream.dataset.raw_index(DAY), body=body)
    for bucket in answer["aggregations"]["rows"]["buckets"]:
        values = sums[bucket["key"]["device"]]
        total = bucket["metrics"]["value"]["total"]
        assert total["sum"] == pytest.approx(math.fsum(values), rel=1e-15)
        assert total["avg"] == total["sum"] / total["count"]


def compilations(client: OpenSearch) -> int:
    nodes = client.nodes.stats(metric="script")["nodes"].values()
    return sum(node["script"]["compilations"] for node in nodes)


def test_scripts_are_compiled_once_for_all_datasets_and_days(client: OpenSearch, make_stream: StreamFactory) -> None:
    def search_once(metrics: dict[str, Any]) -> int:
        stream = make_stream(TYPES, metrics=metrics, history={"group_by": ["device"]})
        stream.write([{"@timestamp": DAY.isoformat(), "device": "d", "v": 1.0}])
        before = compilations(client)
        body = rows_body(dataset_of("any", metrics=metrics), {"match_all": {}}, None)
        client.search(index=stream.dataset.raw_index(DAY), body=body)
        return compilations(client) - before

    search_once(METRICS)  # may be the first on this node
    # Other tests compile scripts of theirs on the same node: they can add to a count, but never hide ours.
    attempts = (
        search_once({"m": {**METRICS["usual"], "distribution": {"relative_error": e}}})
        for e in (0.02, 0.03, 0.04, 0.05)
    )
    assert any(compiled == 0 for compiled in attempts)
