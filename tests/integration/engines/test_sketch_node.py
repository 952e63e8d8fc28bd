"""Painless and Python are twins: the same values give the same bytes, from raw documents and from rows of history."""

from __future__ import annotations

import base64
import math
import random
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opensearchpy import OpenSearch, RequestError

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.buckets.aggregation import rows_body
from opensearch_strata.history.buckets.partials import row_of_states
from opensearch_strata.history.buckets.scripts import condense_metric, recall_metric
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.sketches.ddsketch import bins_of, pack, step_of
from tests.script_rows import refusals
from tests.sketch_cases import AT_BORDERS, Key, Values, cases
from tests.sketches import LARGEST, SMALLEST, SMALLEST_NORMAL
from tests.streams import DAY, Document, Stream, StreamFactory, dataset_of

ALL = ["min", "max", "sum", "count", "avg"]


def metric(field: str, relative_error: float, **more: Any) -> dict[str, Any]:
    return {"field": field, "stats": ALL, "distribution": {"relative_error": relative_error}, **more}


METRICS: dict[str, Any] = {
    "fine": metric("v", 0.001),
    "usual": metric("v", 0.01),
    "wide": metric("v", 0.02),
    "coarse": metric("v", 0.05),
    "rounded": metric("r", 0.01, decimals=2),
    "whole": metric("w", 0.02),
    "plain": {"field": "w", "stats": ["sum", "count"]},
    "empty": metric("never", 0.01),
    "unmapped": metric("nowhere", 0.01),
}
DEFINITION: dict[str, Any] = {"metrics": METRICS, "raw": {"fields": {"w": "short"}}}
TYPES = {
    **{"@timestamp": "date", "device": "keyword", "v": "double", "r": "double", "w": "short", "never": "double"},
}
START = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)

CASES = cases()


# What Python says of them


def values_of(dataset: Dataset, name: str, documents: Iterable[Document]) -> Values:
    """A metric's values as they are counted: rounded to its decimals."""
    values: Values = []
    for document in documents:
        found = document.get(dataset.metrics[name].field, [])
        values += found if isinstance(found, list) else [found]
    decimals = dataset.decimals(name)
    return values if decimals is None else [round(x * 10.0**decimals) / 10.0**decimals for x in values]


def assert_is(found: dict[str, Any] | None, values: Values, dataset: Dataset, name: str, step: int = 0) -> None:
    """What a script says of a metric is what Python computes.

    :param step: of the sketch, if not the metric's own
    """
    if not values:
        assert found is None
        return
    assert found is not None
    stats = {"count": len(values), "min": min(values), "max": max(values)}
    assert {stat: found[stat] for stat in stats if stat in found} == {s: v for s, v in stats.items() if s in found}
    assert set(found) - {"sketch"} == set(dataset.metrics[name].stats)
    if dataset.decimals(name) is None:
        lost = 1e-25 * math.fsum(abs(x) / 2**10 for x in values) * 2**10  # of what cancels
        assert found["sum"] == pytest.approx(math.fsum(values), rel=1e-12, abs=lost)
    else:
        factor = 10.0 ** (dataset.decimals(name) or 0)
        assert found["sum"] == sum(round(x * factor) for x in values) / factor
    if "avg" in found:
        assert found["avg"] == found["sum"] / found["count"]
    if name in dataset.sketches:
        assert found["sketch"] == pack(bins_of(values, at := step or step_of(dataset.sketches[name])), at)
    else:
        assert "sketch" not in found


# Raw documents on the node, in several layouts


@dataclass(frozen=True)
class Layout:
    shards: int
    segments: int

    def settings(self) -> dict[str, Any]:
        """Each slice of segments has a state of its own, which is merged with the others."""
        if self.segments == 1:
            return {"index.search.concurrent_segment_search.mode": "none"}
        slices = {"index.search.concurrent.max_slice_count": self.segments}
        return {"index.search.concurrent_segment_search.mode": "all", **slices}


