"""Which events a dataset leaves out: what each test of a rule takes, and that nothing else about events changes."""

from __future__ import annotations

import re
import time
from typing import Any, get_args
from unittest.mock import patch

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from local.places import PROJECT
from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.documents.event_filter import EventFilter, Unwanted
from opensearch_strata.archive.documents.shaper import Dead, Document, Shaped, Shaper
from opensearch_strata.archive.events import NOWHERE, Event, Origin, Place
from opensearch_strata.archive.lines import line_of
from opensearch_strata.archive.parsers import registry
from opensearch_strata.definition.loading.event_rules import EventRule, LevelName, marks_of
from opensearch_strata.definition.loading.intake import Intake
from tests.streams import dataset_of

NOON = 1357387200123  # 2013-01-05T12:00:00.123Z
DAY = (1357344000000, 1357430400000)
OBJECT = Place("logs", "2013/01/05/12/stream-1-2013-01-05-12-00-00-uuid", "etag")
LAMBDA = Origin("123456789012", "/aws/lambda/shop", "2013/01/05/[$LATEST]abc")


def judged(fields: dict[str, Any], origin: Origin = NOWHERE, key: str = "k", **intake: Any) -> str:
    """The rule that leaves an event out; empty if it is wanted."""
    judge = EventFilter(Intake.model_validate(intake), origin, key)
    found = judge.all or (judge.judged(fields) if judge.looks else None)
    return found.why if found else ""


def is_named(rule: dict[str, Any], fields: dict[str, Any]) -> bool:
    """Whether a rule names an event; keep and skip understand it alike."""
    left_out = bool(judged(fields, skip=[rule]))
    assert bool(judged(fields, keep=[rule])) != left_out
    return left_out


@pytest.mark.parametrize(
    ("test", "named", "others"),
    [
        ({"in": [404, "x", True, 1.5]}, [404, "404", 404.0, "x", True, "true", "1.5", ["a", "x"]], [4040, 1, "X", {}]),
        ({"in": ["404"]}, [404], [None, [], "0404", 10**5000, 1e300]),
        ({"like": "GET /health*"}, ["GET /health", "GET /healthz?a\nb", ["no", "GET /health"]], ["get /health", 5, {}]),
        ({"like": ["*a?c*", "[ab]1"]}, ["xxabcxx", "a1", "b1"], ["ac", "c1", ""]),
        ({"like": "4??"}, [404, "499"], [4, 4040, "4", None]),
        (
            {"level_below": "info"},
            ["debug", "DEBUG", "Trace", "[DEBUG]", "verbose", "DEBUG5", "fine", " dbg "],
            ["info", "INFO", "Information", "warn", "note", "LOG", "x", "", 10, None, "debug" * 1000, {}, True],
        ),
        (
            {"level_below": "error"},
            ["warning", "WARN", "notice", "System", "trace"],
            ["err", "ERROR", "FATAL", "alert"],
        ),
        ({"level_below": "trace"}, [], ["trace", "debug"]),
        ({"below": 5}, [4, 4.9, -1, "4", " 4.9 ", "1e-3", [9, 1]], [5, "5", 6, True, "x", "", "1_0", "٣", None, "nan"]),
        ({"above": 399, "below": 500}, [400, "499.5"], [399, 500, "500", None]),
        ({"above": 0}, ["1" * 400, 10**400], [0, "-1", "9e999x"]),
        ({"exists": True}, [0, "", False, [], {}], [None]),
        ({"exists": False}, [None], [0, "", False]),
        ({"like": "a*", "in": ["ab", "b"]}, ["ab"], ["b", "ac"]),
    ],
)
def test_a_test_takes_what_it_says(test: dict[str, Any], named: list[Any], others: list[Any]) -> None:
    rule = {"field": "f", **test}
    assert [value for value in named if not is_named(rule, {"f": value})] == []
    assert [value for value in others if is_named(rule, {"f": value})] == []


def test_a_field_is_found_by_its_path_or_its_dotted_name() -> None:
    rule = {"field": "http.status", "in": [200]}
    assert is_named(rule, {"http": {"status": 200}})
    assert is_named(rule, {"http.status": 200})
    assert not is_named(rule, {"http": "200"})
    assert not is_named(rule, {"status": 200})
    assert is_named({"field": "http.status", "exists": False}, {"http": {}})


def test_skip_takes_precedence_and_rules_are_named_by_their_place() -> None:
    both: dict[str, Any] = {
        "keep": [{"field": "app", "in": ["shop"]}],
        "skip": [{"field": "x", "exists": True}, {"field": "level", "level_below": "info"}],
    }
    assert judged({"app": "shop", "level": "info"}, **both) == ""
    assert judged({"app": "shop", "level": "debug"}, **both) == "intake.skip.1: {field: level, level_below: info}"
    assert judged({"app": "till", "level": "info"}, **both) == "intake.keep: none of its rules names the event"


