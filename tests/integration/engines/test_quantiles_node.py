"""Quantiles as the server computes them for charts: the twin of ``quantiles()`` in sketches/ddsketch.py."""

from __future__ import annotations

import math
import random
import sys
from typing import Any

import pytest

from opensearch_strata.dashboards.applying import store_scripts
from opensearch_strata.dashboards.stored_scripts import PREFIX, merged_rows, stored_scripts
from opensearch_strata.sketches.ddsketch import bins_of, quantiles, step_of
from tests.streams import DAY, StreamFactory

pytestmark = pytest.mark.versions

FRACTIONS = [0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0]
TINY = sys.float_info.min
VALUES = {
    "both signs": [random.Random(1).lognormvariate(0, 4) * (-1) ** number for number in range(300)],
    "zeros": [0.0] * 20 + [-1.0, 1.0],
    "the ends of numbers": [TINY, -TINY, 1e308, -1e308, sys.float_info.max, 5e-324, 1.0],
    "one": [42.5],
}


@pytest.mark.parametrize("error", [0.001, 0.01, 0.05])
def test_the_server_finds_the_quantiles_that_python_finds(make_stream: StreamFactory, error: float) -> None:
    metric = {
        "field": "temperature",
        "stats": ["min", "max", "count"],
        "distribution": {"relative_error": error},
        "sparse": True,
    }
    stream = make_stream(metrics={"temperature": metric}, history={"shards": 2, "levels": []})
    documents: list[dict[str, Any]] = [
        {"@timestamp": f"{DAY}T{hour:02}:30:00Z", "device": name, "site": "s", "temperature": value}
        for name, values in VALUES.items()
        for hour, value in ((number % 24, value) for number, value in enumerate(values))
    ]
    documents.append({"@timestamp": f"{DAY}T01:00:00Z", "device": "without a value", "site": "s"})
    stream.write(documents)
    stream.condense()
    store_scripts(stream.client)
    body = {
        "size": 0,
        "aggs": {
            "devices": {
                "terms": {"field": "device", "size": 10},
                "aggs": {"merged": merged_rows(stream.dataset, "temperature", FRACTIONS)},
            }
        },
    }
    answer = stream.client.search(index=stream.dataset.month_index(DAY), body=body)
    found = {bucket["key"]: bucket["merged"]["value"] for bucket in answer["aggregations"]["devices"]["buckets"]}
    assert found.pop("without a value") is None
    step = step_of(error)
    assert found.keys() == VALUES.keys()
    for name, values in VALUES.items():
        low, high = min(values), max(values)
        wanted = quantiles(bins_of(values, step), FRACTIONS, step, low, high)
        assert found[name] | {"quantiles": None} == {
            "count": len(values), "min": low, "max": high, "quantiles": None
        }  # fmt: skip
        for fraction, value in zip(FRACTIONS, found[name]["quantiles"], strict=True):
            assert math.isclose(value, wanted[fraction], rel_tol=1e-12, abs_tol=5e-324), (name, fraction)


def test_no_quantile_is_told_of_rows_of_which_some_have_no_sketch(make_stream: StreamFactory) -> None:
    stream = make_stream(history={"levels": []})
    stream.condensed(count=60)
    month = stream.dataset.month_index(DAY)
    lone = {
        "device": "d1",
        "@timestamp": 1714953600000,
        "metrics": {"temperature": {"count": 2, "min": 1.0, "max": 2.0}},
    }
    stream.client.index(index=month, body=lone, params={"refresh": "true"})
    store_scripts(stream.client)
    body = {"size": 0, "aggs": {"merged": merged_rows(stream.dataset, "temperature", [0.5])}}
    value = stream.client.search(index=month, body=body)["aggregations"]["merged"]["value"]
    assert value.keys() == {"count", "min", "max"}


def test_scripts_are_stored_under_ids_that_follow_from_their_text(make_stream: StreamFactory) -> None:
    client = make_stream().client
    first = store_scripts(client)
    assert store_scripts(client) == first
    assert all(identity.startswith(PREFIX) for identity in first)
    for identity, text in stored_scripts().values():
        assert client.get_script(id=identity)["script"]["source"] == text