LAYOUTS = {"one segment": Layout(1, 1), "several segments": Layout(1, 4), "three shards": Layout(3, 3)}


@dataclass(frozen=True)
class Loaded:
    """All cases in a raw day and its history."""

    stream: Stream
    layout: Layout

    @property
    def dataset(self) -> Dataset:
        return self.stream.dataset

    def buckets(self, finished: bool) -> dict[Key, Any]:
        """What the script says of each row."""
        body = rows_body(self.dataset, {"match_all": {}}, None, finished=finished)
        answer = self.stream.client.search(index=self.dataset.raw_index(DAY), body=body)
        return {
            (bucket["key"]["device"], (bucket["key"]["@timestamp"] - int(START.timestamp()) * 1000) // 3_600_000): (
                bucket["metrics"]["value"]
            )
            for bucket in answer["aggregations"]["rows"]["buckets"]
        }

    def recalled(self, relative_errors: dict[str, float]) -> dict[str, dict[str, Any]]:
        """What the rows of each device's hours come to."""
        names = list(relative_errors)
        terms = {"terms": {"field": "device", "size": 1000}}
        body = {"size": 0, "aggs": {"d": {**terms, "aggs": {"m": recall_metric(self.dataset, names, relative_errors)}}}}
        answer = self.stream.client.search(index=self.dataset.month_index(DAY), body=body)
        return {
            bucket["key"]: row_of_states(self.dataset, names, bucket["m"]["value"])
            for bucket in answer["aggregations"]["d"]["buckets"]
        }


def sent(key: Key, document: Document) -> Document:
    return {"@timestamp": (START + timedelta(hours=key[1])).isoformat(), "device": key[0], **document}


@pytest.fixture(scope="module", params=list(LAYOUTS.values()), ids=list(LAYOUTS))
def loaded(request: pytest.FixtureRequest, client: OpenSearch, make_stream: StreamFactory) -> Loaded:
    layout: Layout = request.param
    stream = make_stream(TYPES, layout.shards, history={"group_by": ["device"], "shards": layout.shards}, **DEFINITION)
    index = stream.create()
    client.indices.put_settings(index=index, body={**layout.settings(), "index.merge.policy.segments_per_tier": 20})
    documents = [sent(key, document) for key, case in CASES.items() for document in case]
    random.Random(1).shuffle(documents)
    for part in range(layout.segments):
        stream.write(documents[part :: layout.segments])
    stream.condense()
    return Loaded(stream, layout)


def test_bytes_are_those_of_python(loaded: Loaded) -> None:
    buckets = loaded.buckets(finished=False)
    assert buckets.keys() == CASES.keys()
    assert sum(len(values_of(loaded.dataset, "fine", case)) for case in CASES.values()) > 20_000
    assert (max(map(len, buckets.values())) > 1) == (loaded.layout.segments > 1)  # states to merge
    for key, states in buckets.items():
        row = row_of_states(loaded.dataset, list(METRICS), states)
        for name in METRICS:
            assert_is(row.get(name), values_of(loaded.dataset, name, CASES[key]), loaded.dataset, name)


def test_what_the_node_reduces_is_what_python_reduces(loaded: Loaded) -> None:
    states = loaded.buckets(finished=False)
    for key, row in loaded.buckets(finished=True).items():
        ours = row_of_states(loaded.dataset, list(METRICS), states[key])
        assert list(row) == list(ours)
        for name in row:
            assert list(row[name]) == list(ours[name])
            assert_is(row[name], values_of(loaded.dataset, name, CASES[key]), loaded.dataset, name)


@pytest.mark.parametrize(
    "relative_errors",
    [
        {name: METRICS[name]["distribution"]["relative_error"] for name in METRICS if name != "plain"},
        {"fine": 0.003, "usual": 0.02, "wide": 0.04, "rounded": 0.05, "whole": 0.02},
        {"fine": 0.05, "usual": 0.05},
    ],
    ids=["at their own error", "at multiples", "at the largest"],
)
def test_rows_merge_to_the_sketch_of_the_whole(loaded: Loaded, relative_errors: dict[str, float]) -> None:
    devices: dict[str, list[Document]] = defaultdict(list)
    for (device, _), case in CASES.items():
        devices[device] += case
    found = loaded.recalled(relative_errors)
    assert found.keys() == devices.keys()
    for device, row in found.items():
        for name, error in relative_errors.items():
            values = values_of(loaded.dataset, name, devices[device])
            assert_is(row.get(name), values, loaded.dataset, name, step_of(error))


