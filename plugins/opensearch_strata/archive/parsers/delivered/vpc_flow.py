"""VPC flow logs: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable, text_of
from opensearch_strata.errors.amounts import counted

_MOST_DIGITS = 20
# Version 2, the default.
_DEFAULT = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
# All names of one word; any other name in a custom format consists of several, joined by dashes.
_WORD = (
    "(?:version|srcaddr|dstaddr|srcport|dstport|protocol|packets|bytes|start|end|action|type|region"
    "|[a-z]{1,40}(?:-[a-z]{1,40}){1,8})"
)
_TELLING = frozenset({"start", "end", "srcaddr", "pkt_srcaddr", "interface_id", "log_status", "tgw_id"})
_MOST_FIELDS = 200  # AWS has 39
_HEADER = re.compile(f"{_WORD}(?: {_WORD}){{1,{_MOST_FIELDS}}}")
_NUMBERS = frozenset(
    {"version", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "tcp_flags", "traffic_path"}
    # Of transit gateways: https://docs.aws.amazon.com/vpc/latest/tgw/tgw-flow-logs.html.
    | {"packets_lost_no_route", "packets_lost_blackhole", "packets_lost_mtu_exceeded", "packets_lost_ttl_expired"}
)


def vpc_flow(_: ZoneInfo) -> Parser:
    """Records with the default fields, unless an earlier line names others."""
    return flow_log(_DEFAULT.split())


def flow_log(fields: Sequence[str]) -> Parser:
    """The fields of a record, with ``_`` for ``-`` in their names; those without a value (``-``) are left out.

    ``start`` and ``end`` stay epoch seconds. The first line of an object in S3 names the fields of the other lines; in
    Parquet, each record names its own.

    :param fields: names as AWS gives them, used until a line names others
    """
    names = _names(fields)

    def parse(message: Message) -> Parsed | None:
        nonlocal names
        if isinstance(message, dict):
            record = {name.replace("-", "_"): value for name, value in message.items() if value != "-"}
            if not _TELLING & record.keys():
                raise Unreadable("has no field that a flow log must have")
            return _timed(record)
        text = text_of(message)
        if _HEADER.fullmatch(text):
            names = _names(text.split())
            return None
        values = text.split(None, _MOST_FIELDS)
        if len(values) != len(names):
            found = counted(len(values), "value") if len(values) <= _MOST_FIELDS else f"more than {_MOST_FIELDS} values"
            raise Unreadable(
                f"has {found} where a flow log record has {len(names)}; state its fields as intake.flow_fields"
            )
        try:
            fields = {
                name: _number(value) if name in _NUMBERS else value
                for name, value in zip(names, values, strict=True)
                if value != "-"
            }
        except ValueError as error:
            raise Unreadable(
                f"has {str(error)!r} where a flow log record has a number; if it has other fields, state them as "
                f"intake.flow_fields"
            ) from None
        return _timed(fields)

    return parse


def _timed(fields: dict[str, Any]) -> Parsed:
    start = fields.get("start")
    return Parsed(fields, start * 1000 if isinstance(start, int) else None)


def _names(fields: Sequence[str]) -> list[str]:
    return [field.replace("-", "_") for field in fields]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise ValueError(text[:_MOST_DIGITS])
    return int(text)
