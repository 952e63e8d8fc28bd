"""Entries of the systemd journal, as ``journalctl -o json`` and ``journalctl -o export`` write them.

https://systemd.io/JOURNAL_EXPORT_FORMATS and
https://www.freedesktop.org/software/systemd/man/systemd.journal-fields.html. In the export format, an entry is lines
``NAME=value``; a value with line breaks or other control characters follows a line with its name alone, after its
length in eight bytes.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Entries, Message, Parsed, Parser, Unreadable, number_or_text
from opensearch_strata.archive.parsers.plain import json_fields, plain_event

_REALTIME = "__REALTIME_TIMESTAMP"
_NUMBERS = frozenset(
    {
        *("PRIORITY", "SYSLOG_FACILITY", "SYSLOG_PID", "CODE_LINE", "ERRNO", "TID"),
        *("_PID", "_UID", "_GID", "_AUDIT_SESSION", "_AUDIT_LOGINUID", "_SYSTEMD_OWNER_UID", "_LINE_BREAK_BYTES"),
        *(_REALTIME, "__MONOTONIC_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP", "_SOURCE_MONOTONIC_TIMESTAMP", "__SEQNUM"),
    }
)
_NAME = re.compile(rb"[A-Z0-9_]{1,64}")
_FIRST = re.compile(r"__CURSOR=|__REALTIME_TIMESTAMP=")
_MOST_FIELDS = 500
_LENGTH = 8  # bytes


class JournalEntries(Entries):
    """Decides which lines of a file begin an entry: in the export format, that with the cursor."""

    def __init__(self) -> None:
        super().__init__(self._begins_entry)
        self._is_export = False

    def _begins_entry(self, line: str) -> bool:
        if line.startswith("__CURSOR="):
            self._is_export = True
            return True
        return not self._is_export


def journald(_: ZoneInfo) -> Parser:
    """The journal's own fields; those that are numbers are numbers, and bytes become text. ``MESSAGE`` is the text.

    A message that is not an entry of a journal stays as it is.
    """

    def parse(message: Message) -> Parsed:
        if isinstance(message, str) and _FIRST.match(message):
            with suppress(Unreadable):
                return journal_entry(_read_export(message))
            return plain_event(message)
        with suppress(Unreadable):
            return journal_entry(json_fields(message))
        return plain_event(message)

    return parse


def journal_entry(fields: dict[str, Any]) -> Parsed:
    """Turn the fields of an entry into those of a document, and find its time.

    :param fields: name -> text, bytes as a list of numbers, or a list of those; changed in place
    """
    for name, value in fields.items():
        if name in _NUMBERS and isinstance(value, str):
            fields[name] = number_or_text(value)
        elif isinstance(value, list):
            fields[name] = _listed(value)
    time = fields.get(_REALTIME)
    return Parsed(fields, time // 1000 if isinstance(time, int) else None)


def _listed(values: list[Any]) -> Any:
    """Bytes as text; of a field that occurs several times, the text of each."""
    if values and all(type(value) is int and 0 <= value < 256 for value in values):
        return bytes(values).decode("utf-8", "replace")
    return [_listed(value) if isinstance(value, list) else value for value in values]


def _read_export(text: str) -> dict[str, Any]:
    """The fields of an entry.

    :raises Unreadable: it is damaged
    """
    data = text.encode("utf-8", "replace")
    fields: dict[str, Any] = {}
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        name, divider, value = data[at:end].partition(b"=")
        at = end + 1
        if not name and not divider:
            continue
        if not _NAME.fullmatch(name) or len(fields) >= _MOST_FIELDS:
            raise Unreadable("is not an entry of a journal")
        if not divider:
            length = int.from_bytes(data[at : at + _LENGTH], "little")
            value = data[at + _LENGTH : at + _LENGTH + length]
            at += _LENGTH + length + 1
            if at > len(data) + 1 or len(value) != length or data[at - 1 : at] not in (b"\n", b""):
                raise Unreadable("has a value of another length than it states")
        _add(fields, name.decode(), value.decode("utf-8", "replace"))
    return fields


def _add(fields: dict[str, Any], name: str, value: str) -> None:
    """Add a value; a name that occurs several times has a list of them, as in JSON."""
    if name not in fields:
        fields[name] = value
    elif isinstance(fields[name], list):
        fields[name].append(value)
    else:
        fields[name] = [fields[name], value]
