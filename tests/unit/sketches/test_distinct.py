"""Distinct counts in a definition, in a month, in the scripts and in what is made of their states."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused
from opensearch_strata.history.buckets.aggregation import proof_body, words_body
from opensearch_strata.history.buckets.partials import merged_of_states, row_of_states, split_metrics
from opensearch_strata.history.buckets.scripts import condense_metric, recall_metric
from opensearch_strata.history.condense.replaceable import shortfall
from opensearch_strata.history.month.mapping import conflicts, grown_meta, month_mapping, month_meta
from opensearch_strata.history.query.question import Question
from opensearch_strata.sketches.hyperloglog import Registers, estimate, pack
from tests.streams import dataset_of, definition_of

NUMBERS: dict[str, Any] = definition_of("t")["metrics"]
USERS: dict[str, Any] = {"field": "user", "stats": ["count"], "distribution": {"distinct": {"error": 0.05}}}
STATUS: dict[str, Any] = {"field": "status", "stats": ["count"], "distribution": {"top_values": 3}}
NAMES = ["temperature", "load", "status", "users"]


def with_users(**changes: Any) -> Dataset:
    return dataset_of("t", metrics={**NUMBERS, "status": STATUS, "users": {**USERS, **changes}})


def seen(*values: str, precision: int = 9) -> Registers:
    registers = Registers(precision)
    for value in values:
        registers.see(value)
    return registers


def users(count: int) -> list[str]:
    return [f"u{number}" for number in range(count)]


# The definition


def test_a_dataset_knows_its_kinds_of_metrics_apart() -> None:
    dataset = with_users()
    assert dataset.distinct == {"users": 0.05}
    assert dataset.top_values == {"status": 3}
    assert dataset.counted == {"status", "users"}
    assert split_metrics(dataset, NAMES) == (["temperature", "load"], ["status"], ["users"])
    assert [dataset.distribution_leaf(name) for name in NAMES] == [["sketch"], [], ["top"], ["registers"]]
    assert dataset.decimals("users") is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"distribution": {"distinct": {"error": 0.02}, "top_values": 3}}, "needs one of relative_error"),
        ({"distribution": {"distinct": {}}}, "Field required"),
        ({"distribution": {"distinct": {"error": 0.009}}}, "greater than or equal to 0.01"),
        ({"distribution": {"distinct": {"error": 0.2}}}, "less than or equal to 0.1"),
        ({"stats": ["count", "max"]}, "a metric with distinct is counted, not measured; set its stats to [count]"),
        ({"unit": "°C"}, "a metric with distinct counts names, which have no unit; remove unit"),
        ({"decimals": 0}, "which have no decimals; remove decimals"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        with_users(**changes)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("kind", ["keyword", "boolean", "ip", "byte", "short", "integer", "long"])
def test_names_and_whole_numbers_can_be_counted(kind: str) -> None:
    assert with_users().type_problems({"user": kind}) == []


@pytest.mark.parametrize("kind", ["text", "double", "date", "geo_point"])
def test_nothing_else_can_be_counted(kind: str) -> None:
    (problem,) = with_users().type_problems({"user": kind})
    assert f"metrics.users.field: field 'user' is {kind}, but it must be a keyword" in problem


def test_the_fingerprint_knows_the_error_and_is_the_old_one_without_it() -> None:
    others = {with_users(distribution=kind).fingerprint for kind in ({"distinct": {"error": 0.02}}, {"top_values": 3})}
    assert with_users().fingerprint not in others
    # As release 0.1 computed it: months and marks bear it.
    assert dataset_of("t", metrics={"status": STATUS}).fingerprint == "4fa58a196a58a665"


# The month


def test_a_month_has_a_field_for_them() -> None:
    leaves = month_mapping(with_users(), {"device": "keyword", "site": "keyword"})["properties"]["metrics"]
    assert leaves["properties"]["users"]["properties"] == {
        "count": {"type": "long", "index": False},
        "registers": {"type": "binary", "doc_values": True},
    }


def test_another_error_is_no_conflict_and_none_is() -> None:
    meta = month_meta(with_users())
    other = with_users(distribution={"distinct": {"error": 0.02}})
    assert conflicts(meta, other) == []
    assert grown_meta(meta, other)["metrics"]["users"]["distinct_errors"] == [0.02, 0.05]
    assert conflicts(month_meta(with_users(distribution=None)), with_users()) == []
    lost = ["metrics.users.distribution: in the index, not in the definition"]
    assert conflicts(meta, with_users(distribution={"top_values": 3})) == lost


# The scripts


def sources(metric: dict[str, Any]) -> str:
    return "".join(script["source"] for key, script in metric["scripted_metric"].items() if key.endswith("_script"))


def test_a_dataset_without_distinct_counts_has_scripts_without_them() -> None:
    for dataset, is_there in ((dataset_of("t"), False), (with_users(), True)):
        for metric in (condense_metric(dataset), recall_metric(dataset, list(dataset.metrics), {})):
            assert ("raise(" in sources(metric)) is is_there
            assert ("sets" in metric["scripted_metric"]["params"]) is is_there
    assert condense_metric(with_users())["scripted_metric"]["params"]["sets"] == {
        "names": ["users"],
        "fields": ["user"],
        "precisions": [9],
    }


def test_a_raw_day_is_asked_for_their_number_by_the_servers_own_aggregation() -> None:
    assert "users" not in words_body(with_users())["aggs"]
    page = proof_body(with_users(), ["users"], {"match_all": {}}, None, 9)["aggs"]["rows"]["aggs"]
    assert page["server users"] == {"value_count": {"field": "user"}}


def state_of(registers: Registers | None, count: int, told: int | None = None) -> list[Any]:
    numbers = [[0.0] * 8, [0, 0], [None, None], [[[0, 0, 0], {}]]]
    text, tally = (pack(registers), registers.tally) if registers else (None, None)
    return [*numbers, [[[count, count if told is None else told], text, tally]]]


def test_states_become_a_row() -> None:
    few, more = seen(*users(3)), seen(*users(80))
    assert row_of_states(with_users(), NAMES, [state_of(few, 9), None]) == {
        "users": {"count": 9, "registers": pack(few)}
    }
    for states in ([state_of(few, 9), state_of(more, 90)], [state_of(more, 90), state_of(few, 9)]):
        assert row_of_states(with_users(), NAMES, states)["users"] == {"count": 99, "registers": pack(more)}
        assert merged_of_states(with_users(), NAMES, states)["users"]["distinct"].distinct == estimate(more.tally)
    assert row_of_states(with_users(), NAMES, [state_of(None, 0)]) == {}


def test_registers_that_lack_some_values_are_left_out() -> None:
    states = [state_of(seen("a"), 4), state_of(None, 3, told=0)]
    assert row_of_states(with_users(), NAMES, states) == {"users": {"count": 7}}
    found = merged_of_states(with_users(), NAMES, states)["users"]["distinct"]
    assert (found.count, found.told, found.wire, found.distinct) == (7, 4, None, None)


# Never poorer


@pytest.mark.parametrize(
    ("before", "now", "counts", "poorer"),
    [
        (seen(*users(3)), seen(*users(3)), (3, 3), False),
        (seen(*users(3)), seen(*users(4)), (3, 4), False),
        (seen(*users(3)), seen(*users(4)), (4, 4), True),
        (seen(*users(3)), seen("u0", "u1", "other", "another"), (3, 4), True),
        (seen(*users(80)), seen(*users(90), precision=7), (80, 90), False),
        (seen(*users(80)), seen(*users(80), precision=7), (80, 80), False),
        (seen(*users(80), precision=7), seen(*users(70)), (80, 80), True),
    ],
)
def test_a_raw_day_must_hold_the_registers_of_its_rows(
    before: Registers, now: Registers, counts: tuple[int, int], poorer: bool
) -> None:
    stored = {
        "transform._doc_count": counts[0],
        "metrics.users.count": counts[0],
        "metrics.users.registers": pack(before).rstrip("="),
    }
    made = {"_doc_count": counts[1], "metrics": {"users": {"count": counts[1], "registers": pack(now)}}}
    found = shortfall(with_users(), ["users"], stored, made)
    assert found == ("registers of users is not what the row carries" if poorer else "")


# The question


def test_only_a_metric_with_distinct_counts_is_asked_for_them() -> None:

    span = datetime(2024, 5, 6, tzinfo=UTC), datetime(2024, 5, 7, tzinfo=UTC)
    question = Question.checked(with_users(), *span, metrics=["users"], stats=["distinct"])
    assert question.leaves == ["registers"]
    for metric, sentence in (
        ("status", "'status' carries no distinct; it has count, top"),
        ("load", "'load' carries no distinct; it has count, sum"),
    ):
        with pytest.raises(Refused, match=sentence):
            Question.checked(with_users(), *span, metrics=[metric], stats=["distinct"])
    with pytest.raises(Refused, match="'users' carries no top; it has count, distinct"):
        Question.checked(with_users(), *span, metrics=["users"], stats=["top"])
