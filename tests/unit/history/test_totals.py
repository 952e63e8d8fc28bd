"""The states of shards and slices become the row that the whole would have given."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opensearch_strata.errors import Refused
from opensearch_strata.history.buckets.partials import (
    State,
    counts_of_states,
    distinct_of_states,
    joined,
    merged_of_states,
    row_of_states,
)
from opensearch_strata.sketches import hyperloglog
from opensearch_strata.sketches.ddsketch import bins_of, pack
from tests.sketches import LARGEST
from tests.streams import dataset_of

ALL = ["min", "max", "sum", "count", "avg"]
DATASET = dataset_of(
    "t",
    metrics={
        "full": {"field": "f", "stats": ALL, "distribution": {"relative_error": 0.02}},
        "lean": {"field": "f", "stats": ["sum", "count"]},
        "counted": {"field": "f", "stats": ["count"]},
        "cents": {"field": "c", "stats": ALL, "decimals": 2, "distribution": {"relative_error": 0.01}},
    },
)
NAMES = list(DATASET.metrics)

values = st.one_of(st.floats(-1e6, 1e6), st.floats(-1e300, 1e300), st.integers(-50, 50).map(float))
parts = st.lists(st.lists(values, max_size=8), min_size=1, max_size=5)


def state_of(numbers: list[float], cents: list[int]) -> State:
    """What a shard sends of these values, as its JSON is read: what is infinite is a word."""
    sums: list[float] = []
    for name in NAMES:
        found: list[float] = [cent / 100 for cent in cents] if name == "cents" else numbers
        total = math.fsum(cents if name == "cents" else numbers)
        sums += [total, 0.0, min(found, default=math.inf), max(found, default=-math.inf)]
    sketches = [
        pack(bins_of(numbers, 20), 20) if numbers else None,
        *(None, None),
        pack(bins_of([cent / 100 for cent in cents], 10), 10) if cents else None,
    ]
    return as_answered([sums, [len(numbers)] * 3 + [len(cents)], sketches])


def as_answered(state: Any) -> State:
    answered: State = json.loads(json.dumps(state), parse_constant=str)
    return answered


@given(parts, st.lists(st.integers(-(10**9), 10**9), max_size=8))
@example([[1.0], []], [])
@example([[], []], [3])
@example([[-0.0], [0.0]], [0])
def test_states_merge_to_the_row_of_the_whole(parts: list[list[float]], cents: list[int]) -> None:
    states = [state_of(numbers, cents if place == 0 else []) for place, numbers in enumerate(parts)]
    row = row_of_states(DATASET, NAMES, [None, *states, None])
    numbers = [number for part in parts for number in part]
    assert set(row) == {name for name in NAMES if (cents if name == "cents" else numbers)}
    if numbers:
        total = pytest.approx(math.fsum(numbers), rel=1e-12, abs=1e-25 * math.fsum(map(abs, numbers)))
        assert row["full"]["sum"] == row["lean"]["sum"] == total
        assert row["full"] == {
            **{"min": min(numbers), "max": max(numbers), "sum": row["full"]["sum"]},
            **{"avg": row["full"]["sum"] / len(numbers), "count": len(numbers)},
            "sketch": pack(bins_of(numbers, 20), 20),
        }
        assert row["lean"] == {"sum": row["full"]["sum"], "count": len(numbers)}
        assert row["counted"] == {"count": len(numbers)}
    if cents:
        assert row["cents"]["sum"] == sum(cents) / 100
        assert (row["cents"]["min"], row["cents"]["max"]) == (min(cents) / 100, max(cents) / 100)


@given(parts, st.sets(st.integers(0, 4)))
def test_sketches_of_rows_and_of_documents_merge_alike(parts: list[list[float]], of_rows: set[int]) -> None:
    states = [state_of(numbers, []) for numbers in parts]
    for place in of_rows & set(range(len(parts))):
        if parts[place]:
            states[place][2][0] = as_merged_rows(parts[place])
    numbers = [number for part in parts for number in part]
    wire, plain = (of_states(DATASET, ["full"], states).get("full") for of_states in (row_of_states, merged_of_states))
    if numbers:
        assert wire
        assert plain
        assert plain.pop("bins") == bins_of(numbers, 20)
        assert wire.pop("sketch") == pack(bins_of(numbers, 20), 20)
    assert wire == plain


def as_merged_rows(numbers: list[float]) -> list[Any]:
    """A sketch as ``recall_combine.painless`` sends it."""
    bins = bins_of(numbers, 20)
    ordered = sorted(bins)
    distances = [after - before for before, after in pairwise([0, *ordered])]
    return [20, distances, [bins[index] for index in ordered]]


@given(parts, st.lists(st.integers(-(10**9), 10**9), max_size=8), st.integers(0, 5))
def test_states_joined_on_the_way_give_the_same_totals(parts: list[list[float]], cents: list[int], first: int) -> None:
    states: list[State | None] = [state_of(numbers, cents) for numbers in parts]
    on_the_way = [joined(DATASET, NAMES, [*states[:first], None]), *states[first:]]
    whole, found = (merged_of_states(DATASET, NAMES, some, finite=False) for some in (states, on_the_way))
    assert found.keys() == whole.keys()
    for name, row in whole.items():
        assert found[name].pop("bins", None) == row.pop("bins", None)
        assert found[name] == pytest.approx(row, rel=1e-12, abs=1e-290, nan_ok=True)


def test_distinct_values_joined_on_the_way_are_the_same() -> None:
    sets = dataset_of(
        "s", metrics={"who": {"field": "who", "stats": ["count"], "distribution": {"distinct": {"error": 0.05}}}}
    )

    def state(*values: str) -> State:
        registers = hyperloglog.Registers(hyperloglog.precision_of(sets.distinct["who"]))
        for value in values:
            registers.see(value)
        return [[], [], [], [], [[[len(values)] * 2, hyperloglog.pack(registers), registers.tally]]]

    states: list[State | None] = [state("a", "b"), state("b", "c"), state("d")]
    on_the_way: list[State | None] = [joined(sets, ["who"], states[:2]), states[2]]
    whole, found = (distinct_of_states(sets, ["who"], some)["who"] for some in (states, on_the_way))
    assert (found.count, found.wire, found.distinct) == (whole.count, whole.wire, whole.distinct)
    assert found.distinct == 4
    lacking: State = [[], [], [], [], [[[3, 0], None, None]]]
    assert distinct_of_states(sets, ["who"], [joined(sets, ["who"], [lacking]), states[0]])["who"].distinct is None


def test_counted_values_joined_on_the_way_are_the_same() -> None:
    words = dataset_of(
        "w",
        metrics={
            "load": {"field": "load", "stats": ["sum", "count"]},
            "site": {"field": "site", "stats": ["count"], "distribution": {"top_values": 2}},
        },
    )
    names = list(words.metrics)
    states: list[State | None] = [
        [[1.0, 0.0, 1.0, 1.0], [1], [None], [[[3, 3, 0], {"a": [2, 0], "b": [1, 0]}]]],
        [[5.0, 0.0, 2.0, 3.0], [2], [None], [[[4, 3, 1], {"b": [3, 1]}]]],
        [[7.0, 0.0, 7.0, 7.0], [1], [None], [[[1, 1, 0], {"c": [1, 0]}]]],
    ]
    on_the_way: list[State | None] = [joined(words, names, states[:2]), states[2]]
    assert counts_of_states(words, names, on_the_way) == counts_of_states(words, names, states)
    assert merged_of_states(words, ["load"], on_the_way)["load"] == {"sum": 13.0, "count": 4}


@given(st.permutations([[1e16], [1.0], [-1e16], [0.25], [], [1e-9]]))
def test_sums_do_not_depend_on_the_order_of_the_states(parts: list[list[float]]) -> None:
    states = [state_of(numbers, []) for numbers in parts]
    assert row_of_states(DATASET, NAMES, states)["lean"]["sum"] == 1.25 + 1e-9


def test_what_additions_dropped_counts() -> None:
    large = [[1e16, 1.5, -1.0, 1e16] * 4, [3] * 4, [None] * 4]
    opposite = [[-1e16, 0.0, -1e16, 1.0] * 4, [2] * 4, [None] * 4]
    assert row_of_states(DATASET, ["lean"], [large]) == {"lean": {"sum": 1e16 + 2, "count": 3}}
    assert row_of_states(DATASET, ["lean"], [large, opposite]) == {"lean": {"sum": 1.5, "count": 5}}


def test_nothing_comes_of_nothing() -> None:
    assert row_of_states(DATASET, NAMES, []) == {}
    assert row_of_states(DATASET, NAMES, [None]) == {}
    assert row_of_states(DATASET, NAMES, [state_of([], [])]) == {}


def test_metrics_come_in_the_order_that_the_script_was_given() -> None:
    state = as_answered([[5.0, 0.0, 5.0, 5.0, 700.0, 0.0, 7.0, 7.0], [1, 1], [None, None]])
    row = row_of_states(DATASET, ["lean", "cents"], [state])
    assert (row["lean"]["sum"], row["cents"]["sum"]) == (5.0, 7.0)


@pytest.mark.parametrize("shards", [1, 2])
def test_a_sum_beyond_all_doubles_is_refused_where_it_is_wanted(shards: int) -> None:
    overflown = as_answered([[math.inf, math.nan, -1.0, LARGEST] * 4, [2] * 4, [None] * 4])
    assert overflown[0][:2] == ["Infinity", "NaN"]
    states = [overflown] * shards
    assert row_of_states(DATASET, ["counted"], states) == {"counted": {"count": 2 * shards}}
    with pytest.raises(Refused, match=r"'f' .* add up to more than a number can hold, so metric 'lean' of 't'"):
        row_of_states(DATASET, ["lean"], states)
