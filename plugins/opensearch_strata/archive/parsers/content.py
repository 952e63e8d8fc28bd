"""The parser ``auto``: each message is read by what it looks like, if that is certain."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.containers.container import collected, cri_line, is_collected
from opensearch_strata.archive.parsers.containers.control_plane import audit_event, is_audit, klog_lines
from opensearch_strata.archive.parsers.delivered.recognized import UNKNOWN, Recognized
from opensearch_strata.archive.parsers.lambda_log import is_platform, lambda_line, platform_event
from opensearch_strata.archive.parsers.parsed import Message, NearParser, Parsed, Unreadable, fast_namedtuple
from opensearch_strata.archive.parsers.plain import json_fields
from opensearch_strata.archive.parsers.postgresql.server_log import begins, server_line
from opensearch_strata.archive.parsers.system.cloud_init import cloud_init_lines
from opensearch_strata.archive.parsers.system.journald import journal_entry
from opensearch_strata.archive.parsers.system.syslog import syslog_lines

_MONTHS = frozenset(["Jan ", "Feb ", "Mar ", "Apr ", "May ", "Jun ", "Jul ", "Aug ", "Sep ", "Oct ", "Nov ", "Dec "])
_OF_FUNCTIONS = ("START Req", "END Req", "REPORT Req", "INIT_", "RESTORE_", "EXTENSION\t", "TELEMETRY\t", "LOGS\t")
_RARE = ("log", "kubernetes", "__REALTIME_TIMESTAMP", "apiVersion", "record")
"""Fields of the objects that are looked at further."""

_Reads = Callable[[str, int | None], Parsed | None]


def by_content(zone: ZoneInfo) -> NearParser:
    """The fields of a message that is a JSON object or certainly of a known log, else ``message``.

    A JSON object keeps its fields; only those of collectors, the journal and the platform of Lambda are typed and named
    as their parsers do it. Its time is left to the dataset, which names the field. Logs that AWS's services deliver are
    read as by their own parsers, and so are their times.

    :param zone: zone of times that name none
    """
    readers, delivered = _readers(zone), Recognized(zone)

    def read(message: Message, near: int | None) -> Parsed | None:
        if isinstance(message, str):
            first = message[:1]
            if first == "{" or (first.isspace() and message.lstrip().startswith("{")):
                try:
                    fields = json_fields(message)
                except Unreadable:
                    return fast_namedtuple(Parsed, ({"message": message}, None))
            else:
                if (of_service := delivered.line(message)) is not UNKNOWN:
                    return of_service
                for reads in readers.get(first, ()):
                    if found := reads(message, near):
                        return found
                return fast_namedtuple(Parsed, ({"message": message}, None))
        else:
            fields = dict(message)
        for name in _RARE:
            if name in fields:
                return _of_fields(fields)
        if (of_service := delivered.fields(fields)) is not UNKNOWN:
            return of_service
        return fast_namedtuple(Parsed, (fields, None))

    return NearParser(read)


@lru_cache(maxsize=50)  # what they remember is what times mean, which is the same for all streams
def _readers(zone: ZoneInfo) -> dict[str, tuple[_Reads, ...]]:
    """First character of a message -> what may read it. Each looks at a few characters before it tries a pattern."""
    syslog, klog, cloud_init = syslog_lines(zone), klog_lines(zone), cloud_init_lines(zone)

    def of_machine(text: str, near: int | None) -> Parsed | None:
        return syslog(text, near, False) if text[0] == "<" or text[:4] in _MONTHS else None

    def of_component(text: str, near: int | None) -> Parsed | None:
        return klog(text, near) if text[1:5].isdecimal() else None

    def of_time(text: str, near: int | None) -> Parsed | None:
        if text[10:11] == "T":
            return cri_line(text) if " std" in text[19:40] else lambda_line(text)
        if text[19:20] == ",":
            return cloud_init(text, near)
        return server_line(text, zone) if text[4:5] == "-" and begins(text) else None

    def of_function(text: str, _: int | None) -> Parsed | None:
        return lambda_line(text) if text.startswith(_OF_FUNCTIONS) or "]\t" in text[:20] else None

    found: dict[str, tuple[_Reads, ...]] = {}
    for firsts, reads in (
        ("0123456789", of_time),
        ("<JFMASOND", of_machine),
        ("IWEF", of_component),
        ("SERITL[", of_function),
        ("C", cloud_init),
    ):
        for first in firsts:
            found[first] = (*found.get(first, ()), reads)
    return found


def _of_fields(fields: dict[str, Any]) -> Parsed:
    if is_collected(fields):
        collected(fields)
    elif "__REALTIME_TIMESTAMP" in fields:
        journal_entry(fields)
    elif "apiVersion" in fields and is_audit(fields):
        audit_event(fields)
    elif "record" in fields and is_platform(fields):
        return Parsed(platform_event(fields).fields, None)
    return Parsed(fields, None)
