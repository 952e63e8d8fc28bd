r"""PostgreSQL's log, as RDS and Aurora write it, group ``/aws/rds/*/postgresql``: text, or comma-separated values.

    2018-08-22 16:00:04 UTC:10.0.0.7(48808):app@shop:[18762]:LOG:  duration: 3668.685 ms  statement: SELECT 1
    2018-08-22 16:00:04 UTC:10.0.0.7(48808):app@shop:[18762]:STATEMENT:  SELECT * FROM nowhere
    2018-08-22 16:00:04.130 UTC,"app","shop",18762,"10.0.0.7:48808",5b7d8814.494a,2,"SELECT",…

Text has a prefix: RDS's default, ``%t:%r:%u@%d:[%p]:``, or the longer ``%m:%r:%u@%d:[%p]:%l:%e:%s:%v:%x:%c:%q%a:``;
line breaks of a message have a tab behind them (``append_with_tabs`` of elog.c). Values: the columns of
https://www.postgresql.org/docs/current/runtime-config-logging.html, 23 up to version 12, 24 in 13, 26 since 14. Both
get the names that the server's JSON log has, on the same page.
"""

from __future__ import annotations

import csv
import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Parsed, Parser, number_or_text
from opensearch_strata.archive.parsers.plain import plain_event
from opensearch_strata.archive.timestamps import iso_text, read_iso

_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?"
_ZONE = r"[A-Z]{1,5}|[+-]\d\d(?::?\d\d)?"
_PARTS = {
    "DETAIL": "detail", "HINT": "hint", "CONTEXT": "context", "QUERY": "internal_query", "STATEMENT": "statement",
    "LOCATION": "location", "BACKTRACE": "backtrace",
}  # fmt: skip
_SEVERITY = rf"(?P<severity>DEBUG[1-5]?|INFO|NOTICE|WARNING|ERROR|LOG|FATAL|PANIC|{'|'.join(_PARTS)}):  ?"
_PREFIX = re.compile(
    rf"(?P<time>{_TIME}) (?P<zone>{_ZONE}):(?:(?P<host>[^\s()]{{1,255}})\((?P<port>\d{{1,5}})\)|(?P<local>\[local\])|):"
    r"(?P<user>[^\n@]{0,128})@(?P<database>[^\n]{0,128}?):\[(?P<pid>\d{1,10})\]:"
)
_LONG_PREFIX = re.compile(
    rf"(?P<line_num>\d{{1,10}}):(?P<state_code>[0-9A-Z]{{5}}):(?P<start>{_TIME}) (?P<start_zone>{_ZONE}):"
    r"(?P<vxid>[^\s:]{0,32}):(?P<txid>\d{0,20}):(?P<session_id>[0-9a-f]{1,16}\.[0-9a-f]{1,16}):"
    rf":?(?P<application_name>[^\n]{{0,128}}?):?(?={_SEVERITY.replace('?P<severity>', '?:')})"
)
_LEVEL = re.compile(_SEVERITY)
_DURATION = re.compile(r"duration: (\d{1,15}\.\d{1,6}) ms")
_BEGIN = re.compile(rf"{_TIME} (?:{_ZONE})[:,]")
_COLUMNS = (
    *("timestamp", "user", "dbname", "pid", "connection", "session_id", "line_num", "ps", "session_start", "vxid"),
    *("txid", "error_severity", "state_code", "message", "detail", "hint", "internal_query", "internal_position"),
    *("context", "statement", "cursor_position", "location", "application_name", "backend_type", "leader_pid"),
    "query_id",
)
_NUMBERS = frozenset({"pid", "line_num", "txid", "internal_position", "cursor_position", "leader_pid", "query_id"})
_UTC = frozenset({"UTC", "GMT"})
_VALUES = re.compile(rf"({_TIME}) ({_ZONE}),")
_STATED = re.compile(rf"({_TIME}) ({_ZONE})")


def begins(line: str) -> bool:
    """Whether a line of a log file begins an entry."""
    return _BEGIN.match(line) is not None


