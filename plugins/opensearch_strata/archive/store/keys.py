"""What an object's key says: when the object arrived, and whether it is to be loaded. Pure.

Firehose writes ``<prefix>yyyy/MM/dd/HH/<stream>-<version>-yyyy-MM-dd-HH-mm-ss-<uuid><extension>``: the arrival of the
oldest record, in UTC or in the stream's CustomTimeZone (docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html).
The prefix may be laid out differently.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from opensearch_strata.archive.store import manifest

Reason = Literal[
    "empty", "marker", "digest", "errors", "dead_letters", "manifest", "skipped", "in_glacier", "other_time"
]

REASONS: dict[Reason, str] = {
    "empty": "empty, like the folders that consoles create",
    "marker": "what services leave behind to check that they may write",
    "digest": "CloudTrail digests, which sign other objects",
    "errors": "records that Firehose could not deliver; load them with their own prefix as the source",
    "dead_letters": "Strata's own dead letters; `strata redrive` loads them",
    "manifest": "manifests, which describe other objects",
    "skipped": "left out by intake.skip_keys",
    "in_glacier": "in an archive tier of S3; restore them first (`aws s3api restore-object`), then plan again",
    "other_time": "arrived too early or too late for these days, by intake.max_clock_lead and intake.max_lateness",
}
"""Why objects are listed but not loaded."""

EXPORT_MARKER = "aws-logs-write-test"
"""Base name of the object that CreateExportTask writes to check its permission."""

# Those of load balancers and of AWS Config lie next to the folders of their logs.
_MARKERS = frozenset(
    {EXPORT_MARKER, "ELBAccessLogTestFile", "ELBConnectionLogTestFile", "ELBHealthCheckLogTestFile"}
    | {"ConfigWritabilityCheckFile"}
)

UTC_ZONE = ZoneInfo("UTC")
_HOUR, _NONE = timedelta(hours=1), timedelta()
_DIRECTIVES = {
    "%Y": r"(\d{4})",
    "%m": r"(\d{2})",
    "%d": r"(\d{2})",
    "%H": r"(\d{2})",
    "%-m": r"([1-9]\d?)",
    "%-d": r"([1-9]\d?)",
    "%-H": r"(0|[1-9]\d?)",
}
_STEPS: tuple[Callable[[datetime], datetime], ...] = (
    lambda moment: moment.replace(year=moment.year + 1),
    lambda moment: (moment + timedelta(days=32)).replace(day=1),
    lambda moment: moment + timedelta(days=1),
    lambda moment: moment + _HOUR,
)
# Matched at the end, because a stream's name may contain anything; the version is that of the stream's configuration.
_FIREHOSE_NAME = re.compile(
    r"-\d+-(\d{4})-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?:\.[^/]*)?"
)
# The values of error-output-type on the same Firehose page, and the folders that its destinations create without it.
_ERROR_FOLDER = re.compile(
    "(?:processing|AmazonOpenSearchService|elasticsearch|splunk|format-conversion|http-endpoint|decompression"
    "|snowflake|iceberg)[-_]failed"
)
# docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
_DIGESTS = "CloudTrail-Digest"
_LONGEST_MONTH = 32 * 86_400_000  # milliseconds; with room for an hour by which clocks are changed
_MANIFEST = re.compile(rf"(?:.*[._-])?{re.escape(manifest.FORMER_NAME)}(?:\.gz)?")  # our own and those of other tools


class Arrival(NamedTuple):
    """When an object arrived, as precisely as it is known: epoch milliseconds, start inclusive, end exclusive."""

    start: int
    end: int

    def meets(self, start: int, end: int) -> bool:
        """Whether the arrival may lie in ``[start, end)``.

        :param start: epoch milliseconds
        :param end: epoch milliseconds, exclusive
        """
        return self.start < end and self.end > start


class Layout:
    """The layout of keys after the prefix: literal text around %Y, %m, %d and %H, or around the first of these; %-m,
    %-d and %-H are numbers without a leading zero. Before %Y, ``*`` is any text up to the character that follows it, as
    the accounts and regions in ``*/CloudTrail/*/%Y/%m/%d/``.

    :param zone: the time zone of the keys
    """

    def __init__(self, layout: str, zone: ZoneInfo = UTC_ZONE) -> None:
        head, *rest = re.split(r"(%-?[YmdH])", layout)
        self._heads = head.split("*")
        self.text = layout
        self._parts = list(zip(rest[::2], rest[1::2], strict=True))
        self.zone = zone

    @property
    def literals(self) -> Sequence[str]:
        """The texts before the time: the one before the first ``*``, and the ones after each. There is only one if the
        layout has no ``*``, and then its prefixes are known."""
        return self._heads

    def under(self, head: str) -> Layout:
        """The layout with a text in place of everything before the time.

        :param head: as a key has it, so nothing in it stands for anything else
        """
        known = copy(self)
        known._heads = [head]
        known.__dict__.pop("_pattern", None)
        return known

    def prefixes(self, start: int, end: int) -> list[str]:
        """The fewest prefixes that hold all arrivals in ``[start, end)``. Only the first and the last may hold other
        arrivals. There is one more prefix if a clock was set back on that day.

        Whole years, months and days are one prefix each: a year is not listed as 8,760 hours.

        :param start: epoch milliseconds
        :param end: epoch milliseconds, exclusive
        """
        finest = len(self._parts)
        moment, last = _floor(self._shown(start, min, 1), finest), self._shown(end, max, -1)
        found = []
        while moment < last:
            units = next(
                (n for n in range(1, finest) if moment == _floor(moment, n) and _STEPS[n - 1](moment) <= last), finest
            )
            found.append(self._text(moment, units))
            moment = _STEPS[units - 1](moment)
        return found

    def arrival(self, text: str) -> Arrival | None:
        """The arrival that a key states, as far as it follows the layout; None if it does not even state the year.

        :param text: the key without the prefix of its source
        """
        match = self._pattern.match(text)
        found = [int(group) for group in match.groups() if group] if match else []
        for units in range(len(found), 0, -1):
            moment = _valid(found[:units])
            if moment:
                return arrived_in(moment, _STEPS[units - 1](moment), self.zone)
        return None

    def misread(self, moment: datetime, folder: str, units: int) -> str:
        """The directives to state instead if a folder is numbered the other way, with or without a leading zero; an
        empty string otherwise.

        :param moment: local time of the folder that contains it
        :param folder: its path after the prefix
        :param units: number of directives that come before it
        """
        part, _ = self._parts[units]
        number = re.match(r"\d+", folder.removeprefix(self._text(moment, units)), re.ASCII)
        if not number or len(number[0]) > 2 or not int(number[0]):
            return ""
        is_padded, is_short = number[0].startswith("0"), len(number[0]) == 1
        other = part.replace("%-", "%") if "-" in part else part.replace("%", "%-")
        return other if (is_padded if "-" in part else is_short) else ""

    def folders(self, start: int) -> list[tuple[datetime, str, int]]:
        """The folders that show how months, days and hours are numbered at a time: for each the local time, the path,
        and the number of directives in the path.

        :param start: epoch milliseconds
        """
        shown = self._shown(start, min, 1)
        found = [(shown, self._text(shown, units), units) for units in range(1, len(self._parts))]
        return [(moment, text.rpartition("/")[0] + "/", units) for moment, text, units in found if "/" in text]

    def _shown(self, milliseconds: int, extreme: Callable[[timedelta, timedelta], timedelta], days: int) -> datetime:
        """The local time, by the offset at this time or the one so many days later, whichever is the extreme."""
        moment = _moment(milliseconds)
        both = (moment, moment + timedelta(days=days))
        return moment.replace(tzinfo=None) + extreme(*(at.astimezone(self.zone).utcoffset() or _NONE for at in both))

    def _text(self, moment: datetime, units: int) -> str:
        (head,) = self._heads
        return head + "".join(_written(moment, part) + literal for part, literal in self._parts[:units])

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        pattern = ""
        for part, literal in reversed(self._parts):
            pattern = f"(?:{_DIRECTIVES[part]}(?:{re.escape(literal)}{pattern})?)?"
        first, *others = self._heads
        head = re.escape(first) + "".join(f"[^{re.escape(other[0])}]+{re.escape(other)}" for other in others)
        return re.compile(head + pattern, re.ASCII)


def arrived_in(start: datetime, end: datetime, zone: ZoneInfo) -> Arrival:
    """All moments at which a clock in the zone shows ``start`` or later, but not yet ``end``; an hour that it shows
    twice counts both times."""
    starts, ends = ([at.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1)] for at in (start, end))
    return Arrival(int(min(starts)) * 1000, int(max(ends)) * 1000)


def arrival_of(layout: Layout, text: str) -> Arrival | None:
    """When an object arrived, by its key: the second in Firehose's name if it agrees with the layout; otherwise, what
    the layout gives.

    :param text: the key after the prefix
    """
    by_prefix = layout.arrival(text)
    for zone in dict.fromkeys((layout.zone, UTC_ZONE)):
        by_name = arrival_in_name(text, zone)
        if by_prefix and by_name and by_name.meets(*by_prefix):
            return by_name
    return by_prefix


def arrival_in_name(text: str, zone: ZoneInfo = UTC_ZONE) -> Arrival | None:
    """The second in the base name if Firehose named the object, else None.

    :param text: the key, or its end
    """
    match = _FIREHOSE_NAME.search(text.rpartition("/")[2])
    if match is None or match.end() != len(match.string):
        return None
    moment = _valid([int(group) for group in match.groups()])
    return arrived_in(moment, moment + timedelta(seconds=1), zone) if moment else None


def arrival_in_key(layout: Layout, key: str) -> Arrival | None:
    """When an object arrived, by its full key, whatever its prefix is; None if the key does not state at least the
    month.

    :param key: the object's full key
    """
    folders = key.split("/")
    for number in range(len(folders)):
        found = arrival_of(layout, "/".join(folders[number:]))
        if found and found.end - found.start <= _LONGEST_MONTH:
            return found
    return None


def reason_apart(text: str, size: int, skip_keys: Sequence[str] = ()) -> Reason | None:
    """Why an object is not to be loaded, by its key after the prefix; None if it is to be loaded.

    If the prefix itself lies in an error folder, its objects are to be loaded.

    :param text: the key after the prefix
    :param size: bytes; -1 if it is not known
    :param skip_keys: patterns for keys after the prefix: ``*`` stands for any text, slashes too, and ``?`` for any
        character
    """
    *folders, name = text.split("/")
    if any(is_error_folder(folder) for folder in folders):
        return "errors"
    if name in _MARKERS:
        return "marker"
    if _DIGESTS in folders:
        return "digest"
    if size == 0:
        return "empty"
    if _MANIFEST.fullmatch(name):
        return "manifest"
    # Brackets are common in names, so they stand for themselves.
    is_skipped = any(fnmatchcase(text, pattern.replace("[", "[[]")) for pattern in skip_keys)
    return "skipped" if is_skipped else None


def is_error_folder(name: str) -> bool:
    """Whether Firehose puts records that it could not deliver into a folder of this name: processing-failed,
    AmazonOpenSearchService_failed, ..."""
    return _ERROR_FOLDER.fullmatch(name) is not None


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _written(moment: datetime, part: str) -> str:
    return moment.strftime(part.replace("-", "")).lstrip("0" if "-" in part else "") or "0"


def _floor(moment: datetime, units: int) -> datetime:
    """The start of the year, month, day or hour."""
    return _start(list(moment.timetuple()[:units]))


def _valid(numbers: list[int]) -> datetime | None:
    try:
        return _start(numbers)
    except ValueError:  # looks like a date but is not one: 2013/02/30
        return None


def _start(numbers: list[int]) -> datetime:
    """The local time at which a year starts, or a month, a day and so on."""
    year, month, day, hour, minute, second = numbers + [1, 1, 1, 0, 0, 0][len(numbers) :]
    return datetime(year, month, day, hour, minute, second)
