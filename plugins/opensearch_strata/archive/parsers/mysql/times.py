"""Times as MySQL's logs write them. Pure."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Unreadable
from opensearch_strata.archive.timestamps import iso_text, read_iso
from opensearch_strata.definition.notation.time_formats import epoch_ms

ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
"""From 5.7 on: ISO 8601 with its zone (``log_timestamps``)."""

OLD = r"\d{6} [ \d]\d:\d\d:\d\d"
"""Up to 5.6: a two-digit year, hours padded with a space, no zone."""

LONG = r"\d{4}-\d\d-\d\d [ \d]\d:\d\d:\d\d"
"""Error logs of 5.6, and of MariaDB from 10.1 on, which pads hours with a space; no zone."""

_ZONED = re.compile(ISO)
# 130801  9:05:01, 20130801 09:05:01 and 2013-08-01 09:05:01
_LOCAL = re.compile(r"(\d{4}-?|\d\d)(\d\d)-?(\d\d) ([ \d]\d):(\d\d):(\d\d)")


def read_mysql_time(text: str, zone: ZoneInfo) -> tuple[str, int]:
    """Return a time as text that OpenSearch reads as a date, and in epoch milliseconds.

    :param zone: zone of a text that names none: servers before 5.7 write local time and do not state its zone
    :raises Unreadable: it is not a time
    """
    if _ZONED.fullmatch(text):
        time = read_iso(text)
        if time is not None:
            return text, time
    elif local := _LOCAL.fullmatch(text):
        year, month, day, hour, minute, second = (int(part.rstrip("-")) for part in local.groups())
        if len(local[1]) == 2:
            year += 1900 if year >= 70 else 2000
        with suppress(ValueError, OverflowError):  # the latter at the ends of the calendar
            time = epoch_ms(datetime(year, month, day, hour, minute, second, tzinfo=zone))
            return iso_text(time), time
    raise Unreadable(f"has {text[:40]!r} where a time is expected")