def postgresql(zone: ZoneInfo) -> Parser:
    """Fields ``timestamp``, ``user``, ``dbname``, ``pid``, ``remote_host``, ``remote_port``, ``error_severity``,
    ``message``, ``duration_ms`` of a statement that was timed, and what else the prefix or the columns state.

    The lines that follow an error have ``detail``, ``hint``, ``context``, ``statement`` and so on instead of a severity
    and a message. A message in none of the forms stays as it is.

    :param zone: zone whose abbreviations times may name; UTC, GMT and offsets are always known
    """
    return lambda message: (server_line(message, zone) if isinstance(message, str) else None) or plain_event(message)


def server_line(text: str, zone: ZoneInfo) -> Parsed | None:
    """Read a line of the log, or a row of values; None: it is neither.

    :param text: the message
    :param zone: see :func:`postgresql`
    """
    text = text.removesuffix("\n")
    prefix = _PREFIX.match(text)
    if prefix is None:
        return _read_values(text, zone) if _VALUES.match(text) else None
    stated, named, host, port, local, user, database, pid = prefix.groups()
    rest = prefix.end()
    long = _LONG_PREFIX.match(text, rest)
    level = _LEVEL.match(text, long.end() if long else rest)
    moment = _moment(stated, named, zone)
    if level is None or moment is None:
        return None
    fields: dict[str, Any] = {"timestamp": moment[0], "pid": int(pid)}
    if host or local:
        fields["remote_host"] = host or local
    if port:
        fields["remote_port"] = int(port)
    if user:
        fields["user"] = user
    if database:
        fields["dbname"] = database
    if long:
        fields |= _read_long(long, zone)
    severity = level[1]
    said = text[level.end() :].replace("\n\t", "\n")
    if severity in _PARTS:
        fields[_PARTS[severity]] = said
    else:
        fields["error_severity"] = severity
        fields["message"] = said
        _add_duration(fields)
    return Parsed(fields, moment[1])


def _read_long(prefix: re.Match[str], zone: ZoneInfo) -> dict[str, Any]:
    stated = prefix.groupdict()
    started = _moment(stated.pop("start"), stated.pop("start_zone"), zone)
    fields = {name: number_or_text(value) if name in _NUMBERS else value for name, value in stated.items() if value}
    return fields | {"session_start": started[0]} if started else fields


def _read_values(text: str, zone: ZoneInfo) -> Parsed | None:
    try:
        values = next(csv.reader([text], strict=True))
    except csv.Error:  # also a value of more than 128 KiB
        return None
    if len(values) not in (23, 24, 26):
        return None
    fields: dict[str, Any] = {
        name: number_or_text(value) if name in _NUMBERS else value
        for name, value in zip(_COLUMNS, values, strict=False)
        if value
    }
    moment = _stated(fields["timestamp"], zone)
    if moment is None or "error_severity" not in fields:
        return None
    fields["timestamp"] = moment[0]
    if start := fields.pop("session_start", None):
        fields |= {"session_start": started[0]} if (started := _stated(start, zone)) else {}
    host, divider, port = fields.pop("connection", "").rpartition(":")
    if divider:
        fields |= {"remote_host": host, "remote_port": number_or_text(port)}
    elif port:
        fields["remote_host"] = port
    _add_duration(fields)
    return Parsed(fields, moment[1])


def _add_duration(fields: dict[str, Any]) -> None:
    message = fields.get("message", "")
    if message.startswith("duration: ") and (duration := _DURATION.match(message)):
        fields["duration_ms"] = float(duration[1])


def _stated(text: str, zone: ZoneInfo) -> tuple[str, int] | None:
    found = _STATED.fullmatch(text)
    return _moment(found[1], found[2], zone) if found else None


def _moment(text: str, named: str, zone: ZoneInfo) -> tuple[str, int] | None:
    """A time as text that OpenSearch reads as a date, and in epoch milliseconds; None if the zone is not known.

    :param named: an abbreviation, which is the same in several countries, or an offset
    """
    if named in _UTC:
        text = f"{text[:10]}T{text[11:]}Z"
        time = read_iso(text)
        return None if time is None else (text, time)
    if named[0] in "+-":
        time = read_iso(text + named)
    else:
        time = read_iso(text, zone)
        if time is None or datetime.fromtimestamp(time / 1000, zone).tzname() != named:
            return None
    return None if time is None else (iso_text(time), time)
