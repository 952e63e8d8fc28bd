"""What rows cannot carry is never deleted: refused before a row is written where the mapping tells it, else held."""

from __future__ import annotations

from typing import Any

import pytest

from opensearch_strata.errors import DefinitionError, Refused
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.verify.proof import Proof
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.workflows.cycle import require_proven
from tests.shell import Shell
from tests.streams import DAY, TYPES, Document, Stream, StreamFactory

HEAD: Document = {"@timestamp": f"{DAY}T05:00:00Z", "device": "d", "site": "s"}


def metric(field: str, **more: Any) -> dict[str, Any]:
    return {"load": {"field": field, "stats": ["min", "max", "sum", "count"], **more}}


def create(stream: Stream, mapping: dict[str, Any], documents: list[Document]) -> None:
    """A raw day with exactly this mapping."""
    index = stream.dataset.raw_index(DAY)
    stream.client.indices.create(index=index, body={"settings": {"number_of_replicas": 0}, "mappings": mapping})
    stream.write(documents)


def types(**fields: Any) -> dict[str, Any]:
    known = {name: {"type": kind} for name, kind in TYPES.items()}
    return {"properties": {**known, **fields}}


# Mapping, field of the metric or of a group, and why it is refused.
UNREADABLE: dict[str, tuple[dict[str, Any], str, str]] = {
    "nested": (types(a={"type": "nested", "properties": {"v": {"type": "float"}}}), "a.v", "which is nested"),
    "nested deeper": (
        types(a={"properties": {"b": {"type": "nested", "properties": {"v": {"type": "float"}}}}}),
        "a.b.v",
        "lies in 'a.b', which is nested",
    ),
    "an object that is not indexed": (types(a={"type": "object", "enabled": False}), "a.v", "enabled: false"),
    "a flat object": (types(a={"type": "flat_object"}), "a.v", "lies in 'a', a flat_object"),
    "without doc values": (types(v={"type": "float", "doc_values": False}), "v", "doc_values: false"),
    "another name": (
        types(v={"type": "alias", "path": "temperature"}),
        "v",
        "another name of 'temperature'; name that",
    ),
    "a derived field": (
        {**types(), "derived": {"v": {"type": "double", "script": {"source": "emit(1.0)"}}}},
        "v",
        "is derived: it is computed from the source",
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_metric_that_no_search_sees_is_refused_before_anything_is_written(shell: Shell, case: str) -> None:
    mapping, field, reason = UNREADABLE[case]
    stream = shell.stream(metrics=metric(field))
    create(stream, mapping, [{**HEAD, "a": {"v": 5.0}, "temperature": 1.0}])
    with pytest.raises(DefinitionError) as refusal:
        stream.condense()
    assert f"metrics.load.field: field {field!r} " in str(refusal.value)
    assert reason in str(refusal.value)
    assert str(refusal.value) in shell.json("check", 1)["problems"]
    assert not stream.client.indices.exists(index=stream.dataset.month_index(DAY))


def test_nanoseconds_are_refused_with_a_cure_that_works(make_stream: StreamFactory) -> None:
    stream = make_stream({**TYPES, "@timestamp": "date_nanos"})
    stream.write([HEAD])
    with pytest.raises(
        DefinitionError, match=r"is date_nanos, but it must be a date \(date\); let the index template map it as"
    ):
        stream.condense()


def test_a_group_below_a_nested_field_is_refused(make_stream: StreamFactory) -> None:
    stream = make_stream(history={"group_by": ["a.device"]})
    create(stream, types(a={"type": "nested", "properties": {"device": {"type": "keyword"}}}), [HEAD])
    with pytest.raises(
        DefinitionError, match=r"history\.group_by 'a\.device': field 'a\.device' lies in 'a', which is nes"
    ):
        stream.condense()


def test_what_is_nested_and_in_the_root_as_well_is_carried(make_stream: StreamFactory) -> None:
    nested = {"type": "nested", "include_in_root": True, "properties": {"v": {"type": "float"}}}
    stream = make_stream(metrics=metric("a.v"))
    create(stream, types(a=nested), [{**HEAD, "a": [{"v": 1.0}, {"v": 3.0}]}] * 4)
    stream.condense()
    assert proof_of(stream).state == "verified"
    (row,) = stream.rows().values()
    assert row["metrics"]["load"] == {"min": 1.0, "max": 3.0, "sum": 16.0, "count": 8}


def proof_of(stream: Stream) -> Proof:
    return verify(stream.client, stream.dataset, DAY)


def assert_held(stream: Stream, *sentences: str) -> None:
    """Rows are written and right, and the day is kept for what they lack."""
    stream.condense()
    proof = proof_of(stream)
    assert proof.state == "held", proof.failed
    assert not proof.mendable
    with pytest.raises(Refused) as refusal:
        require_proven(proof)
    for sentence in sentences:
        assert sentence in str(refusal.value)


def test_a_metric_that_nobody_sends_holds_the_day(make_stream: StreamFactory) -> None:
    stream = make_stream(metrics=metric("laod"))
    stream.fill(count=10)
    assert_held(stream, "no document of ", "has a value for 'laod' (metric load); correct the name", "sparse: true")


def test_a_metric_that_may_be_missing_holds_nothing(make_stream: StreamFactory) -> None:
    stream = make_stream(metrics=metric("laod", sparse=True))
    stream.condensed(count=10)
    assert proof_of(stream).state == "verified"


def test_a_sparse_metric_that_only_the_source_knows_holds_the_day(make_stream: StreamFactory) -> None:
    stream = make_stream(metrics=metric("laod", sparse=True))
    create(stream, {**types(), "dynamic": False}, [{**HEAD, "laod": 5}] * 3)
    assert_held(stream, "with 'laod' only in the source", "dynamic: false")


def test_a_group_that_nobody_sends_holds_the_day(make_stream: StreamFactory) -> None:
    stream = make_stream(history={"group_by": ["divice"]})
    stream.fill(count=10)
    assert_held(stream, "has no 'divice', by which rows are made; correct the name in the definition")


def test_a_group_that_is_mapped_and_never_sent_holds_nothing(make_stream: StreamFactory) -> None:
    stream = make_stream()
    stream.write([{**HEAD, "site": None}])
    stream.condense()
    assert proof_of(stream).state == "verified"


@pytest.mark.parametrize("field", ["temperature", "@timestamp"])
def test_values_that_the_mapping_ignores_hold_the_day(make_stream: StreamFactory, field: str) -> None:
    kind = "date" if field == "@timestamp" else "double"
    stream = make_stream({**TYPES, field: {"type": kind, "ignore_malformed": True}})
    stream.write([HEAD, {**HEAD, field: "12,5"}, {**HEAD, field: "never"}])
    assert_held(stream, f"{stream.dataset.raw_index(DAY)} has 2 documents with a {field!r} that its mapping ignores")


def test_one_group_value_that_is_too_long_holds_the_day(make_stream: StreamFactory) -> None:
    """The server keeps no note of these: only the source knows them."""
    stream = make_stream({**TYPES, "device": {"type": "keyword", "ignore_above": 8}})
    stream.write([HEAD, {**HEAD, "device": None}, {"@timestamp": HEAD["@timestamp"]}])
    stream.condense()
    assert proof_of(stream).state == "verified"
    stream.write([{**HEAD, "device": ["d" * 9]}])
    assert_held(stream, "has 1 document with a 'device' that is longer than its mapping allows", "(ignore_above)")


@pytest.mark.parametrize("document", [{"a": {"b": "long-value"}}, {"a.b": "long-value"}, {"a": [{"b": "long-value"}]}])
def test_the_source_is_read_however_its_dots_are_written(make_stream: StreamFactory, document: Document) -> None:
    stream = make_stream(history={"group_by": ["a.b.keyword"]})
    sub = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 4}}}
    create(stream, types(a={"properties": {"b": sub}}), [{**HEAD, "a": {"b": "ok"}}, {**HEAD, **document}])
    assert_held(stream, "has 1 document with a 'a.b.keyword' that is longer")


