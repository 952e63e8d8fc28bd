"""Log files of CloudTrail: each event by its own id, digests without events, and what only looks like them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.documents.shaper import Document, Shaper
from opensearch_strata.archive.events import Broken, Event, Place
from opensearch_strata.archive.store.keys import reason_apart
from tests.delivered import CLOUDTRAIL, DIGEST, INSIGHT, KEYS, trail
from tests.streams import dataset_of


def read(content: Any, **how: Any) -> Reading:
    return Reading([content if isinstance(content, bytes) else json.dumps(content).encode()], **how)


def ids_of(content: bytes, key: str) -> list[str]:
    shaper = Shaper(dataset_of("trail"), Place("bucket", key))
    return [shaped.id for item in read(content) if isinstance(shaped := shaper.shaped(item), Document)]


def test_each_record_is_an_event_with_its_own_id() -> None:
    reading = read(trail(CLOUDTRAIL, INSIGHT))
    found = list(reading)
    assert (reading.format, reading.layers, reading.damage) == ("cloudtrail", ["gzip"], None)
    assert [(one.record, one.message, one.event_id) for one in found if isinstance(one, Event)] == [
        (0, CLOUDTRAIL, CLOUDTRAIL["eventID"]), (1, INSIGHT, INSIGHT["eventID"]),
    ]  # fmt: skip
    for one in found:
        (again,) = read(one.raw, format="cloudtrail")
        assert again == one._replace(record=0)


def test_the_same_event_of_two_trails_is_one_document() -> None:
    first, second = (
        ids_of(trail(CLOUDTRAIL, INSIGHT), KEYS["cloudtrail"]),
        ids_of(trail(INSIGHT, CLOUDTRAIL), "other/x.gz"),
    )
    assert len(set(first)) == 2
    assert first == list(reversed(second))


@pytest.mark.parametrize("event_id", [None, "", 7, "not-a-uuid", CLOUDTRAIL["eventID"] + "x"])
def test_an_event_without_such_an_id_is_identified_by_its_bytes(event_id: Any) -> None:
    odd = {**CLOUDTRAIL, "eventID": event_id}
    content = trail(CLOUDTRAIL, odd, odd)
    found = [one.event_id for one in read(content) if isinstance(one, Event)]
    assert found == [CLOUDTRAIL["eventID"], "", ""]
    assert len(set(ids_of(content, "a.gz"))) == 3
    assert len({*ids_of(content, "a.gz"), *ids_of(content, "b.gz")}) == 5


def test_digests_and_empty_files_hold_no_events() -> None:
    empty: dict[str, Any] = {"Records": []}
    for content in (DIGEST, empty):
        reading = read(content)
        assert (list(reading), reading.format, reading.damage) == ([], "cloudtrail", None)
    digests = (
        KEYS["cloudtrail"].replace("/CloudTrail/", "/CloudTrail-Digest/").replace("_CloudTrail_", "_CloudTrail-Digest_")
    )
    assert reason_apart(digests, 9) == "digest"
    assert reason_apart(digests.replace("-Digest", "-Insight"), 9) is None


@pytest.mark.parametrize(
    "record",
    [
        {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {}},
        {"eventVersion": "1.1", "eventSource": "aws:dynamodb", "eventID": "c4ca4238a0b923820dcc509a6f75849b"},
        {"eventVersion": "1.0", "eventSource": "aws:kinesis", "eventID": "shardId-000000000006:4959033827149025"},
        {"a": 1},
    ],
)
def test_other_arrays_of_records_are_json(record: dict[str, Any]) -> None:
    reading = read({"Records": [record]})
    assert [one.message for one in reading if isinstance(one, Event)] == [{"Records": [record]}]
    assert reading.format == "json"


def test_what_a_dataset_states_comes_first() -> None:
    reading = read(trail(CLOUDTRAIL), unwrap="Records")
    (found,) = reading
    assert isinstance(found, Event)
    assert (reading.format, found.event_id) == ("json", "")  # ids as they have always been


def test_a_broken_record_costs_itself_and_a_cut_one_is_the_last() -> None:
    whole = json.dumps({"Records": [CLOUDTRAIL, INSIGHT]}, separators=(",", ":")).encode()
    broken = whole.replace(b'"readOnly":false', b'"readOnly":fal')
    found = list(read(broken))
    assert [type(one) for one in found] == [Broken, Event]
    assert b'"readOnly":fal' in found[0].raw
    cut = list(read(whole[:-9]))
    assert [type(one) for one in cut] == [Event, Broken]
