"""When the events of one object happened, and whether that can be: how a dataset's times are read. Pure."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.documents.field_rules import Fields, find
from opensearch_strata.archive.spans import Span
from opensearch_strata.archive.store.keys import Arrival, Layout, arrival_in_key, arrival_in_name
from opensearch_strata.archive.timestamps import iso_text, read_time
from opensearch_strata.definition.intake import Intake, length_of, listed
from opensearch_strata.definition.notation.time_formats import reads

if TYPE_CHECKING:
    from opensearch_strata.definition.dataset import Dataset

_DAY = 86_400_000  # milliseconds
_FAR = 10 * 365 * _DAY
_EARLIEST = 2**32  # in February 1970: as milliseconds, seconds of any year are before
_CALENDAR = 253402300800000  # the year 10000
_HALF_A_YEAR = 183 * _DAY
EVER = (-(2**63), 2**63)
_SHOWN = 100  # characters of a value


class NoTime(ValueError):  # noqa: N818 - reads as what is missing
    """Nothing says when it happened; a sentence."""


class OutOfRange(ValueError):  # noqa: N818 - reads as what the time is
    """It happened so far from all that is known of its object that it was read in a wrong unit or format; a
    sentence."""


class EventTimes:
    """The times of one object's events.

    A time that is more than ten years from the days that are asked for and from the date in the object's key is taken
    for one of another unit, and so is one in the first weeks of 1970, unless these are asked for.

    :param key: of the object
    :param span: epoch milliseconds that are asked for, start inclusive, end exclusive; None: all
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
        """Events of an object are older than that, epoch milliseconds: it arrived behind them, by its key, and they may
        be early by as much as the dataset says. None that is later is looked for in this object."""
        self.earliest = arrived.start - late if arrived else EVER[0]
        """Nor is one that is earlier: it came too late."""
        written = arrived or arrival_in_name(key)
        known = [*(span or ()), *([written.start] if written else [])]
        self._low = min(known) - _FAR if span else _EARLIEST
        self._high = min(max(known) + _FAR, _CALENDAR) if span else _CALENDAR
        if span is None or span[0] >= _EARLIEST:
            self._low = max(self._low, _EARLIEST)
        self.start, self.end = span or (self._low, self._high)
        self.are_of_the_span = bool(self.formats) and written is None
        """Whether times may be read as others where other days are asked for: of another year."""
        self._near = self._date(written.start if written else None, span, modified)

    @staticmethod
    def _date(written: int | None, span: Span | None, modified: int | None) -> int | None:
        """When events were there already whose times name no year."""
        if written is not None:
            return written
        if span and span[1] - span[0] <= _HALF_A_YEAR:
            return span[1]
        return modified

    def stated(self, fields: Fields) -> int:
        """The time that the field named like the dataset's timestamp says, epoch milliseconds.

        :raises NoTime: it says none
        :raises OutOfRange: it cannot be
        """
        if (found := find(fields, self._timestamp)) is None:
            raise NoTime(
                f"Nothing says when it happened: the field {self._timestamp!r} is not there. If another one says it, "
                f"name that one in intake.rename."
            )
        value = found[0][found[1]]
        time = self._read(value) if self.formats else read_time(value, self._zone)
        if time is None:
            raise NoTime(self._unread(value))
        if not self._low <= time < self._high:
            raise OutOfRange(_far(f"that of its field {self._timestamp!r}, {_short(value)},", time))
        return time

    def archived(self, source: Fields) -> int:
        """The time of a document of our own archives, which is as OpenSearch had it, epoch milliseconds.

        :raises NoTime: it says none
        :raises OutOfRange: it cannot be
        """
        found = find(source, self._timestamp)
        value = found[0][found[1]] if found else None
        time = self._read(value)
        if time is None or not self.start <= time < self.end:
            usual = read_time(value)
            time = time if usual is None else usual
        if time is None:
            raise NoTime(self._unread(value) if found else f"The field {self._timestamp!r} is not there.")
        if not self._low <= time < self._high:
            raise OutOfRange(_far(f"that of its field {self._timestamp!r}, {_short(value)},", time))
        return time

    def is_likely(self, time: int | None) -> bool:
        """Whether it may be the time of an event of this object.

        :param time: epoch milliseconds; None, which nothing speaks against
        """
        return time is None or self._low <= time < self._high

    def require_likely(self, time: int | None) -> None:
        """Refuse a time that the object or a parser states and that lies too far away.

        :param time: epoch milliseconds; None, which nothing speaks against
        :raises OutOfRange: it does
        """
        if time is not None and not self.is_likely(time):
            raise OutOfRange(_far("the one that is stated beside it,", time))

    def is_days_off(self, time: int) -> bool:
        """Whether it is more than a day beyond what the object's key allows: what came late is mostly nearer.

        :param time: epoch milliseconds
        """
        return not self.earliest - _DAY <= time < self.latest + _DAY

    def fits_exchanged(self, time: int) -> bool:
        """Whether it would be a time of this object if day and month changed places, as where a format has them in the
        wrong order.

        :param time: that the object does not allow
        """
        with suppress(ValueError, OverflowError, OSError):
            read = datetime.fromtimestamp(time / 1000, self._zone)
            other = read.replace(month=read.day, day=read.month).timestamp() * 1000
            return self.earliest <= other < self.latest
        return False

    def _read(self, value: Any) -> int | None:
        """By the first format that gives a likely time, else by the first that gives one at all."""
        times = [time for read in self.formats if (time := read(value, self._zone, self._near)) is not None]
        return next((time for time in times if self._low <= time < self._high), next(iter(times), None))

    def _unread(self, value: Any) -> str:
        shown = _short(value)
        if self.formats:
            year = "" if self._near is not None or "%Y" in self._stated_formats else " and a year in the object's key"
            return (
                f"Nothing says when it happened: the field {self._timestamp!r} is {shown}, which is not what "
                f"intake.timestamp_format says, {self._stated_formats}{year}."
            )
        return (
            f"Nothing says when it happened: the field {self._timestamp!r} is {shown}, which is neither ISO 8601 nor a "
            f"number of milliseconds; state what it is as intake.timestamp_format."
        )


def reading_of(dataset: Dataset) -> str:
    """Hash of all that decides which events an object has and when they happened: of equal ones they are the same."""
    said = dataset.model_dump_json(include={"raw": {"index", "timestamp"}, "intake": True, "time_zone": True})
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _arrival(intake: Intake, key: str) -> Arrival | None:
    return arrival_in_key(Layout(intake.layout, ZoneInfo(intake.layout_time_zone)), key) if intake.layout else None


def _short(value: Any) -> str:
    return repr(value)[:_SHOWN]


def _far(which: str, time: int) -> str:
    read = f"{time} milliseconds from 1970 on"
    with suppress(OverflowError):
        read = iso_text(time)
    return (
        f"Its time, {which} reads as {read}, which is nowhere near the days asked for or the object's date. If its "
        f"unit or format is another one, state that as intake.timestamp_format, like epoch_seconds."
    )
