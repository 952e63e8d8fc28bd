"""Access logs of API Gateway in the two formats of its documentation, CLF and JSON; other formats are user-defined.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable, number_or_text
from opensearch_strata.archive.parsers.plain import json_fields
from opensearch_strata.archive.timestamps import read_time
from opensearch_strata.definition.notation.time_formats import epoch_ms

# REST APIs have no space before the quote, HTTP APIs have one.
_CLF = re.compile(
    r'(?P<ip>\S+) (?P<caller>\S+) (?P<user>\S+) \[(?P<requestTime>[^\]]+)\] ?"(?P<httpMethod>\S+) '
    r'(?P<resourcePath>.*?) (?P<protocol>\S+)" (?P<status>\d{3}|-) (?P<responseLength>\d+|-) (?P<requestId>\S+)'
    r"(?: (?P<extendedRequestId>\S+))?"
)
_NUMBERS = ("status", "responseLength")


def api_gateway(_: ZoneInfo) -> Parser:
    """Fields as AWS names them in its JSON format; those without a value (``-``) are left out."""

    def parse(message: Message) -> Parsed:
        if isinstance(message, str) and not message.lstrip().startswith("{"):
            line = _CLF.fullmatch(message.strip())
            if line is None:
                raise Unreadable("is neither a line in the Common Log Format nor a JSON object")
            return _tidy(line.groupdict())
        return _tidy(json_fields(message))

    return parse


def _tidy(fields: dict[str, Any]) -> Parsed:
    present = {name: value for name, value in fields.items() if value is not None and value != "-"}
    for name in _NUMBERS:
        if isinstance(value := present.get(name), str):
            present[name] = number_or_text(value)
    return Parsed(present, _when(present))


def _when(fields: dict[str, Any]) -> int | None:
    time = read_time(fields.get("requestTimeEpoch"))
    if time is not None:
        return time
    stated = fields.get("requestTime")
    if not isinstance(stated, str):
        return None
    try:
        return epoch_ms(datetime.strptime(stated, "%d/%b/%Y:%H:%M:%S %z"))
    except (ValueError, OverflowError):
        return None
