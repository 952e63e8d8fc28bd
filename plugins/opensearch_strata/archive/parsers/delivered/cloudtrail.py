"""Events of CloudTrail, and its Insights:
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable
from opensearch_strata.archive.parsers.plain import json_fields
from opensearch_strata.archive.timestamps import read_iso


def cloudtrail(_: ZoneInfo) -> Parser:
    """The event's own fields; ``eventTime`` is its time, in whole seconds. Insights have ``eventCategory: Insight`` and
    ``insightDetails``."""

    def parse(message: Message) -> Parsed:
        fields = json_fields(message)
        stated = fields.get("eventTime")
        time = read_iso(stated) if isinstance(stated, str) else None
        if time is None:
            whole = "Records" in fields
            raise Unreadable(
                "is an object with an array of events; state intake.unwrap: Records" if whole else "has no eventTime"
            )
        return Parsed(fields, time)

    return parse
