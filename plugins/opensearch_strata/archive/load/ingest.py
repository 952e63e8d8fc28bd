"""Reads one object after the other into bodies, which small objects share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from opensearch_strata.archive.bulk.body import Body
from opensearch_strata.archive.causes import told_causes
from opensearch_strata.archive.decode.layers import TooLarge
from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.documents.event_filter import Unwanted
from opensearch_strata.archive.documents.reading import reading_of
from opensearch_strata.archive.documents.shaper import Document, Shaped, Shaper
from opensearch_strata.archive.events import Broken, Event, Place
from opensearch_strata.archive.ledger.loads import Reach
from opensearch_strata.archive.load.account import BulkShare, ObjectAccount
from opensearch_strata.archive.parsers.registry import begins_of
from opensearch_strata.archive.spans import Span
from opensearch_strata.archive.store.manifest_check import Manifests, Unproven
from opensearch_strata.archive.timestamps import OutOfCalendar, iso_text
from opensearch_strata.errors import StrataError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.judging import explain

if TYPE_CHECKING:
    from opensearch_strata.archive.bulk.learned_limits import LearnedLimits
    from opensearch_strata.archive.documents.reading import ReadAs
    from opensearch_strata.archive.ledger.rows import ObjectRow
    from opensearch_strata.definition.dataset import Dataset

_JUDGED_FROM = 1000  # events after which an object with too many dead letters is not read to its end
_JUDGED_EVERY = 100  # dead letters
_MOST_LATE = 0.05  # of an object's events; if more are late, they are misread or intake.max_lateness is too short


class Poisoned(Exception):  # noqa: N818 - describes a state
    """The object is not worth reading further; the message says why."""


class TakenOver(Exception):  # noqa: N818
    """Somebody else is loading the object by now."""


class Ingest:
    """Reads objects in one thread.

    :param span: event times to load, epoch milliseconds
    :param manifests: what archives of our own are compared with
    :param send: accepts a full body; it may block
    :param on_cut: called when a body has been sent and the next one is still empty
    :param ids: whether documents are sent with ids
    """

    def __init__(
        self,
        dataset: Dataset,
        span: Span,
        manifests: Manifests,
        limits: LearnedLimits,
        send: Callable[[Body[BulkShare]], None],
        on_cut: Callable[[], None],
        ids: bool,
    ) -> None:
        self._dataset = dataset
        self._span = span
        self.reading = self._reading_of(dataset)
        """How such objects are read."""
        self._manifests = manifests
        self._limits = limits
        self._send = send
        self._on_cut = on_cut
        self._body: Body[BulkShare] = Body(ids)
        self._since = 0.0  # when the first document of the body came, by the monotonic clock
        self.bytes_in = 0
        self.events = 0

    @staticmethod
    def _reading_of(dataset: Dataset) -> ReadAs:
        return reading_of(dataset)

    def take(self, tally: ObjectAccount, blocks: Iterator[bytes]) -> str:
        """Read an object from its beginning, and load the part that is not known to be loaded.

        Its last documents may wait for those of the next object: see :meth:`flush`.

        :returns: sentences saying how it was cut off, that its manifest does not name it, or that a few of its events
            have other times; an empty string if there is nothing to say
        :raises Poisoned: it holds nothing or too much that cannot be loaded, the rest of it cannot be read, or it
            differs from its manifest
        :raises TakenOver: it is no longer ours
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
            if reading.format == tally.format or not tally.format:  # otherwise nothing was read in the new format
                tally.format, tally.layers = reading.format, tuple(reading.layers)
            tally.seconds = time.monotonic() - started
            tally.end()

    def judged(self, tally: ObjectAccount) -> str:
        """Why an object that is read and accounted for belongs in quarantine, in sentences; empty if it does not."""
        return too_many_dead(self._dataset.intake.max_dead_share, tally)

    def flush(self, older_than: float = 0) -> None:
        """Send the present body, unless it is empty.

        :param older_than: seconds; only if its first document has waited for so long
        """
        if self._body and time.monotonic() - self._since >= older_than:
            body, self._body = self._body, Body(self._body.with_ids)
            self._send(body)

    def _load(self, tally: ObjectAccount, reading: Reading) -> str:
        """Load the object and return sentences about events that came late."""
        shaper = Shaper(self._dataset, tally.place, self._span)
        resume, last, broken, first = tally.row.resume, -1, 0, ""
        is_obsolete = self._is_obsolete(tally.row)
        if not is_obsolete:  # otherwise the rules stay those of the earlier attempt, until its counts are discarded
            tally.rules = self.reading.rules
        if not resume:  # otherwise events of the earlier attempt may have other times now, and this stays known
            tally.landing = self.reading.landing
        portion: BulkShare | None = None
        for item, shaped in _shaped(reading, shaper, tally.place):  # loaded records too: later ones may depend on them
            record = item.record
            # An earlier attempt counted records differently, left out some that are wanted now, or put them elsewhere.
            if resume and (is_obsolete or reading.format != tally.row.format):
                self._restart(tally)
                resume = 0
            if record < resume:
                continue
            if portion is None or self._body.is_full(self._limits.body_bytes, at_border=record != last):
                portion = self._next_portion(tally, record, reading.format, reading.layers)
            portion.last = last = record
            portion.read += 1
            self.events += 1
            if isinstance(shaped, Document):
                portion.waiting += 1
                self._body.add(shaped, portion)
            elif shaped is None:
                portion.filtered += 1
            elif isinstance(shaped, Unwanted):
                portion.filtered += 1
                portion.unwanted += 1
            else:
                broken += shaped.reason == "broken"
                first = first or shaped.detail
                tally.add_dead_letter(portion, shaped)
                if portion.dead % _JUDGED_EVERY == 0:
                    self._require_worth(tally)
        if broken and broken == tally.counts.read:
            why = reading.damage or f"It looks like {reading.format}, but none of its records is. The first: {first}"
            raise Poisoned(f"Nothing in {tally.place} can be read. {why}")
        if reach := shaper.reach:
            tally.reach = Reach(*reach, self.reading.definition)
        if shaper.early:
            tally.ahead, tally.latest = shaper.early, shaper.times.latest
        strays = of_other_times(shaper, tally.place)
        if strays and are_misread(shaper):
            raise Poisoned(strays)
        return strays

    def _is_obsolete(self, row: ObjectRow) -> bool:
        """Whether what an earlier attempt did is to be done again from the first record."""
        return row.current.lacks_wanted(self.reading) or row.current.is_elsewhere(self.reading)

    def _restart(self, tally: ObjectAccount) -> None:
        tally.restart()
        tally.rules, tally.landing = self.reading.rules, self.reading.landing

    def _checked(self, place: Place, reading: Reading) -> str:
        """Sentences about an object that was read. Damage at its end costs one record; any other damage is raised."""
        note = self._manifests.check(place, reading.measure) if reading.measure else ""
        if reading.left_unread:
            raise Poisoned(
                f"{place} is damaged, and the part after the damage was not read. {reading.damage} Everything before "
                f"the damage is loaded; replace the object with an intact copy and plan again."
            )
        return _joined(reading.damage, note, *reading.notes)

    def _next_portion(self, tally: ObjectAccount, record: int, format: str, layers: Sequence[str]) -> BulkShare:
        """A portion for the present body or, if that one is full, for the next body."""
        tally.format, tally.layers = format, tuple(layers)
        is_full = self._body.is_full(self._limits.body_bytes, at_border=True)
        if is_full:
            self.flush()
            self._require_worth(tally)
        portion = tally.begin(record)
        if not self._body:
            self._since = time.monotonic()
        if is_full:
            self._on_cut()
        return portion

    def _require_worth(self, tally: ObjectAccount) -> None:
        counts = tally.counts
        if counts.read >= _JUDGED_FROM and (problem := too_many_dead(self._dataset.intake.max_dead_share, tally)):
            raise Poisoned(problem)

    def _watched(self, tally: ObjectAccount, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield and count the blocks, for as long as the object is ours."""
        for block in blocks:
            if tally.is_lost:
                raise TakenOver
            tally.bytes_in += len(block)
            self.bytes_in += len(block)
            yield block


def _shaped(reading: Reading, shaper: Shaper, place: Place) -> Iterator[tuple[Event | Broken, Shaped]]:
    """Yield each item that is read and what it becomes. Any exception of a decoder or parser affects only this object.

    :raises Poisoned: the object cannot be read further
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
            f"{place} cannot be read after record {last}: {explain(error)} Everything up to there is loaded. Examine "
            f"the object with `strata parse`, and report this as a bug: even if the object is damaged, the error "
            f"should have said so."
        ) from error


