"""VPC flow logs: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable, text_of

# Version 2, the default.
_DEFAULT = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
# All names of one word; what else a custom format may have is of several, with dashes between.
_WORD = (
    "(?:version|srcaddr|dstaddr|srcport|dstport|protocol|packets|bytes|start|end|action|type|region|[a-z]+(?:-[a-z]+)+)"
)
_HEADER = re.compile(f"{_WORD}(?: {_WORD})+")
_NUMBERS = frozenset(
    {"version", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "tcp_flags", "traffic_path"}
)


def vpc_flow(_: ZoneInfo) -> Parser:
    """The fields of a record, with ``_`` for ``-`` in their names; those without a value (``-``) are left out.

    ``start`` and ``end`` stay epoch seconds. The first line of an object in S3 names the fields of those that follow;
    without one they have the default order.
    """
    names = _names(_DEFAULT)

    def parse(message: Message) -> Parsed | None:
        nonlocal names
        text = text_of(message)
        if _HEADER.fullmatch(text):
            names = _names(text)
            return None
        values = text.split()
        if len(values) != len(names):
            raise Unreadable(f"has {len(values)} values where a flow log record has {len(names)}")
        try:
            fields = {
                name: int(value) if name in _NUMBERS else value
                for name, value in zip(names, values, strict=True)
                if value != "-"
            }
        except ValueError as error:
            raise Unreadable(f"has text where a flow log record has a number ({error})") from None
        start = fields.get("start")
        return Parsed(fields, start * 1000 if isinstance(start, int) else None)

    return parse


def _names(header: str) -> list[str]:
    return header.replace("-", "_").split()
