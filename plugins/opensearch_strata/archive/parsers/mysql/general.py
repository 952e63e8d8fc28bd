"""MySQL's general query log, 5.0 to 8.x, and MariaDB's.

Grammar: ``MYSQL_LOG::write`` (5.0), ``MYSQL_QUERY_LOG::write`` (5.1 to 5.6) and ``File_query_log::write_general`` (5.7
and later) of sql/log.cc. An entry is a time, a tab, the connection's id in five columns or more, a space, the command,
a tab and the argument as the client sent it, including line breaks. A command consists of one or more words; only the
tab ends it. Up to 5.6, and in MariaDB, a second tab replaces a time that equals that of the entry before.

5.0 pads or cuts the command to eleven columns and writes a space instead of the tab after it. Tools that expand tabs
expand all of them.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.mysql.times import ISO, LONG, OLD, read_mysql_time
from opensearch_strata.archive.parsers.parsed import (
    Entries,
    Message,
    Parsed,
    Parser,
    Unreadable,
    fast_namedtuple,
    text_of,
)

# Written when a file is opened, flushed or rotated, after a line with path and version.
_BANNER = re.compile(
    r"T(?:cp port: \d{1,9}  Unix socket: [^\n]*|CP Port: \d{1,9}, Named Pipe: [^\n]*|ime\s{1,99}Id Command\s{1,99}"
    r"Argument\s{0,99})"
)
_LONGEST_BANNER = 2**13  # characters
# All commands of 5.0 to 5.6 and of MariaDB, which omit repeated times; then, in _COMMANDS, those that came later.
_OLD_COMMANDS = [
    "Sleep", "Quit", "Init DB", "Query", "Field List", "Create DB", "Drop DB", "Refresh", "Shutdown", "Statistics",
    "Processlist", "Connect", "Kill", "Debug", "Ping", "Time", "Delayed insert", "Change user", "Binlog Dump",
    "Table Dump", "Connect Out", "Register Slave", "Prepare", "Execute", "Long Data", "Close stmt", "Reset stmt",
    "Set option", "Fetch", "Daemon", "Binlog Dump GTID", "Error",
    "Reset connection", "Bulk_execute", "Slave_worker", "Slave_IO", "Slave_SQL",
]  # fmt: skip
_COMMANDS = frozenset(
    [*_OLD_COMMANDS, "Register Replica", "Reset Connection", "clone", "Group Replication Data Stream subscription"]
)
_CUT = 11  # characters of a command in 5.0


def _one_of(commands: list[str]) -> str:
    """A pattern for the longest command that matches, also in the form that 5.0 cuts it to."""
    words = {*commands, *(command[:_CUT] for command in commands)}
    return "|".join(sorted(words, key=lambda word: (-len(word), word)))  # the longest first


_TIME = rf"(?P<time>{ISO}|{OLD}|{LONG})"
_COMMAND = rf"(?P<command>{_one_of(list(_COMMANDS))})(?P<end> {{0,99}}\t| {{1,99}}|$)"
_ENTRY = re.compile(rf"(?:{_TIME}[\t ]{{1,99}}|[\t ]{{1,99}})(?P<pid>\d{{1,20}})[\t ]{{1,99}}{_COMMAND}")
# An unknown command is ended by a tab.
_NEW_ENTRY = re.compile(r" {0,99}(\d{1,20}) ([A-Za-z]\S{0,63}(?: \S{1,64}){0,8})(?:\t|$)")
_BEGIN = re.compile(rf"(?:{_TIME}\t *\d+ [A-Za-z]|\t\t *\d+ (?:{'|'.join(_OLD_COMMANDS)})(?:\t|$))")
# Other lines that may be entries: those with a time, or with two tabs and a word that could be a command.
_MAYBE_NEW = re.compile(
    rf"(?:{ISO}|{OLD}|{LONG})[\t ]{{1,99}}\d{{1,20}}[\t ]{{1,99}}[A-Za-z]"
    r"|\t\t {0,20}\d{1,20} [A-Z][a-z_]{1,30}(?: [A-Za-z]{1,30}){0,6}(?:\t|$)"
)
_BEGINNINGS = frozenset("\t 0123456789")


class GeneralLogEntries(Entries):
    """Decides which lines of a file begin an entry; lines within a statement may look the same, which is unavoidable.

    A line that has a time or is divided by a tab always begins an entry. One with neither begins an entry unless the
    entries before it have tabs; then it is doubtful.
    """

    def __init__(self) -> None:
        super().__init__(self._begins_entry)
        self._blanks: bool | None = None
        self._doubtful = 0
        self._first = ""

    @property
    def doubts(self) -> str:
        """A sentence about lines that look like entries except for their tabs."""
        if not self._doubtful:
            return ""
        what = "line looks like an entry" if self._doubtful == 1 else "lines look like entries"
        return (
            f"{self._doubtful:,} {what} of a general log, but not in the form of the surrounding entries, and remained "
            f"part of the preceding statement; the first is {self._first!r}."
        )

    def _begins_entry(self, line: str) -> bool:
        entry = _ENTRY.match(line)
        if entry is None:
            if _BEGIN.match(line) or is_banner(line):
                return True
            return self._doubt(line) if _MAYBE_NEW.match(line) else False
        end = entry["end"]
        if entry["time"] or end.endswith("\t") or self._blanks is not False or _BEGIN.match(line):
            if end and (entry["time"] or self._blanks is None):
                self._blanks = not end.endswith("\t")
            return True
        return self._doubt(line)

    def _doubt(self, line: str) -> bool:
        self._doubtful += 1
        self._first = self._first or line[:80]
        return False


def is_banner(text: str) -> bool:
    """Whether all lines belong to the head of a general or slow log file."""
    return len(text) <= _LONGEST_BANNER and all(
        (line.endswith("started with:") and ", Version: " in line) or _BANNER.fullmatch(line)
        for line in text.splitlines() or [""]
    )


def mysql_general(zone: ZoneInfo) -> Parser:
    """Fields ``time``, ``pid``, ``perform`` (the command) and ``statement`` (its argument, may be empty).

    If lines of the statement look like entries of their own, ``doubtful_lines`` is their number.

    :param zone: zone of the times before 5.7, which are local
    """
    second, second_ms = "?", 0  # the latest second of a log in UTC, and the time at which it began
    carried: tuple[str, int] | None = None

    def parse(message: Message) -> Parsed | None:
        nonlocal carried, second, second_ms
        text = text_of(message)
        try:  # almost all entries of 5.7 and later
            head, connection, statement = text.split("\t", 2)
            pid, command = connection.split(None, 1)
            if head[:20] == second and head[26:] == "Z" and command in _COMMANDS:
                fields: dict[str, Any] = {"time": head, "pid": int(pid), "perform": command, "statement": statement}
                if "\n" in statement:
                    _mark_doubts(fields, statement)
                return fast_namedtuple(Parsed, (fields, second_ms + int(head[20:23])))
        except ValueError:
            pass
        if entry := _ENTRY.match(text):
            head, pid, command = entry["time"] or "", entry["pid"], entry["command"]
            statement = text[entry.end() :]
        else:
            head, _, rest = text.partition("\t")
            new = _NEW_ENTRY.match(rest if head else rest.removeprefix("\t"))
            if new is None:
                if is_banner(text):
                    return None
                raise Unreadable("does not begin with a time, a connection id and a command")
            (pid, command), statement = new.groups(), new.string[new.end() :]
        if head:
            carried = read_mysql_time(head, zone)
            if head[26:] == "Z":
                second, second_ms = head[:20], carried[1] // 1000 * 1000
        shown, time = carried or ("", None)
        fields = {"pid": int(pid), "perform": command, "statement": statement}
        _mark_doubts(fields, statement)
        return Parsed({"time": shown, **fields} if shown else fields, time)

    return parse


def _mark_doubts(fields: dict[str, Any], statement: str) -> None:
    """Count the lines of a statement that may be separate entries."""
    doubtful = 0
    for line in islice(statement.split("\n"), 1, None):
        if line[:1] in _BEGINNINGS and (_ENTRY.match(line) or _MAYBE_NEW.match(line)):
            doubtful += 1
    if doubtful:
        fields["doubtful_lines"] = doubtful
