"""VPC flow logs: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html."""

from __future__ import annotations

import re
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable, text_of

_MOST_DIGITS = 20
# Version 2, the default.
_DEFAULT = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
# All names of one word; what else a custom format may have is of several, with dashes between.
_WORD = (
    "(?:version|srcaddr|dstaddr|srcport|dstport|protocol|packets|bytes|start|end|action|type|region"
    "|[a-z]{1,40}(?:-[a-z]{1,40}){1,8})"
)
_MOST_FIELDS = 200  # AWS has 39
_HEADER = re.compile(f"{_WORD}(?: {_WORD}){{1,{_MOST_FIELDS}}}")
_NUMBERS = frozenset(
    {"version", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "tcp_flags", "traffic_path"}
)


def vpc_flow(_: ZoneInfo) -> Parser:
    """Records of the default fields, where no line before them names others."""
    return flow_log(_DEFAULT.split())


def flow_log(fields: Sequence[str]) -> Parser:
    """The fields of a record, with ``_`` for ``-`` in their names; those without a value (``-``) are left out.

    ``start`` and ``end`` stay epoch seconds. The first line of an object in S3 names the fields of those that follow.

    :param fields: as AWS names them, where no line does
    """
    names = _names(fields)

    def parse(message: Message) -> Parsed | None:
        nonlocal names
        text = text_of(message)
        if _HEADER.fullmatch(text):
            names = _names(text.split())
            return None
        values = text.split(None, _MOST_FIELDS)
        if len(values) != len(names):
            found = len(values) if len(values) <= _MOST_FIELDS else f"more than {_MOST_FIELDS}"
            raise Unreadable(
                f"has {found} values where a flow log record has {len(names)}; what its fields are is stated as "
                f"intake.flow_fields"
            )
        try:
            fields = {
                name: _number(value) if name in _NUMBERS else value
                for name, value in zip(names, values, strict=True)
                if value != "-"
            }
        except ValueError as error:
            raise Unreadable(
                f"has {str(error)!r} where a flow log record has a number; if its fields are others, state them as "
                f"intake.flow_fields"
            ) from None
        start = fields.get("start")
        return Parsed(fields, start * 1000 if isinstance(start, int) else None)

    return parse


def _names(fields: Sequence[str]) -> list[str]:
    return [field.replace("-", "_") for field in fields]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise ValueError(text[:_MOST_DIGITS])
    return int(text)
