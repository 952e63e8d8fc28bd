"""The archive of flights, read back with gzip and json alone: all flights are in it, in the shapes that AWS writes."""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from local.samples.firehose import Written, write_flights
from local.samples.flights import flights
from tests.streams import Document

FIRST, LAST = date(2013, 1, 28), date(2013, 2, 3)
KEY = re.compile(
    r"firehose/(?P<hour>\d{4}/\d\d/\d\d/\d\d)/(?P<stream>flights-(nyc|lga))-1-"
    r"(?P<arrived>\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?P<suffix>\.gz)?"
)

Objects = dict[str, bytes]
"""Key -> bytes."""

Envelopes = list[tuple[str, Document]]
"""Key of the object, envelope."""

Delivered = dict[str, list[tuple[str, str, int, str]]]
"""Event id -> (key, log stream, timestamp, message) of each delivery."""


def objects_of(s3: Any, bucket: str) -> Objects:
    """Key -> bytes of all objects of a bucket."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [found["Key"] for page in pages for found in page["Contents"]]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


@pytest.fixture(scope="module")
def archive(s3: Any) -> tuple[Written, Objects]:
    """The report of the writer, and key -> bytes of what it wrote."""
    bucket = f"flights-{uuid4().hex}"
    s3.create_bucket(Bucket=bucket)
    return write_flights(s3, bucket, "firehose/", FIRST, LAST), objects_of(s3, bucket)


@pytest.fixture(scope="module")
def written(archive: tuple[Written, Objects]) -> Written:
    return archive[0]


@pytest.fixture(scope="module")
def objects(archive: tuple[Written, Objects]) -> Objects:
    return archive[1]


@pytest.fixture(scope="module")
def data(objects: Objects) -> Objects:
    return {key: body for key, body in objects.items() if "processing-failed" not in key}


def members_of(key: str, body: bytes) -> Iterator[bytes]:
    """Members of the inner gzip, each as bytes of its own."""
    rest = gzip.decompress(body) if key.endswith(".gz") else body
    while rest:
        reader = zlib.decompressobj(wbits=31)
        yield reader.decompress(rest)
        rest = reader.unused_data


def envelopes_of(key: str, body: bytes) -> list[Document]:
    """Envelopes of an object, one in each member."""
    return [json.loads(member) for member in members_of(key, body)]


@pytest.fixture(scope="module")
def envelopes(data: Objects) -> Envelopes:
    return [(key, envelope) for key, body in data.items() for envelope in envelopes_of(key, body)]


@pytest.fixture(scope="module")
def delivered(envelopes: Envelopes) -> Delivered:
    """Event id -> (key, log stream, timestamp, message) of each delivery."""
    found: Delivered = defaultdict(list)
    for key, envelope in envelopes:
        if envelope["messageType"] == "DATA_MESSAGE":
            for event in envelope["logEvents"]:
                found[event["id"]].append((key, envelope["logStream"], event["timestamp"], event["message"]))
    return found


def arrival(key: str) -> datetime:
    return datetime.strptime(named(key)["arrived"], "%Y-%m-%d-%H-%M-%S").replace(tzinfo=UTC)


def named(key: str) -> re.Match[str]:
    """The parts of a key."""
    match = KEY.fullmatch(key)
    assert match, key
    return match


def moment_of(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp / 1000, UTC)


def test_every_flight_is_there_and_nothing_else(delivered: Delivered) -> None:
    def line(document: Document) -> str:
        return json.dumps(document, sort_keys=True)

    found = sorted(
        line({"@timestamp": f"{moment_of(timestamp):%Y-%m-%dT%H:%M:%SZ}", **json.loads(message)})
        for ((_, _, timestamp, message), *_) in delivered.values()
    )
    assert found == sorted(line(document) for _, _, document in flights(FIRST, LAST))


def test_an_event_looks_as_cloudwatch_writes_it(envelopes: Envelopes, delivered: Delivered) -> None:
    assert all(re.fullmatch(r"\d{56}", event_id) for event_id in delivered)
    for (_, stream, _, message), *_ in delivered.values():
        fields = json.loads(message)
        assert fields["origin"] == stream
        assert "@timestamp" not in fields
    for _, envelope in envelopes:
        if envelope["messageType"] == "DATA_MESSAGE":
            assert envelope.keys() == {
                "messageType", "owner", "logGroup", "logStream", "subscriptionFilters", "logEvents"
            }  # fmt: skip
            assert re.fullmatch(r"\d{12}", envelope["owner"])
            assert envelope["logGroup"] == "/flights/nyc"
            assert envelope["subscriptionFilters"]


def test_keys_tell_the_hour_of_arrival(data: Objects) -> None:
    for key in data:
        assert f"{arrival(key):%Y/%m/%d/%H}" == named(key)["hour"]


def test_lga_is_gzipped_twice_and_the_others_once(data: Objects) -> None:
    for key, body in data.items():
        streams = {envelope["logStream"] for envelope in envelopes_of(key, body)} - {""}
        assert streams <= ({"LGA"} if named(key)["suffix"] else {"EWR", "JFK"})
    assert max(len(envelopes_of(key, body)) for key, body in data.items()) > 6


def test_some_flights_arrive_late_and_none_later_than_a_day(delivered: Delivered, written: Written) -> None:
    late = 0
    for (key, _, timestamp, _), *_ in delivered.values():
        behind = arrival(key) - moment_of(timestamp)
        assert timedelta(0) <= behind < timedelta(days=1)
        late += behind > timedelta(hours=6, minutes=15)
    # A flight at the end of its six hours may come late and not be told by its delay alone.
    assert 0 < late <= written.late
    assert 0.01 < written.late / written.events < 0.03


def test_some_envelopes_come_twice_and_are_the_same(delivered: Delivered, written: Written) -> None:
    again = {event_id: all_ for event_id, all_ in delivered.items() if len(all_) > 1}
    assert again
    for (one, *first), (other, *second) in again.values():
        assert first == second
        assert arrival(one) < arrival(other)
    assert written.duplicates == len(again)


def test_control_messages_are_those_of_aws(envelopes: Envelopes, written: Written) -> None:
    found = [envelope for _, envelope in envelopes if envelope["messageType"] == "CONTROL_MESSAGE"]
    assert len(found) == written.control >= (LAST - FIRST).days
    for envelope in found:
        assert (envelope["owner"], envelope["logGroup"], envelope["logStream"]) == ("CloudwatchLogs", "", "")
        (event,) = envelope["logEvents"]
        assert event["id"] == ""
        assert event["message"] == "CWL CONTROL MESSAGE: Checking health of destination Firehose."


def test_what_failed_once_was_sent_again(objects: Objects, envelopes: Envelopes) -> None:
    ((key, body),) = [(key, body) for key, body in objects.items() if "processing-failed" in key]
    assert key.startswith("firehose/processing-failed/2013/01/28/")
    (line,) = body.splitlines()
    failed = json.loads(gzip.decompress(base64.b64decode(json.loads(line)["rawData"])))
    assert failed["messageType"] == "DATA_MESSAGE"
    assert failed in [envelope for _, envelope in envelopes]


def test_the_report_counts_what_is_there(objects: Objects, delivered: Delivered, written: Written) -> None:
    assert (written.objects, written.events) == (len(objects), len(delivered))
    assert written.bytes == sum(map(len, objects.values()))


def test_the_same_days_give_the_same_objects_and_an_event_keeps_its_id(
    s3: Any, bucket: str, objects: Objects, delivered: Delivered
) -> None:
    write_flights(s3, bucket, "firehose/", FIRST, LAST)
    assert objects_of(s3, bucket) == objects
    day = date(2013, 2, 1)
    write_flights(s3, bucket, "one-day/", day, day)
    envelopes = [
        envelope
        for key, body in objects_of(s3, bucket).items()
        if key.startswith("one-day/2013")
        for envelope in envelopes_of(key, body)
        if envelope["messageType"] == "DATA_MESSAGE"
    ]
    messages = {event["id"]: event["message"] for envelope in envelopes for event in envelope["logEvents"]}
    assert len(messages) == len(list(flights(day, day)))
    assert all(delivered[event_id][0][3] == message for event_id, message in messages.items())
