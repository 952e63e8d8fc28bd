"""The log events of the backfill benchmark have the length that is stated, and are the same whenever they are made."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from benchmarks.material.bulk_peer import GENERAL_LOG
from benchmarks.material.log_events import DAY_MS, JSON_GROUP, MYSQL_GROUP, START, LogStream
from tests.streams import Document


def envelopes_of(stream: LogStream) -> list[Document]:
    """Every envelope of every object."""
    return [json.loads(gzip.decompress(record)) for numbers in stream.objects() for record in stream.records(numbers)]


def events_of(stream: LogStream) -> list[Document]:
    return [event for envelope in envelopes_of(stream) for event in envelope["logEvents"]]


@pytest.mark.parametrize("size", [500, 1300])
def test_messages_have_the_length_that_is_stated(size: int) -> None:
    assert {len(event["message"].encode()) for event in events_of(LogStream(size, 450))} == {size}


def test_groups_take_turns_and_hold_what_they_say() -> None:
    envelopes = envelopes_of(LogStream(500, 450))
    assert [envelope["logGroup"] for envelope in envelopes[:4]] == [JSON_GROUP, MYSQL_GROUP, JSON_GROUP, MYSQL_GROUP]
    for envelope in envelopes:
        for event in envelope["logEvents"]:
            if envelope["logGroup"] == MYSQL_GROUP:
                match = GENERAL_LOG.fullmatch(event["message"])
                assert match
                assert match[3] == "Query"
            else:
                assert json.loads(event["message"])["sent_at"] == event["timestamp"]


def test_events_follow_each_other_within_a_day_each_with_an_id_of_its_own() -> None:
    events = events_of(LogStream(500, 1000))
    moments = [event["timestamp"] for event in events]
    assert moments == sorted(moments)
    assert START <= moments[0] <= moments[-1] < START + DAY_MS
    assert len({event["id"] for event in events}) == len({event["message"] for event in events}) == 1000


def test_the_same_stream_gives_the_same_bytes() -> None:
    one, other = (
        [zlib.crc32(b"".join(stream.records(numbers))) for numbers in stream.objects()]
        for stream in (LogStream(500, 300), LogStream(500, 300))
    )
    assert one == other