def _joined(*sentences: str | None) -> str:
    return " ".join(filter(None, sentences))


def of_other_times(shaper: Shaper, place: Place) -> str:
    """Sentences about an object whose events have times that its arrival does not allow; empty if there are none.

    A plan looks for events by the arrival of objects. If an object's events have other times, then either a unit, a
    format or a zone is wrong, and the events of the requested days are in objects that no plan looks at; or the events
    arrived too late, and no plan finds them for their own days.
    """
    if shaper.first_stray is None or not (shaper.left_out or _are_exchanged(shaper)):
        return ""
    first, last = shaper.times.earliest, shaper.times.latest
    none = "" if shaper.documents else ", and none of its events is from the requested days"
    exchanged = (
        f" With day and month swapped, {shaper.exchanged:,} would fit: check their order in intake.timestamp_format."
        if shaper.exchanged
        else ""
    )
    return (
        f"{shaper.strays:,} of {counted(shaper.timed, 'event')} of {place} "
        f"{'has a time' if shaper.strays == 1 else 'have times'} that its key does not allow; the first is "
        f"{_shown(shaper.first_stray)}. By its key, intake.max_clock_lead and intake.max_lateness, it may hold events "
        f"from {_shown(first)} to {_shown(last)}{none}.{exchanged} If the times are correct, raise intake.max_lateness "
        f"or intake.max_clock_lead, or set intake.layout_time_zone; otherwise, set the unit, format or zone of the "
        f"times (intake.timestamp_format, intake.log_time_zone)."
    )


def are_misread(shaper: Shaper) -> bool:
    """Whether the times of an object are implausible: there are too many strays for events that merely came late."""
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
    """Sentences that say why an object belongs in quarantine; empty if it does not.

    :param max_dead_share: the share of its events that may be dead letters
    """
    counts = tally.counts
    if counts.dead <= max_dead_share * counts.read:
        return ""
    return (
        f"{counts.dead:,} of {counted(counts.read, 'event')} cannot be loaded, more than the share of "
        f"{max_dead_share:g} that the dataset allows (intake.max_dead_share): {told_causes(tally.causes)} "
        f"Everything that could be loaded is loaded."
    )
