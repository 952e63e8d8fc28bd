"""Top values: exact while rows have no rest, within their stated bound however they are merged."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.files import dataset_schema
from opensearch_strata.history.buckets.aggregation import proof_body, words_body
from opensearch_strata.history.buckets.partials import row_of_states
from opensearch_strata.history.buckets.scripts import condense_metric, recall_metric
from opensearch_strata.history.month.mapping import conflicts, grown_meta, month_mapping, month_meta
from opensearch_strata.sketches import top_values
from opensearch_strata.sketches.top_values import (
    NO_TERMS,
    CountedValue,
    Top,
    ValueCounts,
    contradictions,
    occurrences,
    pack,
    unpack,
)
from tests.streams import TYPES, dataset_of, definition_of

NUMBERS: dict[str, Any] = definition_of("t")["metrics"]
STATUS: dict[str, Any] = {"field": "status", "stats": ["count"], "distribution": {"top_values": 3}}


def counted(*values: str) -> ValueCounts:
    counts = ValueCounts()
    for value in values:
        counts.see(value)
    return counts


def with_status(**changes: Any) -> Dataset:
    return dataset_of("t", metrics={**NUMBERS, "status": {**STATUS, **changes}})


def text_of(top: Top) -> str:
    return base64.b64decode(pack(top)).decode()


# What a row says


def test_all_values_of_a_bucket_are_counted() -> None:
    top = counted("200", "404", "200", "200").top(20)
    assert top == Top((CountedValue("200", 3, 3), CountedValue("404", 1, 1)))
    assert (top.count, top.missed) == (4, 0)


def test_the_most_frequent_are_kept_and_ties_go_by_value() -> None:
    top = counted("c", "b", "b", "d", "a", "a").top(2)
    assert top == Top((CountedValue("a", 2, 2), CountedValue("b", 2, 2)), rest=2, bound=1)


def test_values_are_ordered_as_java_orders_them() -> None:
    # Of U+1F600, the first UTF-16 code unit is below U+FFEE.
    assert [value for value, _, _ in counted("\uffee", "\U0001f600").top().listed] == ["\U0001f600", "\uffee"]


@pytest.mark.parametrize(
    ("top", "text"),
    [
        (counted("2.1.0", "2.1.0").top(20), "1;2 2.1.0"),
        (counted("200", "404", "200", "500").top(1), "1 2 1;2 200"),
        (Top((CountedValue("a", 9, 11),), rest=5, bound=4), "1 5 4 2;9 a"),
        (counted("a;b %3B", "a;b %3B", "").top(), "1;2 a%3Bb %253B;1 "),
        (Top(()), "1"),
    ],
)
def test_wire_form_as_documented(top: Top, text: str) -> None:
    assert text_of(top) == text
    assert unpack(pack(top)) == top


listed = st.lists(st.tuples(st.text(), st.integers(1, 2**62)), unique_by=lambda pair: pair[0], max_size=20)


@given(listed, st.integers(1, 2**62), st.integers(0, 2**31), st.integers(0, 2**31))
def test_what_is_packed_is_unpacked(pairs: list[tuple[str, int]], rest: int, bound: int, missed: int) -> None:
    top = Top(tuple(CountedValue(value, low, low + missed) for value, low in pairs), rest, bound)
    assert unpack(pack(top)) == top


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("%%%", "cannot be read"),
        ("MQ", "cannot be read"),
        (base64.b64encode(b"1;\xff").decode(), "cannot be read"),
        (base64.b64encode(b"1;200").decode(), "cannot be read"),
        (base64.b64encode(b"1;x 200").decode(), "cannot be read"),
        (base64.b64encode(b"").decode(), "cannot be read"),
        (base64.b64encode(b"2;4 200").decode(), "is not of version 1; read it with the release that wrote it"),
    ],
)
def test_what_is_no_wire_form_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        unpack(text)


# The guarantee

LIMIT = 6
"""Instead of 1,000, so that examples get there."""

values = st.sampled_from([*"aaaaabbbc", *map(str, range(12))])
shards_of_rows = st.lists(st.lists(st.lists(values, max_size=40), min_size=1, max_size=3), min_size=1, max_size=8)
Rows = list[list[list[str]]]


def row_of(shards: list[list[str]], limit: int) -> Top:
    """The row of one bucket, as an engine writes it: counted by shard, sent, added up, cut, packed."""
    states = [json.loads(json.dumps(state_of(counted(*shard)))) for shard in shards]
    return unpack(pack(ValueCounts.of_states(states).top(limit)))


def state_of(counts: ValueCounts) -> list[Any]:
    return [[counts.count, counts.told, counts.bound], counts.cells]


def merged(rows: list[Top], parts: int) -> ValueCounts:
    """Rows added up in several places, then together."""
    counts = [ValueCounts() for _ in range(parts)]
    for number, row in enumerate(rows):
        counts[number % parts].add_row(row.count, row)
    total = ValueCounts()
    for each in counts:
        total.add(ValueCounts.of_states([state_of(each)]))
    return total


def assert_true(top: Top, truth: Counter[str]) -> None:
    """Every statement of a result holds of the values that were counted."""
    assert top.count == truth.total()
    for value, low, high in top.listed:
        assert low <= truth[value] <= high
    unlisted = set(truth) - {value for value, _, _ in top.listed}
    assert max((truth[value] for value in unlisted), default=0) <= top.bound
    assert top.rest == truth.total() - sum(low for _, low, _ in top.listed)
    assert max(top.bound, top.missed) <= top.rest


@given(shards_of_rows, st.integers(1, 4), st.integers(1, 3), st.integers(1, 20), st.randoms())
def test_the_true_count_is_always_within_what_is_stated(
    rows: Rows, limit: int, parts: int, shown: int, rng: Any
) -> None:
    truth = Counter(value for shards in rows for shard in shards for value in shard)
    with patch.object(top_values, "LIMIT", LIMIT):
        kept = [row_of(shards, limit) for shards in rows]
        rng.shuffle(kept)
        everything = merged(kept, parts)
    assert len(everything.cells) <= LIMIT
    assert everything.told == truth.total()
    assert_true(everything.top(), truth)
    assert_true(everything.top(shown), truth)
    for shards, row in zip(rows, (row_of(shards, limit) for shards in rows), strict=True):
        assert_true(row, Counter(value for shard in shards for value in shard))


@given(shards_of_rows, st.integers(1, 4), st.integers(1, 3))
def test_the_bound_is_a_known_share_of_all_values(rows: Rows, limit: int, parts: int) -> None:
    with patch.object(top_values, "LIMIT", LIMIT):
        top = merged([row_of(shards, limit) for shards in rows], parts).top()
    assert max(top.bound, top.missed) <= top.count / (limit + 1) + 2 * top.count / (LIMIT + 1)


@given(shards_of_rows, st.integers(1, 3), st.integers(1, 3), st.randoms())
def test_merging_is_free_of_order(rows: Rows, limit: int, parts: int, rng: Any) -> None:
    kept = [row_of(shards, limit) for shards in rows]
    once = merged(kept, 1).top()
    rng.shuffle(kept)
    assert merged(kept, parts).top() == once


@given(shards_of_rows, st.integers(1, 3), st.randoms())
def test_all_is_exact_while_no_row_has_a_rest(rows: Rows, parts: int, rng: Any) -> None:
    truth = Counter(value for shards in rows for shard in shards for value in shard)
    kept = [row_of(shards, 20) for shards in rows]
    assert all(row.rest == 0 for row in kept)
    rng.shuffle(kept)
    top = merged(kept, parts).top()
    assert {value: (low, high) for value, low, high in top.listed} == {v: (n, n) for v, n in truth.items()}
    assert (top.rest, top.bound) == (0, 0)


def test_a_thousand_values_are_exact_and_one_more_is_a_matter_of_one() -> None:
    names = [f"v{number:04}" for number in range(top_values.LIMIT)]
    counts = counted(*names, *names)
    assert (counts.bound, len(counts.cells)) == (0, 1000)
    counts.see("one more")
    assert (counts.bound, len(counts.cells)) == (1, 1000)
    assert counts.top(20).listed[0] == CountedValue("v0000", 1, 2)


def test_a_row_without_a_distribution_may_hide_anything() -> None:
    counts = ValueCounts()
    counts.add_row(10, counted(*["a"] * 10).top())
    counts.add_row(3, None)
    assert counts.top() == Top((CountedValue("a", 10, 13),), rest=3, bound=3)


# The proof


def terms_of(*values: str, size: int = 100, error: int = 0) -> dict[str, Any]:
    found = Counter(values).most_common()
    return {
        "buckets": [{"key": v, "doc_count": n, "doc_count_error_upper_bound": error} for v, n in found[:size]],
        "sum_other_doc_count": sum(n for _, n in found[size:]),
        "doc_count_error_upper_bound": error,
    }


def test_what_is_counted_right_contradicts_nothing() -> None:
    documents = ["a"] * 5 + ["b"] * 3 + ["c"]
    for size in (1, 2, 3):
        assert contradictions(counted(*documents), terms_of(*documents, size=size)) == []
        assert occurrences(terms_of(*documents, size=size)) == 9
    assert contradictions(ValueCounts(), NO_TERMS) == []


@pytest.mark.parametrize(
    ("rows", "size", "error", "wrong"),
    [
        ("aaaabbb", 9, 0, ["a"]),
        ("aaaaaabb", 9, 0, ["a", "b"]),
        ("aaaaabbx", 9, 0, ["b", "x"]),
        ("aaaaab", 9, 0, ["b"]),
        ("aaaaaabbb", 9, 1, []),  # the server says itself that it may be one too low
        ("aaaaaccc", 1, 0, []),  # a value that the server left out: at most 3 of others
        ("xxxxxxaa", 1, 0, ["a", "x"]),
    ],
)
def test_what_is_counted_wrong_contradicts_the_server(rows: str, size: int, error: int, wrong: list[str]) -> None:
    assert contradictions(counted(*rows), terms_of(*"aaaaabbb", size=size, error=error)) == wrong


def test_a_bound_contradicts_what_occurred_more_often() -> None:
    counts = ValueCounts()
    counts.add_row(8, Top((CountedValue("a", 5, 5),), rest=3, bound=2))
    assert contradictions(counts, terms_of(*"aaaaabbb")) == ["b"]


def test_names_of_booleans_and_numbers_are_those_of_the_scripts() -> None:
    terms = terms_of("a")
    terms["buckets"] = [
        {"key": 1, "key_as_string": "true", "doc_count": 1, "doc_count_error_upper_bound": 0},
        {"key": 404, "doc_count": 1, "doc_count_error_upper_bound": 0},
    ]
    assert contradictions(counted("true", "404"), terms) == []


# The definition


def test_a_dataset_knows_its_two_kinds_of_distribution_apart() -> None:
    dataset = with_status()
    assert dataset.top_values == {"status": 3}
    assert dataset.sketches == {"temperature": 0.01}
    whole = with_status(field="load")
    assert (
        Dataset.model_validate({**whole.model_dump(), "raw": {"index": "t-{day}", "fields": TYPES}}).decimals("status")
        is None
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"distribution": {}}, "needs one of relative_error (for a number), top_values and distinct (for a keyword)"),
        ({"distribution": {"top_values": 3, "relative_error": 0.01}}, "needs one of relative_error"),
        ({"distribution": {"top_values": 0}}, "greater than or equal to 1"),
        ({"distribution": {"top_values": 21}}, "less than or equal to 20"),
        ({"stats": ["count", "max"]}, "a metric with top_values is counted, not measured; set its stats to [count]"),
        ({"unit": "°C"}, "a metric with top_values counts names, which have no unit; remove unit"),
        ({"decimals": 0}, "which have no decimals; remove decimals"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        with_status(**changes)
    assert sentence in str(caught.value)


def test_editors_know_the_kinds_apart() -> None:
    distribution = json.loads(dataset_schema())["$defs"]["Distribution"]
    kinds = ("relative_error", "top_values", "distinct")
    assert distribution["oneOf"] == [{"required": [kind]} for kind in kinds]


@pytest.mark.parametrize("kind", ["keyword", "boolean", "ip", "byte", "short", "integer", "long"])
def test_names_and_whole_numbers_have_top_values(kind: str) -> None:
    assert with_status().type_problems({"status": kind}) == []


@pytest.mark.parametrize("kind", ["text", "double", "scaled_float", "date", "geo_point"])
def test_nothing_else_has_top_values(kind: str) -> None:
    (problem,) = with_status().type_problems({"status": kind})
    assert f"metrics.status.field: field 'status' is {kind}, but it must be a keyword (boolean, byte," in problem
    assert problem.endswith("name another field or a multi-field such as status.keyword")


@pytest.mark.parametrize("changes", [{"distribution": {"top_values": 4}}, {"distribution": None}])
def test_the_fingerprint_knows_top_values(changes: dict[str, Any]) -> None:
    assert with_status(**changes).fingerprint != with_status().fingerprint


def test_a_month_has_a_field_for_them() -> None:
    leaves = month_mapping(with_status(), {"device": "keyword", "site": "keyword"})["properties"]["metrics"]
    assert leaves["properties"]["status"]["properties"] == {
        "count": {"type": "long", "index": False},
        "top": {"type": "binary", "doc_values": True},
    }


def test_another_number_of_values_is_no_conflict_and_none_is() -> None:
    meta = month_meta(with_status())
    assert conflicts(meta, with_status(distribution={"top_values": 20})) == []
    assert grown_meta(meta, with_status(distribution={"top_values": 20}))["metrics"]["status"]["top_values"] == 20
    assert conflicts(month_meta(with_status(distribution=None)), with_status()) == []
    lost = ["metrics.status.distribution: in the index, not in the definition"]
    assert conflicts(meta, with_status(distribution=None)) == lost
    assert conflicts(meta, with_status(stats=["min", "max", "count"], distribution={"relative_error": 0.01})) == lost


# The scripts


def sources(metric: dict[str, Any]) -> list[str]:
    return [script["source"] for key, script in metric["scripted_metric"].items() if key.endswith("_script")]


@pytest.mark.parametrize(
    "script",
    [
        lambda dataset: condense_metric(dataset),
        lambda dataset: condense_metric(dataset, finished=False),
        lambda dataset: recall_metric(dataset, list(dataset.metrics), {}),
    ],
)
def test_a_dataset_without_top_values_has_scripts_without_them(script: Callable[[Dataset], dict[str, Any]]) -> None:
    without, with_them = script(dataset_of("t")), script(with_status())
    assert not any("tally" in source for source in sources(without))
    assert "tops" not in without["scripted_metric"]["params"]
    assert any("tally" in source for source in sources(with_them))
    assert with_them["scripted_metric"]["params"]["names"] == ["temperature", "load"]


def test_a_row_is_of_both_kinds() -> None:
    words = [[[3, 3, 0], {"200": [2, 0], "500": [1, 0]}]]
    states = [[[0.0, 0.0, 1.0, 2.0, 8.0, 0.0, 3.0, 5.0], [0, 2], [None, None], words], None]
    row = row_of_states(with_status(), ["temperature", "load", "status"], states)
    top = pack(Top((CountedValue("200", 2, 2), CountedValue("500", 1, 1))))
    assert row == {"load": {"sum": 8.0, "count": 2}, "status": {"count": 3, "top": top}}


def test_a_metric_without_values_is_left_out_of_the_row() -> None:
    states = [[[0.0] * 8, [0, 0], [None, None], [[[0, 0, 0], {}]]]]
    assert row_of_states(with_status(), ["temperature", "load", "status"], states) == {}


def test_a_raw_day_is_asked_for_its_values_by_the_servers_own_aggregation() -> None:
    assert words_body(with_status())["aggs"]["status"]["terms"]["field"] == "status"
    page = proof_body(with_status(), ["status"], {"match_all": {}}, None, 9)["aggs"]["rows"]["aggs"]
    assert page["server status"] == {"value_count": {"field": "status"}}
