"""What a load did with the events of an object, and what was noted of the raw days that it put them into. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from opensearch_strata.archive.causes import Causes
from opensearch_strata.archive.spans import Span
from opensearch_strata.connections.removals import Removals
from opensearch_strata.definition.loading.event_rules import NO_RULES, RuleMarks

if TYPE_CHECKING:
    from opensearch_strata.archive.documents.reading import Landing, ReadAs


@dataclass(frozen=True)
class Counts:
    """Events of an object. Every event that was read is counted in exactly one of the other numbers.

    :param existed: documents that already existed under the same id
    :param filtered: outside the range, not events (control messages), or unwanted
    :param dead: written as dead letters
    :param unwanted: those among the filtered that ``intake.keep`` and ``intake.skip`` leave out
    """

    read: int = 0
    created: int = 0
    existed: int = 0
    filtered: int = 0
    dead: int = 0
    unwanted: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.read + other.read,
            self.created + other.created,
            self.existed + other.existed,
            self.filtered + other.filtered,
            self.dead + other.dead,
            self.unwanted + other.unwanted,
        )

    @property
    def balanced(self) -> bool:
        """Whether no event is unaccounted for."""
        return self.read == self.created + self.existed + self.filtered + self.dead


class Reach(NamedTuple):
    """The widest range of event times in which a load took every event of its object.

    It extends the range of the load by the times next to it in which the object has no events.

    :param start: epoch milliseconds, inclusive
    :param end: epoch milliseconds, exclusive
    :param definition: the definition that the times were read by, see
        :class:`~opensearch_strata.archive.documents.event_times.ReadAs`
    """

    start: int
    end: int
    definition: str


@dataclass(frozen=True)
class Loaded:
    """What became of an object's events in a load for one range.

    :param days: raw index -> documents created in it
    :param there: raw index -> documents that already existed in it; together with ``days`` it names every raw day that
        has documents of the object in the range
    :param samples: ``index/id`` (see :func:`sample_of`) of some documents, for the proof to look up
    :param causes: why the dead letters could not be loaded
    :param ahead: documents that are later than the object's key allowed
    :param latest: the latest time that the key allowed by the definition at that time, epoch milliseconds; 0 if there
        are no such documents
    :param removals: raw index -> its state before the load; empty on Serverless and for loads from before it was kept
    :param reach: None if it is not known, and for loads from before it was kept
    :param rules: what left out the unwanted events
    :param landing: what decided where the others became documents; None for loads from before it was kept
    """

    span: Span
    counts: Counts
    days: Mapping[str, int]
    there: Mapping[str, int]
    samples: tuple[str, ...]
    causes: Causes = field(default_factory=dict)
    removals: Mapping[str, Removals] = field(default_factory=dict)
    ahead: int = 0
    latest: int = 0
    reach: Reach | None = None
    rules: RuleMarks = NO_RULES
    landing: Landing | None = None

    @property
    def indices(self) -> set[str]:
        """The raw days that hold documents of this load."""
        return self.days.keys() | self.there.keys()

    def counts_for(self, now: ReadAs | None) -> bool:
        """Whether the load did what would be done now, for its range.

        :param now: how the object would be read; None if that makes no difference
        """
        return not (self.lacks_wanted(now) or self.is_elsewhere(now) or self.is_at_other_times(now))

    def is_elsewhere(self, now: ReadAs | None) -> bool:
        """Whether its documents are not in the raw indices that they belong to now; see :meth:`Landing.is_elsewhere`.

        :param now: how the object would be read; None if that makes no difference
        """
        if now is None:
            return False
        if self.landing is None:
            return any(now.indices.date_in(index) is None for index in self.indices)
        return now.landing.is_elsewhere(self.landing)

    def is_at_other_times(self, now: ReadAs | None) -> bool:
        """Whether its events may have other times now; see :meth:`Landing.is_at_other_times`.

        :param now: how the object would be read; None if that makes no difference
        """
        return now is not None and self.landing is not None and now.landing.is_at_other_times(self.landing)

    def lacks_wanted(self, now: ReadAs | None) -> bool:
        """Whether the load may have left out events that are wanted now.

        It has if it left out any, and the rules of now do not leave out all that the rules of then did.

        :param now: how the object would be read; None if that makes no difference
        """
        return now is not None and self.counts.unwanted > 0 and not now.rules.leave_out_all_of(self.rules)

    def holds_for(self, wanted: Span, now: ReadAs | None) -> Span:
        """Event times for which the load leaves nothing to do if a range is wanted, except for what it left out.

        These are the load's own range and, if the wanted range includes it, also the times around it in which the
        object has no events.

        :param now: how the object would be read; another definition may find other times
        """
        is_within = wanted[0] <= self.span[0] and self.span[1] <= wanted[1]
        if is_within and now and self.reach and self.reach.definition == now.definition:
            return self.reach.start, self.reach.end
        return self.span
