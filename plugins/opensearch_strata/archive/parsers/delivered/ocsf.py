"""Events in the Open Cybersecurity Schema Framework, as Security Lake stores them: https://schema.ocsf.io."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable
from opensearch_strata.archive.parsers.plain import json_fields


def ocsf(_: ZoneInfo) -> Parser:
    """The event's own fields; ``time``, epoch milliseconds, is its time."""

    def parse(message: Message) -> Parsed:
        fields = json_fields(message)
        time = fields.get("time")
        if not isinstance(time, int) or isinstance(time, bool):
            raise Unreadable("has no time in milliseconds, as OCSF requires")
        return Parsed(fields, time)

    return parse
