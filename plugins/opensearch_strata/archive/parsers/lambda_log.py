r"""Logs of AWS Lambda functions, as text and as JSON.

    platform   START RequestId: 8f50… Version: $LATEST           REPORT RequestId: 8f50…\tDuration: 26.73 ms\t…
               INIT_START Runtime Version: python:3.12.v7\tRuntime Version ARN: arn:…
               INIT_REPORT Init Duration: 150.79 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError
               EXTENSION\tName: lambda-adapter\tState: Ready\tEvents: [INVOKE, SHUTDOWN]
    Python     [INFO]\t2024-03-13T18:56:24.160Z\t8f50…\tmessage
    Node       2024-03-13T18:56:24.160Z\t8f50…\tINFO\tmessage
    time-out   2024-03-13T18:56:24.160Z 8f50… Task timed out after 3.00 seconds

Text: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html and nodejs-logging.html. JSON:
https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html; both give the same fields. Metrics:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import LONGEST_HEAD, Message, Parsed, Parser, Unreadable
from opensearch_strata.archive.parsers.plain import json_fields
from opensearch_strata.archive.timestamps import read_time

_PLATFORM = re.compile(
    r"(START|END|REPORT) RequestId: |(INIT_START|INIT_REPORT|RESTORE_START|RESTORE_REPORT) [A-Z][a-z]{1,9} "
    r"|(EXTENSION|TELEMETRY|LOGS)\tName: "
)
_TYPES = {
    "INIT_START": "initStart", "INIT_REPORT": "initReport", "RESTORE_START": "restoreStart",
    "RESTORE_REPORT": "restoreReport", "EXTENSION": "extension", "TELEMETRY": "telemetrySubscription",
    "LOGS": "logsSubscription", "START": "start", "END": "end", "REPORT": "report",
}  # fmt: skip
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PYTHON = (re.compile(rf"\[(?P<level>[A-Z]{{1,16}})\]\t(?P<timestamp>{_TIME})\t(?P<id>{_ID})?\t"),)
_TIMED = (
    re.compile(rf"(?P<timestamp>{_TIME})\t(?:(?P<id>{_ID})|undefined)\t(?P<level>[A-Z]{{1,16}})\t"),  # Node
    re.compile(rf"(?P<timestamp>{_TIME}) (?P<id>{_ID}) (?P<level>)(?=Task timed out after )"),
)
_LONGEST_NAME = 40  # characters of a name that is worth keeping
_DURATIONS = ("init_duration_ms", "restore_duration_ms")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_MEASURED = re.compile(r"(\d{1,20}(\.\d{1,20})?) (ms|MB)")


def lambda_log(_: ZoneInfo) -> Parser:
    """Fields ``type`` (``platform.report``), ``request_id``, ``duration_ms``, ``memory_size_mb``, ...

    A line that the function itself wrote has its JSON fields with ``request_id``; or ``timestamp``, ``level``,
    ``request_id`` and ``message``; or ``message`` alone.
    """

    def parse(message: Message) -> Parsed:
        if isinstance(message, dict):
            return _read_json(dict(message))
        if message.startswith("{"):
            with suppress(Unreadable):
                return _read_json(json_fields(message))
        return lambda_line(message) or Parsed({"message": message.rstrip("\n")}, None)

    return parse


def lambda_line(text: str) -> Parsed | None:
    """Read a line of the platform, or one in the form of a runtime's logger; None: it is neither.

    :param text: the message
    :raises Unreadable: it begins like a line of the platform, and is much longer than any
    """
    first = text[:1]
    if first.isupper() and (line := _PLATFORM.match(text)):
        if len(text) > LONGEST_HEAD:
            raise Unreadable(f"has {len(text):,} characters, many more than any line of the platform")
        word = line[line.lastindex or 1]
        return Parsed({"type": f"platform.{_TYPES[word]}", **_read_line(word, text[len(word) + 1 :])}, None)
    for form in _PYTHON if first == "[" else _TIMED if first == "2" else ():
        if head := form.match(text):
            named = {"timestamp": head["timestamp"], "level": head["level"], "request_id": head["id"]}
            fields: dict[str, Any] = {name: value for name, value in named.items() if value}
            fields["message"] = text[head.end() :].rstrip("\n")
            return Parsed(fields, read_time(head["timestamp"]))
    return None


def is_platform(fields: dict[str, Any]) -> bool:
    """Whether a JSON object is a line of the platform.

    :param fields: of the object
    """
    kind = fields.get("type")
    return isinstance(kind, str) and kind.startswith("platform.") and isinstance(fields.get("record"), dict)


def _read_line(word: str, text: str) -> dict[str, Any]:
    """The ``Name: value`` parts of a line, which tabs separate; of START, a space."""
    fields: dict[str, Any] = {}
    for part in re.split(r"[\t\n]+| (?=Version: )" if word == "START" else r"[\t\n]+", text.replace("XRAY ", "")):
        name, _, value = part.strip().partition(": ")
        name = _snake_word(name) if len(name) <= _LONGEST_NAME else _snake(name.replace(" ", ""))
        if measured := _MEASURED.fullmatch(value):
            name = f"{name}_{measured[3].lower()}"
            name = "duration_ms" if name in _DURATIONS and word != "REPORT" else name  # as in JSON
            fields[name] = float(measured[1]) if measured[2] or measured[3] == "ms" else int(measured[1])
        elif name in ("events", "types") and value.startswith("["):
            fields[name] = [one for one in re.split(r"[, ]+", value.strip("[]")) if one]
        elif value:
            fields[name] = value == "true" if name == "sampled" else value
    return fields


def _read_json(fields: dict[str, Any]) -> Parsed:
    if is_platform(fields):
        return platform_event(fields)
    if "requestId" in fields:
        fields["request_id"] = fields.pop("requestId")
    metrics = fields.get("_aws")  # embedded: the event's time is that of its metrics
    time = metrics.get("Timestamp") if isinstance(metrics, dict) else None
    return Parsed(fields, read_time(fields.get("timestamp") if time is None else time))


def platform_event(fields: dict[str, Any]) -> Parsed:
    """The fields of a line of the platform in JSON, as those of its text are called.

    :param fields: of an object that :func:`is_platform` accepts
    """
    record = fields["record"]
    metrics = record.get("metrics")
    flat = {**record, **metrics} if isinstance(metrics, dict) else record
    named = {_snake(name): value for name, value in flat.items() if value is not metrics or metrics is None}
    return Parsed({"type": fields["type"], **named}, read_time(fields.get("time")))


@lru_cache(maxsize=200)
def _snake_word(name: str) -> str:
    return _snake(name.replace(" ", ""))


def _snake(name: str) -> str:
    """``billedDurationMs`` and ``BilledDuration`` as ``billed_duration_ms`` and ``billed_duration``."""
    return _CAPITAL.sub("_", name.replace("MB", "Mb")).lower()
