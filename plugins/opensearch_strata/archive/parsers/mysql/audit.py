"""The audit log of RDS and Aurora for MySQL: lines written by the MariaDB audit plugin.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.MySQL.Options.AuditPlugin.html; the escapes in a
statement are those of ``escape_string`` in the plugin's server_audit.c.
"""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.mysql.times import read_mysql_time
from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable, number_or_text, text_of
from opensearch_strata.archive.timestamps import iso_text

_COLUMNS = ("serverhost", "username", "host", "connectionid", "queryid", "operation", "database")
_NUMBERS = frozenset({"connectionid", "queryid"})
_BEGIN = re.compile(r"(?:\d{8} [ \d]\d:\d\d:\d\d|\d{16}),")
# The return code is followed by the type of the connection, since MariaDB 10.1.7, and by now by empty columns of RDS.
_MOST_COLUMNS = 16
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def begins(line: str) -> bool:
    """Whether a line of a log file begins an entry."""
    return _BEGIN.match(line) is not None


def mysql_audit(zone: ZoneInfo) -> Parser:
    """Fields ``time`` and the plugin's columns under the names that AWS gives them; empty columns are left out.

    :param zone: zone of times that are not epoch microseconds: the plugin writes local time, which in RDS is UTC
    """

    def parse(message: Message) -> Parsed:
        columns = text_of(message).split(",", 8)
        if len(columns) < 9 or not _BEGIN.match(f"{columns[0]},"):
            raise Unreadable("does not have the ten columns of an audit log")
        shown, time = _when(columns[0], zone)
        fields: dict[str, Any] = {"time": shown}
        for name, value in zip(_COLUMNS, columns[1:8], strict=True):
            if value:
                fields[name] = number_or_text(value) if name in _NUMBERS else value
        return Parsed(fields | _read_end(columns[8]), time)

    return parse


def _read_end(text: str) -> dict[str, Any]:
    """Parse the object, the return code and what follows them.

    The text is read from its end: a statement may contain quotes and commas, and may be cut off within an escape.
    """
    quoted = text.startswith("'")
    end = text.rfind("'") if quoted else text.find(",")
    shown, behind = text[quoted : max(end, 0)], text[end + quoted :]
    if end < quoted or not behind.startswith(",") or "'" in behind:
        raise Unreadable("does not end with an object and a return code")
    if behind.count(",") > _MOST_COLUMNS:
        raise Unreadable(f"has {behind.count(','):,} columns after its object, where an audit log has three or four")
    retcode, _, others = behind[1:].partition(",")
    if retcode and not retcode.isdecimal():
        raise Unreadable("does not end with an object and a return code")
    columns = {
        "object": _ESCAPED.sub(_unescaped, shown) if quoted and "\\" in shown else shown,
        "retcode": number_or_text(retcode),
        "connection_type": others.partition(",")[0],
    }
    return {name: value for name, value in columns.items() if value != ""}


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[1])


def _when(text: str, zone: ZoneInfo) -> tuple[str, int]:
    if text.isdecimal():  # Aurora: epoch microseconds
        time = int(text) // 1000
        return iso_text(time), time
    return read_mysql_time(text, zone)
