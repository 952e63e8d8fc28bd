"""One object after the other into bodies, which small objects share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from opensearch_strata.archive.bulk.body import Body
from opensearch_strata.archive.causes import told_causes
from opensearch_strata.archive.decode.layers import TooLarge
from opensearch_strata.archive.decode.reader import Reading
from opensearch_strata.archive.documents.builder import Dead, Document, Shaper
from opensearch_strata.archive.documents.event_times import reading_of
from opensearch_strata.archive.events import Broken, Event, Place
from opensearch_strata.archive.ledger.rows import Reach
from opensearch_strata.archive.load.account import BulkShare, ObjectAccount
from opensearch_strata.archive.parsers.registry import begins_of
from opensearch_strata.archive.spans import Span
from opensearch_strata.archive.store.manifest_check import Manifests, Unproven
from opensearch_strata.archive.timestamps import OutOfCalendar, iso_text
from opensearch_strata.errors import StrataError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.judging import explain

if TYPE_CHECKING:
    from opensearch_strata.archive.bulk.concurrency import ConcurrencyLimits
    from opensearch_strata.definition.dataset import Dataset

_JUDGED_FROM = 1000  # events after which an object of too many dead letters is left before its end
_JUDGED_EVERY = 100  # dead letters
_MOST_LATE = 0.05  # of an object's events; fewer came late, more are misread, or intake.max_lateness says too little


class Poisoned(Exception):  # noqa: N818 - reads as what is so
    """The object is not worth reading on; a sentence says why."""


class TakenOver(Exception):  # noqa: N818
    """Somebody else loads the object by now."""


class Ingest:
    """Reads objects in one thread.

    :param span: event times that are wanted, epoch milliseconds
    :param manifests: what archives of our own are compared with
    :param send: takes a body that is full, and may keep us waiting
    :param on_cut: called when a body has gone, and nothing of the next one is there yet
    :param ids: whether documents bear ids of ours
    """

    def __init__(
        self,
        dataset: Dataset,
        span: Span,
        manifests: Manifests,
        limits: ConcurrencyLimits,
        send: Callable[[Body[BulkShare]], None],
        on_cut: Callable[[], None],
        ids: bool,
    ) -> None:
        self._dataset = dataset
        self._span = span
        self._reading = reading_of(dataset)
        self._manifests = manifests
        self._limits = limits
        self._send = send
        self._on_cut = on_cut
        self._body: Body[BulkShare] = Body(ids)
        self.bytes_in = 0
        self.events = 0

    def take(self, tally: ObjectAccount, blocks: Iterator[bytes]) -> str:
        """Read an object from its beginning, and load what is not known to be loaded. Its last documents may wait for
        those of the next object: see :meth:`flush`.

        :returns: how it was cut off, that its manifest does not name it, or that a few of its events are of another
            time, in sentences; or an empty text
        :raises Poisoned: it holds nothing, or too much that cannot be loaded, or its rest cannot be read, or it is not
            what its manifest says
        :raises TakenOver: it is not ours any more
        :raises StrataError: it cannot be read
        """
        intake = self._dataset.intake
        reading = Reading(
            self._watched(tally, blocks), intake.format, begins_of(intake, tally.place.key), unwrap=intake.unwrap
        )
        started = time.monotonic()
        try:
            strays = self._load(tally, reading)
            return _joined(self._checked(tally.place, reading), strays)
        except (TooLarge, Unproven) as error:
            raise Poisoned(_joined(reading.damage, f"{error}")) from error
        finally:
            if reading.format == tally.format or not tally.format:  # else nothing was read in the new format
                tally.format, tally.layers = reading.format, tuple(reading.layers)
            tally.seconds = time.monotonic() - started
            tally.end()

    def flush(self) -> None:
        """Send what is there."""
        if self._body:
            body, self._body = self._body, Body(self._body.with_ids)
            self._send(body)

    def _load(self, tally: ObjectAccount, reading: Reading) -> str:
        """Returns what is to be said of events that came late, in sentences."""
        shaper = Shaper(self._dataset, tally.place, self._span)
        resume, last, broken, first = tally.row.resume, -1, 0, ""
        portion: BulkShare | None = None
        for item, shaped in _shaped(reading, shaper, tally.place):  # also of what is loaded: what follows may need it
            record = item.record
            if resume and reading.format != tally.row.format:  # records were counted in another way
                tally.restart()
                resume = 0
            if record < resume:
                continue
            if portion is None or self._body.is_full(self._limits.body_bytes, at_border=record != last):
                portion = self._next_portion(tally, reading, record)
            portion.last = last = record
            portion.read += 1
            self.events += 1
            if isinstance(shaped, Document):
                portion.waiting += 1
                self._body.add(shaped, portion)
            elif shaped is None:
                portion.filtered += 1
            else:
                broken += shaped.reason == "broken"
                first = first or shaped.detail
                tally.add_dead_letter(portion, shaped)
                if portion.dead % _JUDGED_EVERY == 0:
                    self._require_worth(tally)
        if broken and broken == tally.counts.read:
            why = reading.damage or f"It looks like {reading.format}, but no record of it is. The first: {first}"
            raise Poisoned(f"Nothing in {tally.place} can be read. {why}")
        if reach := shaper.reach:
            tally.reach = Reach(*reach, self._reading)
        if shaper.early:
            tally.ahead, tally.latest = shaper.early, shaper.times.latest
        strays = of_other_times(shaper, tally.place)
        if strays and are_misread(shaper):
            raise Poisoned(strays)
        return strays

    def _checked(self, place: Place, reading: Reading) -> str:
        """What is to be said of an object that was read: damage at its end costs a record, any other is raised."""
        note = self._manifests.check(place, reading.measure) if reading.measure else ""
        if reading.left_unread:
            raise Poisoned(
                f"{place} is damaged, and what lies behind the damage was not read. {reading.damage} That is "
                f"loaded; put a sound copy of the object there and plan again."
            )
        return _joined(reading.damage, note, *reading.notes)

    def _next_portion(self, tally: ObjectAccount, reading: Reading, record: int) -> BulkShare:
        """What the body takes of the object; if the body is full, of the next body."""
        tally.format, tally.layers = reading.format, tuple(reading.layers)
        is_full = self._body.is_full(self._limits.body_bytes, at_border=True)
        if is_full:
            self.flush()
            self._require_worth(tally)
        portion = tally.begin(record)
        if is_full:
            self._on_cut()
        return portion

    def _require_worth(self, tally: ObjectAccount) -> None:
        counts = tally.counts
        if counts.read >= _JUDGED_FROM and (problem := too_many_dead(self._dataset.intake.max_dead_share, tally)):
            raise Poisoned(problem)

    def _watched(self, tally: ObjectAccount, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The blocks, counted, for as long as the object is ours."""
        for block in blocks:
            if tally.is_lost:
                raise TakenOver
            tally.bytes_in += len(block)
            self.bytes_in += len(block)
            yield block


