"""What is in an object once its layers are off: events, and what could not be read. Pure."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import orjson


class Place(NamedTuple):
    """An object, in the version that was read."""

    bucket: str
    key: str
    etag: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Origin(NamedTuple):
    """Where CloudWatch Logs had an event from; empty texts where an object does not say."""

    owner: str = ""
    log_group: str = ""
    log_stream: str = ""


NOWHERE = Origin()


class Event(NamedTuple):
    """One event of an object.

    :param record: number of its record in the decoded object, from 0 on; an envelope is one record
    :param ordinal: number of the event in its record
    :param message: text as it was logged, or the fields of an object that holds JSON documents
    :param raw: the record's bytes if it holds this event alone; empty for an event of an envelope, which has an id
    :param time: epoch milliseconds, if the object says so beside the message
    :param event_id: of CloudWatch Logs, empty if the object has none
    :param document_id: the ``_id`` that the document had, in archives of our own
    """

    record: int
    ordinal: int
    message: str | dict[str, Any]
    raw: bytes = b""
    time: int | None = None
    event_id: str = ""
    origin: Origin = NOWHERE
    document_id: str = ""


class Broken(NamedTuple):
    """A record that is no event: damaged, cut off, or of no known shape.

    :param raw: its bytes, or the first part of them if they are many
    """

    record: int
    reason: str
    raw: bytes = b""


def raw_of(event: Event) -> bytes:
    """The bytes of an event by itself: read again in the same format, they give the same event.

    What its message means may depend on events before it all the same, see ``remembers`` of their registry.
    """
    if event.raw:
        return event.raw
    owner, log_group, log_stream = event.origin
    envelope = {
        "messageType": "DATA_MESSAGE",
        "owner": owner,
        "logGroup": log_group,
        "logStream": log_stream,
        "subscriptionFilters": [],
        "logEvents": [{"id": event.event_id, "timestamp": event.time, "message": event.message}],
    }
    try:
        return orjson.dumps(envelope)
    except TypeError:  # half of a surrogate pair, or a number of more than 64 bits
        return json.dumps(envelope, ensure_ascii=False).encode("utf-8", "replace")