@pytest.mark.parametrize("kept", [{"excludes": ["w*"]}, {"includes": ["@timestamp"]}, {"enabled": False}])
@pytest.mark.parametrize("field", ["w.keyword", "all"])
def test_a_value_that_neither_source_nor_field_has_holds_the_day(
    make_stream: StreamFactory, kept: dict[str, Any], field: str
) -> None:
    """It lives on in the words of another field alone, where searches find it."""
    stream = make_stream(history={"group_by": [field]})
    fields = {
        "w": {"type": "text", "store": True, "copy_to": "all", "fields": {"keyword": LIMITED}},
        "all": LIMITED,
    }
    create(stream, {**types(**fields), "_source": kept}, [{**HEAD, "w": "ok"}, HEAD])
    stream.condense()
    assert proof_of(stream).state == "verified"
    stream.write([{**HEAD, "w": "long"}])
    assert_held(stream, f"has 1 document with 'w' but without {field!r}, which is filled from it")


def test_documents_older_than_the_mapping_of_a_field_hold_the_day(make_stream: StreamFactory) -> None:
    stream = make_stream(metrics=metric("late"))
    create(stream, {**types(), "dynamic": False}, [{**HEAD, "late": 1.0}])
    index = stream.dataset.raw_index(DAY)
    stream.client.indices.put_mapping(index=index, body={"properties": {"late": {"type": "double"}}})
    stream.write([{**HEAD, "late": 2.0}])
    assert_held(stream, "with 'late' only in the source: at indexing time, its mapping did not know the field")