def _shaped(reading: Reading, shaper: Shaper, place: Place) -> Iterator[tuple[Event | Broken, Document | Dead | None]]:
    """What is read, and what becomes of it. Whatever a decoder or a parser raises is a fault of this object alone.

    :raises Poisoned: it cannot be read on
    """
    last = -1
    try:
        for item in reading:
            last = item.record
            yield item, shaper.shaped(item)
    except (StrataError, TooLarge, TakenOver):
        raise
    except Exception as error:
        raise Poisoned(
            f"{place} cannot be read behind record {last}: {explain(error)} What came before is loaded. Look "
            f"at it with `strata parse`, and report it: a damaged object should have been told as such."
        ) from error


def _joined(*sentences: str | None) -> str:
    return " ".join(filter(None, sentences))


def of_other_times(shaper: Shaper, place: Place) -> str:
    """What is to be said of an object that holds events of other times than its arrival allows, in sentences; empty if
    it does not.

    Whoever plans looks for events by the arrival of objects. Where events of an object are from another time, a unit, a
    format or a zone is wrong, and those of the days that are asked for lie where nobody looks; or they came too late,
    and nobody finds them for their own days.
    """
    if shaper.first_stray is None or not (shaper.left_out or _are_exchanged(shaper)):
        return ""
    first, last = shaper.times.earliest, shaper.times.latest
    none = "" if shaper.documents else ", and none is of the days asked for"
    exchanged = (
        f" With day and month exchanged, {shaper.exchanged:,} would be: see to their order in intake.timestamp_format."
        if shaper.exchanged
        else ""
    )
    return (
        f"{shaper.strays:,} of {counted(shaper.timed, 'event')} of {place} are of other times than its key allows, the "
        f"first of {_shown(shaper.first_stray)}: it was to hold events from {_shown(first)} to {_shown(last)}, as the "
        f"key, intake.max_clock_lead and intake.max_lateness say{none}.{exchanged} If the times are right, raise "
        f"intake.max_lateness or intake.max_clock_lead, or state intake.layout_time_zone; else state their unit, "
        f"format or zone (intake.timestamp_format, intake.log_time_zone)."
    )


def are_misread(shaper: Shaper) -> bool:
    """Whether times of an object cannot be believed: too many are of another time to be events that came late."""
    if shaper.documents:
        return shaper.left_out > _MOST_LATE * shaper.timed or _are_exchanged(shaper)
    return 2 * shaper.strays > shaper.timed or _are_exchanged(shaper)


def _are_exchanged(shaper: Shaper) -> bool:
    return 2 * shaper.exchanged > shaper.strays


def _shown(milliseconds: int) -> str:
    with suppress(OverflowError, OutOfCalendar):
        return iso_text(milliseconds)
    return f"{milliseconds:,} ms"


def too_many_dead(max_dead_share: float, tally: ObjectAccount) -> str:
    """Why an object belongs in quarantine, in sentences; empty if it does not.

    :param max_dead_share: share of its events
    """
    counts = tally.counts
    if counts.dead <= max_dead_share * counts.read:
        return ""
    return (
        f"{counts.dead:,} of {counts.read:,} events of {tally.place} cannot be loaded, more than the share of "
        f"{max_dead_share:g} that the dataset allows (intake.max_dead_share): {told_causes(tally.causes)} "
        f"What could be is loaded."
    )
