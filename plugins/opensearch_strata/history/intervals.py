"""Intervals of a question to the history: parts of a day, days and months, in the dataset's time zone. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from opensearch_strata.dataset import Dataset
from opensearch_strata.days import months_between
from opensearch_strata.errors import Refused

_FORM = re.compile(r"([1-9]\d*)([mh])|1(d|M)")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Interval:
    """``15m``, ``1h``, ``6h``: a part of a day; ``1d``, ``1M``: a calendar day or month.

    :param text: as it was written
    :param length: None for a calendar month
    """

    text: str
    length: timedelta | None

    @classmethod
    def parse(cls, text: str) -> Interval:
        """Read an interval.

        :raises Refused: another form, or one that does not divide a day
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise Refused(f"{text!r} is no interval; write 15m, 1h, 6h, 1d or 1M (a calendar month).")
        if match[3]:
            return cls(text, _DAY if match[3] == "d" else None)
        length = int(match[1]) * (timedelta(hours=1) if match[2] == "h" else timedelta(minutes=1))
        if _DAY % length:
            raise Refused(f"{text!r} does not divide a day; write 15m, 1h, 6h, 1d or 1M.")
        return cls(text, length)

    def check(self, dataset: Dataset, start: datetime, end: datetime) -> None:
        """Refuse an interval whose borders would cut through the dataset's buckets.

        :param start: begin of the span that is asked for; the zone's offset from UTC may change within it
        :param end: its end
        :raises Refused: with the reason
        """
        bucket = dataset.history.bucket_length
        if self.length and self.length % bucket:
            raise Refused(f"{self.text!r} is not a multiple of the bucket {dataset.history.bucket!r} of the rows.")
        months = (datetime.combine(month, time.min, UTC) for month in months_between(start.date(), end.date()))
        offsets = {moment.astimezone(dataset.zone).utcoffset() or timedelta() for moment in (start, *months, end)}
        if (self.length is None or self.length > bucket) and any(offset % bucket for offset in offsets):
            raise Refused(
                f"Buckets of {dataset.history.bucket!r} start on UTC borders, which are no borders of a day in "
                f"{dataset.time_zone}; ask for {dataset.history.bucket!r}, or for the whole span."
            )
