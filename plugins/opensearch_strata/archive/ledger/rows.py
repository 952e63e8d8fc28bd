"""What the ledger knows of an object, and how it is written down. Pure.

A row is one version of an object: the same key with another eTag has a row of its own, and the old one stays. Objects
hold events of neighbouring days, and are loaded for one range of days after the other: a row is about the latest range,
and keeps what was finished before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from opensearch_strata.archive.causes import Cause, Causes
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.spans import Span, cover, meet
from opensearch_strata.errors import TransientError

State = Literal["running", "done", "quarantined", "failed"]
"""A running row whose lease has expired is free; ``done`` holds for a range of event times."""


@dataclass(frozen=True)
class Counts:
    """Events of an object: every one that was read ends in exactly one of the other numbers.

    :param existed: documents that were already there under the same id
    :param filtered: outside of the range, or no events (control messages)
    :param dead: written as dead letters
    """

    read: int = 0
    created: int = 0
    existed: int = 0
    filtered: int = 0
    dead: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.read + other.read,
            self.created + other.created,
            self.existed + other.existed,
            self.filtered + other.filtered,
            self.dead + other.dead,
        )

    @property
    def balanced(self) -> bool:
        """Whether no event is unaccounted for."""
        return self.read == self.created + self.existed + self.filtered + self.dead


class Reach(NamedTuple):
    """Event times between which a load took every event that its object has: none lies between its range and these.

    :param start: epoch milliseconds, inclusive
    :param end: likewise, exclusive
    :param definition: by which the times were read, see
    :func:`~opensearch_strata.archive.documents.event_times.reading_of`
    """

    start: int
    end: int
    definition: str


class DayMark(NamedTuple):
    """What a raw day was like before a load sent it its first document.

    :param uuid: of the index
    :param removed: operations since the index was made that added no document: deletions and replacements
    """

    uuid: str
    removed: int


@dataclass(frozen=True)
class Loaded:
    """What became of an object's events in a load for one range.

    :param days: raw index -> documents created in it
    :param there: raw index -> documents that were already there; together with ``days`` it names every raw day that
        has documents of the object in the range
    :param samples: ``index/id`` of some documents, to be looked up by the proof
    :param causes: why the dead letters are dead
    :param ahead: documents that are later than the object's key allowed
    :param latest: up to when it did by the definition of that time, epoch milliseconds; 0 without such documents
    :param marks: raw index -> what it was like before; none on Serverless, and of loads from before marks were kept
    :param reach: None where it is not known, and of loads from before it was kept
    """

    span: Span
    counts: Counts
    days: Mapping[str, int]
    there: Mapping[str, int]
    samples: tuple[str, ...]
    causes: Causes = field(default_factory=dict)
    marks: Mapping[str, DayMark] = field(default_factory=dict)
    ahead: int = 0
    latest: int = 0
    reach: Reach | None = None

    @property
    def indices(self) -> set[str]:
        """The raw days with documents of it."""
        return self.days.keys() | self.there.keys()

    def holds_for(self, wanted: Span, definition: str) -> Span:
        """Event times for which the load leaves nothing to do, if a range is wanted: its own, and in a wider range
        those around it that the object has no events of.

        :param definition: by which times would be read now; another one may find other times
        """
        is_within = wanted[0] <= self.span[0] and self.span[1] <= wanted[1]
        if is_within and self.reach and self.reach.definition == definition:
            return self.reach.start, self.reach.end
        return self.span


@dataclass(frozen=True)
class ObjectRow:
    """One version of an object and how far it is loaded.

    Counts, ``days``, ``there``, ``samples``, ``causes``, ``marks`` and ``reach`` (see :class:`Loaded`) are about the
    records below ``resume`` while the row is running, and about the whole object when it is done. An attempt that was
    interrupted is thus continued without counting twice; documents that it had created beyond ``resume`` are already
    there for the next one.

    :param size: bytes in S3
    :param span: event times that the latest attempt is about
    :param owner: who loads it, a name that no two loaders share
    :param lease_until: epoch milliseconds; from then on anybody may take over
    :param process: the loader's, see :mod:`opensearch_strata.connections.processes`; once it is dead anybody may, too
    :param attempt: from 1 on; every claim adds one
    :param deaths: loaders that died one after the other while they had it, and had come no further with it
    :param begun: ``resume`` when it was claimed
    :param resume: records below this number are resolved, as :class:`~opensearch_strata.archive.events.Event` counts
        them in this format
    :param bytes_in: bytes read from S3
    :param error: why it failed or is in quarantine, a sentence
    :param earlier: raw index -> documents that attempts before this one created in it, for whatever range, finished or
        not; none of them is in ``days``
    :param loads: those of them that were finished, the oldest first
    :param seq_no: of the document that holds the row, as is ``primary_term``; None for a row not written yet
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
    counts: Counts = Counts()
    days: Mapping[str, int] = field(default_factory=dict)
    there: Mapping[str, int] = field(default_factory=dict)
    samples: tuple[str, ...] = ()
    causes: Causes = field(default_factory=dict)
    marks: Mapping[str, DayMark] = field(default_factory=dict)
    ahead: int = 0
    latest: int = 0
    reach: Reach | None = None
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
        """What the latest attempt has come to."""
        return Loaded(
            self.span,
            self.counts,
            self.days,
            self.there,
            self.samples,
            self.causes,
            self.marks,
            self.ahead,
            self.latest,
            self.reach,
        )

    @property
    def finished(self) -> tuple[Loaded, ...]:
        """All loads that came to their end, the oldest first."""
        return (*self.loads, self.current) if self.state == "done" else self.loads

    @property
    def indices(self) -> set[str]:
        """The raw days that it names."""
        return self.earlier.keys() | self.current.indices.union(*(load.indices for load in self.loads))

    def is_done_for(self, span: Span, definition: str = "") -> bool:
        """Whether nothing is left to load of a range.

        :param definition: by which it would be read, see :meth:`Loaded.holds_for`; empty: only what loads were for
            counts, and nothing of what they saw beyond
        """
        return cover((load.holds_for(span, definition) for load in self.finished), span)

    def loaded_for(self, span: Span, definition: str = "") -> tuple[Loaded, ...]:
        """The loads by which it is done for a range, none if it is not. One that covers it alone is enough; of several
        such, the one that was about little else.

        :param definition: see :meth:`is_done_for`
        """
        alone = [load for load in self.finished if cover([load.holds_for(span, definition)], span)]
        if alone:
            return (min(alone, key=lambda load: load.span[1] - load.span[0]),)
        if not self.is_done_for(span, definition):
            return ()
        return tuple(load for load in self.finished if meet(load.span, span))


