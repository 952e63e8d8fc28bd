"""What an object contains once its layers are removed: events, and records that could not be read. Pure."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from opensearch_strata.archive.json_bytes import dumps


class Place(NamedTuple):
    """An object, in the version that was read."""

    bucket: str
    key: str
    etag: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Origin(NamedTuple):
    """The source of an event in CloudWatch Logs; fields that an object does not state are empty strings."""

    owner: str = ""
    log_group: str = ""
    log_stream: str = ""


NOWHERE = Origin()


class Event(NamedTuple):
    """One event of an object.

    :param record: number of its record in the decoded object, counted from 0; an envelope is one record
    :param ordinal: number of the event within its record
    :param message: the text as it was logged, or the fields if the object holds JSON documents
    :param raw: the record's bytes if this event is all it holds; empty for an event of an envelope, which has an id
    :param time: epoch milliseconds, if the object states the time alongside the message
    :param event_id: id from CloudWatch Logs, or from CloudTrail; empty if the object has none
    :param document_id: the ``_id`` that the document had, in Strata's own archives
    :param routing: the custom routing that it had there, None without one
    :param is_parsed: the message is what a parser made of the text before the object was written
    """

    record: int
    ordinal: int
    message: str | dict[str, Any]
    raw: bytes = b""
    time: int | None = None
    event_id: str = ""
    origin: Origin = NOWHERE
    document_id: str = ""
    routing: str | None = None
    is_parsed: bool = False


class Broken(NamedTuple):
    """A record that is not an event: it is damaged, cut off, or has no known shape.

    :param raw: its bytes, or only the first of them if the record is long
    """

    record: int
    reason: str
    raw: bytes = b""


def raw_of(event: Event) -> bytes:
    """The bytes of a single event: reading them again in the same format gives the same event.

    The meaning of its message may still depend on earlier events; see ``remembers`` in the parsers' registry.
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
        return dumps(envelope)
    except TypeError:  # half of a surrogate pair, or a number larger than 64 bits
        return json.dumps(envelope, ensure_ascii=False).encode("utf-8", "replace")
