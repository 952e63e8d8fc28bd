"""What the mapping of a raw day must say before documents of an archive come."""

from __future__ import annotations

from typing import Any

from opensearch_strata.archive.targets.raw_mapping import missing_properties, raw_properties
from opensearch_strata.definition.dataset import Dataset
from tests.streams import dataset_of


def dataset(**parts: Any) -> Dataset:
    return dataset_of("logs", **parts)


def test_stated_fields_are_mapped_as_stated() -> None:
    fields = {"device": "ip", "temperature": "double", "archive.owner": "long", "user.name": "keyword"}
    wanted = raw_properties(dataset(raw={"fields": fields}))
    assert {path: body["type"] for path, body in wanted.items()} == {
        **fields,
        "@timestamp": "date",
        "site": "keyword",
        **dict.fromkeys(
            [f"archive.{n}" for n in ("log_group", "log_stream", "event_id", "object", "position")], "keyword"
        ),
    }


def test_multi_fields_stay_below_their_field() -> None:
    history = {"group_by": ["device.keyword", "site"], "index": "logs-history-{month}"}
    assert "device.keyword" not in raw_properties(dataset(history=history))
    wanted = raw_properties(dataset(history=history, raw={"fields": {"device": "text"}}))
    assert wanted["device"] == {"type": "text", "fields": {"keyword": {"type": "keyword"}}}


def test_a_field_below_a_multi_field_that_is_not_mapped_is_not_mapped_either() -> None:
    wanted = raw_properties(dataset(raw={"fields": {"a.keyword": "keyword", "a.keyword.x": "keyword"}}))
    assert not {path for path in wanted if path.startswith("a.")}


def test_messages_are_mapped_where_documents_have_them() -> None:
    assert not {"message", "parse_error"} & raw_properties(dataset()).keys()
    assert raw_properties(dataset(intake={"parsers": {"a*": "raw"}}))["message"] == {"type": "text"}
    kept = raw_properties(dataset(intake={"unparsed": "document", "metadata": None}))
    assert kept["message"] == {"type": "text"}
    assert kept["parse_error"]["type"] == "keyword"
    assert not any(path.startswith("archive") for path in kept)


def test_only_what_is_missing_is_added() -> None:
    wanted = {path: {"type": "keyword"} for path in ("a", "b.c", "b.d", "e.f", "g.h")}
    there = {"a": {"type": "long"}, "b": {"properties": {"c": {"type": "long"}}}, "e": {"type": "flat_object"}}
    assert set(missing_properties(wanted, there)) == {"b.d", "g.h"}
