"""Moments as archives write them, and as documents have them: milliseconds of UTC. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearch_strata.definition.days import day_bounds
from opensearch_strata.definition.notation.time_formats import epoch_ms, read_number

if TYPE_CHECKING:
    from opensearch_strata.definition.dataset import Dataset

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR = re.compile(r"[0-9]{4}")
# The end of what a date of four digits can say, and two days less: no zone, and no end of a day, may lie beyond it.
_LAST_SECOND = 253402300799 - 2 * 86400
# Seconds whose texts are kept, a few hours of them.
_MOST_SECONDS = 20_000

MILLIS = tuple(f".{millisecond:03d}Z" for millisecond in range(1000))
"""The end of an ISO-8601 text in UTC, by milliseconds."""


def read_iso(text: str, zone: tzinfo | None = None) -> int | None:
    """Epoch milliseconds of an ISO-8601 date or date-time, None if it is none.

    :param text: as it is written, without blanks around it
    :param zone: of a text that names none; None: UTC, as OpenSearch takes it
    """
    try:
        moment = datetime.fromisoformat(text)
        return epoch_ms(moment if moment.tzinfo else moment.replace(tzinfo=zone or UTC))
    except (ValueError, OverflowError):
        return None


def read_time(value: Any, zone: tzinfo | None = None) -> int | None:
    """Epoch milliseconds of a value as OpenSearch reads a ``date`` field: ISO-8601, or a number of milliseconds, be it
    written as a number or as a text.

    A text of four digits is a year, by ``strict_date_optional_time``, which comes before ``epoch_millis``.

    :param value: of a JSON document
    :param zone: of a text that names none; None: UTC
    :returns: None for anything else
    """
    if isinstance(value, str):
        if _YEAR.fullmatch(value):
            return read_iso(f"{value}-01-01", zone)
        number = read_number(value)
        return read_iso(value, zone) if number is None else number
    return read_number(value)


def iso_text(time: int) -> str:
    """Epoch milliseconds like ``2013-01-05T12:00:00.250Z``; before 1970 as well.

    :param time: epoch milliseconds
    :raises OverflowError: outside of the years 1 .. 9999
    """
    second, millisecond = divmod(time, 1000)
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + MILLIS[millisecond]


class Second(NamedTuple):
    """All that the documents of one second share.

    :param text: ISO-8601 up to the second
    :param stamp: epoch seconds in four bytes, the highest first
    """

    text: str
    stamp: bytes
    day: date
    index: str  # type: ignore[assignment]


class OutOfCalendar(ValueError):  # noqa: N818 - reads as what the time is
    """A time that no raw day can have; a sentence."""

    def __init__(self, second: int) -> None:
        super().__init__(
            f"Its time, {second} seconds from 1970 on, is not in the years 1970 to 9999. If its unit or format is "
            "another one, state it as intake.timestamp_format."
        )


class Seconds(dict[int, Second]):
    """Epoch second -> what its documents share, for one dataset; made when it is first asked for.

    :raises OutOfCalendar: by ``[]``
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
