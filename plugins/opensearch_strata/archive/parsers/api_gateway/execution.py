"""Execution logs of API Gateway, group ``API-Gateway-Execution-Logs_<api>/<stage>``: several lines for each request.

    (09d05318-4f4b-48df-a6e1-46874ee742f3) HTTP Method: POST, Resource Path: /users/me/cv
    (09d05318-4f4b-48df-a6e1-46874ee742f3) Received response. Status: 200, Integration latency: 57 ms
    (09d05318-4f4b-48df-a6e1-46874ee742f3) Method completed with status: 200

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html. What follows the id is free text; the
fields below are named like the ``$context`` variables of access logs.
"""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser
from opensearch_strata.archive.parsers.plain import plain_event

_LINE = re.compile(r"\(([0-9A-Za-z_-]{1,64})\) ")
_KNOWN = tuple(
    re.compile(pattern)
    for pattern in (
        r"HTTP Method: (?P<httpMethod>[A-Z]{1,16}), Resource Path: (?P<resourcePath>\S{1,8192})\s{0,4}",
        r"Received response\. Status: (?P<integrationStatus>\d{3}), Integration latency: "
        r"(?P<integrationLatency>\d{1,10}) ms\s{0,4}",
        r"Method completed with status: (?P<status>\d{3})\s{0,4}",
        r"Extended Request Id: (?P<extendedRequestId>\S{1,256})\s{0,4}",
        r"AWS Integration Endpoint RequestId : ?(?P<awsEndpointRequestId>\S{1,256})\s{0,4}",
    )
)
_BEGINNINGS = ("HTTP Method: ", "Received response. ", "Method completed ", "Extended Request ", "AWS Integration ")
_NUMBERS = frozenset({"status", "integrationStatus", "integrationLatency"})
_LONGEST = 2**14  # characters of a line with known parts


def api_gateway_execution(_: ZoneInfo) -> Parser:
    """Fields ``requestId`` and ``message``; and of lines that state them ``httpMethod``, ``resourcePath``, ``status``,
    ``integrationStatus``, ``integrationLatency`` (milliseconds), ``extendedRequestId``, ``awsEndpointRequestId``.

    A message without a request id stays as it is.
    """

    def parse(message: Message) -> Parsed:
        head = _LINE.match(message) if isinstance(message, str) else None
        if head is None:
            return plain_event(message)
        text = head.string[head.end() :].removesuffix("\n")
        return Parsed({"requestId": head[1], "message": text, **_stated(text)}, None)

    return parse


def _stated(text: str) -> dict[str, Any]:
    if len(text) > _LONGEST or not text.startswith(_BEGINNINGS):
        return {}
    for pattern in _KNOWN:
        if found := pattern.fullmatch(text):
            return {name: int(value) if name in _NUMBERS else value for name, value in found.groupdict().items()}
    return {}
