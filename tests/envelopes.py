"""What AWS writes into objects, in small: envelopes of CloudWatch Logs, and blocks as a download gives them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.events import Broken, Event

OWNER, GROUP, STREAM = "123456789012", "/aws/rds/instance/shop/general", "shop"

CONTROL: dict[str, Any] = {
    "messageType": "CONTROL_MESSAGE",
    "owner": "CloudwatchLogs",
    "logGroup": "",
    "logStream": "",
    "subscriptionFilters": [],
    "logEvents": [
        {
            "id": "",
            "timestamp": 1676449586992,
            "message": "CWL CONTROL MESSAGE: Checking health of destination Firehose.",
        }
    ],
}
"""As AWS sends it: it does have an event."""


def event_id(number: int) -> str:
    """56 digits; neighbours differ in the last ones."""
    return f"{37_000_000 + number // 1000:08d}{number:048d}"


def envelope(messages: list[str], first: int = 0, **more: Any) -> dict[str, Any]:
    """A DATA_MESSAGE.

    :param first: number of its first event, which tells its id and its time
    """
    return {
        "messageType": "DATA_MESSAGE",
        "owner": OWNER,
        "logGroup": GROUP,
        "logStream": STREAM,
        "subscriptionFilters": ["everything"],
        "logEvents": [
            {"id": event_id(first + place), "timestamp": 1_700_000_000_000 + first + place, "message": message}
            for place, message in enumerate(messages)
        ],
        **more,
    }


def packed(value: Any) -> bytes:
    """JSON as AWS writes it, without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def blocks_of(data: bytes, size: int) -> Iterator[bytes]:
    """The data in blocks of a size."""
    return (data[start : start + size] for start in range(0, len(data), size))


def read(data: bytes, format: str = "auto", **options: Any) -> list[Event | Broken]:
    """Everything in an object."""
    return list(Reading([data], format, **options))


def messages_in(items: list[Event | Broken]) -> list[Any]:
    """The messages of the events."""
    return [item.message for item in items if isinstance(item, Event)]
