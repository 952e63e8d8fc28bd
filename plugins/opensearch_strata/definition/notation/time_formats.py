"""Formats in which a text or a number states a time: by name, or by the directives of ``strptime``. Pure.

Python's ``strptime`` is not used because it does not support nanoseconds, 23:59:60, 24:00:00 or ``UTC`` as an offset,
and because it reads the names of months in the locale of the process.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any

Reads = Callable[[Any, tzinfo, "int | None"], "int | None"]
"""Reads a value as epoch milliseconds, None if it is not a time; anything finer is cut off.

Its parameters are the value; the time zone of a text that names none; and, for a text without a year, epoch
milliseconds of a time at which the text already existed.
"""

EPOCHS = {"epoch_seconds": 3, "epoch_millis": 0, "epoch_micros": -3, "epoch_nanos": -6}
"""Name -> power of ten by which a number in that unit becomes milliseconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?", re.ASCII)
_ISO_ZONE = re.compile(r"(.*[0-9]) ?(?:UTC|GMT|([+-][0-9:]{2,6}))", re.ASCII)
_LEAP = re.compile(r"(.*[0-9]:[0-9]{2}:)60(?:[.,][0-9]+)?(.*)", re.ASCII)
_MIDNIGHT = re.compile(r"(.*)([T ])24:00(?::00(?:[.,]0+)?)?(?![0-9:])(.*)", re.ASCII)
_OFFSET = re.compile(r"([+-])([0-9]{2}):?([0-5][0-9])?(?::?([0-5][0-9]))?", re.ASCII)
_DAY = 86_400_000  # milliseconds
_LAST_OF_MINUTE = "59.999"  # 23:59:60 belongs to the day that it ends

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DIRECTIVES = {
    "%Y": "(?P<Y>[0-9]{4})",
    "%y": "(?P<y>[0-9]{2})",
    "%m": "(?P<m>1[0-2]|0?[1-9])",
    "%b": f"(?P<b>{'|'.join(_MONTHS)})",
    "%B": f"(?P<B>{'|'.join(_LONG_MONTHS)})",
    "%d": "(?P<d>3[01]|[12][0-9]|0?[1-9])",
    "%j": "(?P<j>[0-9]{3})",
    "%H": "(?P<H>2[0-4]|1[0-9]|0?[0-9])",
    "%I": "(?P<I>1[0-2]|0?[1-9])",
    "%p": "(?P<p>am|pm)",
    "%M": "(?P<M>[0-5]?[0-9])",
    "%S": "(?P<S>60|[0-5]?[0-9])",
    "%f": "(?P<f>[0-9]{1,9})",
    "%z": "(?P<z>z|utc|gmt|[+-][0-9]{2}(?::?[0-9]{2}){0,2})",
    "%a": f"(?:{'|'.join(_DAYS)})",
    "%A": f"(?:{'|'.join(_LONG_DAYS)})",
    "%%": "%",
}
_DAY_SAID_BY = ({"%m", "%d"}, {"%b", "%d"}, {"%B", "%d"}, {"%j"})
_EXCLUSIVE = (("%Y", "%y"), ("%m", "%b", "%B", "%j"), ("%d", "%j"), ("%H", "%I"))
_RFC_2822 = ("%a, %d %b %Y %H:%M:%S %z", "%d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M %z", "%d %b %Y %H:%M %z")


@lru_cache
def reads(time_format: str) -> Reads:
    """The function that reads times in a format.

    :param time_format: a name (``iso8601``, ``rfc2822``, ``epoch_seconds``, ``epoch_millis``, ``epoch_micros``,
        ``epoch_nanos``), or directives of ``strptime`` with text between them: ``%d/%b/%Y:%H:%M:%S %z``
    :raises ValueError: it is not a format; says why
    """
    if time_format in EPOCHS:
        tens = EPOCHS[time_format]
        return lambda value, _zone, _near: read_number(value, tens)
    if time_format == "iso8601":
        return lambda value, zone, _near: read_iso8601(value, zone) if isinstance(value, str) else None
    if time_format == "rfc2822":
        forms = [_by_directives(form) for form in _RFC_2822]
        return lambda value, zone, near: next(
            (time for read in forms if (time := read(value, zone, near)) is not None), None
        )
    return _by_directives(time_format)


def read_number(value: Any, tens: int = 0) -> int | None:
    """Epoch milliseconds of a number, or of a text that is a number in plain digits; None if it is neither.

    :param value: a value from a JSON document
    :param tens: power of ten that turns its unit into milliseconds: 3 for seconds, -6 for nanoseconds
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if tens == 0 and isinstance(value, int):
        return value
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    try:
        number = Decimal(value if isinstance(value, str) else repr(value)).scaleb(tens)  # exactly as it is written
        return int(number) - (int(number) > number)
    except (ArithmeticError, ValueError):  # NaN, infinite
        return None


def read_iso8601(text: str, zone: tzinfo) -> int | None:
    """Epoch milliseconds of ISO 8601 and its common variants: `` UTC``, a space before the offset, 23:59:60, 24:00."""
    text = text.strip()
    for form in (str, _mended):
        with suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(form(text))
            return epoch_ms(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    return None


def epoch_ms(moment: datetime) -> int:
    """Epoch milliseconds of an aware datetime; anything finer is cut off."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _mended(text: str) -> str:
    """The text in a form that ``fromisoformat`` reads.

    :raises ValueError: there is nothing to correct
    """
    mended = text
    if found := _ISO_ZONE.fullmatch(mended):
        mended = found[1] + (found[2] or "Z")
    if leap := _LEAP.fullmatch(mended):
        mended = leap[1] + _LAST_OF_MINUTE + leap[2]
    if midnight := _MIDNIGHT.fullmatch(mended):
        day = datetime.fromisoformat(midnight[1]).date() + timedelta(days=1)
        mended = f"{day.isoformat()}T00:00:00{midnight[3]}"
    if mended == text:
        raise ValueError(text)
    return mended


