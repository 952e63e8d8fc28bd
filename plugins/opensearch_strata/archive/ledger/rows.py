"""What the ledger knows about an object. Pure.

A row is about one version of an object: the same key with another ETag gets a separate row, and the old row stays.
Objects hold events of neighbouring days and are loaded for one range of days after the other. A row is about the latest
range and keeps the loads that were finished before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, unquote

from opensearch_strata.archive.causes import Causes
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.loads import Counts, Loaded, Reach
from opensearch_strata.archive.spans import Span, cover, meet
from opensearch_strata.connections.removals import Removals
from opensearch_strata.definition.loading.event_rules import NO_RULES, RuleMarks
from opensearch_strata.errors import TransientError

if TYPE_CHECKING:
    from opensearch_strata.archive.documents.reading import Landing, ReadAs

State = Literal["running", "done", "quarantined", "failed"]
"""A running row whose lease has expired is free; ``done`` is true for a range of event times."""

Obsolete = Literal["names", "times", "rules"]
"""Why a load does not count any more: its documents are in raw indices of other names, its events may have other times
now, or it left out events that are wanted now."""


@dataclass(frozen=True)
class ObjectRow:
    """One version of an object and how far it is loaded.

    Counts, ``days``, ``there``, ``samples``, ``causes``, ``removals``, ``reach``, ``rules`` and ``landing`` (see
    :class:`Loaded`) are about the records below ``resume`` while the row is running, and about the whole object when it
    is done. This way, an interrupted attempt is continued without counting anything twice; the next attempt finds the
    documents that were created beyond ``resume`` already there.

    :param size: bytes in S3
    :param span: event times that the latest attempt is about
    :param owner: who loads it, a name that no other loader uses
    :param lease_until: epoch milliseconds; after that anybody may take over
    :param process: the loader's process, see :mod:`opensearch_strata.connections.processes`; once it is dead, anybody
        may take over as well
    :param attempt: counted from 1; every claim adds one
    :param deaths: how many loaders in a row died while they had it, without getting further than the one before
    :param begun: ``resume`` when it was claimed
    :param resume: records below this number are resolved, as :class:`~opensearch_strata.archive.events.Event` counts
        them in this format
    :param bytes_in: bytes read from S3
    :param error: why it failed or is in quarantine, as a sentence
    :param earlier: raw index -> documents that earlier attempts created in it, for any range, finished or not; none of
        them is in ``days``
    :param loads: the finished loads among those attempts, oldest first
    :param seq_no: sequence number of the document that holds the row, as ``primary_term`` is its term; None for a row
        that is not written yet
    """

    place: Place
    size: int
    span: Span
    state: State = "running"
    owner: str = ""
    lease_until: int = 0
    process: str = ""
    attempt: int = 1
    deaths: int = 0
    begun: int = 0
    counts: Counts = field(default_factory=Counts)
    days: Mapping[str, int] = field(default_factory=dict)
    there: Mapping[str, int] = field(default_factory=dict)
    samples: tuple[str, ...] = ()
    causes: Causes = field(default_factory=dict)
    removals: Mapping[str, Removals] = field(default_factory=dict)
    ahead: int = 0
    latest: int = 0
    reach: Reach | None = None
    rules: RuleMarks = NO_RULES
    landing: Landing | None = None
    resume: int = 0
    format: str = ""
    layers: tuple[str, ...] = ()
    bytes_in: int = 0
    seconds: float = 0.0
    error: str = ""
    earlier: Mapping[str, int] = field(default_factory=dict)
    loads: tuple[Loaded, ...] = ()
    seq_no: int | None = None
    primary_term: int | None = None

    @property
    def current(self) -> Loaded:
        """The results of the latest attempt so far."""
        return Loaded(
            self.span,
            self.counts,
            self.days,
            self.there,
            self.samples,
            self.causes,
            self.removals,
            self.ahead,
            self.latest,
            self.reach,
            self.rules,
            self.landing,
        )

    @property
    def finished(self) -> tuple[Loaded, ...]:
        """All finished loads, oldest first."""
        return (*self.loads, self.current) if self.state == "done" else self.loads

    @property
    def indices(self) -> set[str]:
        """The raw days that the row names."""
        return self.earlier.keys() | self.current.indices.union(*(load.indices for load in self.loads))

    def created_in(self, index: str) -> Counter[str]:
        """UUID of each raw index that had a name -> documents that attempts created in it.

        Those whose index is not known are under an empty text.

        :param index: the name
        """
        found: Counter[str] = Counter()
        for load in (self.current, *self.loads):
            found[load.removals[index].uuid if index in load.removals else ""] += load.days.get(index, 0)
        found[""] += self.earlier.get(index, 0) - sum(load.days.get(index, 0) for load in self.loads)
        return +found

    def is_done_for(self, span: Span, now: ReadAs | None = None) -> bool:
        """Whether nothing is left to load for a range.

        :param now: how the object would be read, see :meth:`Loaded.holds_for` and :meth:`Loaded.counts_for`; if None,
            only the ranges that loads were for count, not the reach beyond them, and how they were read makes no
            difference
        """
        loads = (load for load in self.finished if load.counts_for(now))
        return cover((load.holds_for(span, now) for load in loads), span)

    def obsolete(self, span: Span, now: ReadAs | None) -> Obsolete | None:
        """Why loads for a range, which it would be done by, do not count any more; None if that is not so.

        If ``times``, it must not be loaded again as it is.

        :param now: how the object would be read
        """
        if now is None or self.is_done_for(span, now):
            return None
        loads = [load for load in self.finished if meet(load.span, span)]
        if any(load.is_at_other_times(now) for load in loads):
            return "times"
        if not cover((load.holds_for(span, now) for load in self.finished), span):
            return None
        return "names" if any(load.is_elsewhere(now) for load in loads) else "rules"

    def loaded_for(self, span: Span, now: ReadAs | None = None) -> tuple[Loaded, ...]:
        """The loads that together cover a range; empty if they do not.

        If a single load covers the range, only that one is returned; if several do, the one with the shortest range.

        :param now: see :meth:`is_done_for`
        """
        loads = [load for load in self.finished if load.counts_for(now)]
        alone = [load for load in loads if cover([load.holds_for(span, now)], span)]
        if alone:
            return (min(alone, key=lambda load: load.span[1] - load.span[0]),)
        if not self.is_done_for(span, now):
            return ()
        return tuple(load for load in loads if meet(load.span, span))


@dataclass(frozen=True)
class Claims:
    """What became of the objects in a claim.

    :param claimed: objects that are now the claimant's, each with the position to start from
    :param busy: objects that others are loading
    :param done: objects that were loaded before
    :param suspects: objects that were not claimed because a loader died while it had them; claim them one by one
    """

    claimed: list[ObjectRow] = field(default_factory=list)
    busy: list[ObjectRow] = field(default_factory=list)
    done: list[ObjectRow] = field(default_factory=list)
    suspects: list[ObjectRow] = field(default_factory=list)


class LeaseLost(TransientError):  # noqa: N818 - reads as what happened
    """Somebody else took over objects because their leases had expired.

    :param lost: the rows that were to be written, but were not
    :param held: the other rows of the same call, which were written
    """

    def __init__(self, message: str, lost: list[ObjectRow], held: list[ObjectRow]) -> None:
        super().__init__(message)
        self.lost = lost
        self.held = held


def sample_of(index: str, identity: str, routing: str | None) -> str:
    """What a row keeps of a document, so that the proof can look it up: ``index/id``.

    :param index: the raw index that it is in
    :param identity: its id, which may contain slashes
    :param routing: its custom routing; ``index?routing=…/id`` if it has one, as no name of an index has a ``?``
    """
    return f"{index}{'' if routing is None else f'?routing={quote(routing, safe=str())}'}/{identity}"


def document_of_sample(sample: str) -> dict[str, str]:
    """``_index``, ``_id`` and, if it has one, ``routing`` of a document.

    :param sample: what :func:`sample_of` returned
    """
    place, _, identity = sample.partition("/")
    index, _, routing = place.partition("?routing=")
    return {"_index": index, "_id": identity, **({"routing": unquote(routing)} if routing else {})}
