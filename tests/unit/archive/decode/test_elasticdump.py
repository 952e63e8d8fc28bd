"""Hits of a search by lines, as elasticdump writes them."""

from __future__ import annotations

import pytest

from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.definition.loading.intake import split_s3_url

SOURCE = '"_source":{"@timestamp":"2025-03-05T07:00:01Z","_id":"inner"}}'


@pytest.mark.parametrize(
    "beside",
    [
        '"_type":"_doc","_id":"a1","_score":1,',
        '"_id":"a1","_score":1.5,',
        '"_id" : "a1", "_score" : null, "sort":[1741158001000,"a1"],',
        '"_id":"a1",',
        '"_type":"_doc","_id":"a1","_version":3,"_seq_no":7,"_primary_term":1,"_routing":"x","_score":0.0,',
    ],
)
def test_documents_come_with_their_ids(beside: str) -> None:
    line = f'{{"_index":"app-2025.03.05",{beside}{SOURCE}'
    reading = Reading([f"{line}\n{line}\n".encode()])
    events = list(reading)
    assert reading.format == "elasticdump"
    assert reading.measure is None
    assert [event.document_id for event in events if isinstance(event, Event)] == ["a1", "a1"]
    assert events[0].raw.decode() == line


def test_a_hit_without_a_document_costs_itself() -> None:
    lines = [f'{{"_index":"a","_id":"1",{SOURCE}', '{"_index":"a","_id":"2"}', f'{{"_index":"a","_id":"3",{SOURCE}']
    found = list(Reading(["\n".join(lines).encode()]))
    assert [type(item) for item in found] == [Event, Broken, Event]


@pytest.mark.parametrize("text", ['{"_index":"a","n":1}', '{"_id":"a","_source":{}}', '{"_index":"a","_id":"1"}'])
def test_what_is_no_hit_is_of_another_format(text: str) -> None:
    reading = Reading([text.encode()])
    list(reading)
    assert reading.format in ("json", "strata")


@pytest.mark.parametrize("bucket", ["My_Logs", "ABC", "a.b-c", "x" * 255, "_old_"])
def test_buckets_of_old_have_names(bucket: str) -> None:
    assert split_s3_url(f"s3://{bucket}/x/") == (bucket, "x/")


@pytest.mark.parametrize("bucket", ["ab", "x" * 256, "a b", "a\x1b[2J", "ä-bucket", ""])
def test_what_is_no_name_of_a_bucket(bucket: str) -> None:
    with pytest.raises(ValueError, match="is not an S3 URL"):
        split_s3_url(f"s3://{bucket}/x/")