def _by_directives(time_format: str) -> Reads:
    """The function that reads times written with these directives.

    :raises ValueError: a directive is unknown or occurs twice, or the day is missing
    """
    parts = [part for part in re.split(r"(%.?)|(\s+)", time_format, flags=re.DOTALL) if part]
    said = [part for part in parts if part.startswith("%")]
    if unknown := [part for part in said if part not in _DIRECTIVES]:
        raise ValueError(
            f"{time_format!r} contains {unknown[0]!r}; known are {' '.join(_DIRECTIVES)} and the names "
            f"iso8601, rfc2822, {', '.join(EPOCHS)}"
        )
    named = [part for part in said if part not in ("%%", "%a", "%A")]
    twice = len(set(named)) != len(named) or any(len(set(named) & set(group)) > 1 for group in _EXCLUSIVE)
    if not any(day <= set(named) for day in _DAY_SAID_BY) or twice or ("%I" in named) != ("%p" in named):
        raise ValueError(
            f"{time_format!r} must contain the day, like %Y-%m-%d, each part only once, and %p together with %I; "
            f"or it must be one of iso8601, rfc2822, {', '.join(EPOCHS)}"
        )
    pattern = re.compile(
        "".join(_DIRECTIVES.get(part) or (r"\s+" if part.isspace() else re.escape(part)) for part in parts),
        re.IGNORECASE | re.ASCII,
    )

    def read(value: Any, zone: tzinfo, near: int | None) -> int | None:
        match = pattern.fullmatch(value.strip()) if isinstance(value, str) and len(value) <= _LONGEST else None
        if match is None:
            return None
        found = match.groupdict()
        try:
            return _moment(found, zone) if "Y" in found or "y" in found else _last(found, zone, near)
        except (ValueError, OverflowError):  # February 30
            return None

    return read


_LONGEST = 200  # characters; whitespace is the only part of a time without a limit of its own


def _moment(found: dict[str, str], zone: tzinfo) -> int:
    year = int(found.get("Y") or found["y"])
    if "y" in found:
        year += 1900 if year > 68 else 2000  # POSIX
    second = int(found.get("S", "0"))
    if leap := second == 60:
        second = 59
    hour = int(found.get("H", "0"))
    if "I" in found:
        hour = int(found["I"]) % 12 + 12 * (found["p"].lower() == "pm")
    midnight = hour == 24
    if midnight and (int(found.get("M", "0")) or second or leap or int(found.get("f", "0"))):
        raise ValueError("later than 24:00")
    micros = 999_000 if leap else int(found.get("f", "0").ljust(9, "0")) // 1000
    month, day = _day_of(found)
    at = datetime(year, month, day, 0 if midnight else hour, int(found.get("M", "0")), second, micros)
    at += timedelta(days=(int(found["j"]) - 1 if "j" in found else 0) + midnight)
    if "j" in found and (not int(found["j"]) or (at - timedelta(days=midnight)).year != year):
        raise ValueError("no such day of the year")
    return epoch_ms(at.replace(tzinfo=_zone_of(found.get("z"), zone)))


def _day_of(found: dict[str, str]) -> tuple[int, int]:
    if "j" in found:
        return 1, 1
    if "b" in found:
        return _MONTHS.index(found["b"].lower()) + 1, int(found["d"])
    if "B" in found:
        return _LONG_MONTHS.index(found["B"].lower()) + 1, int(found["d"])
    return int(found["m"]), int(found["d"])


def _zone_of(text: str | None, zone: tzinfo) -> tzinfo:
    if text is None:
        return zone
    offset = _OFFSET.fullmatch(text)
    if offset is None:
        return UTC
    sign, hours, minutes, seconds = offset.groups("00")
    length = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))
    return timezone(-length if sign == "-" else length)


def _last(found: dict[str, str], zone: tzinfo, near: int | None) -> int | None:
    """The latest such time that is at most one day after ``near``."""
    if near is None:
        return None
    year = (_EPOCH + timedelta(milliseconds=near + 2 * _DAY)).year  # a zone may be in the next year already
    for candidate in range(year, year - 10, -1):  # February 29 may be up to 8 years away
        try:
            time = _moment({**found, "Y": f"{candidate:04d}"}, zone)
        except (ValueError, OverflowError):
            continue
        if time <= near + _DAY:
            return time
    return None