def test_documents_older_than_the_mapping_hold_the_day_however_many_came_first_without_the_field(
    make_stream: StreamFactory,
) -> None:
    stream = make_stream(metrics=metric("late"))
    create(stream, {**types(), "dynamic": False}, [HEAD] * 250 + [{**HEAD, "late": 1.0}])
    index = stream.dataset.raw_index(DAY)
    stream.client.indices.put_mapping(index=index, body={"properties": {"late": {"type": "double"}}})
    stream.write([{**HEAD, "late": 2.0}])
    assert_held(stream, "with 'late' only in the source: at indexing time, its mapping did not know the field")


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("field", ["late", "a.late"])
def test_documents_older_than_a_switch_of_dynamic_hold_the_day(
    make_stream: StreamFactory, field: str, named: bool
) -> None:
    stream = make_stream(metrics=metric(field))
    create(stream, {**types(a={"type": "object"}), "dynamic": False}, [HEAD] * 3 + [{**HEAD, field: 1.5}])
    body: dict[str, Any] = {"dynamic": True, **({"properties": {field: {"type": "double"}}} if named else {})}
    stream.client.indices.put_mapping(index=stream.dataset.raw_index(DAY), body=body)
    stream.write([{**HEAD, field: 2.5}, HEAD])
    assert_held(stream, f"with {field!r} only in the source: at indexing time, its mapping did not know the field")


@pytest.mark.parametrize("field", ["device", "@timestamp"])
def test_documents_older_than_the_mapping_of_a_group_or_the_time_hold_the_day(
    make_stream: StreamFactory, field: str
) -> None:
    stream = make_stream()
    known = {name: body for name, body in types()["properties"].items() if name != field}
    create(stream, {"properties": known, "dynamic": False}, [HEAD])
    body = {"dynamic": True, "properties": {field: {"type": TYPES[field]}}}
    stream.client.indices.put_mapping(index=stream.dataset.raw_index(DAY), body=body)
    stream.write([HEAD])
    assert_held(stream, f"with {field!r} only in the source")


def test_documents_older_than_a_copy_hold_the_day(make_stream: StreamFactory) -> None:
    """Switched on, off and on again: age alone does not tell."""
    stream = make_stream(metrics=metric("copy"))
    create(stream, types(copy={"type": "double"}), [HEAD])
    index = stream.dataset.raw_index(DAY)
    for copies in ({"copy_to": ["copy"]}, {}, {"copy_to": ["copy"]}):
        stream.client.indices.put_mapping(index=index, body={"properties": {"v": {"type": "double", **copies}}})
        stream.write([HEAD] * 2000 + [{**HEAD, "v": 1.0}])
    assert_held(stream, "with 'copy' only in the source", "copy_to that was added later")


