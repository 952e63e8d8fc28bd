"""What the key of an object says: when it arrived, and whether it is one to load. Pure.

Firehose writes ``<prefix>yyyy/MM/dd/HH/<stream>-<version>-yyyy-MM-dd-HH-mm-ss-<uuid><extension>`` in UTC, the arrival
of the oldest record (docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html); the prefix can be laid out otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal, NamedTuple

from opensearch_strata.archive import manifest

Reason = Literal["empty", "marker", "errors", "dead_letters", "manifest", "in_glacier", "other_time"]

REASONS: dict[Reason, str] = {
    "empty": "no byte in it, like the folders that consoles create",
    "marker": "the permission check that an export task leaves",
    "errors": "what Firehose could not deliver; load it with its own prefix as the source",
    "dead_letters": "dead letters of ours; `strata redrive` loads them",
    "manifest": "a manifest, which describes other objects",
    "in_glacier": "in an archive tier of S3; restore them first (`aws s3api restore-object`), then plan again",
    "other_time": "arrived too early or too late for these days",
}
"""Why objects are listed but not loaded."""

EXPORT_MARKER = "aws-logs-write-test"
"""Base name of the object that CreateExportTask writes to see whether it may."""

_DIRECTIVES = {"%Y": r"(\d{4})", "%m": r"(\d{2})", "%d": r"(\d{2})", "%H": r"(\d{2})"}
_STEPS: tuple[Callable[[datetime], datetime], ...] = (
    lambda moment: moment.replace(year=moment.year + 1),
    lambda moment: (moment + timedelta(days=32)).replace(day=1),
    lambda moment: moment + timedelta(days=1),
    lambda moment: moment + timedelta(hours=1),
)
# From the right, because a stream's name may hold anything; the version is that of the stream's configuration.
_FIREHOSE_NAME = re.compile(
    r"-\d+-(\d{4})-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?:\.[^/]*)?"
)
# error-output-type in the same page of Firehose, and the folders that its destinations make without it.
_ERROR_FOLDER = re.compile(
    "(?:processing|AmazonOpenSearchService|elasticsearch|splunk|format-conversion|http-endpoint|decompression"
    "|snowflake|iceberg)[-_]failed"
)
_MANIFEST = re.compile(rf"(?:.*[._-])?{re.escape(manifest.NAME)}(?:\.gz)?")  # ours, and what others call theirs


class Arrival(NamedTuple):
    """When an object arrived, as exactly as is known: epoch milliseconds, from ``start`` on, before ``end``."""

    start: int
    end: int

    def meets(self, start: int, end: int) -> bool:
        """Whether it may lie in ``[start, end)``."""
        return self.start < end and self.end > start


class Layout:
    """How keys go on behind the prefix: literal text around %Y, %m, %d and %H, or the first of them."""

    def __init__(self, layout: str) -> None:
        head, *rest = re.split(r"(%[YmdH])", layout)
        self._head = head
        self._parts = list(zip(rest[::2], rest[1::2], strict=True))

    def prefixes(self, start: int, end: int) -> list[str]:
        """The fewest prefixes that hold all arrivals in ``[start, end)`` and, beside the first and the last, no other.

        Whole years, months and days are one prefix each: a year is not listed as 8,760 hours.

        :param start: epoch milliseconds
        :param end: epoch milliseconds, exclusive
        """
        finest = len(self._parts)
        moment, last = _floor(_moment(start), finest), _moment(end)
        found = []
        while moment < last:
            units = next(
                (n for n in range(1, finest) if moment == _floor(moment, n) and _STEPS[n - 1](moment) <= last), finest
            )
            found.append(self._text(moment, units))
            moment = _STEPS[units - 1](moment)
        return found

    def arrival(self, text: str) -> Arrival | None:
        """What a key says behind its prefix, however much of the layout it follows; None if not even the year."""
        match = self._pattern.match(text)
        found = [int(group) for group in match.groups() if group] if match else []
        for units in range(len(found), 0, -1):
            moment = _valid(found[:units])
            if moment:
                return Arrival(_milliseconds(moment), _milliseconds(_STEPS[units - 1](moment)))
        return None

    def _text(self, moment: datetime, units: int) -> str:
        return self._head + "".join(moment.strftime(part) + literal for part, literal in self._parts[:units])

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        pattern = ""
        for part, literal in reversed(self._parts):
            pattern = f"(?:{_DIRECTIVES[part]}(?:{re.escape(literal)}{pattern})?)?"
        return re.compile(re.escape(self._head) + pattern)


def arrival_of(layout: Layout, text: str) -> Arrival | None:
    """When an object arrived, by its key: the second in Firehose's name if it agrees with the layout, else the layout.

    :param text: the key behind the prefix
    """
    by_prefix, by_name = layout.arrival(text), arrival_in_name(text)
    if by_prefix and by_name and by_name.meets(*by_prefix):
        return by_name
    return by_prefix


def arrival_in_name(text: str) -> Arrival | None:
    """The second that the base name bears if Firehose gave it, else None."""
    match = _FIREHOSE_NAME.search(text.rpartition("/")[2])
    if match is None or match.end() != len(match.string):
        return None
    moment = _valid([int(group) for group in match.groups()])
    return Arrival(_milliseconds(moment), _milliseconds(moment) + 1000) if moment else None


def reason_apart(text: str, size: int) -> Reason | None:
    """Why an object is not one to load, by its key behind the prefix; None if it is one.

    A prefix that lies in an error folder itself makes its objects ones to load.
    """
    *folders, name = text.split("/")
    if any(is_error_folder(folder) for folder in folders):
        return "errors"
    if name == EXPORT_MARKER:
        return "marker"
    if size == 0:
        return "empty"
    return "manifest" if _MANIFEST.fullmatch(name) else None


def is_error_folder(name: str) -> bool:
    """Whether Firehose puts there what it could not deliver: processing-failed, AmazonOpenSearchService_failed, ..."""
    return _ERROR_FOLDER.fullmatch(name) is not None


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def _floor(moment: datetime, units: int) -> datetime:
    """The start of the year, month, day or hour."""
    return _start(list(moment.timetuple()[:units]))


def _valid(numbers: list[int]) -> datetime | None:
    try:
        return _start(numbers)
    except ValueError:  # looks like a date, is none: 2013/02/30
        return None


def _start(numbers: list[int]) -> datetime:
    """The moment of a year, or of a year, month and so on."""
    year, month, day, hour, minute, second = numbers + [1, 1, 1, 0, 0, 0][len(numbers) :]
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
