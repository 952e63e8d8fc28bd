"""The proof that a backfill lost nothing: the counts of its objects add up, and OpenSearch holds the documents.

All numbers are read back from the ledger and from the raw days; nothing that a loader remembers is used.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeVar

from opensearch_strata.archive.backfill_proof import BackfillCheck, BackfillProof, DayProof
from opensearch_strata.archive.causes import Causes, summed
from opensearch_strata.archive.documents.shaper import EARLY_SHARE
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.rows import Counts, Loaded, ObjectRow, Removals, document_of_sample
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.spans import Span
from opensearch_strata.archive.targets.raw_indices import documents_in
from opensearch_strata.archive.targets.removals import DayCount, counts_of_days
from opensearch_strata.connections import decisive
from opensearch_strata.errors import TransientError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.archive.documents.event_times import ReadAs

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
    existed: Counter[str] = field(default_factory=Counter)
    removals: dict[str, set[Removals]] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)  # samples, by index
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
_QUARANTINED = "objects in quarantine"
_OTHER_RANGE = "objects loaded for another range"
_OTHER_RULES = "objects loaded without events that are wanted now"
_UNBALANCED = "objects whose events do not add up"
_AHEAD = "keys that show another clock"
_UNSAMPLED = "sampled documents that are missing"
_LOST = "raw days that lost documents"


def prove_range(
    client: OpenSearch,
    ledger: Ledger,
    places: Iterable[Place],
    span: Span,
    later: Iterable[Place] = (),
    is_retired: Callable[[str, str], bool] = lambda *_: False,
    latest_of: Callable[[Place], int] = lambda _: 0,
    now: ReadAs | None = None,
) -> BackfillProof:
    """Prove that all objects are loaded for a range. Changes nothing.

    :param places: every object of the plan, including those that were done before; iterated once
    :param later: objects that arrived since the plan; the loaded ones are proven, the others are counted
    :param is_retired: whether history carries a raw day, by index and UUID
    :param latest_of: the latest time that an object's key allows by the present definition, epoch milliseconds
    :param now: how objects are read now, as in the plan; see :meth:`ObjectRow.is_done_for`
    :raises TransientError: a raw day cannot be read right now
    """
    found = _Found(latest_of, now)
    for part in _parts(places):
        _prove_part(client, ledger, found, part, ledger.rows(part), span)
    for part in _parts(later):
        rows = {place: row for place, row in ledger.rows(part).items() if row.is_done_for(span, now)}
        found.later += len(part) - len(rows)
        _prove_part(client, ledger, found, list(rows), rows, span)
    days = _prove_days(client, ledger, found, is_retired)
    for day in days:
        if not day.holds:
            found.add_problem(_LOST, day.loss)
        if day.fate != "retired":
            for sample in found.missing.get(day.index, ()):
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
        *map(found.line, (_MISSING, _BUSY, _FAILED, _QUARANTINED, _OTHER_RANGE, _OTHER_RULES, _UNBALANCED)),
        BackfillCheck(
            "events read = created + there + filtered + dead",
            found.counts.read,
            accounted,
            found.counts.read == accounted,
        ),
        found.line(_LOST),
        found.line(_UNSAMPLED),
        found.line(_AHEAD),
    ]
    return BackfillProof(checks, days, found.counts, found.causes, found.later, found.objects)


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
    _look_up(client, found, [sample for load in loads for sample in load.samples], serverless=ledger.index.serverless)


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
        found.add_problem(_QUARANTINED, f"{place}: {row.error}")
    elif row.lacks_wanted(span, found.now):
        found.add_problem(_OTHER_RULES, f"{place}")
    else:
        found.add_problem(_OTHER_RANGE, f"{place}")
    return ()


def _add(found: _Found, place: Place, load: Loaded) -> None:
    found.counts += load.counts
    found.causes = summed([found.causes, load.causes])
    if load.ahead and found.latest_of(place) <= load.latest:  # otherwise another clock has been set since
        found.ahead += load.ahead
    found.created.update(load.days)
    found.existed.update(load.there)
    for index, one in load.removals.items():
        found.removals.setdefault(index, set()).add(one)
    by_day = sum(load.days.values()), sum(load.there.values())
    if not load.counts.balanced or by_day != (load.counts.created, load.counts.existed):
        by_days = f"by day {by_day[0]:,} created and {by_day[1]:,} already there"
        found.add_problem(_UNBALANCED, f"{place}: {load.counts}, {by_days}")


def _look_up(client: OpenSearch, found: _Found, samples: list[str], *, serverless: bool) -> None:
    for part in _parts(samples):
        docs = [document_of_sample(sample) for sample in part]
        if serverless:  # where primaries cannot be selected
            answers = client.mget(body={"docs": docs}, params={"_source": "false"})["docs"]
        else:
            answers = decisive.get_documents(client, docs, _source="false")
        for sample, asked, answer in zip(part, docs, answers, strict=True):
            fault = answer.get("error", {}).get("type", "index_not_found_exception")
            if fault != "index_not_found_exception":
                raise TransientError(f"{sample} cannot be looked up right now ({fault}); run the proof again.")
            if not answer.get("found"):
                found.missing.setdefault(asked["_index"], []).append(sample)


def _prove_days(
    client: OpenSearch, ledger: Ledger, found: _Found, is_retired: Callable[[str, str], bool]
) -> list[DayProof]:
    indices = sorted(found.created.keys() | found.existed.keys())
    # The ledger is read first: documents that are created in the meantime can then only be too many, not too few.
    by_all = ledger.created_by_day()
    if not ledger.index.serverless:
        now = counts_of_days(client, indices)
        by_all |= _in_one_index(ledger, by_all, now, is_retired)
        return [_day(found, index, by_all.get(index, 0), now[index], is_retired) for index in indices]
    deadline = time.monotonic() + VISIBLE
    while True:
        documents = documents_in(client, indices, serverless=True)
        seen = {index: DayCount("", held, 0) if held is not None else None for index, held in documents.items()}
        days = [_day(found, index, by_all.get(index, 0), seen[index], is_retired) for index in indices]
        if all(day.holds or day.documents is None for day in days) or time.monotonic() >= deadline:
            return days
        time.sleep(1)


def _in_one_index(
    ledger: Ledger,
    by_all: Mapping[str, int],
    now: Mapping[str, DayCount | None],
    is_retired: Callable[[str, str], bool],
) -> dict[str, int]:
    """Of raw days with fewer documents than were created in them: how many were created in one and the same index.

    A day that was loaded, deleted and restored from another source had several of that name, each with all documents.
    What was created in one that history carries, and that is gone, need not be there.
    """
    poorer = {index: there for index, there in now.items() if there and there.documents < by_all.get(index, 0)}
    found = {}
    for index, created in (ledger.created_by_uuid(poorer) if poorer else {}).items():
        unknown = created.pop("", 0)
        present = poorer[index].uuid
        most = max((n for uuid, n in created.items() if uuid == present or not is_retired(index, uuid)), default=0)
        found[index] = min(by_all[index], most + unknown)  # more may have been created since the sum was read
    return found


def _day(
    found: _Found, index: str, by_all: int, now: DayCount | None, is_retired: Callable[[str, str], bool]
) -> DayProof:
    by_ours = found.created[index]  # the ledger's sums may lag behind where it cannot be refreshed
    removals = found.removals.get(index, set())
    others = sorted({one.uuid for one in removals} - {now.uuid if now else ""})
    retired = bool(others) and all(is_retired(index, uuid) for uuid in others)
    fate: Literal["same", "anew", "retired"] = "retired" if retired else "anew" if now and others else "same"
    replaced = now.removed - min((one.removed for one in removals), default=now.removed) if now and not others else 0
    documents = now.documents if now else None
    return DayProof(index, by_ours, found.existed[index], max(by_ours, by_all), documents, fate, max(0, replaced))


def _parts(items: Iterable[_T]) -> Iterator[list[_T]]:
    rest = iter(items)
    while part := list(islice(rest, _AT_ONCE)):
        yield part
