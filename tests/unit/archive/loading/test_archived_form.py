"""What a restored index is created with, and how an existing one differs from it."""

from __future__ import annotations

from typing import Any

import pytest

from opensearch_strata.archive.store.manifest import ArchivedIndex
from opensearch_strata.archive.targets.archived_form import ArchivedForm
from opensearch_strata.connections.safe_settings import SAFE

MAPPINGS: dict[str, Any] = {
    "dynamic": "strict",
    "_meta": {"owner": "plant", "strata": {"made_by": "x"}, "strata_hold": {"run": "y"}},
    "properties": {
        "a": {"type": "keyword", "fields": {"text": {"type": "text"}}},
        "b": {"properties": {"c": {"type": "long"}}},
    },
}
SETTINGS = {
    "index.number_of_shards": "2",
    "index.number_of_replicas": "1",
    "index.codec": "zstd",
    "index.analysis.filter.few.stopwords": ["a"],
    "index.number_of_routing_shards": "8",
    "index.routing_partition_size": "1",
    "index.mapping.total_fields.limit": "500",
}
LEFT = {
    "index.uuid": "u",
    "index.blocks.write": "true",
    "index.routing.allocation.require._name": "node that is gone",
    "index.plugins.index_state_management.policy_id": "p",
    "index.store.type": "remote_snapshot",
    "index.default_pipeline": "drops",
    "index.translog.durability": "async",
    "index.provided_name": "n",
    "archived.index.former": "set aside by a later server",
}


def form(mappings: dict[str, Any] = MAPPINGS, settings: dict[str, Any] = {**SETTINGS, **LEFT}) -> ArchivedForm:  # noqa: B006
    return ArchivedForm.of(ArchivedIndex(name="n", uuid="u", sequence=(1,), mappings=mappings, settings=settings))


def test_what_a_person_chose_comes_back_and_what_belonged_to_the_old_index_does_not() -> None:
    made = form()
    assert dict(made.settings) == SETTINGS
    assert SAFE.keys() & LEFT.keys()
    assert made.mappings == {**MAPPINGS, "_meta": {"owner": "plant"}}
    assert "_meta" not in form({"properties": {}}).mappings


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ""),
        ({"_meta": {}}, ""),
        ({"dynamic_templates": []}, ""),
        ({"dynamic": True}, "dynamic is True, archived as strict"),
        ({"_routing": {"required": True}}, "_routing is {'required': True}, archived as {'required': False}"),
        ({"_source": {"enabled": False}}, "_source is {'enabled': False}, archived as {'enabled': True}"),
        ({"properties": {**MAPPINGS["properties"], "new": {"type": "ip"}}}, ""),
        ({"properties": {"a": {"type": "keyword"}, "b": MAPPINGS["properties"]["b"]}}, "a is keyword, archived as {"),
        ({"properties": {"a": MAPPINGS["properties"]["a"]}}, "b is missing, archived as {"),
        (
            {"properties": {**MAPPINGS["properties"], "b": {"properties": {"c": {"type": "text"}}}}},
            "b.c is text, archived as long",
        ),
        (
            {"properties": {**MAPPINGS["properties"], "b": {"type": "nested", "properties": {}}}},
            "b is nested, archived as",
        ),
    ],
)
def test_an_existing_index_may_have_more_but_nothing_else(change: dict[str, Any], told: str) -> None:
    found = form().difference({**MAPPINGS, **change})
    assert found.startswith(told) if told else found == ""


def test_what_a_mapping_does_not_say_is_what_the_server_does() -> None:
    plain = form({"properties": {}})
    explicit = {"dynamic": "true", "date_detection": True, "numeric_detection": False, "_routing": {"required": False}}
    assert plain.difference({**explicit, "properties": {}}) == ""
    assert plain.difference({"dynamic": "false", "properties": {}}) == "dynamic is false, archived as true"
