"""Rows against the totals of a manifest: equal, but for the last digits of sums."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from opensearch_strata.archive.store.manifest import Archived, Manifest, MetricTotals
from opensearch_strata.sketches import hyperloglog
from opensearch_strata.sketches.ddsketch import bin_of, pack, step_of
from opensearch_strata.workflows.audit.against_manifest import differences, unreadable_totals
from tests.streams import DAY, dataset_of

DATASET = dataset_of("shop")
STEP = step_of(0.01)


def manifest_of(values: list[float], documents: int | None = None, **metrics: Any) -> Manifest:
    sketch = pack(bins_of(values), STEP)
    totals = MetricTotals(count=len(values), min=min(values), max=max(values), sum=math.fsum(values), sketch=sketch)
    count = len(values) if documents is None else documents
    archived = Archived(key="k", documents=count, bytes=1, sha256="0" * 64)
    return Manifest(dataset="shop", day=DAY, objects=(archived,), metrics={"temperature": totals, **metrics})


def bins_of(values: list[float]) -> dict[int, int]:
    bins: dict[int, int] = {}
    for value in values:
        bins[bin_of(value, STEP)] = bins.get(bin_of(value, STEP), 0) + 1
    return bins


def rows_of(values: list[float]) -> dict[str, Any]:
    return {"count": len(values), "min": min(values), "max": max(values), "sum": sum(values), "bins": bins_of(values)}


numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


@given(numbers)
def test_the_same_values_in_whatever_order_do_not_differ(values: list[float]) -> None:
    assert differences(DATASET, manifest_of(values), len(values), {"temperature": rows_of(values[::-1])}) == []


@given(numbers, st.floats(1.0, 1e9), st.integers(0, 39))
def test_another_value_differs(values: list[float], more: float, place: int) -> None:
    assume(more > 1e-8 * sum(map(abs, values)))  # what a sum may differ by however it is added up
    other = [*values]
    other[place % len(values)] += more
    assert differences(DATASET, manifest_of(values), len(values), {"temperature": rows_of(other)})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"count": 4}, "count (4 instead of 3) of temperature"),
        ({"min": 0.5}, "min (0.5 instead of 1) of temperature"),
        ({"max": None}, "max (none instead of 4) of temperature"),
        ({"sum": 7.000001}, "sum (7.000001 instead of 7) of temperature"),
        ({"bins": bins_of([1.0, 2.0, 2.0])}, "sketch (2 bins of it) of temperature"),
    ],
)
def test_what_differs_is_named(change: dict[str, Any], words: str) -> None:
    values = [1.0, 2.0, 4.0]
    totals = {"temperature": {**rows_of(values), **change}}
    assert differences(DATASET, manifest_of(values), 3, totals) == [words]


def test_documents_and_a_metric_without_rows() -> None:
    found = differences(DATASET, manifest_of([1.0], documents=5), 4, {})
    assert found[0] == "they carry 4 documents instead of 5"
    assert found[1] == "count (0 instead of 1) of temperature"


def test_metrics_of_another_definition_are_left_out() -> None:
    gone = MetricTotals(count=7, min=0.0, max=1.0)
    coarse = MetricTotals(count=1, min=1.0, max=1.0, sum=1.0, sketch=pack({bin_of(1.0, 20): 1}, 20))
    manifest = manifest_of([1.0], temperature=coarse, gone=gone)
    assert differences(DATASET, manifest, 1, {"temperature": rows_of([1.0])}) == []


def seen(*values: str, precision: int = 9) -> str:
    registers = hyperloglog.Registers(precision)
    for value in values:
        registers.see(value)
    return hyperloglog.pack(registers)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (seen("a", "b"), []),
        (seen("a", "b", precision=7), []),  # the definition has changed since
        (seen("a", "c"), ["registers of users"]),
        (seen("a", "b", "c"), ["registers of users"]),
        (seen("a"), ["registers of users"]),
    ],
)
def test_registers_are_of_the_same_values(rows: str, found: list[str]) -> None:
    users = {"field": "user", "stats": ["count"], "distribution": {"distinct": {"error": 0.05}}}
    dataset = dataset_of("shop", metrics={**DATASET.model_dump(mode="json")["metrics"], "users": users})
    manifest = manifest_of([1.0], users=MetricTotals(count=3, registers=seen("a", "b")))
    totals = {"temperature": rows_of([1.0]), "users": {"count": 3, "registers": rows}}
    assert differences(dataset, manifest, 1, totals) == found


def test_registers_that_cannot_be_read_are_named() -> None:
    manifest = manifest_of([1.0], users=MetricTotals(count=3, registers="damaged"))
    assert unreadable_totals(manifest).startswith("the registers of users cannot be read (")