def test_the_rows_are_proven(loaded: Loaded) -> None:
    """Some metrics have no value at all, which a person says is in order."""
    dataset = loaded.stream.dataset
    sparse = {name: metric.model_copy(update={"sparse": True}) for name, metric in dataset.metrics.items()}
    proof = verify(loaded.stream.client, dataset.model_copy(update={"metrics": sparse}), DAY)
    assert proof.failed == []
    assert proof.state == "verified"


# Values that hypothesis finds, and makes small when they fail

magnitudes = st.one_of(
    st.floats(SMALLEST, 1e300),
    st.floats(SMALLEST, SMALLEST_NORMAL),
    st.integers(-1074, 996).map(lambda power: 2.0**power),
    st.integers(1, 2**53).map(float),
    st.sampled_from(AT_BORDERS),
)
doubles = st.one_of(magnitudes, magnitudes.map(lambda x: -x), st.sampled_from([0.0, -0.0]))
some_documents = st.lists(st.fixed_dictionaries({"v": st.lists(doubles, max_size=4)}), min_size=1, max_size=80)


@pytest.fixture(scope="module")
def spare(make_stream: StreamFactory) -> Stream:
    """A stream whose documents are told apart by their device."""
    stream = make_stream(TYPES, 2, history={"group_by": ["device"]}, **DEFINITION)
    stream.create()
    return stream


NUMBERS = count()


@given(some_documents)
@settings(max_examples=40)
def test_any_values_give_the_bytes_of_python(spare: Stream, documents: list[Document]) -> None:
    device = f"d{next(NUMBERS)}"
    spare.write([sent((device, 0), document) for document in documents])
    aggs = {kind: condense_metric(spare.dataset, finished=kind == "finished") for kind in ("finished", "states")}
    body = {"size": 0, "query": {"term": {"device": device}}, "aggs": aggs}
    found = spare.client.search(index=spare.dataset.raw_index(DAY), body=body)["aggregations"]
    ours = row_of_states(spare.dataset, list(METRICS), found["states"]["value"])
    for name in ("fine", "usual", "wide", "coarse"):
        values = values_of(spare.dataset, name, documents)
        assert_is(ours.get(name), values, spare.dataset, name)
        assert_is(found["finished"]["value"].get(name), values, spare.dataset, name)


# Rows of several errors, and rows that are none


def test_rows_of_two_errors_merge_at_the_coarser_one(make_stream: StreamFactory) -> None:
    rng = random.Random(5)
    one = make_stream(TYPES, metrics={"m": metric("v", 0.01)}, history={"group_by": ["device"]})
    parts = {"metrics": {"m": metric("v", 0.02)}, "history": {"group_by": ["device"]}}
    other = Stream(one.client, dataset_of(one.dataset.name, **parts), TYPES)
    values = [[rng.gauss(0, 9) for _ in range(200)] for _ in range(2)]
    for stream, day, sample in zip((one, other), (DAY, DAY + timedelta(days=1)), values, strict=True):
        stream.write([{"@timestamp": day.isoformat(), "device": "d", "v": value} for value in sample], day)
        stream.condense(day)

    def recall(error: float) -> dict[str, Any]:
        aggs = {"m": recall_metric(other.dataset, ["m"], {"m": error})}
        answer = one.client.search(index=one.dataset.month_index(DAY), body={"size": 0, "aggs": aggs})
        return row_of_states(other.dataset, ["m"], answer["aggregations"]["m"]["value"])["m"]

    for error in (0.02, 0.04):
        assert_is(recall(error), values[0] + values[1], other.dataset, "m", step_of(error))
    for error, reason in ((0.01, r"step 20 cannot be read in steps of 10"), (0.025, r"step [12]0 cannot .* of 25")):
        with pytest.raises(RequestError) as refusal:
            recall(error)
        assert re.search(rf"\(A sketch of {reason}\)", explain(refusal.value))


