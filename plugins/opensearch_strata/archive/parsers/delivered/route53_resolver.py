"""Query logs of Route 53 Resolver: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-query-logs-format.html."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable
from opensearch_strata.archive.parsers.plain import json_fields
from opensearch_strata.archive.timestamps import read_iso

_PORT = "srcport"


def route53_resolver(_: ZoneInfo) -> Parser:
    """The query's own fields, with ``srcport`` as a number; ``query_timestamp`` is its time."""

    def parse(message: Message) -> Parsed:
        fields = json_fields(message)
        stated = fields.get("query_timestamp")
        time = read_iso(stated) if isinstance(stated, str) else None
        if time is None:
            raise Unreadable("has no query_timestamp, as Route 53 Resolver writes it")
        port = fields.get(_PORT)
        if isinstance(port, str) and port.isascii() and port.isdecimal() and len(port) <= len("65535"):
            fields[_PORT] = int(port)
        return Parsed(fields, time)

    return parse