@dataclass(frozen=True)
class Claims:
    """What became of objects that somebody wanted to load.

    :param claimed: theirs now, each with the position to start from
    :param busy: being loaded by others
    :param done: loaded before
    :param suspects: not claimed, as a loader died that had them, and these are to be claimed one by one
    """

    claimed: list[ObjectRow] = field(default_factory=list)
    busy: list[ObjectRow] = field(default_factory=list)
    done: list[ObjectRow] = field(default_factory=list)
    suspects: list[ObjectRow] = field(default_factory=list)


class LeaseLost(TransientError):  # noqa: N818 - reads as what happened
    """Somebody else took objects over, because their lease had expired.

    :param lost: the rows as they were to be written; nothing of them was
    :param held: the other rows of the same call, which were written
    """

    def __init__(self, message: str, lost: list[ObjectRow], held: list[ObjectRow]) -> None:
        super().__init__(message)
        self.lost = lost
        self.held = held


def ledger_row_id(dataset: str, place: Place) -> str:
    """The ``_id`` of an object's row, short whatever the key (an ``_id`` has 512 bytes, a key up to 1,024)."""
    # The key comes last: of the four it alone may hold the separator.
    return _hashed("object", dataset, place.bucket, place.etag, place.key)


def batch_id(dataset: str, plan_id: str, number: int) -> str:
    """The ``_id`` of a batch of a plan."""
    return _hashed("batch", dataset, str(number), plan_id)