def test_damaged_rows_are_refused_or_read_differently(make_stream: StreamFactory) -> None:
    """Whatever the bytes, the node answers soon, and with an error of the request at worst."""
    rng = random.Random(11)
    stream = make_stream(TYPES, metrics={"m": metric("v", 0.01)}, history={"group_by": ["device"]})
    stream.write([sent(("d", 0), {"v": rng.gauss(0, 9)}) for _ in range(40)])
    stream.condense()
    (row,) = stream.rows().values()
    sound = base64.b64decode(row["metrics"]["m"]["sketch"])
    rows: list[dict[str, Any]] = []
    for _ in range(60):
        data = bytearray(sound)
        for at in (rng.randrange(3), rng.randrange(len(data))):
            data[at] = rng.randrange(256)
        rows.append({"m": {"count": 40, "sketch": base64.b64encode(data).decode()}})
    assert refusals(stream, rows) > 10


# Sums and limits


def test_sums_carry_the_digits_that_additions_drop(make_stream: StreamFactory) -> None:
    rng = random.Random(3)
    cases = {
        "cancelling": [1e16, 1.0, -1e16] * 40,
        "tenths": [0.1] * 1000,
        "wide": [rng.lognormvariate(0, 20) * rng.choice((1, -1)) for _ in range(500)],
        "limits": [LARGEST, -LARGEST, SMALLEST_NORMAL, -SMALLEST_NORMAL, SMALLEST],
    }
    stream = make_stream(TYPES, 2, history={"group_by": ["device"]}, **DEFINITION)
    documents = [sent((name, 0), {"v": value}) for name, values in cases.items() for value in values]
    for batch in range(3):
        stream.write(documents[batch::3])
    for finished in (False, True):
        for (device, _), value in Loaded(stream, Layout(2, 3)).buckets(finished).items():
            row = value if finished else row_of_states(stream.dataset, list(METRICS), value)
            assert row["usual"]["sum"] == pytest.approx(math.fsum(cases[device]), rel=1e-15)
            assert_is(row["fine"], cases[device], stream.dataset, "fine")


def test_sums_of_rows_carry_them_too(make_stream: StreamFactory) -> None:
    stream = make_stream(TYPES, history={"group_by": ["device"]}, **DEFINITION)
    stream.write([sent(("d", hour), {"v": value}) for hour, value in enumerate((1e16, 1.0, -1e16, 0.25))])
    stream.condense()
    assert Loaded(stream, Layout(1, 1)).recalled({"usual": 0.01})["d"]["usual"]["sum"] == 1.25


# Speed


def compilations(client: OpenSearch) -> int:
    nodes = client.nodes.stats(metric="script")["nodes"].values()
    return sum(node["script"]["compilations"] for node in nodes)


def test_scripts_are_compiled_once_for_all_datasets_and_days(client: OpenSearch, make_stream: StreamFactory) -> None:
    def search_once(metrics: dict[str, Any]) -> int:
        stream = make_stream(TYPES, metrics=metrics, history={"group_by": ["device"]})
        stream.write([sent(("d", 0), {"v": 1.0})])
        before = compilations(client)
        for finished in (False, True):
            body = rows_body(stream.dataset, {"match_all": {}}, None, finished=finished)
            client.search(index=stream.dataset.raw_index(DAY), body=body)
        return compilations(client) - before

    search_once(METRICS)  # may be the first on this node
    # Other tests compile scripts of theirs on the same node: they can add to a count, but never hide ours.
    attempts = (search_once({"m": metric("v", error)}) for error in (0.02, 0.03, 0.04, 0.05))
    assert any(compiled == 0 for compiled in attempts)
