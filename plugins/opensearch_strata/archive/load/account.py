"""What became of the events of one object, and up to which record that is certain.

An object's events are sent in bodies that are answered in any order and that objects share. The events are counted in
portions, one for each body. The ledger is given the counts of the longest run of leading portions in which every
outcome is known and which ends at a record border, so a load that resumes there counts nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from threading import Lock
from typing import TYPE_CHECKING

from opensearch_strata.archive.causes import Cause, Causes, one, summed
from opensearch_strata.archive.events import Place, raw_of
from opensearch_strata.archive.ledger.loads import Counts, Reach
from opensearch_strata.archive.ledger.rows import ObjectRow, sample_of
from opensearch_strata.archive.ledger.takeover import counted_anew
from opensearch_strata.connections.removals import Removals
from opensearch_strata.definition.loading.event_rules import NO_RULES

if TYPE_CHECKING:
    from opensearch_strata.archive.bulk.body import Body
    from opensearch_strata.archive.bulk.delivery import Resolved
    from opensearch_strata.archive.dead_letters.file import DeadLetterFile
    from opensearch_strata.archive.documents.shaper import Dead
    from opensearch_strata.archive.load.restored_objects import NoLetters

_SAMPLES = 5


@dataclass(eq=False)
class BulkShare:
    """The portion of an object's events that goes into one body.

    :param first: number of the first record
    :param last: number of the last record so far
    :param filtered: number of events that are of other days, no events, or unwanted
    :param unwanted: number of those among them that ``intake.keep`` and ``intake.skip`` leave out
    :param waiting: number of documents that are not accounted for yet
    """

    tally: ObjectAccount
    first: int
    last: int
    read: int = 0
    filtered: int = 0
    unwanted: int = 0
    waiting: int = 0
    created: Counter[str] = field(default_factory=Counter)
    existed: Counter[str] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)
    causes: dict[str, Cause] = field(default_factory=dict)

    @property
    def dead(self) -> int:
        """Number of records that became dead letters."""
        return sum(cause.records for cause in self.causes.values())

    @property
    def counts(self) -> Counts:
        """The counts in the form that the ledger uses."""
        return Counts(self.read, self.created.total(), self.existed.total(), self.filtered, self.dead, self.unwanted)


class ObjectAccount:
    """The account of one object: one thread reads the object, and others report what became of its documents.

    :param row: the row as it was claimed
    :param letters: collects the object's dead letters
    :param removals: returns the removals of raw days from before their first document was sent
    """

    def __init__(
        self,
        row: ObjectRow,
        letters: DeadLetterFile | NoLetters,
        removals: Callable[[Collection[str]], Mapping[str, Removals]] = lambda _: {},
    ) -> None:
        self.row = row
        """The row as it is in the ledger; replaced by whoever writes it there."""
        self.is_lost = False
        """Whether another loader has taken over the object."""
        self.format = row.format
        self.layers = row.layers
        self.bytes_in = 0
        self.ahead = self.latest = 0
        """Documents that are later than the object's key allows, and the latest time it allows; set after reading."""
        self.rules = row.rules
        """What leaves out its unwanted events."""
        self.landing = row.landing
        """What decides where the others become documents."""
        self.reach: Reach | None = None
        """Known at the earliest when the whole object has been read."""
        self.seconds = 0.0
        self._certain = row  # the sum of earlier attempts and of the portions that have been folded into it
        self._letters = letters
        self._removals = removals
        self._portions: list[BulkShare] = []
        self._ended = False
        self._lock = Lock()
        self._letters_lock = Lock()  # a separate lock, because uploads are slow

    @property
    def place(self) -> Place:
        """The object."""
        return self.row.place

    def begin(self, record: int) -> BulkShare:
        """Begin a portion for the next body, starting with this record."""
        portion = BulkShare(self, record, record)
        with self._lock:
            self._portions.append(portion)
        return portion

    def restart(self) -> None:
        """Start over at the first record, discarding earlier counts. Call this before the first portion."""
        with self._lock:
            self._certain = counted_anew(self._certain)

    def end(self) -> None:
        """Note that nothing more will be read."""
        self._ended = True

    def add_dead_letter(self, portion: BulkShare, dead: Dead) -> None:
        """Keep a record or event of a portion that did not become a document."""
        with self._letters_lock:
            self._letters.add(dead, self.format)
        with self._lock:
            portion.causes = summed([portion.causes, one(dead.reason, dead.detail)])

    def stored(self, portion: BulkShare, index: str, created: int = 0, existed: int = 0, sample: str = "") -> None:
        """Note that documents of a portion are in an index now.

        :param sample: ``index/id`` of one of them
        """
        with self._lock:
            portion.created[index] += created
            portion.existed[index] += existed
            portion.waiting -= created + existed
            if sample:
                portion.samples.append(sample)

    def rejected(self, portion: BulkShare, dead: Dead) -> None:
        """Note that OpenSearch will never accept a document of a portion."""
        self.add_dead_letter(portion, dead)
        with self._lock:
            portion.waiting -= 1

    @property
    def is_settled(self) -> bool:
        """Whether the object has been read and every document in it is accounted for."""
        with self._lock:
            return self._ended and not any(portion.waiting for portion in self._portions)

    @property
    def counts(self) -> Counts:
        """Everything counted so far, including earlier attempts."""
        with self._lock:
            return sum((portion.counts for portion in self._portions), self._certain.counts)

    @property
    def causes(self) -> Causes:
        """The causes of its dead letters, as far as they are known by now."""
        with self._lock:
            return summed([self._certain.causes, *(portion.causes for portion in self._portions)])

    def save_letters(self) -> None:
        """Upload the dead letters. Call this before a row says that their records are resolved.

        :raises StrataError: S3 refuses them or does not answer
        """
        with self._letters_lock:
            self._letters.save()

    @property
    def has_unsaved_letters(self) -> bool:
        """Whether :meth:`save_letters` would upload something."""
        with self._letters_lock:
            return self._letters.has_unsaved

    def join_letters(self) -> None:
        """Upload the dead letters of a settled object as one file, together with those of earlier loads.

        :raises StrataError: S3 refuses them or does not answer
        """
        with self._letters_lock:
            self._letters.join()

    def abandon_letters(self) -> None:
        """Release the memory and the temporary file of the dead letters."""
        with self._letters_lock:
            self._letters.abandon()

    def checkpoint(self) -> ObjectRow:
        """The row up to the last record before which everything is certain."""
        with self._lock:
            certain = 0
            for number, (portion, follower) in enumerate(pairwise(self._portions), start=1):
                if portion.waiting:
                    break
                if follower.first > portion.last:
                    certain = number
            return self._folded(certain)

    def whole(self) -> ObjectRow:
        """The row of a settled object, with everything that was read."""
        with self._lock:
            return self._folded(len(self._portions))

    def _folded(self, count: int) -> ObjectRow:
        """The row, after folding the first ``count`` portions into it and dropping them."""
        portions, self._portions = self._portions[:count], self._portions[count:]
        if portions:
            row = self._certain
            self._certain = replace(
                row,
                counts=sum((portion.counts for portion in portions), row.counts),
                days=_summed(row.days, (portion.created for portion in portions)),
                there=_summed(row.there, (portion.existed for portion in portions)),
                samples=(*row.samples, *(sample for portion in portions for sample in portion.samples))[:_SAMPLES],
                causes=summed([row.causes, *(portion.causes for portion in portions)]),
                # Marks of an earlier attempt take precedence: they are older, so deletions since then show.
                removals={
                    **self._removals({index for one in portions for index in (*one.created, *one.existed)}),
                    **row.removals,
                },
                resume=self._portions[0].first if self._portions else portions[-1].last + 1,
            )
        return replace(
            self._certain,
            format=self.format,
            layers=self.layers,
            ahead=self.ahead,
            latest=self.latest,
            reach=self.reach,
            rules=self.rules if self._certain.counts.unwanted else NO_RULES,
            landing=self.landing,
            bytes_in=self.bytes_in,
            seconds=self._certain.seconds + self.seconds,
            seq_no=self.row.seq_no,
            primary_term=self.row.primary_term,
        )


