"""What CloudWatch Logs sends to Firehose and what Firehose writes to S3, byte for byte as AWS writes it.

Sources: CloudWatch Logs User Guide, "Real-time processing of log data with subscriptions" (envelopes, control
messages); Firehose Developer Guide, "Configure Amazon S3 object name format" (keys), "Handle data delivery failures"
(error objects). Lines of an error object end with a newline, which no page documents.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson

OWNER = "123456789012"
GZIP_LEVEL = 6

_FIRST_EVENT_ID = 31953106606966983378809025079804211143289615424298221568
"""From the guide's example; ids of neighboring events differ only in their last digits."""


def log_event(number: int, timestamp: int, message: str) -> dict[str, Any]:
    """One entry of `logEvents`. The id is derived from `number`; `timestamp` is in epoch milliseconds."""
    return {"id": str(_FIRST_EVENT_ID + number), "timestamp": timestamp, "message": message}


def data_record(log_group: str, log_stream: str, events: Sequence[dict[str, Any]]) -> bytes:
    """A Firehose record with events of one log stream: an envelope as a gzip member."""
    return _record("DATA_MESSAGE", OWNER, log_group, log_stream, [f"{log_group.strip('/')}-to-firehose"], events)


def control_record(timestamp: int) -> bytes:
    """The record with which CloudWatch Logs checks whether a destination can be reached."""
    text = "CWL CONTROL MESSAGE: Checking health of destination Firehose."
    event = {"id": "", "timestamp": timestamp, "message": text}
    return _record("CONTROL_MESSAGE", "CloudwatchLogs", "", "", [], [event])


def _record(
    kind: str, owner: str, log_group: str, log_stream: str, filters: list[str], events: Sequence[dict[str, Any]]
) -> bytes:
    envelope = {
        "messageType": kind,
        "owner": owner,
        "logGroup": log_group,
        "logStream": log_stream,
        "subscriptionFilters": filters,
        "logEvents": events,
    }
    return gzip.compress(orjson.dumps(envelope), GZIP_LEVEL, mtime=0)


def failed_record(record: bytes, stream: str, arrived: datetime) -> bytes:
    """A line of an object under `processing-failed/`: a record that the stream's Lambda function did not process."""
    moment = int(arrived.timestamp() * 1000)
    line = {
        "attemptsMade": 4,
        "arrivalTimestamp": moment,
        "errorCode": "Lambda.FunctionError",
        "errorMessage": "The Lambda function was successfully invoked but it returned an error result.",
        "attemptEndingTimestamp": moment + 60_000,
        "rawData": base64.b64encode(record).decode(),
        "lambdaArn": f"arn:aws:lambda:us-east-1:{OWNER}:function:{stream}:$LATEST",
    }
    return orjson.dumps(line) + b"\n"


def object_key(prefix: str, stream: str, arrived: datetime, suffix: str = "") -> str:
    """Key of an object in the default layout, from the UTC time at which its oldest record arrived.

    The UUID at the end, which AWS chooses at random, is derived here from the stream and the time.
    """
    unique = uuid5(NAMESPACE_URL, f"{prefix}/{stream}/{arrived.isoformat()}")
    return f"{prefix}{arrived:%Y/%m/%d/%H}/{stream}-1-{arrived:%Y-%m-%d-%H-%M-%S}-{unique}{suffix}"
