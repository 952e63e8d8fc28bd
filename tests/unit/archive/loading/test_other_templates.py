"""Which templates count for raw days, and what they set that another one does not."""

from __future__ import annotations

from typing import Any

import pytest

from opensearch_strata.archive.targets.templates.day_template import DayForm, day_names, day_template
from opensearch_strata.archive.targets.templates.other_templates import Found, outranking, replaced_by
from opensearch_strata.archive.targets.templates.template_parts import digest_of, lost, parts_of
from tests.streams import DAY, dataset_of

DATASET = dataset_of("app")
NEW = day_template(DATASET, DayForm())
NAMES = day_names(DATASET, DAY)
PIPELINE = {"template": {"settings": {"index": {"default_pipeline": "p"}}}}


def found(name: str, pattern: str, priority: int = 0, **body: Any) -> Found:
    return Found(name, {"index_patterns": [pattern], "priority": priority, **(body or PIPELINE)})


@pytest.mark.parametrize(
    ("pattern", "first"),
    [
        ("app-2027.*", "app-2027.01.01"),
        ("*", "app-2024.05.06"),
        ("a*.06", "app-2024.05.06"),
        ("app-2024.05.09", "app-2024.05.09"),
        ("app-2019*", "app-2019.12.31"),
        ("app-*-archive", None),
        ("app-[2]*", None),
        ("app-2024.13.*", None),
        ("apple-*", None),
        ("APP-*", None),
    ],
)
def test_a_pattern_matches_some_day_or_none(pattern: str, first: str | None) -> None:
    matched = found("x", pattern).matched(NAMES)
    assert next(iter(matched), None) == first


def test_whatever_has_the_same_or_a_higher_priority_would_count() -> None:
    others = [found("below", "*", 199), found("same", "app-*", 200), found("later", "app-2027.*", 500)]
    told = list(outranking(others, 200, NAMES))
    assert ["same also matches app-2024.05.06" in told[0], "later also matches app-2027.01.01" in told[1]] == [True] * 2
    assert len(told) == 2


def test_only_templates_that_count_now_can_be_replaced() -> None:
    legacy = [Found("old", {"index_patterns": ["app-*"], "settings": {"index.default_pipeline": "q"}}, legacy=True)]
    assert [one.found.name for one in replaced_by(NEW, "ours", [], legacy, NAMES)] == ["old"]
    lower, hidden, part = found("lower", "app-*", 10), found("hidden", "app-2*", 5), found("part", "app-2027*", 20)
    shown = replaced_by(NEW, "ours", [hidden, lower, part], legacy, NAMES)
    assert [(one.found.name, one.index) for one in shown] == [("part", "app-2027.01.01"), ("lower", "app-2024.05.06")]
    ours = Found("ours", NEW)
    assert replaced_by(NEW, "ours", [ours, lower], legacy, NAMES) == []
    alike = found("alike", "app-*", 1, template={"settings": {"index": {"number_of_shards": "1"}}})
    assert replaced_by(NEW, "ours", [alike], [], NAMES) == []


def test_a_body_has_the_same_digest_however_it_is_written() -> None:
    settings = NEW["template"]["settings"]
    nested = {"index": {key.removeprefix("index."): value for key, value in settings.items()}}
    nested["index"] |= {"number_of_shards": "1", "number_of_replicas": "1"}
    same = {**NEW, "composed_of": [], "template": {**NEW["template"], "settings": nested, "aliases": {}}}
    assert digest_of(same) == digest_of(NEW) == NEW["_meta"]["digest"]
    assert digest_of({**NEW, "priority": 201}) != digest_of(NEW)


def test_everything_that_a_template_sets_is_named() -> None:
    body = {
        "composed_of": ["common"],
        "data_stream": {},
        "template": {
            "settings": {"index.refresh_interval": "1s", "number_of_replicas": 1},
            "aliases": {"all": {}, "some": {"filter": {"term": {"a": 1}}}},
            "mappings": {
                "dynamic": False,
                "properties": {"load": {"type": "double"}, "o": {"dynamic": True, "properties": {"x": {"type": "ip"}}}},
            },
        },
    }
    assert lost(parts_of(body), parts_of(NEW)) == [
        "setting index.refresh_interval = 1s", "alias all", 'alias some = {"filter": {"term": {"a": 1}}}',
        "component template common", "data stream", "mapping dynamic = false", 'field o = {"dynamic": true}',
        'field o.x = {"type": "ip"}',
    ]  # fmt: skip
