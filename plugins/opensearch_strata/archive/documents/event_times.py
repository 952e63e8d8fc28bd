"""When the events of one object happened, and whether that is plausible: how a dataset's times are read. Pure."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.documents.field_rules import Fields, find
from opensearch_strata.archive.spans import Span
from opensearch_strata.archive.store.keys import Arrival, Layout, arrival_in_key, arrival_in_name
from opensearch_strata.archive.timestamps import iso_text, read_time
from opensearch_strata.definition.loading.intake import Intake, length_of
from opensearch_strata.definition.notation.lists import listed
from opensearch_strata.definition.notation.time_formats import reads

if TYPE_CHECKING:
    from opensearch_strata.definition.dataset import Dataset

_DAY = 86_400_000  # milliseconds
_FAR = 10 * 365 * _DAY
EARLIEST = 2**32  # in February 1970: seconds of any year, read as milliseconds, are earlier
LATEST = 253402300800000  # the year 10000
_HALF_A_YEAR = 183 * _DAY
EVER = (-(2**63), 2**63)
_SHOWN = 100  # characters of a value


class NoTime(ValueError):  # noqa: N818 - the name says what is missing
    """Nothing states when the event happened; the message is a sentence."""


class OutOfRange(ValueError):  # noqa: N818 - the name says what the time is
    """A time is so far from everything known about its object that it must have been read in a wrong unit or format;
    the message is a sentence."""


class EventTimes:
    """The times of one object's events.

    A time that is more than ten years from the requested days and from the date in the object's key is assumed to be in
    another unit, and so is one in the first weeks of 1970, unless these are requested.

    :param key: the object's key
    :param span: epoch milliseconds that are requested, start inclusive, end exclusive; None: all
    :param modified: epoch milliseconds of the object's last change, if it is known
    """

    def __init__(self, dataset: Dataset, key: str, span: Span | None, modified: int | None) -> None:
        intake = dataset.intake
        self._timestamp = dataset.raw.timestamp
        self.formats = [reads(one) for one in listed(intake.timestamp_format)]
        self._stated_formats = ", ".join(listed(intake.timestamp_format))
        self._zone = ZoneInfo(intake.log_time_zone)
        arrived = _arrival(intake, key)
        early, late = (
            length_of(text) // timedelta(milliseconds=1) for text in (intake.max_clock_lead, intake.max_lateness)
        )
        self.latest = arrived.end + early if arrived else EVER[1]
        """The object's events are earlier than this, epoch milliseconds: by its key, it arrived after them, and their
        clock may be ahead by as much as the dataset says. Later events are not looked for in this object."""
        self.earliest = arrived.start - late if arrived else EVER[0]
        """Earlier events are not looked for in this object either: they would be too late."""
        written = arrived or arrival_in_name(key)
        known = [*(span or ()), *([written.start] if written else [])]
        self._low = min(known) - _FAR if span else EARLIEST
        self._high = min(max(known) + _FAR, LATEST) if span else LATEST
        if span is None or span[0] >= EARLIEST:
            self._low = max(self._low, EARLIEST)
        self.start, self.end = span or (self._low, self._high)
        self.are_of_the_span = bool(self.formats) and written is None
        """Whether times may be read differently, as of another year, if other days are requested."""
        self.near = self._date(written.start if written else None, span, modified)
        """Epoch milliseconds by which the object's events had happened, for times that name no year; None: unknown."""
        self.near_is_of_the_span = written is None
        """Whether that time may be another one if other days are requested."""

    @staticmethod
    def _date(written: int | None, span: Span | None, modified: int | None) -> int | None:
        """A time by which events had happened whose times name no year."""
        if written is not None:
            return written
        if span and span[1] - span[0] <= _HALF_A_YEAR:
            return span[1]
        return modified

    def stated(self, fields: Fields) -> int:
        """The time in the field that is named like the dataset's timestamp, epoch milliseconds.

        :raises NoTime: it contains no time
        :raises OutOfRange: the time is not plausible
        """
        if (found := find(fields, self._timestamp)) is None:
            raise NoTime(
                f"It has no valid time: the field {self._timestamp!r} is missing. If another field holds the time, "
                f"name it in intake.rename."
            )
        value = found[0][found[1]]
        time = self._read(value) if self.formats else read_time(value, self._zone)
        if time is None:
            raise NoTime(self._unread(value))
        if not self._low <= time < self._high:
            raise OutOfRange(_far(f"from the field {self._timestamp!r}, {_short(value)},", time))
        return time

    def archived(self, source: Fields) -> int:
        """The time of a document in our own archives, which is as it was in OpenSearch, epoch milliseconds.

        :raises NoTime: it contains no time
        :raises OutOfRange: the time is not plausible
        """
        found = find(source, self._timestamp)
        value = found[0][found[1]] if found else None
        time = self._read(value)
        if time is None or not self.start <= time < self.end:
            usual = read_time(value)
            time = time if usual is None else usual
        if time is None:
            raise NoTime(self._unread(value) if found else f"The field {self._timestamp!r} is missing.")
        if not self._low <= time < self._high:
            raise OutOfRange(_far(f"from the field {self._timestamp!r}, {_short(value)},", time))
        return time

    def is_likely(self, time: int | None) -> bool:
        """Whether a time is plausible for an event of this object.

        :param time: epoch milliseconds; None, which is always plausible
        """
        return time is None or self._low <= time < self._high

    def require_likely(self, time: int | None) -> None:
        """Refuse a time that the object or a parser states if it is not plausible.

        :param time: epoch milliseconds; None, which is always plausible
        :raises OutOfRange: it is not plausible
        """
        if time is not None and not self.is_likely(time):
            raise OutOfRange(_far("as stated by the object or the parser", time))

    def is_days_off(self, time: int) -> bool:
        """Whether a time is more than a day beyond what the object's key allows; late events are usually closer.

        :param time: epoch milliseconds
        """
        return not self.earliest - _DAY <= time < self.latest + _DAY

    def fits_exchanged(self, time: int) -> bool:
        """Whether a time would be one of this object if day and month were exchanged, as when a format has them in the
        wrong order.

        :param time: epoch milliseconds that the object's key does not allow
        """
        with suppress(ValueError, OverflowError, OSError):
            read = datetime.fromtimestamp(time / 1000, self._zone)
            other = read.replace(month=read.day, day=read.month).timestamp() * 1000
            return self.earliest <= other < self.latest
        return False

    def _read(self, value: Any) -> int | None:
        """Read a value by the first format that gives a plausible time, else by the first that gives any time."""
        times = [time for read in self.formats if (time := read(value, self._zone, self.near)) is not None]
        return next((time for time in times if self._low <= time < self._high), next(iter(times), None))

    def _unread(self, value: Any) -> str:
        shown = _short(value)
        if self.formats:
            has_year = self.near is not None or "%Y" in self._stated_formats
            year = "" if has_year else "; if the format lacks a year, the object's key must have one"
            return (
                f"It has no valid time: the field {self._timestamp!r} is {shown}, which does not match "
                f"intake.timestamp_format, {self._stated_formats}{year}."
            )
        return (
            f"It has no valid time: the field {self._timestamp!r} is {shown}, which is neither ISO 8601 nor a number "
            f"of milliseconds; state its format as intake.timestamp_format."
        )


def _arrival(intake: Intake, key: str) -> Arrival | None:
    return arrival_in_key(Layout(intake.layout, ZoneInfo(intake.layout_time_zone)), key) if intake.layout else None


def _short(value: Any) -> str:
    return repr(value)[:_SHOWN]


def _far(which: str, time: int) -> str:
    read = f"{time} milliseconds since 1970"
    with suppress(OverflowError):
        read = iso_text(time)
    return (
        f"Its time {which} reads as {read}, which is nowhere near the requested days or the object's date. If it has a "
        f"different unit or format, state that as intake.timestamp_format, for example epoch_seconds."
    )
