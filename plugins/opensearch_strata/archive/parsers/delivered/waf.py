"""Traffic logs of AWS WAF: https://docs.aws.amazon.com/waf/latest/developerguide/logging-fields.html."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable
from opensearch_strata.archive.parsers.plain import json_fields


def waf(_: ZoneInfo) -> Parser:
    """The request's own fields; ``timestamp``, epoch milliseconds, is its time."""

    def parse(message: Message) -> Parsed:
        fields = json_fields(message)
        time = fields.get("timestamp")
        if not isinstance(time, int) or isinstance(time, bool):
            raise Unreadable("has no timestamp in milliseconds, as AWS WAF writes it")
        return Parsed(fields, time)

    return parse
