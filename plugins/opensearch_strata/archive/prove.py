"""The proof that a backfill lost nothing: its objects' counts add up, and OpenSearch holds what they say.

All numbers are read back, from the ledger and from the raw days; nothing that a loader remembers counts.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from opensearch_strata.archive.causes import Causes, summed
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger import Ledger
from opensearch_strata.archive.ledger_rows import Counts, Loaded, ObjectRow
from opensearch_strata.archive.raw_indices import documents_in, refresh
from opensearch_strata.archive.spans import Span
from opensearch_strata.errors import TransientError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_T = TypeVar("_T")

_AT_ONCE = 1000
_NAMED = 10

VISIBLE = 60.0
"""Seconds within which Serverless shows documents to searches, several times what AWS says."""


@dataclass(frozen=True)
class Check:
    """One line of the proof.

    :param named: the first things that do not hold, a sentence each
    """

    name: str
    wanted: Any
    found: Any
    holds: bool
    named: tuple[str, ...] = ()


@dataclass(frozen=True)
class DayProof:
    """A raw day against the ledger.

    :param created: documents that the objects of this proof created in it
    :param existed: documents of theirs that were already there
    :param by_all: documents that all objects of the dataset created in it, whenever they were loaded
    :param documents: documents that it holds after a refresh; None if it is gone
    """

    index: str
    created: int
    existed: int
    by_all: int
    documents: int | None

    @property
    def others(self) -> int:
        """Documents beyond those that the ledger knows, which is in order: a producer wrote them, or an attempt that
        was interrupted before it could write them down; the next attempt then counted them as already there."""
        return max(0, (self.documents or 0) - self.by_all)

    @property
    def holds(self) -> bool:
        """Whether every document that was created is there, by number."""
        return self.documents is not None and self.documents >= self.by_all

    @property
    def verdict(self) -> str:
        """``verified``, ``gone`` or how many documents are lost."""
        if self.documents is None:
            return "gone"
        return "verified" if self.holds else f"{self.by_all - self.documents:,} lost"


@dataclass(frozen=True)
class BackfillProof:
    """All lines of the proof.

    :param counts: sum over the objects that are done
    :param causes: why dead letters of these are dead
    """

    checks: list[Check]
    days: list[DayProof]
    counts: Counts
    causes: Causes = field(default_factory=dict)

    @property
    def failed(self) -> list[Check]:
        """The lines that do not hold."""
        return [check for check in self.checks if not check.holds]

    @property
    def holds(self) -> bool:
        """Whether all lines hold."""
        return not self.failed


@dataclass
class _Found:
    """Sums over objects, and what is wrong with them."""

    counts: Counts = field(default_factory=Counts)
    causes: Causes = field(default_factory=dict)
    created: Counter[str] = field(default_factory=Counter)
    existed: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    named: dict[str, list[str]] = field(default_factory=dict)

    def add_problem(self, line: str, sentence: str) -> None:
        self.problems[line] += 1
        named = self.named.setdefault(line, [])
        if len(named) < _NAMED:
            named.append(sentence)

    def line(self, name: str) -> Check:
        count = self.problems[name]
        return Check(name, 0, count, count == 0, tuple(self.named.get(name, ())))


_MISSING = "objects that nobody loaded"
_BUSY = "objects still being loaded"
_FAILED = "objects that failed"
_QUARANTINED = "objects in quarantine"
_OTHER_RANGE = "objects loaded for another range"
_UNBALANCED = "objects whose events do not add up"
_UNSAMPLED = "sampled documents that are missing"
_LOST = "raw days that lost documents"


def prove(client: OpenSearch, ledger: Ledger, places: Iterable[Place], span: Span) -> BackfillProof:
    """Prove that all objects are loaded for a range. Changes nothing.

    :param places: every object of the plan, those included that were done before; read once, however many
    :raises TransientError: a raw day cannot be read right now
    """
    found = _Found()
    for part in _parts(places):
        rows = ledger.rows(part)
        loads = [load for place in part for load in _judged(found, place, rows.get(place), span)]
        _look_up(client, found, [sample for load in loads for sample in load.samples])
    days = _prove_days(client, ledger, found)
    for day in days:
        if not day.holds:
            found.add_problem(_LOST, f"{day.index}: {day.by_all} were created, {day.documents or 0} are there")
    accounted = found.counts.created + found.counts.existed + found.counts.filtered + found.counts.dead
    checks = [
        *(found.line(name) for name in (_MISSING, _BUSY, _FAILED, _QUARANTINED, _OTHER_RANGE, _UNBALANCED)),
        Check(
            "events read = created + there + filtered + dead",
            found.counts.read,
            accounted,
            found.counts.read == accounted,
        ),
        found.line(_LOST),
        found.line(_UNSAMPLED),
    ]
    return BackfillProof(checks, days, found.counts, found.causes)


def _judged(found: _Found, place: Place, row: ObjectRow | None, span: Span) -> tuple[Loaded, ...]:
    """The loads by which an object is done, added to the sums; without any it is noted what it is instead.

    Whoever loads it for another range by now does not count.
    """
    loads = row.loaded_for(span) if row else ()
    for load in loads:
        _add(found, place, load)
    if loads:
        return loads
    if row is None:
        found.add_problem(_MISSING, f"{place}")
    elif row.state == "running":
        found.add_problem(_BUSY, f"{place}, by {row.owner}, attempt {row.attempt}")
    elif row.state == "failed":
        found.add_problem(_FAILED, f"{place}: {row.error}")
    elif row.state == "quarantined":
        found.add_problem(_QUARANTINED, f"{place}: {row.error}")
    else:
        found.add_problem(_OTHER_RANGE, f"{place}")
    return ()


def _add(found: _Found, place: Place, load: Loaded) -> None:
    found.counts += load.counts
    found.causes = summed([found.causes, load.causes])
    found.created.update(load.days)
    found.existed.update(load.there)
    by_day = sum(load.days.values()), sum(load.there.values())
    if not load.counts.balanced or by_day != (load.counts.created, load.counts.existed):
        found.add_problem(_UNBALANCED, f"{place}: {load.counts}, by day {by_day[0]} created and {by_day[1]} there")


def _look_up(client: OpenSearch, found: _Found, samples: list[str]) -> None:
    for part in _parts(samples):
        docs = [dict(zip(("_index", "_id"), _split(sample), strict=True)) for sample in part]
        answers = client.mget(body={"docs": docs}, params={"_source": "false"})["docs"]
        for sample, answer in zip(part, answers, strict=True):
            fault = answer.get("error", {}).get("type", "index_not_found_exception")
            if fault != "index_not_found_exception":
                raise TransientError(f"{sample} cannot be looked up right now ({fault}); prove it again.")
            if not answer.get("found"):
                found.add_problem(_UNSAMPLED, sample)


def _split(sample: str) -> tuple[str, str]:
    """Index and id; an id may hold slashes, a name of an index never does."""
    index, _, identity = sample.partition("/")
    return index, identity


def _prove_days(client: OpenSearch, ledger: Ledger, found: _Found) -> list[DayProof]:
    indices = sorted(found.created.keys() | found.existed.keys())
    # The ledger first: what is created while we count can only be too much, not too little.
    by_all = ledger.created_by_day()
    if not ledger.index.serverless:
        refresh(client, indices)
    deadline = time.monotonic() + (VISIBLE if ledger.index.serverless else 0)
    while True:
        documents = documents_in(client, indices, serverless=ledger.index.serverless)
        days = [_day(found, index, by_all.get(index, 0), documents[index]) for index in indices]
        if all(day.holds or day.documents is None for day in days) or time.monotonic() >= deadline:
            return days
        time.sleep(1)


def _day(found: _Found, index: str, by_all: int, documents: int | None) -> DayProof:
    by_ours = found.created[index]  # the ledger's sums may be behind, where nobody can refresh it
    return DayProof(index, by_ours, found.existed[index], max(by_ours, by_all), documents)


def _parts(items: Iterable[_T]) -> Iterator[list[_T]]:
    rest = iter(items)
    while part := list(islice(rest, _AT_ONCE)):
        yield part
