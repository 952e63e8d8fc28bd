"""Rules that name events: what is one, how a person reads it, and what a row of the ledger keeps of them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.loading.event_rules import NO_RULES, EventRule, RuleMarks, marks_of
from tests.streams import definition_of


def rule(**stated: Any) -> EventRule:
    return EventRule.model_validate(stated)


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        ({"log_group": "/aws/lambda/*"}, "{log_group: /aws/lambda/*}"),
        ({"log_group": ["a*", "b*"], "log_stream": ["c"]}, "{log_group: [a*, b*], log_stream: c}"),
        ({"field": "status", "in": [404, "x", True, 1.5]}, "{field: status, in: [404, x, true, 1.5]}"),
        ({"field": "path", "like": "/health*"}, "{field: path, like: /health*}"),
        ({"field": "level", "level_below": "info"}, "{field: level, level_below: info}"),
        ({"field": "ms", "above": 0.5, "below": 5}, "{field: ms, below: 5, above: 0.5}"),
        ({"field": "user.id", "exists": False}, "{field: user.id, exists: false}"),
    ],
)
def test_a_rule_reads_as_it_is_written(stated: dict[str, Any], shown: str) -> None:
    assert str(rule(**stated)) == shown
    assert EventRule.model_validate(rule(**stated).model_dump(mode="json")) == rule(**stated)


@pytest.mark.parametrize(
    ("stated", "sentence"),
    [
        ({}, "names no events; give it a field, a log_group or a log_stream"),
        ({"field": "a"}, "says nothing about the field 'a'; add in, like"),
        ({"in": [1]}, "in needs the field that it is about; add field"),
        ({"log_group": "a", "below": 5}, "below needs the field that it is about; add field"),
        ({"field": "a", "below": True}, "should be a valid number"),
        ({"field": "a", "below": "5"}, "should be a valid number"),
        ({"field": "a", "above": float("inf")}, "finite number"),
        ({"field": "a", "above": 5, "below": 5}, "no number is above 5 and below 5; swap them"),
        ({"field": "a", "in": []}, "at least 1 item"),
        (
            {"field": "a", "in": [date(2025, 3, 5)]},
            "2025-03-05 is neither a text nor a number nor true or false; put a",
        ),
        ({"field": "a", "in": [None]}, "None is neither a text nor a number"),
        ({"field": "a", "like": []}, "at least 1 item"),
        ({"field": "a", "like": ""}, "at least 1 character"),
        ({"field": "a", "level_below": "fatal"}, "'critical', 'alert' or 'emergency'"),
        ({"field": "a", "exists": False, "like": "x"}, "a field that does not exist has no like; remove it, or exists"),
        ({"field": "a.", "exists": True}, "should match pattern"),
        ({"field": "a", "values": [1]}, "not permitted"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_in_one_sentence(stated: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as refused:
        rule(**stated)
    assert refused.value.error_count() == 1
    assert sentence in refused.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("field", "cure"),
    [
        ("@timestamp", "'@timestamp', which an event gets only after the rules; name a field of its message"),
        ("archive.log_group", "only after the rules; name its log_group or log_stream instead"),
    ],
)
def test_a_rule_for_what_is_added_after_the_rules_is_refused(field: str, cure: str) -> None:
    intake = {"skip": [{"log_group": "a"}, {"field": field, "exists": True}]}
    with pytest.raises(ValidationError, match=r"intake\.skip\.1 is about the field") as refused:
        Dataset.model_validate(definition_of("t", intake=intake))
    assert cure in str(refused.value)


def test_marks_are_read_as_they_are_written() -> None:
    one, other = rule(log_group="a"), rule(field="a", exists=True)
    for marks in (NO_RULES, marks_of([one], []), marks_of([], [one, other]), marks_of([one, other], [other])):
        assert RuleMarks.read(marks.text) == marks
    assert NO_RULES.text == ""


def test_rules_that_say_the_same_have_the_same_mark() -> None:
    assert marks_of([rule(log_group="a")], []) == marks_of([rule(log_group=["a"])], [])
    assert marks_of([rule(field="a", below=5)], []) == marks_of([rule(below=5.0, field="a")], [])
    assert marks_of([rule(field="a", below=5)], []) != marks_of([rule(field="a", below=6)], [])
