"""From the data of a record to lines. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from opensearch_strata.archive.decode.byte_stream import LONGEST, Damaged
from opensearch_strata.archive.decode.formats.cloudwatch import LineOf, is_line, lines_of, opened
from opensearch_strata.archive.decode.formats.records import Record, Skipped, records
from opensearch_strata.archive.decode.layers import LIMITS, TooLarge, decoded
from opensearch_strata.archive.events import Broken, Event, Origin, raw_of
from opensearch_strata.archive.parsers.parsed import FAULTS, Message, NearParser, Parsed
from opensearch_strata.archive.parsers.registry import parser_name, parser_of
from opensearch_strata.archive.timestamps import iso_text
from opensearch_strata.aws_lambda.settings import Settings
from opensearch_strata.aws_lambda.source import Unusable
from opensearch_strata.errors.printable import brief

_Reads = Callable[[Message, int | None], Parsed | None]  # what it reads may depend on the event's own time
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_LIMITS = LIMITS._replace(bytes=LONGEST, spool=LONGEST)
"""An envelope beyond it would not be read from an archive either."""
_EVENTS_AT_ONCE = 1000  # events of which the time is not asked in between


class Late(Unusable):
    """The time is over before all of a record is transformed."""


@dataclass
class Transformed:
    """What a record becomes.

    :param envelopes: its DATA_MESSAGEs
    :param sizes: bytes of the line of each event, envelope by envelope
    :param first: its first event; None if it has none, like a health check of CloudWatch Logs
    :param lines: all lines, or none if they are more than were asked for
    :param unparsed: number of lines that are envelopes, because no parser made fields of their messages
    """

    envelopes: list[dict[str, Any]] = field(default_factory=list)
    sizes: list[list[int]] = field(default_factory=list)
    first: Event | None = None
    lines: bytes = b""
    unparsed: int = 0

    @property
    def size(self) -> int:
        """Bytes of all lines."""
        return sum(map(sum, self.sizes))

    @property
    def events(self) -> int:
        """Number of events."""
        return sum(map(len, self.sizes))


class Transformer:
    """Transforms the records of a batch, in order: some parsers remember earlier messages of a log stream.

    :param most: bytes of lines of one record that are of use; with more, only their sizes are kept
    :param has_time: whether there is time to go on; asked again and again, as a small record may unpack to a large one
    """

    def __init__(self, settings: Settings, most: int, has_time: Callable[[], bool] = lambda: True) -> None:
        self._settings = settings
        self._most = most
        self._has_time = has_time
        self._streams: dict[Origin, tuple[_Reads, LineOf]] = {}

    def transformed(self, data: bytes) -> Transformed:
        """The lines of a record.

        :param data: one or more envelopes of CloudWatch Logs, compressed or not
        :raises Unusable: it contains anything else, or is damaged
        :raises Late: the time is over
        """
        self._require_time()
        made, lines, size = Transformed(), list[bytes](), 0
        try:
            number = -1
            for number, found in enumerate(records(self._in_time(decoded([data], _LIMITS)))):
                if isinstance(found, Skipped):
                    raise Unusable(brief(found.reason))
                events = _events(number, found)
                if not events:
                    continue
                made.envelopes.append(found.value)
                made.sizes.append([])
                for ordinal, item in enumerate(events):
                    if not ordinal % _EVENTS_AT_ONCE:
                        self._require_time()
                    line = self._line(item, made)
                    made.sizes[-1].append(len(line))
                    size += len(line)
                    lines.append(line)
                    if size > self._most:
                        lines.clear()
        except (Damaged, TooLarge) as error:
            raise Unusable(str(error)) from None
        except ImportError:
            raise Unusable("It is compressed, but not with gzip.") from None
        if number < 0:
            raise Unusable("It contains no envelope of CloudWatch Logs.")
        made.lines = b"".join(lines) if size <= self._most else b""
        return made

    def _in_time(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._require_time()
            yield block

    def _require_time(self) -> None:
        if not self._has_time():
            raise Late("There was no time left to transform it.")

    def _line(self, item: Event | Broken, made: Transformed) -> bytes:
        if isinstance(item, Broken):
            made.unparsed += 1
            return item.raw + b"\n"
        if not item.event_id:
            raise Unusable(
                f"Its event {item.ordinal} has no id, though CloudWatch Logs gives one to each. A document from its "
                f"line would get another id than one from the record as it came."
            )
        made.first = made.first or item
        try:
            read, line_of = self._streams.get(item.origin) or self._stream_of(item.origin)
            if parsed := read(item.message, item.time):
                return line_of(item, self._renamed(parsed.fields) if self._settings.rename else parsed.fields)
        except (*FAULTS, TypeError):  # the latter from line_of
            pass
        made.unparsed += 1
        return raw_of(item) + b"\n"

    def _stream_of(self, origin: Origin) -> tuple[_Reads, LineOf]:
        parse = parser_of(parser_name(self._settings, origin, ""), self._settings)
        read: _Reads = parse.read if isinstance(parse, NearParser) else lambda message, _: parse(message)
        made = self._streams[origin] = read, lines_of(origin)
        return made

    def _renamed(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Fields under the names that a person wants; under their own if two would get one name."""
        renamed = {self._settings.rename.get(name, name): value for name, value in fields.items()}
        return renamed if len(renamed) == len(fields) else fields


def partition_keys(event: Event, names: Iterable[str]) -> dict[str, str]:
    """Values for dynamic partitioning, which become parts of S3 keys; no value is empty.

    :param event: the first one of a record
    :param names: some of :data:`~opensearch_strata.aws_lambda.settings.PARTITION_KEYS`
    """
    time = ""
    with suppress(OverflowError):
        time = iso_text(event.time or 0)
    values = {"dt": time[:10], "hour": time[11:13], "owner": event.origin.owner, "log_group": event.origin.log_group}
    return {name: _UNSAFE.sub("_", values[name]).strip("_.") or "unknown" for name in names}


def _events(number: int, found: Record) -> list[Event | Broken]:
    """The events of a DATA_MESSAGE; none for a CONTROL_MESSAGE.

    :raises Unusable: it is neither, or it is a line that the function has written
    """
    if is_line(found.value):
        raise Unusable("It is a line that this function has written, and no envelope of CloudWatch Logs.")
    items = opened(number, found)
    is_data = found.value.get("messageType") == "DATA_MESSAGE" and isinstance(found.value.get("logEvents"), list)
    if items and not is_data:
        raise Unusable("It is neither a DATA_MESSAGE nor a CONTROL_MESSAGE of CloudWatch Logs.")
    return items
