"""Envelopes of CloudWatch Logs subscriptions, as Firehose leaves them in S3, and lines of our own Lambda function.

Amazon CloudWatch Logs User Guide, "Real-time processing of log data with subscriptions"; ``policyLevel`` of an
envelope and ``extractedFields`` of an event may also be present and are not used here.

The function (docs/lambda.md) writes a line for each event: ``{"cloudwatch":{"owner":..,"logGroup":..,"logStream":..,
"id":..,"timestamp":..},`` and then the fields that a parser made of the message, whatever their names. An event without
such fields stays an envelope. AWS writes no key ``cloudwatch`` into an envelope.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from opensearch_strata.archive.decode.formats.records import OBJECT_BEGINS, Record, Skipped, records
from opensearch_strata.archive.events import Broken, Event, Origin
from opensearch_strata.archive.json_bytes import dumps

_BEGIN = re.compile(
    OBJECT_BEGINS + rb'\s*"(?:messageType|owner|logGroup|logStream|subscriptionFilters|policyLevel|logEvents)"\s*:'
)
_MARKS = [re.compile(mark) for mark in (rb'"messageType"\s*:', rb'"logGroup"\s*:', rb'"logEvents"\s*:\s*\[')]
# Rewritten with sorted keys, for example by a transformation in Go: everything else comes after all the events.
_EVENTS_FIRST = re.compile(rb'\s*\{\s*"logEvents"\s*:\s*\[\s*\{\s*"(?:id|extractedFields)"\s*:')
LINE_KEY = "cloudwatch"
"""The key under which a line has what identifies its event."""

_KEPT = ("owner", "logGroup", "logStream", "id", "timestamp")
_LINE = re.compile(OBJECT_BEGINS + rb'\s*"cloudwatch"\s*:\s*\{\s*"owner"\s*:')
_HEAD = 2**16
_MOST_DIGITS = 20


def matches(head: bytes) -> bool:
    """Whether the keys of an envelope or of a line are present. In a message, their quotes would be escaped."""
    if has_line(head):
        return True
    if _BEGIN.search(head) and all(mark.search(head) for mark in _MARKS):
        return True
    return len(head) >= _HEAD and _EVENTS_FIRST.match(head) is not None


def has_line(head: bytes) -> bool:
    """Whether a line of our function is present, whose event may have the keys of any other format as its fields.

    :param head: the first bytes of the content
    """
    return _LINE.search(head) is not None


def is_line(value: dict[str, Any]) -> bool:
    """Whether an object is a line of our function, and no envelope: ``cloudwatch`` is its first key, or holds exactly
    what a line keeps there. Its event may have the keys of an envelope as its fields.

    :param value: the object
    """
    kept = value.get(LINE_KEY)
    return next(iter(value), "") == LINE_KEY or (isinstance(kept, dict) and kept.keys() == set(_KEPT))


def events(blocks: Iterable[bytes]) -> Iterator[Event | Broken]:
    """Yield the events of every DATA_MESSAGE; an envelope is a record. CONTROL_MESSAGEs, AWS's health checks, are left
    out.

    :raises Damaged: if the blocks raise it
    """
    for number, found in enumerate(records(blocks)):
        if isinstance(found, Skipped):
            yield Broken(number, found.reason, found.raw)
        else:
            yield from opened(number, found)


def opened(number: int, found: Record) -> list[Event | Broken]:
    """The events of one envelope, or that of a line.

    :param number: number of the record
    """
    envelope = found.value
    if is_line(envelope):
        return [_read_line(number, found)]
    kind = envelope.get("messageType")
    if kind == "CONTROL_MESSAGE":
        return []
    if kind != "DATA_MESSAGE":
        problem = f"It is neither a DATA_MESSAGE nor a CONTROL_MESSAGE of CloudWatch Logs but {kind!r}."
        return [Broken(number, problem, found.raw)]
    entries = envelope.get("logEvents")
    if not isinstance(entries, list):
        return [Broken(number, "Its logEvents are not a list.", found.raw)]
    origin = _origin(envelope)
    opened: list[Event | Broken] = []
    try:
        for ordinal, logged in enumerate(entries):
            identity, time, message = logged["id"], logged["timestamp"], logged["message"]
            if not (type(identity) is str and identity and type(time) is int and type(message) is str):
                return _opened_one_by_one(number, found, origin)
            opened.append(Event(number, ordinal, message, b"", time, identity, origin))
    except (KeyError, TypeError):
        return _opened_one_by_one(number, found, origin)
    return opened


LineOf = Callable[[Event, dict[str, Any]], bytes]
"""Writes the line of an event, with its line feed, from the fields that a parser made of its message.

