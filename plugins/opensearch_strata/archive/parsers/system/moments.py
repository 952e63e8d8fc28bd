"""Times that name no year, of which a log has many in the same minute. Pure."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from opensearch_strata.archive.timestamps import MILLIS, iso_text
from opensearch_strata.definition.notation.time_formats import reads

_MINUTE, _HOUR = 60_000, 3_600_000
_MOST_MINUTES = 20_000


class Moments:
    """Reads times by their minute, so that only the first line of a minute costs more than a look into a table.

    :param time_format: directives of ``strptime`` up to the minute, without a year
    :param zone: the zone of the times
    """

    def __init__(self, time_format: str, zone: ZoneInfo) -> None:
        self._read = reads(time_format)
        self._zone = zone
        self._known: dict[tuple[str, int], tuple[str, int] | None] = {}

    def moment(self, minute: str, second: int, millisecond: int, near: int | None) -> tuple[str, int] | None:
        """Return a time as text that OpenSearch reads as a date, and in epoch milliseconds; None: it is not a time, or
        its year cannot be known.

        The year is that of the latest such time that is at most a day after ``near``: a line is older than its event,
        except for the clocks and the zones of the two.

        :param minute: the time up to its minute
        :param second: 60 is a leap second
        :param near: epoch milliseconds at which the line existed, None if that is unknown
        """
        if near is None:
            return None
        hour = near // _HOUR
        found = self._known.get((minute, hour))
        if found is None:
            found = self._minute(minute, hour)
            if found is None:
                return None
        text, start = found
        time = start + second * 1000 + millisecond
        if text and second < 60:
            return f"{text}{second:02d}{MILLIS[millisecond]}", time
        return iso_text(time), time

    def _minute(self, minute: str, hour: int) -> tuple[str, int] | None:
        """The UTC text of a minute without its seconds, and the time at which it begins."""
        start = self._read(minute, self._zone, hour * _HOUR)
        if start is None:
            return None
        if len(self._known) >= _MOST_MINUTES:
            self._known.clear()
        text = "" if start % _MINUTE else iso_text(start)[:17]  # a zone may have had seconds
        found = self._known[minute, hour] = text, start
        return found
