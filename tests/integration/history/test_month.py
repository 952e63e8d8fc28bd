"""The month index on a real node: made once, kept in step, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.connections.safe_settings import MONTH, weaker
from opensearch_strata.errors import Refused
from opensearch_strata.history.month.index import ensure_month
from opensearch_strata.history.month.mapping import month_body, month_mapping, month_meta
from opensearch_strata.history.verify.verify import verify
from tests.streams import DAY, Stream, StreamFactory, dataset_of, definition_of

TEMPERATURE: dict[str, Any] = definition_of("t")["metrics"]["temperature"]
LOAD: dict[str, Any] = definition_of("t")["metrics"]["load"]
WEAK = {
    "index.translog.durability": "async",
    "index.default_pipeline": "drops-everything",
    "index.final_pipeline": "drops-everything",
    "index.search.default_pipeline": "hides-half",
}
"""What an index template of somebody else may say."""


def redefined(stream: Stream, **parts: Any) -> Stream:
    """The same indices under another definition."""
    return Stream(stream.client, dataset_of(stream.dataset.name, **parts))


def mapping_of(stream: Stream) -> dict[str, Any]:
    index = stream.dataset.month_index(DAY)
    mappings: dict[str, Any] = stream.client.indices.get_mapping(index=index)[index]["mappings"]
    return mappings


def ensure(stream: Stream, types: dict[str, str] | None = None) -> str:
    ensured = ensure_month(stream.client, stream.dataset, DAY, types)
    assert ensured.index == stream.dataset.month_index(DAY)
    return ensured.action


def test_created_with_the_explicit_mapping(stream: Stream) -> None:
    assert ensure(stream, {"device": "keyword", "site": "integer"}) == "created"
    found = mapping_of(stream)
    wanted = month_mapping(stream.dataset, {"device": "keyword", "site": "integer"})
    assert found["dynamic"] == "false"
    assert found["properties"] == wanted["properties"]
    assert found["_meta"]["strata"] == month_meta(stream.dataset)
    index = stream.dataset.month_index(DAY)
    settings = stream.client.indices.get_settings(index=index)[index]["settings"]["index"]
    assert (settings["codec"], settings["number_of_shards"], settings["number_of_replicas"]) == (
        *("default", "1", "0"),
    )


def test_a_second_call_changes_nothing(stream: Stream) -> None:
    ensure(stream)
    before = stream.client.indices.get(index=stream.dataset.month_index(DAY))
    assert ensure(stream) == "unchanged"
    assert stream.client.indices.get(index=stream.dataset.month_index(DAY)) == before


Template = dict[str, Any]
InstallTemplate = Callable[[Stream, str, Template], None]


@pytest.fixture
def install(client: OpenSearch) -> Iterator[InstallTemplate]:
    """Install an index template for every index of a stream, in the old or the new form."""
    installed: list[Callable[[], Any]] = []

    def put(stream: Stream, form: str, template: Template) -> None:
        name, patterns = f"{stream.dataset.name}-template", [f"{stream.dataset.name}-*"]
        if form == "legacy":
            client.indices.put_template(name=name, body={"index_patterns": patterns, **template})
            installed.append(lambda: client.indices.delete_template(name=name))
        else:
            client.indices.put_index_template(name=name, body={"index_patterns": patterns, "template": template})
            installed.append(lambda: client.indices.delete_index_template(name=name))

    yield put
    for delete in installed:
        delete()


def settings_of(stream: Stream) -> dict[str, Any]:
    index = stream.dataset.month_index(DAY)
    found: dict[str, Any] = stream.client.indices.get_settings(index=index, params={"flat_settings": "true"})
    return dict(found[index]["settings"])


@pytest.mark.parametrize("form", ["legacy", "composable"])
def test_no_template_weakens_what_safety_needs(stream: Stream, install: InstallTemplate, form: str) -> None:
    install(stream, form, {"settings": WEAK})
    ensure(stream)
    assert weaker(settings_of(stream), MONTH) == {}


def test_a_month_that_is_weaker_is_mended(stream: Stream) -> None:
    ensure(stream)
    stream.client.indices.put_settings(index=stream.dataset.month_index(DAY), body=WEAK)
    assert ensure(stream) == "updated"
    assert weaker(settings_of(stream), MONTH) == {}
    assert ensure(stream) == "unchanged"


def test_a_month_that_stays_weaker_is_refused(stream: Stream) -> None:
    ensure(stream)
    month = stream.dataset.month_index(DAY)
    stream.client.indices.put_settings(index=month, body={"index.translog.durability": "async"})
    stream.client.indices.put_settings(index=month, body={"index.blocks.read_only": True})
    with pytest.raises(Refused, match=r"weaker settings than safety requires.*Set these on it: index\.translog\.dura"):
        ensure(stream)


def test_a_month_of_before_learns_where_its_rows_come_from(stream: Stream) -> None:
    body = month_body(stream.dataset, {"device": "keyword", "site": "keyword"})
    del body["mappings"]["properties"]["metrics"]["properties"]["_raw"]
    stream.client.indices.create(index=stream.dataset.month_index(DAY), body=body)
    assert ensure(stream) == "updated"
    assert mapping_of(stream)["properties"]["metrics"]["properties"]["_raw"] == {"type": "keyword"}
    assert weaker(settings_of(stream), MONTH) == {}


def test_eight_at_once_create_it_once(stream: Stream) -> None:
    together = Barrier(8)

    def one(_: int) -> str:
        together.wait()
        return ensure(stream)

    with ThreadPoolExecutor(8) as pool:
        actions = list(pool.map(one, range(8)))
    assert sorted(actions) == ["created"] + ["unchanged"] * 7


def test_unknown_fields_of_a_row_are_kept_but_not_indexed(stream: Stream) -> None:
    ensure(stream)
    stream.put_row("r", {"device": "d", "surprise": 1, "metrics": {"new": {"sum": 1}}})
    assert "surprise" not in mapping_of(stream)["properties"]
    assert "new" not in mapping_of(stream)["properties"]["metrics"]["properties"]


def test_additions_update_the_mapping(stream: Stream) -> None:
    ensure(stream)
    metrics = {
        "temperature": TEMPERATURE,
        "load": {**LOAD, "stats": ["min", "max", "sum", "count"], "distribution": {"relative_error": 0.02}},
        "power": LOAD,
    }
    larger = redefined(stream, metrics=metrics)
    with ThreadPoolExecutor(4) as pool:
        actions = list(pool.map(lambda _: ensure(larger), range(4)))
    assert "updated" in actions
    assert set(actions) <= {"updated", "unchanged"}
    assert ensure(larger) == "unchanged"
    found = mapping_of(larger)
    assert found["dynamic"] == "false"
    assert set(found["properties"]["metrics"]["properties"]["load"]["properties"]) == {
        *("min", "max", "sum", "count", "sketch")
    }
    assert found["properties"]["metrics"]["properties"]["power"]["properties"]["sum"]["type"] == "double"
    assert found["_meta"]["strata"]["fingerprint"] == larger.dataset.fingerprint


@pytest.mark.parametrize(
    ("parts", "difference"),
    [
        ({"metrics": {"load": LOAD}}, "metrics.temperature: in the index, not in the definition"),
        ({"history": {"group_by": ["device"]}}, r"group_by: \['device', 'site'\] in the index, \['device'\]"),
        ({"history": {"bucket": "15m"}}, "bucket: '1h' in the index, '15m' in the definition"),
    ],
)
def test_other_changes_are_refused_with_the_difference(stream: Stream, parts: dict[str, Any], difference: str) -> None:
    ensure(stream)
    before = mapping_of(stream)
    with pytest.raises(Refused, match=difference) as refused:
        ensure(redefined(stream, **parts))
    assert stream.dataset.month_index(DAY) in str(refused.value)
    assert mapping_of(stream) == before


def test_a_group_of_another_type_is_refused(stream: Stream) -> None:
    ensure(stream, {"site": "keyword"})
    with pytest.raises(Refused, match=r"site: \{'type': 'keyword'\} in the index, \{'type': 'integer'\} wanted"):
        ensure(stream, {"site": "integer"})


def test_a_group_whose_type_nobody_states_is_left_as_it_is(stream: Stream) -> None:
    ensure(stream, {"site": "integer"})
    assert ensure(stream) == "unchanged"


def test_an_index_that_is_not_ours_is_refused(stream: Stream) -> None:
    stream.create(index=stream.dataset.month_index(DAY))
    with pytest.raises(Refused, match=r"was not created by Strata \(no _meta.strata\); move it away or rename"):
        ensure(stream)


def test_a_month_of_another_dataset_is_refused(stream: Stream, make_stream: StreamFactory) -> None:
    ensure(stream)
    other = make_stream(history={"index": f"{stream.dataset.name}-history-{{month}}"})
    with pytest.raises(Refused, match=f"dataset: '{stream.dataset.name}' in the index, '{other.dataset.name}' in the"):
        ensure(other)


def test_an_alias_in_place_of_the_index_is_refused(stream: Stream) -> None:
    real = stream.create(index=f"{stream.dataset.name}-real")
    stream.client.indices.put_alias(index=real, name=stream.dataset.month_index(DAY))
    with pytest.raises(Refused, match=f"is an alias of {real}; rows are written to an index of that name only"):
        ensure(stream)


PRODUCERS_OWN: Template = {
    "settings": {"index.number_of_shards": 3, "index.default_pipeline": "does-not-exist", "index.codec": "default"},
    "mappings": {
        "dynamic": "strict",
        "_source": {"enabled": False},
        "_routing": {"required": True},
        "properties": {"device": {"type": "keyword"}, "message": {"type": "text"}, "load": {"type": "short"}},
    },
}


@pytest.mark.parametrize("form", ["legacy", "composable"])
def test_a_producers_template_does_not_change_the_rows(stream: Stream, install: InstallTemplate, form: str) -> None:
    stream.fill()
    install(stream, form, PRODUCERS_OWN)
    stream.condense()
    assert verify(stream.client, stream.dataset, DAY).state == "verified"
    assert mapping_of(stream)["dynamic"] == "false"


@pytest.mark.parametrize(
    ("form", "properties", "difference"),
    [
        ("legacy", {"@timestamp": {"type": "date", "ignore_malformed": True}}, "@timestamp: .*'ignore_malformed'"),
        ("legacy", {"device": {"type": "keyword", "ignore_above": 3}}, "device: .*'ignore_above': 3"),
        ("legacy", {"metrics": {"type": "nested"}}, "metrics: {'type': 'nested'} in the index, an object wanted"),
        ("composable", {"metrics": {"type": "object", "enabled": False}}, "metrics: {'enabled': False} in the index"),
        ("legacy", {"metrics": {"type": "keyword"}}, "could not be created.*index template"),
        ("composable", {"metrics": {"type": "nested"}}, "could not be created.*index template"),
    ],
)
def test_a_template_that_changes_the_mapping_is_refused(
    stream: Stream, install: InstallTemplate, form: str, properties: Template, difference: str
) -> None:
    install(stream, form, {"mappings": {"properties": properties}})
    for _ in range(2):  # not the first time alone
        with pytest.raises(Refused, match=difference):
            ensure(stream)


def test_a_field_that_a_composable_template_defines_is_ours_in_the_month(
    stream: Stream, install: InstallTemplate
) -> None:
    fields = {"@timestamp": {"type": "date", "format": "epoch_second"}, "device": {"type": "text"}}
    install(stream, "composable", {"mappings": {"properties": fields}})
    assert ensure(stream) == "created"
    assert mapping_of(stream)["properties"]["@timestamp"]["format"] == "epoch_millis||strict_date_optional_time"
