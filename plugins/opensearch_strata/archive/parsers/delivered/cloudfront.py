"""Standard access logs of CloudFront, legacy and v2:
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html.

As text, tabs separate the values, and ``#Fields:`` names them; as JSON and in Parquet, each event names its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable, text_of
from opensearch_strata.archive.parsers.plain import json_fields
from opensearch_strata.archive.timestamps import read_iso
from opensearch_strata.definition.notation.time_formats import read_number
from opensearch_strata.errors.amounts import counted

_LEGACY_FIELDS = (
    "date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) "
    "cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken "
    "x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status "
    "fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len "
    "sc-range-start sc-range-end"
)
_LEGACY_LENGTHS = frozenset({26, 33})  # since 2016 and since 2019
_MOST_FIELDS = 200
_HEADER = "#Fields:"
_NOT_IN_NAMES = re.compile("[^a-z0-9]+")
_WHOLE = frozenset(
    {"sc_bytes", "sc_status", "cs_bytes", "fle_encrypted_fields", "c_port", "sc_content_len", "sc_range_start"}
    | {"sc_range_end", "timestamp_ms", "asn", "cs_headers_count", "origin_port"}
)
_DECIMAL = frozenset({"time_taken", "time_to_first_byte", "origin_fbl", "origin_lbl", "timestamp"})
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_FRACTION = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?", re.ASCII)
_SHOWN = 40


def cloudfront(_: ZoneInfo) -> Parser:
    """Fields as CloudFront names them, in lower case and with ``_`` for other characters: ``cs_user_agent`` for
    ``cs(User-Agent)``. Values stay URL-encoded; those without a value (``-``) are left out. ``time_taken`` and
    ``time_to_first_byte`` are seconds.

    The time of an event is when the response was sent: ``timestamp(ms)``, ``date`` and ``time``, or ``timestamp``,
    whichever the log has. A text is read in the order that the last ``#Fields:`` line states, or in that of the legacy
    format if it has as many values.
    """
    names: list[str] = []

    def parse(message: Message) -> Parsed | None:
        nonlocal names
        if not isinstance(message, str):
            return _parsed({_name(name): value for name, value in message.items()})
        line = text_of(message)
        if line.startswith("#"):
            if line.startswith(_HEADER):
                names = _names(line[len(_HEADER) :])
            return None
        if line.startswith("{"):
            return _parsed({_name(name): value for name, value in json_fields(line).items()})
        values = line.split("\t", _MOST_FIELDS)
        stated = names or (_LEGACY[: len(values)] if len(values) in _LEGACY_LENGTHS else _LEGACY)
        if len(values) != len(stated):
            raise Unreadable(
                f"has {counted(len(values), 'value')} where this CloudFront log has {len(stated)}, by its #Fields line "
                f"or the legacy format"
            )
        return _parsed(dict(zip(stated, values, strict=True)))

    return parse


def _parsed(values: Mapping[str, Any]) -> Parsed:
    fields = {name: _typed(name, value) for name, value in values.items() if value not in ("-", None)}
    time = _when(fields)
    if time is None:
        raise Unreadable("has neither timestamp(ms) nor date and time, as CloudFront writes them")
    return Parsed(fields, time)


def _typed(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if name in _WHOLE:
        if not _NUMBER.fullmatch(value):
            raise Unreadable(f"has {value[:_SHOWN]!r} as {name}, where CloudFront writes a number")
        return int(value)
    if name in _DECIMAL:
        if not _FRACTION.fullmatch(value):
            raise Unreadable(f"has {value[:_SHOWN]!r} as {name}, where CloudFront writes a number")
        return float(value)
    return value


def _when(fields: Mapping[str, Any]) -> int | None:
    if isinstance(stated := fields.get("timestamp_ms"), int):
        return stated
    day, clock = fields.get("date"), fields.get("time")
    if isinstance(day, str) and isinstance(clock, str):
        return read_iso(f"{day}T{clock}")
    return read_number(fields.get("timestamp"), 3)


def _names(stated: str) -> list[str]:
    return [_name(name) for name in stated.split(None, _MOST_FIELDS)]


def _name(stated: str) -> str:
    return _NOT_IN_NAMES.sub("_", stated.lower()).strip("_")


_LEGACY = _names(_LEGACY_FIELDS)
