"""Logs of AWS Lambda functions, as text and as JSON.

Text: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html. JSON:
https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html; both give the same fields.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import LONGEST_HEAD, Message, Parsed, Parser, Unreadable
from opensearch_strata.archive.parsers.plain import json_fields
from opensearch_strata.archive.timestamps import read_time

_PLATFORM = re.compile(r"(START|END|REPORT) RequestId: ")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_MEASURED = re.compile(r"(\d{1,20}(\.\d{1,20})?) (ms|MB)")


def lambda_log(_: ZoneInfo) -> Parser:
    """Fields ``type`` (``platform.report``), ``request_id``, ``duration_ms``, ``memory_size_mb``, ...

    For a line that the function itself wrote: its JSON fields with ``request_id``, or ``message``.
    """

    def parse(message: Message) -> Parsed:
        if isinstance(message, dict):
            return _read_json(dict(message))
        if line := _PLATFORM.match(message):
            if len(message) > LONGEST_HEAD:
                raise Unreadable(f"has {len(message):,} characters, many more than any line of the platform")
            return Parsed({"type": f"platform.{line[1].lower()}", **_read_line(message[len(line[1]) + 1 :])}, None)
        if message.startswith("{"):
            with suppress(Unreadable):
                return _read_json(json_fields(message))
        return Parsed({"message": message.rstrip("\n")}, None)

    return parse


def _read_line(text: str) -> dict[str, Any]:
    """The ``Name: value`` parts of a line; START and END separate them with spaces, REPORT with tabs."""
    fields: dict[str, Any] = {}
    for part in re.split(r"[\t\n]+| (?=Version: )", text.replace("XRAY ", "")):
        name, _, value = part.strip().partition(": ")
        name = _snake(name.replace(" ", ""))
        if measured := _MEASURED.fullmatch(value):
            name = f"{name}_{measured[3].lower()}"
            fields[name] = float(measured[1]) if measured[2] or measured[3] == "ms" else int(measured[1])
        elif value:
            fields[name] = value == "true" if name == "sampled" else value
    return fields


def _read_json(fields: dict[str, Any]) -> Parsed:
    kind, record = fields.get("type"), fields.get("record")
    if isinstance(kind, str) and kind.startswith("platform.") and isinstance(record, dict):
        metrics = record.get("metrics")
        flat = {**record, **metrics} if isinstance(metrics, dict) else record
        named = {_snake(name): value for name, value in flat.items() if value is not metrics or metrics is None}
        return Parsed({"type": kind, **named}, read_time(fields.get("time")))
    if "requestId" in fields:
        fields["request_id"] = fields.pop("requestId")
    return Parsed(fields, read_time(fields.get("timestamp")))


def _snake(name: str) -> str:
    """``billedDurationMs`` and ``BilledDuration`` as ``billed_duration_ms`` and ``billed_duration``."""
    return _CAPITAL.sub("_", name.replace("MB", "Mb")).lower()