@pytest.mark.parametrize(
    ("rule", "origin", "key", "named"),
    [
        ({"log_group": "/aws/lambda/*"}, LAMBDA, "k", True),
        ({"log_group": ["no", "/aws/*"]}, LAMBDA, "k", True),
        ({"log_group": "/AWS/*"}, LAMBDA, "k", False),
        ({"log_group": "logs/debug/*"}, NOWHERE, "logs/debug/2013", True),
        ({"log_group": "logs/debug/*"}, LAMBDA, "logs/debug/2013", False),  # the key counts only without a group
        ({"log_stream": "*[$]LATEST*"}, LAMBDA, "k", True),
        ({"log_stream": "*"}, NOWHERE, "k", True),
        ({"log_group": "/aws/lambda/*", "log_stream": "x"}, LAMBDA, "k", False),
        ({"log_group": "/aws/lambda/*", "field": "a", "in": [1]}, LAMBDA, "k", True),
        ({"log_group": "/aws/lambda/*", "field": "a", "in": [2]}, LAMBDA, "k", False),
        ({"log_group": "/aws/rds/*", "field": "a", "in": [1]}, LAMBDA, "k", False),
    ],
)
def test_a_rule_may_be_about_logs(rule: dict[str, Any], origin: Origin, key: str, named: bool) -> None:
    assert bool(judged({"a": 1}, origin, key, skip=[rule])) == named
    assert bool(judged({"a": 1}, origin, key, keep=[rule])) != named


def test_hostile_values_take_no_longer_than_their_length() -> None:
    def seconds(length: int) -> float:
        rules = [{"field": "f", "like": ["*a*a*a*a*a*b", "*a?a?a*[ab]*c"]}, {"field": "f", "below": 5}]
        judge = EventFilter(Intake.model_validate({"skip": rules}), NOWHERE, "k")
        started = time.process_time()
        for value in ("a" * length, "1" * length, " " * length):
            assert judge.judged({"f": value}) is None
        return time.process_time() - started

    seconds(1_000)
    assert seconds(1_000_000) < 2.0  # two stars alone would take minutes if they went back


EXAMPLES: list[dict[str, Any]] = [  # of the events that each rule of the reference names
    {"level": "TRACE"},
    {"type": "platform.report"},
    {"path": "/healthz"},
    {},
    {"duration_ms": 4.9},
    {},
    {"request_id": "r"},
]


