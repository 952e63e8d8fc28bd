"""Access logs of API Gateway in the four formats of its documentation: CLF, JSON, XML, CSV; others are user-defined.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html for REST APIs, and
http-api-logging-variables.html for HTTP APIs, which log the key of a route instead of a path.
"""

from __future__ import annotations

import re
from datetime import UTC
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable, number_or_text
from opensearch_strata.archive.parsers.plain import json_fields
from opensearch_strata.archive.timestamps import read_time
from opensearch_strata.definition.notation.time_formats import reads

# REST APIs have no space before the quote, HTTP APIs have one.
_CLF = re.compile(
    r'(?P<ip>\S+) (?P<caller>\S+) (?P<user>\S+) \[(?P<requestTime>[^\]]+)\] ?"(?P<httpMethod>\S+) '
    r'(?P<resourcePath>.*?) (?P<protocol>\S+)" (?P<status>\d{3}|-) (?P<responseLength>\d+|-) (?P<requestId>\S+)'
    r"(?: (?P<extendedRequestId>\S+))?"
)
_READ = reads("%d/%b/%Y:%H:%M:%S %z")
_LONGEST_TIME = 40  # characters
_STATUS = re.compile(r"\d{3}|-", re.ASCII)
_NUMBERS = ("status", "responseLength", "responseLatency", "integrationLatency", "integrationStatus")
# API Gateway puts values into the format as they are, so nothing in them is escaped.
_XML = re.compile(r'<request id="([^"<>]{1,256})">(.*)</request>\s{0,4}', re.DOTALL)
_ELEMENT = re.compile(r"\s{0,4}<(\w{1,64})>([^<]*)</(\w{1,64})>\s{0,4}")
_MOST_ELEMENTS = 100
_REST = (
    *("ip", "caller", "user", "requestTime", "httpMethod", "resourcePath", "protocol", "status", "responseLength"),
    *("requestId", "extendedRequestId"),
)
_HTTP = ("ip", *_REST[3:5], "routeKey", *_REST[6:])
_COLUMNS = {len(names) - left_out: names for names in (_REST, _HTTP) for left_out in (0, 1)}


def api_gateway(_: ZoneInfo) -> Parser:
    """Fields as AWS names them in its JSON format; those without a value (``-``) are left out."""

    def parse(message: Message) -> Parsed:
        if isinstance(message, str) and not message.lstrip().startswith("{"):
            text = message.strip()
            if line := _CLF.fullmatch(text):
                return _tidy(line.groupdict())
            return _tidy(_read_xml(text) if text.startswith("<") else _read_csv(text))
        return _tidy(json_fields(message))

    return parse


def _read_xml(text: str) -> dict[str, Any]:
    request = _XML.fullmatch(text)
    fields = {"requestId": request[1]} if request else {}
    at = 0
    while request and at < len(request[2]):
        element = _ELEMENT.match(request[2], at)
        if element is None or element[1] != element[3] or len(fields) > _MOST_ELEMENTS:
            break
        fields[element[1]] = element[2]
        at = element.end()
    if request is None or at < len(request[2]):
        raise Unreadable("begins like XML, but is not a request with elements of text")
    return fields


def _read_csv(text: str) -> dict[str, Any]:
    columns = text.split(",", len(_REST))
    fields = dict(zip(_COLUMNS.get(len(columns), ()), columns, strict=False))
    if not fields or _STATUS.fullmatch(fields["status"]) is None or _when(fields) is None:
        raise Unreadable("is neither a JSON object nor in the Common Log Format, the XML or the CSV that AWS documents")
    return fields


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
    return _read_stated(stated) if isinstance(stated, str) and len(stated) <= _LONGEST_TIME else None


@lru_cache(maxsize=1000)
def _read_stated(text: str) -> int | None:
    return _READ(text, UTC, None)