def record_outcomes(resolved: Resolved[BulkShare]) -> None:
    """Report to each object what became of its documents."""
    from opensearch_strata.archive.documents.shaper import Dead

    body = resolved.body
    for portion, index, count, sample in _by_day(body, resolved.created):
        portion.tally.stored(portion, index, created=count, sample=sample)
    for portion, index, count, sample in _by_day(body, resolved.existed):
        portion.tally.stored(portion, index, existed=count, sample=sample)
    for at, reason, why in resolved.dead:
        portion, event = body.owners[at], body.event(at)
        dead = Dead(reason, why, event.record, event.ordinal, raw_of(event), body.indices[at], body.ids[at])
        portion.tally.rejected(portion, dead)


def _by_day(body: Body[BulkShare], positions: Sequence[int]) -> Iterator[tuple[BulkShare, str, int, str]]:
    """Yield for each portion and raw index how many of these documents there are, with the first one as a sample."""
    if len(positions) == len(body) and len(set(body.owners)) == len(set(body.indices)) == 1:  # the usual case
        counts = {(body.owners[0], body.indices[0]): len(body)}
        first = dict.fromkeys(counts, 0)
    else:
        targets = [(body.owners[at], body.indices[at]) for at in positions]
        counts = Counter(targets)
        first = dict(zip(reversed(targets), reversed(positions), strict=True))
    for (portion, index), count in counts.items():
        at = first[portion, index]
        yield portion, index, count, sample_of(index, body.ids[at], body.event(at).routing) if body.with_ids else ""


def _summed(before: Mapping[str, int], counters: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total = Counter(before)
    for counter in counters:
        total.update(counter)
    return dict(total)
