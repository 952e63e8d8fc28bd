"""The proof that nothing was lost: the counts of the objects add up, and OpenSearch holds the documents.

All numbers are read back from the ledger and from the raw days; nothing that a loader remembers is used. That the
documents are there is known by the state of each raw day, which was noted before the first of them was sent: if it is
unbroken since, none of them was deleted or replaced. No document is looked up, except for a few samples. If the state
is another one, nothing is proven: the next plan then loads the objects again, and looks each document up by its id.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from opensearch_strata.archive.backfill_proof import QUARANTINED, BackfillCheck, BackfillProof, DayProof
from opensearch_strata.archive.causes import Causes, summed
from opensearch_strata.archive.documents.shaper import EARLY_SHARE
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.fates import Judged, fates_of_days, in_one_index
from opensearch_strata.archive.ledger.loads import Counts, Loaded
from opensearch_strata.archive.ledger.rows import ObjectRow, document_of_sample
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.spans import Span
from opensearch_strata.archive.targets.raw_indices import documents_in, looked_up
from opensearch_strata.connections.decisive.states import DayCount, counts_of_days
from opensearch_strata.connections.removals import Removals
from opensearch_strata.errors import TransientError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.archive.documents.reading import ReadAs

_T = TypeVar("_T")

_AT_ONCE = 1000
_NAMED = 10

VISIBLE = 60.0
"""Seconds within which Serverless makes documents visible to searches; several times what AWS states."""


@dataclass
class _Found:
    """Sums over the objects, and what is wrong with them."""

    latest_of: Callable[[Place], int]
    now: ReadAs | None = None
    counts: Counts = field(default_factory=Counts)
    causes: Causes = field(default_factory=dict)
    created: Counter[str] = field(default_factory=Counter)
    created_in: Counter[tuple[str, str]] = field(default_factory=Counter)  # by raw index and UUID
    existed: Counter[str] = field(default_factory=Counter)
    removals: dict[str, Counter[Removals | None]] = field(default_factory=dict)  # see fates_of_days
    missing: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # samples with their UUID, by index
    present: dict[str, str] = field(default_factory=dict)  # raw index -> UUID
    objects: int = 0
    later: int = 0
    ahead: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    named: dict[str, list[str]] = field(default_factory=dict)

    def add_problem(self, line: str, sentence: str) -> None:
        self.problems[line] += 1
        named = self.named.setdefault(line, [])
        if len(named) < _NAMED:
            named.append(sentence)

    def line(self, name: str) -> BackfillCheck:
        count = self.problems[name]
        return BackfillCheck(name, 0, count, count == 0, tuple(self.named.get(name, ())))


_MISSING = "objects that nobody loaded"
_BUSY = "objects still being loaded"
_FAILED = "objects that failed"
_OTHER_RANGE = "objects loaded for another range"
_OTHER_RULES = "objects loaded without events that are wanted now"
_OTHER_NAMES = "objects loaded into raw days of other names"
_OTHER_TIMES = "objects whose times are read otherwise now"
_OBSOLETE = {None: _OTHER_RANGE, "rules": _OTHER_RULES, "names": _OTHER_NAMES, "times": _OTHER_TIMES}
_UNBALANCED = "objects whose events do not add up"
_AHEAD = "keys that show another clock"
_UNSAMPLED = "sampled documents that are missing"
_LOST = "raw days that lost documents"
_BROKEN = "raw days in which documents were deleted or replaced"


def prove_range(
    client: OpenSearch,
    ledger: Ledger,
    places: Iterable[Place],
    span: Span,
    later: Iterable[Place] = (),
    is_retired: Callable[[str, str, int | None], bool] = lambda *_: False,
    latest_of: Callable[[Place], int] = lambda _: 0,
    now: ReadAs | None = None,
    retired_state: Callable[[str, str], Removals | None] = lambda *_: None,
) -> BackfillProof:
    """Prove that all objects are loaded for a range. Changes nothing.

    :param places: every object of the plan, including those that were done before; iterated once
    :param later: objects that arrived since the plan; the loaded ones are proven, the others are counted
    :param is_retired: whether history carries a raw day, by index, UUID and the documents that loads created in it;
        None in place of these: whether it has rows of it
    :param latest_of: the latest time that an object's key allows by the present definition, epoch milliseconds
    :param now: how objects are read now, as in the plan; see :meth:`ObjectRow.is_done_for`
    :param retired_state: the state of a raw day after the proof by which it was retired, by index and UUID; None if it
        is not known
    :raises TransientError: a raw day cannot be read right now
    """
    found = _Found(latest_of, now)
    for part in _parts(places):
        _prove_part(client, ledger, found, part, ledger.rows(part), span)
    for part in _parts(later):
        rows = {place: row for place, row in ledger.rows(part).items() if row.is_done_for(span, now)}
        found.later += len(part) - len(rows)
        _prove_part(client, ledger, found, list(rows), rows, span)
    days = _prove_days(client, ledger, found, is_retired, retired_state)
    for day in days:
        if not day.holds:
            found.add_problem(_LOST if day.lost else _BROKEN, day.loss)
        for sample, uuid in found.missing.get(day.index, ()):
            is_former = day.fate == "same" and uuid not in ("", found.present.get(day.index, uuid))
            if not (is_former or day.fate in ("retired", "altered")):  # otherwise history carries it
                found.add_problem(_UNSAMPLED, sample)
    events = found.counts.created + found.counts.existed + found.counts.unwanted
    if found.ahead > EARLY_SHARE * events:
        found.add_problem(
            _AHEAD,
            f"{found.ahead:,} of {events:,} events are later than the keys of their objects by more than "
            f"intake.max_clock_lead, so others of these days may be in objects that no plan looks at: set "
            f"intake.layout_time_zone to the clock of the keys, or a longer intake.max_clock_lead, and load these "
            f"days again",
        )
    accounted = found.counts.created + found.counts.existed + found.counts.filtered + found.counts.dead
    checks = [
        *map(found.line, (_MISSING, _BUSY, _FAILED, QUARANTINED, _OTHER_RANGE)),
        *map(found.line, (_OTHER_RULES, _OTHER_NAMES, _OTHER_TIMES, _UNBALANCED)),
        BackfillCheck(
            "events read = created + there + filtered + dead",
            found.counts.read,
            accounted,
            found.counts.read == accounted,
        ),
        found.line(_LOST),
        found.line(_BROKEN),
        found.line(_UNSAMPLED),
        found.line(_AHEAD),
    ]
    by_state = not ledger.index.serverless
    return BackfillProof(checks, days, found.counts, found.causes, found.later, found.objects, by_state)


def _prove_part(
    client: OpenSearch,
    ledger: Ledger,
    found: _Found,
    places: Sequence[Place],
    rows: Mapping[Place, ObjectRow],
    span: Span,
) -> None:
    found.objects += len(places)
    loads = [load for place in places for load in _judged(found, place, rows.get(place), span)]
    _look_up(client, found, loads, serverless=ledger.index.serverless)


def _judged(found: _Found, place: Place, row: ObjectRow | None, span: Span) -> tuple[Loaded, ...]:
    """The loads that cover an object, added to the sums. If there are none, note the state of the object instead.

    If somebody is loading the object for another range by now, that makes no difference.
    """
    loads = row.loaded_for(span, found.now) if row else ()
    for load in loads:
        _add(found, place, load)
    if row and row.is_done_for(span, found.now):
        return loads
    if row is None:
        found.add_problem(_MISSING, f"{place}")
    elif row.state == "running":
        found.add_problem(_BUSY, f"{place}, by {row.owner}, attempt {row.attempt}")
    elif row.state == "failed":
        found.add_problem(_FAILED, f"{place}: {row.error}")
    elif row.state == "quarantined":
        found.add_problem(QUARANTINED, f"{place}: {row.error}")
    else:
        found.add_problem(_OBSOLETE[row.obsolete(span, found.now)], f"{place}")
    return ()


def _add(found: _Found, place: Place, load: Loaded) -> None:
    found.counts += load.counts
    found.causes = summed([found.causes, load.causes])
    if load.ahead and found.latest_of(place) <= load.latest:  # otherwise another clock has been set since
        found.ahead += load.ahead
    found.created.update(load.days)
    found.existed.update(load.there)
    for index in load.indices:
        noted = load.removals.get(index)
        created = load.days.get(index, 0)
        found.removals.setdefault(index, Counter())[noted] += created
        found.created_in[index, noted.uuid if noted else ""] += created
    by_day = sum(load.days.values()), sum(load.there.values())
    if not load.counts.balanced or by_day != (load.counts.created, load.counts.existed):
        by_days = f"by day {by_day[0]:,} created and {by_day[1]:,} already there"
        found.add_problem(_UNBALANCED, f"{place}: {load.counts}, {by_days}")


def _look_up(client: OpenSearch, found: _Found, loads: Sequence[Loaded], *, serverless: bool) -> None:
    for part in _parts((load, sample) for load in loads for sample in load.samples):
        docs = [document_of_sample(sample) for _, sample in part]
        answers = looked_up(client, docs, serverless=serverless)
        for (load, sample), asked, answer in zip(part, docs, answers, strict=True):
            fault = answer.get("error", {}).get("type", "index_not_found_exception")
            if fault != "index_not_found_exception":
                raise TransientError(f"{sample} cannot be looked up right now ({fault}); run the proof again.")
            if not answer.get("found"):
                index = asked["_index"]
                uuid = load.removals[index].uuid if index in load.removals else ""
                found.missing.setdefault(index, []).append((sample, uuid))


def _prove_days(
    client: OpenSearch,
    ledger: Ledger,
    found: _Found,
    is_retired: Callable[[str, str, int | None], bool],
    retired_state: Callable[[str, str], Removals | None],
) -> list[DayProof]:
    indices = sorted(found.created.keys() | found.existed.keys())
    # The ledger is read first: documents that are created in the meantime can then only be too many, not too few.
    by_all = ledger.created_by_day()
    if not ledger.index.serverless:
        now = counts_of_days(client, indices)
        found.present = {index: there.uuid for index, there in now.items() if there}
        fates = fates_of_days(ledger, found.removals, now, is_retired, retired_state)
        by_all |= in_one_index(ledger, by_all, now, is_retired)
        return [_day(found, index, by_all.get(index, 0), now[index], fates[index]) for index in indices]
    deadline = time.monotonic() + VISIBLE
    while True:
        documents = documents_in(client, indices, serverless=True)
        seen = {
            index: DayCount(held, Removals("", 0)) if held is not None else None for index, held in documents.items()
        }
        days = [_day(found, index, by_all.get(index, 0), seen[index], Judged()) for index in indices]
        if all(day.holds or day.documents is None for day in days) or time.monotonic() >= deadline:
            return days
        time.sleep(1)


def _day(found: _Found, index: str, by_all: int, now: DayCount | None, judged: Judged) -> DayProof:
    by_ours = found.created[index]  # the ledger's sums may lag behind where it cannot be refreshed
    if now and now.uuid and judged.fate == "same":  # what was created in a former index is in history
        by_ours = found.created_in[index, now.uuid]
    documents = now.documents if now else None
    return DayProof(index, found.created[index], found.existed[index], max(by_ours, by_all), documents, *judged)


def _parts(items: Iterable[_T]) -> Iterator[list[_T]]:
    rest = iter(items)
    while part := list(islice(rest, _AT_ONCE)):
        yield part
