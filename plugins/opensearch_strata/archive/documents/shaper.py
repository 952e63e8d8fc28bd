"""From the content of an object to documents of the raw days. Pure. This is where a loader spends its time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from opensearch_strata.archive.documents.event_filter import EventFilter, Unwanted
from opensearch_strata.archive.documents.event_times import EVER, EventTimes, NoTime, OutOfRange
from opensearch_strata.archive.documents.field_rules import BadValue, FieldRules, Fields, as_text, dumped, remove
from opensearch_strata.archive.documents.ids import RecordHashes, document_id, hash_of_events
from opensearch_strata.archive.events import NOWHERE, Broken, Event, Origin, Place, raw_of
from opensearch_strata.archive.lines import document_of, line_of
from opensearch_strata.archive.parsers.parsed import (
    FAULTS,
    Message,
    NearParser,
    Parsed,
    Parser,
    Unreadable,
    fast_namedtuple,
    parsed_before,
    problem_of,
)
from opensearch_strata.archive.parsers.registry import parser_name, parser_of, remembers
from opensearch_strata.archive.spans import Span
from opensearch_strata.archive.timestamps import MILLIS, OutOfCalendar, Second, Seconds
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    from opensearch_strata.definition.dataset import Dataset


EARLY_SHARE = 0.9
"""Share of documents that may be later than the keys of their objects allow; more mean that a clock is not stated."""


class Document(NamedTuple):
    """A document as it is to be created.

    :param source: JSON
    :param day: day of the raw day that it belongs to
    :param event: the event that it was made from
    """

    index: str  # type: ignore[assignment]  # tuple's method of this name is never used on a document
    id: str
    source: bytes
    day: date
    event: Event


class Dead(NamedTuple):
    """A record that cannot become a document.

    :param reason: ``broken``, ``unparsed``, ``no_time``, ``time_out_of_range``, ``bad_value`` or, from OpenSearch,
        ``rejected`` or ``dropped``
    :param detail: a sentence
    :param raw: reading it again in the same format gives the same record; what it means may depend on earlier lines,
        see :func:`opensearch_strata.archive.parsers.registry.remembers`
    :param index: the raw day that it belongs to, empty if unknown
    :param id: the id of its document, empty if unknown
    """

    reason: str
    detail: str
    record: int
    ordinal: int
    raw: bytes
    index: str  # type: ignore[assignment]
    id: str


Shaped = Document | Dead | Unwanted | None
"""What an item becomes. None: it is outside the span, or part of the log but not an event (a file's banner)."""

_REASONS: dict[type[Exception], str] = {
    Unreadable: "unparsed",
    NoTime: "no_time",
    OutOfRange: "time_out_of_range",
    OutOfCalendar: "time_out_of_range",
    BadValue: "bad_value",
}
_FAULTS = tuple(_REASONS)


class _Stream(NamedTuple):
    """What the events of one log stream share.

    :param unwanted: why none of them is wanted; None if that depends on the event
    :param judged: why an event with these fields is left out, if it is; None if none is
    """

    origin: Origin
    unwanted: Unwanted | None
    judged: Callable[[Fields], Unwanted | None] | None
    parser: str
    parse: Parser
    read: Callable[[Message, int | None], Parsed | None] | None
    remembers: bool
    hash_of: Callable[[str], bytes]
    metadata: dict[str, str]


class Shaper:
    """Shapes the content of one object. The result depends only on the object and the dataset, so a second run gives
    the same.

    It must be given everything that is read from the object, in order, even what a resumed load has already done:
    identical records are counted, and parsers remember.

    :param span: epoch milliseconds, start inclusive, end exclusive; None: all
    :param modified: epoch milliseconds of the object's last change, if it is known; gives the year of times that name
        none, if the object's key does not
    """

    def __init__(self, dataset: Dataset, place: Place, span: Span | None = None, modified: int | None = None) -> None:
        self._dataset = dataset
        self._place = place
        self.times = EventTimes(dataset, place.key, span, modified)
        self._start, self._end = self.times.start, self.times.end
        self._earliest, self._latest = self.times.earliest, self.times.latest
        self._near = self.times.near
        self._documents = self.early = 0  # of the days, and those that are later than the key of their object allows
        self.timed = self.strays = self.left_out = self.exchanged = 0
        """Events with a time; those of them whose times are not looked for in this object; of these, those that are
        days off and outside the span, and those that would be looked for if day and month were exchanged."""
        self.first_stray: int | None = None
        """Time of the first event whose time is not looked for in this object, epoch milliseconds."""
        self._before, self._behind = EVER  # the span's neighbours: the last event before it and the first one after it
        self._is_sure = not self.times.are_of_the_span
        self._timestamp = dataset.raw.timestamp
        self._is_nested = "." in self._timestamp
        self._metadata = dataset.intake.metadata
        self._rules = FieldRules(dataset.intake)
        self._renames, self._changes = self._rules.renames, self._rules.changes
        self._seconds = Seconds(dataset)
        self._hash_of_record = RecordHashes(place).hash_of
        self._streams: dict[Origin, _Stream] = {}
        self._stream = self._stream_of(NOWHERE)

    def shaped(self, item: Event | Broken, fixed_id: str = "") -> Shaped:
        """What an item becomes.

        In a log stream that the dataset leaves out as a whole, messages are not even parsed. So events that state no
        time outside of the message count as unwanted there, whenever they happened.

        :param fixed_id: the id from the record's dead letter; empty: the record's own id
        """
        if isinstance(item, Broken):
            return Dead("broken", item.reason, item.record, 0, item.raw, "", fixed_id)
        if item.document_id and isinstance(item.message, dict):
            return self._restored(item, item.message)
        record, ordinal, message, raw, time, event_id, origin, own_id, _, is_parsed = item
        stream = self._stream
        if origin is not stream.origin and origin != stream.origin:
            stream = self._stream = self._stream_of(origin)
        digest = stream.hash_of(event_id) if event_id else self._hash_of_record(raw or raw_of(item))
        outside = False
        if time is not None:
            self._count(time)
            outside = not self._start <= time < self._end
        if outside and not stream.remembers and self.times.is_likely(time):
            return None
        if stream.unwanted:
            return None if outside else self._unwanted(stream.unwanted, time)
        try:
            if outside:
                self.times.require_likely(time)
            try:
                parsed: Parsed | None
                if is_parsed:
                    parsed = parsed_before(message)
                elif stream.read is None:
                    parsed = stream.parse(message)
                else:  # the event's own time, or that of its object, has the year
                    parsed = stream.read(message, self._near if time is None else time)
            except FAULTS as fault:
                parsed = self._unparsed(message, stream, fault)
            if parsed is None or outside:
                return None
            fields, stated = parsed
            if self._renames:
                self._rules.rename(fields)
            if time is None:
                time = self.times.stated(fields) if stated is None else stated
                if stated is not None and stream.read and self.times.near_is_of_the_span:
                    self._is_sure = False  # the year may be that of the span
                self._count(time)
                if not self._start <= time < self._end:
                    self.times.require_likely(time)
                    return None
            self._documents += 1
            if time >= self._latest:
                self.early += 1
            if stream.judged and (unwanted := stream.judged(fields)):
                return unwanted
            text, stamp, day, index = self._seconds[time // 1000]
            if self._changes:
                self._rules.change(fields)
            if self._is_nested:
                remove(fields, self._timestamp)
            fields[self._timestamp] = text + MILLIS[time % 1000]
            if self._metadata:
                metadata = fields[self._metadata] = stream.metadata  # filled again for each event
                if event_id:
                    metadata["event_id"] = event_id
                else:
                    metadata.pop("event_id", None)
                metadata["position"] = f"{record}:{ordinal}"
            source = dumped(fields)
        except _FAULTS as fault:
            if outside and not isinstance(fault, OutOfRange):
                return None
            return self._dead(item, fault, time, digest, fixed_id or own_id)
        identity = fixed_id or own_id or document_id(stamp, digest)
        return fast_namedtuple(Document, (index, identity, source, day, item))

    @property
    def documents(self) -> int:
        """Number of events of the requested days, wanted or not."""
        return self._documents

    @property
    def reach(self) -> tuple[int, int] | None:
        """The range, by all that was read, in which no events lie except those of the span: epoch milliseconds, start
        inclusive, end exclusive. None if times might be read differently for another span."""
        return (self._before, self._behind) if self._is_sure else None

    @property
    def problem(self) -> str:
        """Why the keys of the source are probably misread, so that objects of the requested days are not found: nearly
        all documents are later than their object. A sentence, or an empty string."""
        if not self.early or self.early <= EARLY_SHARE * self._documents:
            return ""
        intake = self._dataset.intake
        return (
            f"Of {counted(self._documents, 'event')} of {self._place}, {self.early:,} "
            f"{'is' if self.early == 1 else 'are'} later than the time in its key by more than "
            f"{intake.max_clock_lead} (intake.max_clock_lead), so events of these days may lie in objects that were "
            f"not listed. If keys show the clock of another zone, state it as intake.layout_time_zone, now "
            f"{intake.layout_time_zone}; otherwise state a longer intake.max_clock_lead. Then load these days again."
        )

    def _count(self, time: int) -> None:
        self._see(time)
        self.timed += 1
        if not self._earliest <= time < self._latest:
            self.strays += 1
            if self.first_stray is None:
                self.first_stray = time
            if self.times.is_likely(time):
                self.left_out += not self._start <= time < self._end and self.times.is_days_off(time)
                self.exchanged += self.times.fits_exchanged(time)

    def _unwanted(self, unwanted: Unwanted, time: int | None) -> Unwanted:
        """What becomes of an event of a stream that is not wanted, which is counted like others of the days."""
        if time is not None:
            self._documents += 1
            self.early += time >= self._latest
        return unwanted

    def _see(self, time: int) -> None:
        if time < self._start:
            self._before = max(self._before, time + 1)
        elif time >= self._end:
            self._behind = min(self._behind, time)

    def _restored(self, event: Event, source: Fields) -> Document | Dead | None:
        """A document from one of our own archives, as it was."""
        time = None
        try:
            time = self.times.archived(source)
            self._see(time)
            if self.times.formats:  # of several ways to read it, the one that gives a requested day
                self._is_sure = False
            if not self._start <= time < self._end:
                return None
            second = self._seconds[time // 1000]
            return Document(second.index, event.document_id, _archived_source(event, source), second.day, event)
        except _FAULTS as fault:
            return self._dead(event, fault, time, b"", event.document_id)

    def _unparsed(self, message: str | Fields, stream: _Stream, fault: Exception) -> Parsed:
        """What the dataset wants for a message that cannot be parsed."""
        problem = problem_of(stream.parser, fault)
        if self._dataset.intake.unparsed == "dead_letter":
            raise Unreadable(problem) from None
        return Parsed({"message": as_text(message), "parse_error": problem}, None)

    def _dead(self, event: Event, fault: Exception, time: int | None, digest: bytes, known_id: str) -> Dead:
        second: Second | None = None
        if time is not None and not isinstance(fault, OutOfRange):
            with suppress(OutOfCalendar):
                second = self._seconds[time // 1000]
        if second and not known_id:
            known_id = document_id(second.stamp, digest)
        index = second.index if second else ""
        reason = _REASONS[type(fault)]
        if isinstance(fault, OutOfRange):  # this depends on the requested days
            self._is_sure = False
        return Dead(reason, str(fault), event.record, event.ordinal, raw_of(event), index, known_id)

    def _stream_of(self, origin: Origin) -> _Stream:
        known = self._streams.get(origin)
        if known is None:
            name = parser_name(self._dataset.intake, origin, self._place.key)
            parse = parser_of(name, self._dataset.intake)
            judge = EventFilter(self._dataset.intake, origin, self._place.key)
            known = self._streams[origin] = _Stream(
                origin,
                unwanted=judge.all,
                judged=judge.judged if judge.looks else None,
                parser=name,
                parse=parse,
                read=parse.read if isinstance(parse, NearParser) else None,
                remembers=remembers(name),
                hash_of=hash_of_events(origin),
                metadata={key: text for key, text in origin._asdict().items() if text} | {"object": str(self._place)},
            )
        return known


def _archived_source(event: Event, source: Fields) -> bytes:
    """The source byte for byte, if the line is in the form that we write."""
    with suppress(ValueError):
        identity, routing, written = document_of(event.raw)
        if line_of(identity, written, routing)[:-1] == event.raw:
            return written
    return dumped(source)
