"""MySQL's slow query log, 5.6 to 8.x, with ``log_slow_extra``, and MariaDB's.

Grammar: ``File_query_log::write_slow`` of sql/log.cc. An entry is comment lines with names and values, then ``use db;``
(only where the log's database changes), ``SET timestamp=..;`` and the statement, or ``# administrator command: ..;``.
"""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.mysql.general import is_banner
from opensearch_strata.archive.parsers.mysql.times import ISO, read_mysql_time
from opensearch_strata.archive.parsers.parsed import LONGEST_HEAD, Message, Parsed, Parser, Unreadable, text_of
from opensearch_strata.archive.timestamps import iso_text

_ADMINISTRATOR = "# administrator command: "
_BODY = re.compile(
    r"(?:use (?P<schema>[^\n]*);\n)?"
    r"(?:SET (?:\w{1,64}=-?\d{1,20},){0,16}timestamp=(?P<start>\d{1,11})(?:\.\d{1,9})?;\n)?"
)
_TIME = "# Time: "
# Bounded, so that no line takes long to be rejected.
_USER = re.compile(
    r"# User@Host: .{0,400}?\[(?P<user>[^\]]{0,400})\] @ +(?P<host>\S{0,400}) {0,8}\[(?P<ip>[^\]]{0,100})\]"
    r"(?: +Id: +(?P<pid>\d{1,20}))?"
)
# A name without a value is followed by the next name.
_PAIR = re.compile(r"\b(\w{1,64}): {1,8}(?!\w{1,64}: )(\S+)")
_NUMBER = re.compile(r"\d{1,20}(\.\d{1,20})?")
_ZONED = re.compile(ISO)


def begins(line: str) -> bool:
    """Whether a line of a log file begins an entry; a line with the time of the next entry is one by itself."""
    return line.startswith(("# Time: ", "# User@Host: ")) or is_banner(line)


def mysql_slow(zone: ZoneInfo) -> Parser:
    """Fields ``time``, ``user``, ``host``, ``ip``, ``pid``, ``schema``, ``statement`` and all others in the head.

    Names are in lower case, numbers are numbers, ``query_time`` and ``lock_time`` are in seconds. ``schema`` is present
    only where the log states it; administrator commands have ``perform`` instead of ``statement``.

    :param zone: zone of the times before 5.7, which are local; ``SET timestamp`` takes precedence over them
    """
    waiting = ""  # the time from a line by itself, for the entry that follows

    def parse(message: Message) -> Parsed | None:
        nonlocal waiting
        text = text_of(message)
        if text.startswith(_TIME) and "\n" not in text:
            waiting = text.removeprefix(_TIME).strip()
            return None
        lines, end = _head_of(text)
        body = _BODY.match(text, end) if any(line.startswith("# Query_time: ") for line in lines) else None
        if body is None:
            if is_banner(text):
                return None
            raise Unreadable("does not begin with the comment lines of a slow query log")
        fields, logged = _read_head(lines, waiting)
        waiting = ""
        fields |= _read_body(body["schema"], text[body.end() :])
        shown, time = _when(logged, body["start"], zone)
        return Parsed({"time": shown, **fields} if shown else fields, time)

    return parse


def _head_of(text: str) -> tuple[list[str], int]:
    """The comment lines that an entry begins with, and where they end.

    :raises Unreadable: they are far longer than any that a server writes
    """
    lines, start = [], 0
    while text.startswith("#", start) and not text.startswith(_ADMINISTRATOR, start):
        end = text.find("\n", start)
        if end < 0:
            break
        if end > LONGEST_HEAD:
            raise Unreadable(f"has more than {LONGEST_HEAD:,} characters of comments before its statement")
        lines.append(text[start:end])
        start = end + 1
    return lines, start


def _read_head(lines: list[str], logged: str) -> tuple[dict[str, Any], str]:
    """The fields of the comment lines, and the time at which the entry was logged."""
    fields: dict[str, Any] = {}
    for line in lines:
        if line.startswith(_TIME):
            logged = line.removeprefix(_TIME).strip()
        elif user := _USER.match(line):
            fields |= {name: value for name, value in user.groupdict().items() if value}
        else:
            fields |= {name.lower(): _value(name.lower(), value) for name, value in _PAIR.findall(line)}
    if "pid" in fields:
        fields["pid"] = int(fields["pid"])
    return fields, logged


def _read_body(schema: str | None, statement: str) -> dict[str, Any]:
    fields = {"schema": schema.strip("`")} if schema else {}
    statement = statement.removesuffix(";")
    if statement.startswith(_ADMINISTRATOR):
        return {**fields, "perform": statement.removeprefix(_ADMINISTRATOR)}
    return {**fields, "statement": statement}


def _when(logged: str, start: str | None, zone: ZoneInfo) -> tuple[str, int | None]:
    if start and not _ZONED.fullmatch(logged):
        return iso_text(int(start) * 1000), int(start) * 1000
    return read_mysql_time(logged, zone) if logged else ("", None)


def _value(name: str, text: str) -> float | str:
    number = _NUMBER.fullmatch(text)
    if number is None or name == "schema":  # a database may be named 2013
        return text
    return float(text) if number[1] else int(text)
