"""The objects of a listing that are not loaded yet, according to the ledger."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from opensearch_strata.archive.causes import Causes, summed
from opensearch_strata.archive.ledger.takeover import lost_days, retimed_days, without_days
from opensearch_strata.archive.planning.load_estimate import rate_of
from opensearch_strata.archive.store.listing import Amount
from opensearch_strata.archive.store.objects import ListedObject
from opensearch_strata.definition.loading.event_rules import RuleMarks
from opensearch_strata.errors import Refused

if TYPE_CHECKING:
    from opensearch_strata.archive.documents.reading import ReadAs
    from opensearch_strata.archive.events import Place
    from opensearch_strata.archive.ledger.rows import ObjectRow
    from opensearch_strata.archive.ledger.store import Ledger
    from opensearch_strata.archive.spans import Span
    from opensearch_strata.connections.removals import Removals

_MOST_RULES = 1000  # versions of a definition
_ASKED_AT_ONCE = 1000  # rows of the ledger in one request


@dataclass
class NotLoaded:
    """The objects of a listing that are left to load, and what earlier loads show.

    :param span: event times to load
    :param now: how the objects will be read
    :param poorer_days: raw days that hold fewer documents than were created in them
    :param days_now: present state of raw days
    :param lost: objects that were added although they had been loaded, because their documents are gone
    :param again: raw day whose objects are loaded again -> UUIDs of the indices that they were loaded into
    :param lacking: those of the objects to load that were loaded before, by rules that left out events that are wanted
        now
    :param moved: those that were loaded before into raw indices of other names
    :param retimed: objects that are not to be loaded although their loads do not count any more: their events may have
        other times now, and those that have would be stored a second time
    :param retimed_in: raw days that hold documents of these loads
    :param dead: dead letters of the last loads
    :param frozen: objects that must first be restored from an archive tier
    :param read: events that earlier loads read
    :param seconds: how long earlier loads took
    """

    span: Span
    now: ReadAs
    poorer_days: Collection[str]
    days_now: Mapping[str, Removals | None]
    lost: set[Place] = field(default_factory=set)
    again: dict[str, set[str]] = field(default_factory=dict)
    lacking: Amount = field(default_factory=Amount)
    moved: Amount = field(default_factory=Amount)
    retimed: Amount = field(default_factory=Amount)
    retimed_in: set[str] = field(default_factory=set)
    dead: Causes = field(default_factory=dict)
    objects: list[ListedObject] = field(default_factory=list)
    size: int = 0
    left_out: Amount = field(default_factory=Amount)
    frozen: list[ListedObject] = field(default_factory=list)
    read: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float | None:
        """Events a second of earlier loads."""
        return rate_of(self.read, self.seconds)

    def again_because(self, is_retired: Callable[[str, str], bool]) -> dict[str, str]:
        """Raw day -> why objects that were loaded into it are loaded again.

        :param is_retired: whether history carries a raw day, by index and UUID
        """
        return {index: self._why_again(index, uuids, is_retired) for index, uuids in sorted(self.again.items())}

    def _why_again(self, index: str, uuids: set[str], is_retired: Callable[[str, str], bool]) -> str:
        present = self.days_now.get(index)
        if any(is_retired(index, uuid) for uuid in uuids - {present.uuid if present else ""}):
            return "was retired: condensed, proven and deleted"
        if index in self.days_now and present is None:
            return "is gone"
        if present and uuids - {present.uuid}:
            return "was deleted and recreated"
        if present and present.is_short:
            return "has fewer documents than were created"
        if present and uuids:
            return "had documents deleted or replaced"
        if present and index not in self.poorer_days:
            return "was loaded before its state was noted"
        return "has fewer documents than were created"

    def add(self, listed: ListedObject, row: ObjectRow | None, *, frozen: bool) -> None:
        """Add an object with its row, if it has one. If ``frozen``, S3 must restore it before it can be read."""
        is_retimed = row is not None and row.obsolete(self.span, self.now) == "times"
        if row and is_retimed and (held := retimed_days(row, self.now, self.days_now)):
            self.retimed = self.retimed.plus(listed.size)
            self.retimed_in |= held
            self.lost.add(row.place)
            return
        if row:
            self.read += row.counts.read
            self.seconds += row.seconds
            self.dead = summed([self.dead, row.current.causes])
            lost = lost_days(row, self.poorer_days, self.days_now)
            if lost:
                self.lost.add(row.place)
            for index in lost:
                removals = (load.removals.get(index) for load in (row.current, *row.loads))
                self.again.setdefault(index, set()).update(one.uuid for one in removals if one)
            row = without_days(row, lost)
        if row and row.is_done_for(self.span, self.now):
            self.left_out = self.left_out.plus(listed.size)
            return
        match row and row.obsolete(self.span, self.now):
            case "names":
                self.moved = self.moved.plus(listed.size)
            case "rules":
                self.lacking = self.lacking.plus(listed.size)
        if frozen:
            self.frozen.append(listed)
        else:
            self.objects.append(listed)
            self.size += listed.size


def not_loaded(listing: Iterable[tuple[ListedObject, bool]], ledger: Ledger, found: NotLoaded, most: int) -> NotLoaded:
    """Compare a listing with the ledger.

    :param listing: objects, each with whether S3 must restore it before it can be read
    :param found: gets the objects
    :param most: maximum number of objects to load
    :returns: ``found``
    :raises Refused: there are more
    """
    for page in _pages(listing):
        rows = ledger.rows(listed.place for listed, _ in page)
        for listed, frozen in page:
            found.add(listed, rows.get(listed.place), frozen=frozen)
        if len(found.objects) > most:
            raise Refused(
                f"There are more than {most:,} objects to load, too many for one plan. Nothing was loaded. "
                f"Use a range that ends before {found.objects[-1].place}, and load the rest with the next plan."
            )
    return found


def lost_elsewhere(
    ledger: Ledger, found: NotLoaded, now: Callable[[Place], ListedObject | None]
) -> Iterator[tuple[ListedObject, bool]]:
    """Objects that no listing of these days reaches, and that nevertheless had documents in them, which are gone.

    An object that arrived later than ``intake.max_lateness`` allows was loaded from its notification. Its load is
    forgotten with those of all the others, so it must be loaded again with them.

    :param ledger: of the dataset
    :param found: what the listing showed
    :param now: an object as it is now; None if it is gone, or not of the source
    :returns: as a listing
    """
    days = {*found.again, *found.poorer_days}
    for row in ledger.rows_in(days) if days else ():
        if row.place not in found.lost and lost_days(row, found.poorer_days, found.days_now):
            listed = now(row.place)
            if listed and listed.place == row.place:
                yield listed, False


def objects_lacking(ledger: Ledger, now: ReadAs) -> int:
    """How many objects were last loaded by rules that left out events which are wanted now, according to the ledger.

    A plan of their days loads them again.

    :param ledger: of the dataset
    :param now: how the dataset reads objects
    """
    body = {
        "size": 0,
        "query": ledger.query("object", {"range": {"unwanted": {"gt": 0}}}),
        "aggs": {"rules": {"terms": {"field": "rules", "size": _MOST_RULES}}},
    }
    found = ledger.index.search(body).get("aggregations", {}).get("rules", {}).get("buckets", [])
    return sum(bucket["doc_count"] for bucket in found if not now.rules.leave_out_all_of(RuleMarks.read(bucket["key"])))


def _pages(listing: Iterable[tuple[ListedObject, bool]]) -> Iterator[list[tuple[ListedObject, bool]]]:
    objects = iter(listing)
    while page := list(islice(objects, _ASKED_AT_ONCE)):
        yield page
