"""Times as archives write them and as documents store them: UTC in milliseconds. Pure."""

from __future__ import annotations

import re
import struct
from datetime import UTC, date, datetime, timedelta, tzinfo
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from opensearch_strata.definition.days import day_bounds
from opensearch_strata.definition.notation.time_formats import epoch_ms, read_number

if TYPE_CHECKING:
    from opensearch_strata.definition.dataset import Dataset

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR = re.compile(r"[0-9]{4}")
# The last second with a four-digit year, minus two days, so that neither a time zone nor the end of a day exceeds it.
_LAST_SECOND = 253402300799 - 2 * 86400
# The number of seconds whose texts are cached, a few hours.
_MOST_SECONDS = 20_000

# A file of the database as RFC 8536 describes it: version 1, no changes, one type of local time at offset 0.
_UTC = b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + struct.pack(">lBB", 0, 0, 0) + b"UTC\0"

MILLIS = tuple(f".{millisecond:03d}Z" for millisecond in range(1000))
"""The end of an ISO 8601 text in UTC, indexed by millisecond."""


def read_iso(text: str, zone: tzinfo | None = None) -> int | None:
    """Return the epoch milliseconds of an ISO 8601 date or date-time, or None if the text is not one.

    :param text: without surrounding whitespace
    :param zone: used if the text names none; None: UTC, as OpenSearch assumes
    """
    try:
        moment = datetime.fromisoformat(text)
        return epoch_ms(moment if moment.tzinfo else moment.replace(tzinfo=zone or UTC))
    except (ValueError, OverflowError):
        return None


def read_time(value: Any, zone: tzinfo | None = None) -> int | None:
    """Return the epoch milliseconds of a value as OpenSearch reads a ``date`` field: ISO 8601, or milliseconds,
    written either as a number or as text.

    A text of four digits is a year, because ``strict_date_optional_time`` is tried before ``epoch_millis``.

    :param value: from a JSON document
    :param zone: used if a text names none; None: UTC
    :returns: None for anything else
    """
    if isinstance(value, str):
        if _YEAR.fullmatch(value):
            return read_iso(f"{value}-01-01", zone)
        number = read_number(value)
        return read_iso(value, zone) if number is None else number
    return read_number(value)


def iso_text(time: int) -> str:
    """Format a time like ``2013-01-05T12:00:00.250Z``; times before 1970 work too.

    :param time: epoch milliseconds
    :raises OverflowError: the time is outside the years 1 to 9999
    """
    second, millisecond = divmod(time, 1000)
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + MILLIS[millisecond]


def zone_of(name: str) -> ZoneInfo:
    """A time zone; UTC is there even if the machine has no database of time zones.

    :param name: as the IANA database has it
    :raises ZoneInfoNotFoundError: the machine does not know it
    """
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        if name != "UTC":
            raise
        return ZoneInfo.from_file(BytesIO(_UTC), "UTC")


class Second(NamedTuple):
    """Everything that the documents of one second share.

    :param text: ISO 8601 up to the second
    :param stamp: epoch seconds in four bytes, big-endian
    """

    text: str
    stamp: bytes
    day: date
    index: str  # type: ignore[assignment]


class OutOfCalendar(ValueError):  # noqa: N818 - the name says what the time is
    """The time lies outside every possible raw day; the message is a sentence."""

    def __init__(self, second: int) -> None:
        super().__init__(
            f"Its time, {second} seconds since 1970, is outside the years 1970 to 9999. If it has a different unit or "
            "format, state it as intake.timestamp_format."
        )


class Seconds(dict[int, Second]):
    """Epoch second -> what its documents share, for one dataset; computed on first access.

    :raises OutOfCalendar: on access by ``[]``
    """

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        self._dataset = dataset
        self._day: tuple[float, float, date, str] = (0, 0, date.min, "")

    def __missing__(self, second: int) -> Second:
        if len(self) >= _MOST_SECONDS:
            self.clear()
        start, end, day, index = self._day
        if not start <= second < end:
            _, _, day, index = self._day = self._day_of(second)
        text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        made = self[second] = Second(text, (second & 0xFFFFFFFF).to_bytes(4, "big"), day, index)
        return made

    def _day_of(self, second: int) -> tuple[float, float, date, str]:
        zone = self._dataset.zone
        if not 0 <= second <= _LAST_SECOND:
            raise OutOfCalendar(second)
        day = datetime.fromtimestamp(second, zone).date()
        if day.year < 1970:
            raise OutOfCalendar(second)
        start, end = day_bounds(day, zone)
        return start.timestamp(), end.timestamp(), day, self._dataset.raw_index(day)