def settings_id(dataset: str, index: str) -> str:
    """The ``_id`` of what is written down of a raw index while it is loaded.

    :param dataset: its name
    :param index: the raw index
    """
    return _hashed("settings", dataset, index)


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def source_of(dataset: str, row: ObjectRow) -> dict[str, Any]:
    """The document of a row, as :data:`~opensearch_strata.archive.ledger.mapping.PROPERTIES` maps it."""
    return {
        "kind": "object",
        "dataset": dataset,
        "bucket": row.place.bucket,
        "key": row.place.key,
        "etag": row.place.etag,
        "size": row.size,
        "state": row.state,
        "owner": row.owner,
        "lease_until": row.lease_until,
        **({"process": row.process} if row.process else {}),
        "attempt": row.attempt,
        **({"deaths": row.deaths, "begun": row.begun} if row.deaths or row.begun else {}),
        **_source_of_load(row.current),
        "days": [
            _source_of_day(row.current, index) | ({"earlier": row.earlier[index]} if index in row.earlier else {})
            for index in sorted(row.indices)
        ],
        "resume": row.resume,
        "format": row.format,
        "layers": list(row.layers),
        "bytes_in": row.bytes_in,
        "seconds": row.seconds,
        "error": row.error,
        # A row without any fits into an index from before loads were kept, as a run may still be at it.
        **({"loads": [_source_of_load(load) for load in row.loads]} if row.loads else {}),
    }


def row_of(source: Mapping[str, Any], seq_no: int, primary_term: int) -> ObjectRow:
    """The row that :func:`source_of` wrote down."""
    return ObjectRow(
        place=Place(source["bucket"], source["key"], source["etag"]),
        size=source["size"],
        state=source["state"],
        owner=source["owner"],
        lease_until=source["lease_until"],
        process=source.get("process", ""),
        attempt=source["attempt"],
        deaths=source.get("deaths", 0),
        begun=source.get("begun", 0),
        **vars(_load_of(source)),
        resume=source["resume"],
        format=source["format"],
        layers=tuple(source["layers"]),
        bytes_in=source["bytes_in"],
        seconds=source["seconds"],
        error=source["error"],
        earlier=_by_day(source, "earlier"),
        loads=tuple(_load_of(load) for load in source.get("loads", ())),
        seq_no=seq_no,
        primary_term=primary_term,
    )


def _source_of_load(load: Loaded) -> dict[str, Any]:
    return {
        "span_start": load.span[0],
        "span_end": load.span[1],
        **asdict(load.counts),
        "days": [_source_of_day(load, index) for index in sorted(load.indices)],
        "samples": list(load.samples),
        # Rows without any fit into an index from before these were kept, as a run may still be at it.
        **(
            {"causes": {why: [cause.records, cause.first] for why, cause in load.causes.items()}} if load.causes else {}
        ),
        **({"ahead": load.ahead, "latest": load.latest} if load.ahead else {}),
        **({"reach": list(load.reach)} if load.reach else {}),
        **({"marks": {index: list(mark) for index, mark in load.marks.items()}} if load.marks else {}),
    }


def _source_of_day(load: Loaded, index: str) -> dict[str, Any]:
    return {"index": index, "created": load.days.get(index, 0), "existed": load.there.get(index, 0)}


def _load_of(source: Mapping[str, Any]) -> Loaded:
    span = source["span_start"], source["span_end"]
    counts = Counts(source["read"], source["created"], source["existed"], source["filtered"], source["dead"])
    days, there = _by_day(source, "created"), _by_day(source, "existed")
    marks = {index: DayMark(*mark) for index, mark in source.get("marks", {}).items()}
    causes = {reason: Cause(*cause) for reason, cause in source.get("causes", {}).items()}
    ahead = source.get("ahead", 0), source.get("latest", 0)
    reach = Reach(*source["reach"]) if "reach" in source else None
    return Loaded(span, counts, days, there, tuple(source["samples"]), causes, marks, *ahead, reach)


def _by_day(source: Mapping[str, Any], number: str) -> dict[str, int]:
    return {day["index"]: day[number] for day in source["days"] if day.get(number)}