:raises TypeError: the fields cannot be written as JSON, or one has the name under which the line keeps the origin
"""


def lines_of(origin: Origin) -> LineOf:
    """A function that writes lines for the events of a log stream; reading them gives id, time and origin again."""
    owner, log_group, log_stream = origin
    kept = {LINE_KEY: {"owner": owner, "logGroup": log_group, "logStream": log_stream}}
    head = dumps(kept).removesuffix(b"}}")  # written once: it is the same for all of them

    def line_of(event: Event, fields: dict[str, Any]) -> bytes:
        if LINE_KEY in fields:
            raise TypeError(f"There is a field {LINE_KEY!r}.")
        written = dumps(fields)
        between = b"," if fields else b""
        identity, time = dumps(event.event_id), event.time or 0
        return b'%b,"id":%b,"timestamp":%d}%b%b\n' % (head, identity, time, between, written[1:])

    return line_of


def _read_line(number: int, found: Record) -> Event | Broken:
    fields = dict(found.value)
    kept = fields.pop(LINE_KEY)
    if not isinstance(kept, dict) or kept.keys() != set(_KEPT):
        return Broken(number, f"Its {LINE_KEY} does not have exactly {', '.join(_KEPT)}.", found.raw)
    time, identity = kept["timestamp"], kept["id"]
    if type(time) is not int or type(identity) is not str:
        return Broken(number, f"Its {LINE_KEY} has no id, or no timestamp in milliseconds.", found.raw)
    return Event(number, 0, fields, found.raw, time, identity, _origin(kept), is_parsed=True)


def _origin(envelope: dict[str, Any]) -> Origin:
    get = envelope.get
    return Origin(str(get("owner", "")), str(get("logGroup", "")), str(get("logStream", "")))


def _opened_one_by_one(number: int, found: Record, origin: Origin) -> list[Event | Broken]:
    """The events of an envelope in which at least one is not as AWS writes it."""
    exact = _exactly(found)["logEvents"]
    return [
        _event(number, ordinal, found, origin, logged, exact[ordinal])
        for ordinal, logged in enumerate(found.value["logEvents"])
    ]


def _exactly(found: Record) -> dict[str, Any]:
    """The envelope with ids exactly as they are written: orjson turns numbers beyond 64 bits into floats."""
    try:
        exact: dict[str, Any] = json.loads(found.raw.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return found.value
    return exact


def _event(number: int, ordinal: int, found: Record, origin: Origin, logged: Any, exact: Any) -> Event | Broken:
    alone = dumps({**found.value, "logEvents": [logged]})
    if not isinstance(logged, dict) or not isinstance(logged.get("message"), str | dict):
        return Broken(number, f"Its event {ordinal} has no message.", alone)
    time, identity = logged.get("timestamp"), exact.get("id") or ""
    if isinstance(time, str) and time.isdecimal() and len(time) < _MOST_DIGITS:
        time = int(time)
    if not isinstance(time, int) or isinstance(identity, dict | list):
        return Broken(number, f"Its event {ordinal} has no timestamp in milliseconds, or no id.", alone)
    # Without an id, its bytes distinguish it from others.
    return Event(number, ordinal, logged["message"], b"" if identity else alone, time, str(identity), origin)