def test_documents_older_than_a_multi_field_hold_the_day(make_stream: StreamFactory) -> None:
    stream = make_stream({**TYPES, "name": "text"}, history={"group_by": ["name.keyword"]})
    stream.write([{**HEAD, "name": "early"}])
    body = {"properties": {"name": {"type": "text", "fields": {"keyword": {"type": "keyword"}}}}}
    stream.client.indices.put_mapping(index=stream.dataset.raw_index(DAY), body=body)
    stream.write([{**HEAD, "name": "late"}, {"@timestamp": HEAD["@timestamp"]}])
    assert_held(stream, "with 'name.keyword' only in the source", "a multi-field or copy_to that was added later")


@pytest.mark.parametrize("others", [[["ok"]], [["ok", "fine"]] * 2])
def test_a_value_that_is_too_long_beside_one_that_is_not_holds_the_day(
    make_stream: StreamFactory, others: list[list[str]]
) -> None:
    tags = {"load": {"field": "tag", "stats": ["count"], "distribution": {"top_values": 5}}}
    stream = make_stream({**TYPES, "tag": {"type": "keyword", "ignore_above": 8}}, metrics=tags)
    stream.write([{**HEAD, "tag": tag} for tag in others])
    stream.condense()
    assert proof_of(stream).state == "verified"
    stream.write([{**HEAD, "tag": ["ok", "t" * 9]}])
    assert_held(stream, "has 1 document with a 'tag' that is longer than its mapping allows", "(ignore_above)")


KEYWORD: dict[str, Any] = {"type": "keyword"}
LIMITED: dict[str, Any] = {"type": "keyword", "ignore_above": 3}
FORMS: dict[str, Any] = {"type": "text", "fields": {"keyword": KEYWORD}}
COPIED: dict[str, Any] = {**KEYWORD, "copy_to": "all"}

# Field of a metric, first mapping and what comes under it, the mapping that is put then.
LATER: dict[str, tuple[str, dict[str, Any], list[Document], dict[str, Any]]] = {
    "a limit that was lifted": ("w", {"w": LIMITED}, [{"w": "ok"}] * 1500 + [{"w": "long"}], {"w": KEYWORD}),
    "a limit that was raised, in a list": (
        "w",
        {"w": LIMITED},
        [{"w": ["ok", "long"]}],
        {"w": {**KEYWORD, "ignore_above": 9}},
    ),
    "a limit that was lifted, in a list": ("w", {"w": LIMITED}, [{"w": ["ok", "long"]}], {"w": KEYWORD}),
    "a form of what is copied": ("all.keyword", {"w": COPIED, "all": {"type": "text"}}, [{"w": "x"}], {"all": FORMS}),
    "a copy to what has forms": ("all.keyword", {"w": KEYWORD, "all": FORMS}, [{"w": "x"}], {"w": COPIED}),
    "a copy beside a value of its own": (
        "all",
        {"w": KEYWORD, "all": KEYWORD},
        [{"w": "x", "all": "y"}],
        {"w": COPIED},
    ),
    "a copy beside one that is too long": ("all", {"w": COPIED, "all": LIMITED}, [{"w": ["long", "x"]}], {}),
    "a copy to a form that is too long": (
        "all.keyword",
        {"w": COPIED, "all": {"type": "text", "fields": {"keyword": LIMITED}}},
        [{"w": "long"}],
        {},
    ),
}


@pytest.mark.parametrize("case", LATER)
def test_a_value_that_the_mapping_takes_too_late_holds_the_day(make_stream: StreamFactory, case: str) -> None:
    field, first, documents, then = LATER[case]
    words = {"load": {"field": field, "stats": ["count"], "distribution": {"top_values": 5}, "sparse": True}}
    stream = make_stream(metrics=words)
    create(stream, types(**first), [{**HEAD, **document} for document in documents])
    if then:
        stream.client.indices.put_mapping(index=stream.dataset.raw_index(DAY), body={"properties": then})
    stream.write([{**HEAD, "w": "y"}])
    assert_held(stream, "has 1 document with ", f"{field!r}", "ignore_above")


