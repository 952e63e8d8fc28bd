"""The audit log of RDS and Aurora for MySQL: lines of the MariaDB audit plugin.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.MySQL.Options.AuditPlugin.html; the escapes of a
statement are ``escape_string`` of the plugin's server_audit.c.
"""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.mysql_times import read_mysql_time
from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable, number_or_text, text_of
from opensearch_strata.archive.times import iso_text

_COLUMNS = ("serverhost", "username", "host", "connectionid", "queryid", "operation", "database")
_NUMBERS = frozenset({"connectionid", "queryid"})
_BEGIN = re.compile(r"(?:\d{8} \d\d:\d\d:\d\d|\d{16}),")
# Read from its end: a statement may hold quotes and commas, and may have been cut in the middle of an escape.
# Behind the return code are the type of the connection, since MariaDB 10.1.7, and by now more columns of RDS, empty.
_RETCODE = r",(?P<retcode>\d*)(?:,(?P<connection_type>[^,']*)(?:,[^,']*)*)?"
_QUOTED = re.compile(rf"'(?P<object>.*)'{_RETCODE}", re.DOTALL)
_PLAIN = re.compile(rf"(?P<object>(?!')[^,]*){_RETCODE}")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def begins(line: str) -> bool:
    """Whether a line of a log file begins an entry."""
    return _BEGIN.match(line) is not None


def mysql_audit(zone: ZoneInfo) -> Parser:
    """Fields ``time`` and the plugin's columns under the names that AWS gives them; empty columns are left out.

    :param zone: of times that are no epoch microseconds: the plugin writes local time, which in RDS is UTC
    """

    def parse(message: Message) -> Parsed:
        columns = text_of(message).split(",", 8)
        if len(columns) < 9 or not _BEGIN.match(f"{columns[0]},"):
            raise Unreadable("does not have the ten columns of an audit log")
        rest = _QUOTED.fullmatch(columns[8]) or _PLAIN.fullmatch(columns[8])
        if rest is None:
            raise Unreadable("does not end with an object and a return code")
        shown, time = _when(columns[0], zone)
        fields: dict[str, Any] = {"time": shown}
        for name, value in zip(_COLUMNS, columns[1:8], strict=True):
            if value:
                fields[name] = number_or_text(value) if name in _NUMBERS else value
        return Parsed(fields | _read_end(rest), time)

    return parse


def _read_end(rest: re.Match[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if rest["object"]:
        quoted = rest.re is _QUOTED
        fields["object"] = _ESCAPED.sub(_unescaped, rest["object"]) if quoted else rest["object"]
    if rest["retcode"]:
        fields["retcode"] = number_or_text(rest["retcode"])
    if rest["connection_type"]:
        fields["connection_type"] = rest["connection_type"]
    return fields


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[1])


def _when(text: str, zone: ZoneInfo) -> tuple[str, int]:
    if text.isdecimal():  # Aurora: epoch microseconds
        time = int(text) // 1000
        return iso_text(time), time
    return read_mysql_time(text, zone)
