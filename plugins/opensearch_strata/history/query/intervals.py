"""Intervals of a question about the history: parts of a day, days and months in the dataset's time zone. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import gcd

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import months_between
from opensearch_strata.errors import Refused

_FORM = re.compile(r"([1-9]\d*)([mh])|1(d|M)")
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Interval:
    """``15m``, ``1h``, ``6h`` for a part of a day; ``1d``, ``1M`` for a calendar day or month.

    :param text: the interval as it was written
    :param length: None for a calendar month
    """

    text: str
    length: timedelta | None

    @classmethod
    def parse(cls, text: str) -> Interval:
        """Read an interval.

        :param text: such as ``15m``, ``6h``, ``1d`` or ``1M``
        :raises Refused: it has another form, or does not divide a day
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise Refused(f"{text!r} is not an interval; write 15m, 1h, 6h, 1d or 1M (a calendar month).")
        if match[3]:
            return cls(text, _DAY if match[3] == "d" else None)
        length = int(match[1]) * (timedelta(hours=1) if match[2] == "h" else timedelta(minutes=1))
        if _DAY % length:
            raise Refused(f"{text!r} does not divide a day; write 15m, 1h, 6h, 1d or 1M.")
        return cls(text, length)

    def check(self, dataset: Dataset, start: datetime, end: datetime) -> None:
        """Refuse an interval whose boundaries would cut the dataset's buckets.

        Boundaries of days may cut buckets, because rows know their raw day.

        :param start: start of the requested span, during which the zone's offset from UTC may change
        :param end: end of the requested span
        :raises Refused: the boundaries would cut buckets; the message has the reason
        """
        bucket = dataset.history.bucket_length
        if self.length and self.length % bucket:
            raise Refused(f"{self.text!r} is not a multiple of the bucket {dataset.history.bucket!r} of the rows.")
        off = _offsets_off(dataset, start, end)
        if off and self.length and bucket < self.length < _DAY:
            cure = _dividing(dataset, off)
            raise Refused(
                f"Parts of a day of {self.text!r} cannot be computed in {dataset.time_zone}: its days begin inside "
                f"buckets of {dataset.history.bucket!r}, which begin at UTC boundaries. Ask for "
                f"{dataset.history.bucket!r}, 1d, 1M or the whole span"
                f"{f'; history.bucket {cure} would make it possible' if cure else ''}."
            )


def borders_notes(dataset: Dataset, interval: Interval | None, start: datetime, end: datetime) -> list[str]:
    """How days that begin inside buckets of rows affect an answer, one sentence for each effect.

    :param interval: length of a record; None for the whole span
    :param start: start of the requested span, aware
    :param end: end of the requested span, aware
    """
    bucket = dataset.history.bucket_length
    if not (off := _offsets_off(dataset, start, end)):
        return []
    notes = []
    if interval and interval.length and interval.length < _DAY:
        notes.append(
            f"Records of {interval.text} are buckets of rows, which begin at UTC boundaries and not at midnight in "
            f"{dataset.time_zone}."
        )
    cuts = [moment for moment in (start, end) if (moment - _EPOCH) % bucket]
    if cuts or (interval and (interval.length is None or interval.length >= _DAY)):
        notes.append(_cut_rows(dataset, off))
    return notes


def days_cut_buckets(dataset: Dataset, start: datetime, end: datetime) -> bool:
    """Whether days begin inside buckets of rows.

    :param start: start of a span, aware
    :param end: end of the span, aware
    """
    return bool(_offsets_off(dataset, start, end))


def zone_warning(dataset: Dataset, until: date) -> str | None:
    """What a person has to know before days of this zone become rows of this bucket; None if everything is exact.

    :param until: last day for which the zone is judged, from the start of the schedule on
    """
    first, last = (datetime.combine(day, time.min, UTC) for day in (dataset.cycle.start_date, until))
    if not (off := _offsets_off(dataset, first, max(first, last))):
        return None
    return (
        f"{dataset.name}: {_cut_rows(dataset, off)} Other parts of a day than {dataset.history.bucket} are refused. "
        f"history.bucket can be changed until the first day is condensed; then history.index needs a new name too."
    )


def _cut_rows(dataset: Dataset, off: set[timedelta]) -> str:
    bucket = dataset.history.bucket
    cure = _dividing(dataset, off)
    return (
        f"Days in {dataset.time_zone} begin inside buckets of {bucket}, which begin at UTC boundaries: rows of such a "
        f"bucket count for their raw day, so an event that came late may count for an adjacent day"
        f"{f' (not with history.bucket {cure})' if cure else ''}."
    )


def _offsets_off(dataset: Dataset, start: datetime, end: datetime) -> set[timedelta]:
    """The zone's offsets from UTC, from start to end, that are not multiples of the bucket."""
    months = (datetime.combine(month, time.min, UTC) for month in months_between(start.date(), end.date()))
    offsets = {moment.astimezone(dataset.zone).utcoffset() or timedelta() for moment in (start, *months, end)}
    return {offset for offset in offsets if offset % dataset.history.bucket_length}


def _dividing(dataset: Dataset, offsets: Iterable[timedelta]) -> str | None:
    """The longest bucket in whole minutes that days never cut; None if there is none."""
    lengths = (dataset.history.bucket_length, *offsets)
    minutes = gcd(*(abs(length) // timedelta(minutes=1) for length in lengths))
    if any(length % timedelta(minutes=1) for length in lengths):
        return None
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"