def test_a_copy_of_a_number_beside_one_of_its_own_holds_the_day(make_stream: StreamFactory) -> None:
    stream = make_stream(metrics=metric("v"))
    create(stream, types(o={"type": "double"}, v={"type": "double"}), [{**HEAD, "o": 2.0, "v": 2.0}])
    copied = {"properties": {"o": {"type": "double", "copy_to": "v"}}}
    stream.client.indices.put_mapping(index=stream.dataset.raw_index(DAY), body=copied)
    stream.write([{**HEAD, "o": [1.0, 1.0]}])
    assert_held(stream, "has 1 document with 'v' only in the source")


SEEN: dict[str, tuple[dict[str, Any], list[Document]]] = {
    "no number": ({"type": "double"}, [{"v": ""}, {"v": [None, ""]}, {"v": []}, {"v": 1}]),
    "the same number twice": ({"type": "long"}, [{"v": [1, 1, "1"]}, {"v": [[2], [3, 3]]}]),
    "copies": ({"type": "double"}, [{"o": [1, 1], "v": [1, "1"]}, {"o": "", "v": 2}]),
    "a null that stands for something": ({"type": "double", "null_value": 7}, [{"v": None}, {"v": [None, 1]}]),
}


@pytest.mark.parametrize("case", SEEN)
def test_what_searches_see_in_another_form_holds_nothing(make_stream: StreamFactory, case: str) -> None:
    kind, documents = SEEN[case]
    stream = make_stream(metrics=metric("v"))
    create(stream, types(v=kind, o={"type": "double", **({"copy_to": "v"} if case == "copies" else {})}), [HEAD])
    stream.write([{**HEAD, **document} for document in documents])
    stream.condense()
    assert proof_of(stream).state == "verified"


@pytest.mark.parametrize("more", [{}, {"normalizer": "lowercase"}])
def test_the_same_word_twice_holds_nothing(make_stream: StreamFactory, more: dict[str, Any]) -> None:
    words = {"load": {"field": "w", "stats": ["count"], "distribution": {"top_values": 5}}}
    stream = make_stream({**TYPES, "w": {**LIMITED, "ignore_above": 4, **more}}, metrics=words)
    stream.write([{**HEAD, "w": word} for word in (["a", "a"], ["A", "b"], [1, "1"], [True, None], [], None)])
    stream.condense()
    assert proof_of(stream).state == "verified"


def test_sequence_numbers_of_a_shrunk_index_tell_no_ages(make_stream: StreamFactory) -> None:
    """Each shard counted for itself before."""
    stream = make_stream(metrics=metric("late", sparse=True))
    settings = {"number_of_replicas": 0, "number_of_shards": 2}
    wide = f"{stream.dataset.raw_index(DAY)}-wide"
    client = stream.client
    client.indices.create(index=wide, body={"settings": settings, "mappings": {**types(), "dynamic": False}})
    documents: list[dict[str, Any]] = [{}] * 5000 + [{"late": 1.0}]
    lines: list[Any] = [line for late in documents for line in ({"index": dict[str, Any]()}, {**HEAD, **late})]
    client.bulk(body=lines, index=wide, params={"routing": "a"})
    client.indices.put_mapping(index=wide, body={"properties": {"late": {"type": "double"}}})
    for routing in "bcd":  # one of them is of the other shard
        client.index(index=wide, body={**HEAD, "late": 2.0}, params={"routing": routing})
    client.indices.put_settings(index=wide, body={"index.blocks.write": True})
    body = {"settings": {"number_of_shards": 1, "number_of_replicas": 0, "index.blocks.write": None}}
    client.indices.shrink(index=wide, target=stream.dataset.raw_index(DAY), body=body)
    client.indices.delete(index=wide)
    assert_held(stream, "with 'late' only in the source")


# What no row can carry


