r"""Syslog, as it is sent and as files of a machine hold it.

    RFC 5424  <165>1 2003-10-11T22:14:15.003Z host app 8710 ID47 [id@32473 key="value"] message
    RFC 3164  <34>Oct 11 22:14:15 host app[230]: message
    files     Oct 11 22:14:15 host app[230]: message                          (/var/log/messages, secure, syslog)
              2003-10-11T22:14:15.003000+02:00 host app[230]: message         (rsyslog's own format)

https://www.rfc-editor.org/rfc/rfc5424, https://www.rfc-editor.org/rfc/rfc3164. A time of RFC 3164 names neither year
nor zone: the year is that of the event, the zone that of the dataset.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Message, NearParser, Parsed
from opensearch_strata.archive.parsers.plain import plain_event
from opensearch_strata.archive.parsers.system.moments import Moments
from opensearch_strata.archive.timestamps import read_iso

_PRIORITY = r"<(?P<priority>\d{1,3})>"
_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_NEW = re.compile(
    rf"{_PRIORITY}(?P<version>\d{{1,2}}) (?:-|(?P<timestamp>{_ISO})) (?:-|(?P<hostname>\S{{1,255}})) "
    r"(?:-|(?P<app_name>\S{1,128})) (?:-|(?P<procid>\S{1,128})) (?:-|(?P<msgid>\S{1,128})) (?=[-\[])"
)
_OLD_TIME = rf"(?P<minute>{_MONTH} [ \d]\d \d\d:\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{{1,9}}))?"
_OLD = re.compile(rf"(?:{_PRIORITY})?(?:{_OLD_TIME}|(?P<timestamp>{_ISO})) ")
# A tag ends with a colon; a name in front of it that does not is the host. The kernel's own lines may lack both.
_TAG = r"(?P<app_name>[^\s:\[\]]{1,128})(?:\[(?P<procid>[^\s\]]{1,128})\])?:(?: |$)"
_TAGGED = re.compile(rf"(?:(?P<hostname>[^\s\[\]]{{0,254}}[^\s\[\]:]) +)?{_TAG}")
_HOST = re.compile(r"(?P<hostname>[^\s\[\]]{0,254}[^\s\[\]:]) ")
_BODY = ("hostname", "app_name", "procid")
_PARAMETERS = re.compile(r"\[([^\s=\]\"]{1,128})(?=[ \]])")
_PARAMETER = re.compile(r' ([^\s=\]"]{1,128})="([^"\\]*(?:\\.[^"\\]*){0,999})"', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\\]])')
_MOST_PARAMETERS = 100
_MOST_PRIORITY = 191  # facility 23, severity 7


def syslog(zone: ZoneInfo) -> NearParser:
    """Fields ``facility``, ``severity``, ``timestamp``, ``hostname``, ``app_name``, ``procid``, ``message``.

    RFC 5424 adds ``version``, ``msgid`` and ``structured_data``: id -> name -> value, with ``_`` for dots in names. A
    line in none of these forms stays as it is.

    :param zone: zone of the times of RFC 3164
    """
    find = syslog_lines(zone)
    return NearParser(lambda message, near: find(message, near, True) or plain_event(message))


def syslog_lines(zone: ZoneInfo) -> Callable[[Message, int | None, bool], Parsed | None]:
    """Return a function that reads a message, a time at which it existed, and whether it is known to be of a syslog;
    it returns None for a message that is not certainly a line of one.

    :param zone: zone of the times of RFC 3164
    """
    moments = Moments("%b %d %H:%M", zone)

    def find(message: Message, near: int | None, known: bool) -> Parsed | None:
        if not isinstance(message, str):
            return None
        text = message.removesuffix("\n")
        head = _OLD.match(text)
        if head is None:
            new = _NEW.match(text)
            return None if new is None else _read_new(text, new)
        return _read_old(text, head, moments, near, known)

    return find


def _read_old(text: str, head: re.Match[str], moments: Moments, near: int | None, known: bool) -> Parsed | None:
    priority, minute, second, fraction, stated = head.groups()
    fields = _priority(priority)
    if fields is None:
        return None
    time: int | None
    if stated:
        if not known and priority is None:  # lines of many programs begin with such a time
            return None
        shown, time = stated, read_iso(stated)
        if time is None:
            return None
    else:
        if int(second) > 60:  # 60 is a leap second
            return None
        moment = moments.moment(minute, int(second), int((fraction or "0").ljust(3, "0")[:3]), near)
        if moment is None and near is not None:  # the 30th of February
            return None
        shown, time = moment or (f"{minute}:{second}", None)
    fields["timestamp"] = shown
    start = head.end()
    body = _TAGGED.match(text, start)
    if body is None:
        if not known and priority is None:
            return None
        body = _HOST.match(text, start)
    if body is not None:
        for name, value in zip(_BODY, body.groups(), strict=False):
            if value is not None:
                fields[name] = value
        start = body.end()
    fields["message"] = text[start:]
    return Parsed(fields, time)


def _read_new(text: str, head: re.Match[str]) -> Parsed | None:
    stated = head.groupdict()
    fields = _priority(stated.pop("priority"))
    time = None if stated["timestamp"] is None else read_iso(stated["timestamp"])
    if fields is None or (stated["timestamp"] and time is None):
        return None
    fields |= {name: value for name, value in stated.items() if value is not None}
    fields["version"] = int(stated["version"])
    data, start = _structured_data(text, head.end())
    if data:
        fields["structured_data"] = data
    fields["message"] = text[start:].removeprefix(" ").removeprefix("\ufeff")
    return Parsed(fields, time)


def _structured_data(text: str, start: int) -> tuple[dict[str, dict[str, str]], int]:
    """The elements that begin at a position, and where they end; from an element that is broken on, all is message."""
    if text.startswith("-", start):
        return {}, start + 1
    found: dict[str, dict[str, str]] = {}
    number = 0
    while element := _PARAMETERS.match(text, start):
        values: dict[str, str] = {}
        at = element.end()
        while number < _MOST_PARAMETERS and (parameter := _PARAMETER.match(text, at)):
            number += 1
            value = parameter[2]
            values[_named(parameter[1])] = _ESCAPED.sub(r"\1", value) if "\\" in value else value
            at = parameter.end()
        if not text.startswith("]", at) or number >= _MOST_PARAMETERS:
            break
        found[_named(element[1])] = values
        number += 1
        start = at + 1
    return found, start


def _named(name: str) -> str:
    """A name in which dots do not make an object, or an invalid field."""
    return name.replace(".", "_")


def _priority(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return {}
    facility, severity = divmod(int(text), 8)
    return {"facility": facility, "severity": severity} if int(text) <= _MOST_PRIORITY else None
