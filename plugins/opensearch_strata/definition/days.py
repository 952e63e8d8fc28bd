"""Calendar days of a dataset: their bounds in UTC, the window, and which days are complete. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from opensearch_strata.errors import Refused


def day_bounds(day: date, time_zone: ZoneInfo) -> tuple[datetime, datetime]:
    """UTC start (inclusive) and end (exclusive) of a calendar day.

    They are 23 or 25 hours apart on the days when clocks in the zone change.
    """
    return (_midnight(day, time_zone), _midnight(day + timedelta(days=1), time_zone))


def _midnight(day: date, time_zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=time_zone).astimezone(UTC)


def day_of(moment: datetime, time_zone: ZoneInfo) -> date:
    """The calendar day that an aware datetime belongs to."""
    return moment.astimezone(time_zone).date()


def is_complete(day: date, now: datetime, time_zone: ZoneInfo) -> bool:
    """True once the day's last moment has passed."""
    return now >= day_bounds(day, time_zone)[1]


def newest_complete(now: datetime, time_zone: ZoneInfo) -> date:
    """The day before the one that ``now`` belongs to."""
    return day_of(now, time_zone) - timedelta(days=1)


def require_complete(day: date, now: datetime, time_zone: ZoneInfo) -> None:
    """Refuse a day that has not ended: half a day must not be condensed, and a mistyped day could empty the window.

    :raises Refused: with the newest complete day
    """
    if not is_complete(day, now, time_zone):
        newest = newest_complete(now, time_zone)
        raise Refused(f"{day} is not over in {time_zone.key}; nothing was done. The newest complete day is {newest}.")


def newest_expired(day: date, window_days: int) -> date:
    """The newest day that has left the window when ``day`` is the newest day in it.

    The window holds ``day`` and the ``window_days - 1`` days before it.

    :param window_days: length of the window, at least 1
    """
    try:
        return day - timedelta(days=window_days)
    except OverflowError:  # the window begins before the calendar does
        return date.min


def days_between(first: date, last: date) -> list[date]:
    """All days from the first to the last, inclusive."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def months_between(first: date, last: date) -> list[date]:
    """First days of all months that overlap ``first`` to ``last`` (inclusive), in order."""
    months = []
    month = first.replace(day=1)
    while month <= last:
        months.append(month)
        month = (month + timedelta(days=32)).replace(day=1)
    return months


def last_of_month(day: date) -> date:
    """The last day of the month of ``day``."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def moment(time: int | None) -> str:
    """A time as text for people.

    :param time: epoch milliseconds
    """
    if time is None:
        return "no time"
    try:
        return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time):%Y-%m-%d %H:%M} UTC"
    except OverflowError:
        return f"{time} ms after 1970"
