"""MySQL's error log, 5.5 to 8.x, and MariaDB's.

    5.5   130801  9:05:01 [Note] message
    5.6   2013-08-01 09:05:01 1234 [Note] message
    5.7   2013-08-01T09:05:01.123456Z 0 [Note] message
    8.x   2013-08-01T09:05:01.123456Z 0 [System] [MY-010116] [Server] message
    MariaDB, from 10.1 on: 2013-08-01  9:05:01 1234 [Note] message (``print_buffer_to_file`` of sql/log.cc)

Plugins, ``mysqld_safe`` and crashes write lines in between that have no head: the log is free text after all.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.mysql.times import ISO, LONG, OLD, read_mysql_time
from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, text_of

_TIME = rf"(?P<time>{ISO}|{OLD}|{LONG})"
_BEGIN = re.compile(_TIME)
_ENTRY = re.compile(
    rf"{_TIME} +(?:(?P<pid>\d{{1,20}}) (?=\[))?(?:\[(?P<level>\w{{1,64}})\] ?)?"
    r"(?:\[(?P<code>MY-\d{1,20})\] ?)?(?:\[(?P<subsystem>\w{1,64})\] ?)?(?P<message>.*)",
    re.DOTALL,
)


def begins(line: str) -> bool:
    """Whether a line of a log file begins an entry."""
    return _BEGIN.match(line) is not None


def mysql_error(zone: ZoneInfo) -> Parser:
    """Fields ``time``, ``pid`` (the thread), ``level``, ``code``, ``subsystem``, ``message``, those that are present.

    :param zone: zone of the times before 5.7, which are local
    """

    def parse(message: Message) -> Parsed:
        text = text_of(message)
        entry = _ENTRY.fullmatch(text)
        if entry is None:
            return Parsed({"message": text}, None)
        fields = {name: value for name, value in entry.groupdict().items() if value is not None}
        fields["time"], time = read_mysql_time(entry["time"], zone)
        if "pid" in fields:
            return Parsed({**fields, "pid": int(fields["pid"])}, time)
        return Parsed(fields, time)

    return parse
