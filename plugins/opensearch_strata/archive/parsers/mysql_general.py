"""MySQL's general query log, 5.5 to 8.x.

Grammar: ``MYSQL_QUERY_LOG::write`` (5.5, 5.6) and ``File_query_log::write_general`` (5.7 and later) of sql/log.cc.
An entry is a time, a tab, the connection's id in five columns, a space, the command, a tab and the argument as it came
from the client, line breaks included. A command has one word or several; only the tab ends it. Up to 5.6 a second tab
stands for a time that is the same as that of the entry before.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.mysql_times import ISO, OLD, read_mysql_time
from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable, quickly, text_of

# Written when a file is opened, flushed or rotated, below a line with path and version.
_BANNER = re.compile(
    r"T(?:cp port: \d+  Unix socket: [^\n]*|CP Port: \d+, Named Pipe: [^\n]*|ime\s+Id Command\s+Argument)"
)
# All of 5.5 and 5.6: a line that begins with two tabs is more often part of a statement than an entry.
_OLD_COMMANDS = (
    "Sleep|Quit|Init DB|Query|Field List|Create DB|Drop DB|Refresh|Shutdown|Statistics|Processlist|Connect|Kill|Debug"
    "|Ping|Time|Delayed insert|Change user|Binlog Dump|Table Dump|Connect Out|Register Slave|Prepare|Execute|Long Data"
    "|Close stmt|Reset stmt|Set option|Fetch|Daemon|Binlog Dump GTID|Error"
)
_ENTRY = re.compile(r" *(\d{1,20}) ([^\t]+)(?:\t|$)")
_BEGIN = re.compile(rf"(?:(?:{ISO}|{OLD})\t *\d+ [A-Za-z]|\t\t *\d+ (?:{_OLD_COMMANDS})(?:\t|$))")


def begins(line: str) -> bool:
    """Whether a line of a log file begins an entry; a statement's own lines may look the same, which is inherent."""
    return _BEGIN.match(line) is not None or is_banner(line)


def is_banner(text: str) -> bool:
    """Whether all lines are those that head a file of the general or the slow log."""
    return all(
        (line.endswith("started with:") and ", Version: " in line) or _BANNER.fullmatch(line)
        for line in text.splitlines() or [""]
    )


def mysql_general(zone: ZoneInfo) -> Parser:
    """Fields ``time``, ``pid``, ``perform`` (the command) and ``statement`` (its argument, may be empty).

    :param zone: of the times before 5.7, which are local
    """
    second, second_ms = "?", 0  # the newest second of a log in UTC, and when it began
    carried: tuple[str, int] | None = None

    def parse(message: Message) -> Parsed | None:
        nonlocal carried, second, second_ms
        text = text_of(message)
        try:  # almost all entries of 5.7 and later
            head, connection, statement = text.split("\t", 2)
            pid, command = connection.split(None, 1)
            if head[:20] == second and head[26:] == "Z":
                fields = {"time": head, "pid": int(pid), "perform": command, "statement": statement}
                return quickly(Parsed, (fields, second_ms + int(head[20:23])))
        except ValueError:
            pass
        head, _, rest = text.partition("\t")
        entry = _ENTRY.match(rest if head else rest.removeprefix("\t"))
        if entry is None:
            if is_banner(text):
                return None
            raise Unreadable("does not begin with a time, the id of a connection and a command")
        if head:
            carried = read_mysql_time(head, zone)
            if head[26:] == "Z":
                second, second_ms = head[:20], carried[1] // 1000 * 1000
        shown, time = carried or ("", None)
        fields = {"pid": int(entry[1]), "perform": entry[2], "statement": entry.string[entry.end() :]}
        return Parsed({"time": shown, **fields} if shown else fields, time)

    return parse