def refused(stream: Stream, documents: list[Document]) -> str:
    """Why a day is not condensed; no row was written."""
    stream.write(documents)
    with pytest.raises(Refused) as refusal:
        condense(stream.client, stream.dataset, DAY, engine="search")
    assert not stream.rows()
    assert "Nothing was written" in str(refusal.value)
    return str(refusal.value)


def test_documents_that_stand_for_several_are_refused(stream: Stream) -> None:
    told = refused(stream, [{**HEAD, "_doc_count": 3}, HEAD])
    assert "has documents with a _doc_count of their own: aggregations count 4 instead of 2" in told


COLLIDING: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a colon that moves": ({"device": "a:b", "site": "c"}, {"device": "a", "site": "b:c"}),
    "colons at the ends": ({"device": ":", "site": ""}, {"device": "", "site": ":"}),
    "the word for a missing value": ({"device": "a", "site": "#ODFE-MAGIC-NULL-MAGIC-ODFE#"}, {"device": "a"}),
    "both at once": (
        {"device": "a:#ODFE-MAGIC-NULL-MAGIC-ODFE#"},
        {"device": "a", "site": "#ODFE-MAGIC-NULL-MAGIC-ODFE#:#ODFE-MAGIC-NULL-MAGIC-ODFE#"},
    ),
}


@pytest.mark.parametrize("case", COLLIDING)
def test_groups_whose_rows_have_one_id_are_refused_before_anything_is_written(stream: Stream, case: str) -> None:
    time = {"@timestamp": HEAD["@timestamp"], "temperature": 1.0}
    told = refused(stream, [{**time, **groups} for groups in COLLIDING[case]])
    assert "has two groups whose rows have the same id, (device " in told
    assert "leave one of the fields out of history.group_by" in told


def test_addresses_with_colons_are_told_apart(make_stream: StreamFactory) -> None:
    stream = make_stream({**TYPES, "device": "ip"})
    values = [("::1", "x"), ("::", "1:x:"), ("1.2.3.4", "x:y"), ("fe80::1", ":"), ("fe80::1", "")]
    stream.write([{**HEAD, "device": address, "site": site} for address, site in values])
    stream.condense()
    assert proof_of(stream).state == "verified"
    assert len(stream.rows()) == len(values)


def test_an_address_and_a_word_that_collide_are_refused(make_stream: StreamFactory) -> None:
    stream = make_stream({**TYPES, "device": "ip"})
    assert "same id" in refused(
        stream, [{**HEAD, "device": "::1:2", "site": "x"}, {**HEAD, "device": "::1", "site": "2:x"}]
    )


def test_values_that_add_up_to_no_number_are_refused(stream: Stream) -> None:
    told = refused(stream, [{**HEAD, "temperature": 1.7e308}] * 2)
    assert (
        "has values of 'temperature' that add up to more than a number can hold, in one bucket at 2024-05-06 05:00"
        in told
    )
    assert "leave sum and avg out of the metric's stats" in told


def test_large_values_of_several_buckets_are_carried(stream: Stream) -> None:
    """Their sum over the day is no number, that of each row is."""
    times = [f"{DAY}T0{hour}:00:00Z" for hour in range(4)]
    stream.write([{**HEAD, "@timestamp": time, "temperature": 1.7e308} for time in times])
    stream.condense()
    assert proof_of(stream).failed == []


@pytest.mark.parametrize("time", [2**63 - 1, -(2**63) + 1, -(2**63) + 10**9])
def test_a_time_at_the_end_of_all_time_is_refused(stream: Stream, time: int) -> None:
    assert "too far away for any row" in refused(stream, [HEAD, {**HEAD, "@timestamp": time}])


@pytest.mark.long
def test_a_day_of_more_hours_than_a_search_has_buckets_is_carried(stream: Stream) -> None:
    """Clocks that run wild: each document has an hour of its own."""
    start = 1_700_000_000_000
    for part in range(4):
        hours = range(part * 17_000, (part + 1) * 17_000)
        stream.write([{"@timestamp": start + 3_600_000 * hour, "device": "d", "temperature": 1} for hour in hours])
    stream.condense()
    proof = proof_of(stream)
    assert (proof.failed, proof.rows) == ([], 68_000)