def test_each_rule_of_the_reference_names_an_event() -> None:
    page = (PROJECT / "docs" / "datasets.md").read_text()
    (block,) = re.findall(r"^```yaml rules\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    stated = yaml.safe_load(block)
    origins = [NOWHERE, LAMBDA, NOWHERE, Origin("1", "/dev/shop"), NOWHERE, LAMBDA, NOWHERE]
    for rule, fields, origin in zip([*stated["skip"], *stated["keep"]], EXAMPLES, origins, strict=True):
        assert judged(fields, origin, skip=[rule]), rule
        assert not judged({"other": 1}, Origin("1", "other"), skip=[rule]), rule


def test_every_key_of_a_rule_and_every_level_is_in_the_reference() -> None:
    page = (PROJECT / "docs" / "datasets.md").read_text()
    for key in EventRule.model_json_schema()["properties"]:
        assert re.search(rf"^\|[^|]*`{key}`", page, re.MULTILINE), key
    for level in get_args(LevelName)[1:]:
        assert f"`{level}`" in page, level


VALUES = st.sampled_from(["debug", "info", "error", "a", "ab", 1, 5, 9, "5", None, True, ["a", 9]])
FIELDS = st.fixed_dictionaries({}, optional={"f": VALUES, "g": VALUES})
RULES = st.one_of(
    st.builds(lambda name, value: {"field": name, "in": [value]}, st.sampled_from("fg"), st.sampled_from(["a", 5])),
    st.builds(lambda name, text: {"field": name, "like": text}, st.sampled_from("fg"), st.sampled_from(["a*", "?"])),
    st.builds(lambda name: {"field": name, "level_below": "error"}, st.sampled_from("fg")),
    st.builds(lambda name, number: {"field": name, "below": number}, st.sampled_from("fg"), st.sampled_from([3, 7])),
    st.sampled_from([{"log_group": "k*"}, {"log_group": "other"}, {"log_group": "k", "field": "f", "exists": True}]),
)
DEFINITIONS = st.fixed_dictionaries({"keep": st.lists(RULES, max_size=2), "skip": st.lists(RULES, max_size=3)})


@given(DEFINITIONS, DEFINITIONS, DEFINITIONS, FIELDS)
def test_marks_tell_truly_whether_others_leave_out_the_same(
    one: dict[str, Any], other: dict[str, Any], third: dict[str, Any], fields: dict[str, Any]
) -> None:
    marks = [marks_of(intake.keep, intake.skip) for intake in map(Intake.model_validate, (one, other, third))]
    assert marks[0].leave_out_all_of(marks[0])
    if judged(fields, **other) and not judged(fields, **one):
        assert not marks[0].leave_out_all_of(marks[1])
        assert not marks[0].leave_out_all_of(marks[1].joined(marks[2]))
        assert not marks[0].leave_out_all_of(marks[2].joined(marks[1]))


@given(st.lists(RULES, max_size=3), st.lists(RULES, max_size=3), st.lists(RULES, max_size=2))
def test_stricter_rules_are_known_as_such(skip: list[Any], more: list[Any], keep: list[Any]) -> None:
    before = Intake.model_validate({"skip": skip})
    after = Intake.model_validate({"skip": [*more, *skip], "keep": keep})
    assert marks_of(after.keep, after.skip).leave_out_all_of(marks_of(before.keep, before.skip))


def shaped(events: list[Event], span: tuple[int, int] | None = DAY, **intake: Any) -> list[Shaped]:
    shaper = Shaper(dataset_of("t", intake=intake), OBJECT, span)
    return [shaper.shaped(event) for event in events]


@given(st.lists(st.tuples(FIELDS, st.sampled_from([NOON, NOON + 86_400_000, None]), st.booleans())), DEFINITIONS)
def test_the_documents_that_stay_are_those_without_rules(events: list[Any], rules: dict[str, Any]) -> None:
    """With the same ids, even where identical records are told apart by counting; and all others are accounted for."""
    items = [
        Event(number, 0, {**fields, **({"@timestamp": NOON} if time is None else {})}, b"same", time, "id" * has_id)
        for number, (fields, time, has_id) in enumerate(events)
    ]
    all_of_them, some = shaped(items), shaped(items, **rules)
    for without, with_rules in zip(all_of_them, some, strict=True):
        if isinstance(without, Document) and isinstance(with_rules, Document):  # the order of fields may differ
            assert orjson.loads(with_rules.source) == orjson.loads(without.source)
            assert with_rules._replace(source=without.source) == without
        else:
            assert with_rules == without or (isinstance(with_rules, Unwanted) and isinstance(without, Document))


def test_what_a_field_is_for_the_rules_is_what_rename_leaves_and_cast_does_not_change() -> None:
    event = Event(0, 0, {"lvl": "debug", "n": "x", "secret": 1}, b"r", NOON)
    more: dict[str, Any] = {"rename": {"lvl": "level"}, "cast": {"n": "integer"}, "drop": ["secret"], "add": {"a": 1}}
    assert [type(made) for made in shaped([event], **more)] == [Dead]
    for rule in ({"field": "level", "in": ["debug"]}, {"field": "n", "like": "x"}, {"field": "secret", "in": [1]}):
        (made,) = shaped([event], skip=[rule], **more)
        assert isinstance(made, Unwanted)
    for other in ({"field": "lvl", "in": ["debug"]}, {"field": "a", "exists": True}):
        assert [type(made) for made in shaped([event], skip=[other], **more)] == [Dead]


def test_a_message_that_no_parser_reads_stays_a_dead_letter_unless_its_log_is_left_out() -> None:
    origin = Origin("1", "/aws/rds/instance/shop/general", "shop")
    event = Event(0, 0, "no entry", b"r", NOON, "1", origin)
    assert [type(made) for made in shaped([event], keep=[{"field": "perform", "in": ["Query"]}])] == [Dead]
    assert [type(made) for made in shaped([event], skip=[{"log_group": "/aws/rds/*"}])] == [Unwanted]


def test_messages_of_a_log_that_is_left_out_are_not_even_parsed() -> None:
    def fail(_: Any) -> Any:
        raise AssertionError("parsed")

    items = [Event(number, 0, "x", b"", NOON + number, f"{number}", LAMBDA) for number in range(3)]
    outside = [items[0]._replace(time=NOON - 10 * 86_400_000), items[0]._replace(time=1)]
    with patch.dict(registry.PARSERS, {"lambda": lambda _: fail}):
        made = shaped([*items, *outside], skip=[{"log_group": "/aws/lambda/*"}])
    assert [type(one) for one in made] == [Unwanted] * 3 + [type(None)] * 2


def test_documents_of_archives_of_our_own_are_never_left_out() -> None:
    line = line_of("an id", orjson.dumps({"@timestamp": NOON, "level": "debug"}))
    (event,) = Reading([line], "strata")
    assert isinstance(event, Event)
    rules: dict[str, Any] = {
        "skip": [{"field": "level", "in": ["debug"]}, {"log_group": "*"}],
        "keep": [{"field": "x", "exists": True}],
    }
    assert [type(made) for made in shaped([event], **rules)] == [Document]
