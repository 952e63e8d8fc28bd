"""What became of the events of one object, and how far that is certain.

An object's events go out in bodies that are answered in any order, and that other objects share. They are counted in
portions, one for each body. What the ledger is told is about the longest run of portions from the beginning of which
everything is known and which ends with a record: a load that goes on from there counts nothing twice.
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
from opensearch_strata.archive.ledger.rows import Counts, DayMark, ObjectRow, Reach
from opensearch_strata.archive.ledger.takeover import counted_anew

if TYPE_CHECKING:
    from opensearch_strata.archive.bulk.body import Body
    from opensearch_strata.archive.bulk.delivery import Resolved
    from opensearch_strata.archive.dead_letters.file import DeadLetterFile
    from opensearch_strata.archive.documents.builder import Dead

_SAMPLES = 5


@dataclass(eq=False)
class BulkShare:
    """Events of an object that go with one body.

    :param first: number of the first record
    :param last: number of the last record so far
    :param waiting: documents that are not accounted for yet
    """

    tally: ObjectAccount
    first: int
    last: int
    read: int = 0
    filtered: int = 0
    waiting: int = 0
    created: Counter[str] = field(default_factory=Counter)
    existed: Counter[str] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)
    causes: dict[str, Cause] = field(default_factory=dict)

    @property
    def dead(self) -> int:
        """Records that became dead letters."""
        return sum(cause.records for cause in self.causes.values())

    @property
    def counts(self) -> Counts:
        """The same as the ledger has it."""
        return Counts(self.read, self.created.total(), self.existed.total(), self.filtered, self.dead)


class ObjectAccount:
    """The account of one object: one thread reads the object, others hear what became of its documents.

    :param row: as it was claimed
    :param letters: takes the object's dead letters
    :param marks: what is known of raw days from before their first document was sent
    """

    def __init__(
        self,
        row: ObjectRow,
        letters: DeadLetterFile,
        marks: Callable[[Collection[str]], Mapping[str, DayMark]] = lambda _: {},
    ) -> None:
        self.row = row
        """As the ledger has it; replaced by whoever writes it there."""
        self.is_lost = False
        """Another loader has taken the object over."""
        self.format = row.format
        self.layers = row.layers
        self.bytes_in = 0
        self.ahead = self.latest = 0
        """Documents that are later than the object's key allows, and up to when it does; known when it is read."""
        self.reach: Reach | None = None
        """Known when the whole object is read, if at all."""
        self.seconds = 0.0
        self._certain = row  # what earlier attempts and the portions that are forgotten by now amount to
        self._letters = letters
        self._marks = marks
        self._portions: list[BulkShare] = []
        self._ended = False
        self._lock = Lock()
        self._letters_lock = Lock()  # of its own: an upload takes its time

    @property
    def place(self) -> Place:
        """The object."""
        return self.row.place

    def begin(self, record: int) -> BulkShare:
        """A portion for the next body, from this record on."""
        portion = BulkShare(self, record, record)
        with self._lock:
            self._portions.append(portion)
        return portion

    def restart(self) -> None:
        """Begin at the first record, whatever earlier attempts counted; to be called before the first portion."""
        with self._lock:
            self._certain = counted_anew(self._certain)

    def end(self) -> None:
        """Nothing more will be read."""
        self._ended = True

    def add_dead_letter(self, portion: BulkShare, dead: Dead) -> None:
        """Keep what did not become a document, of a portion."""
        with self._letters_lock:
            self._letters.add(dead, self.format)
        with self._lock:
            portion.causes = summed([portion.causes, one(dead.reason, dead.detail)])

    def stored(self, portion: BulkShare, index: str, created: int = 0, existed: int = 0, sample: str = "") -> None:
        """Hear of documents of a portion that are in an index now.

        :param sample: ``index/id`` of one of them
        """
        with self._lock:
            portion.created[index] += created
            portion.existed[index] += existed
            portion.waiting -= created + existed
            if sample:
                portion.samples.append(sample)

    def rejected(self, portion: BulkShare, dead: Dead) -> None:
        """Hear of a document of a portion that OpenSearch will never take."""
        self.add_dead_letter(portion, dead)
        with self._lock:
            portion.waiting -= 1

    @property
    def is_settled(self) -> bool:
        """Whether the object is read and every document of it accounted for."""
        with self._lock:
            return self._ended and not any(portion.waiting for portion in self._portions)

    @property
    def counts(self) -> Counts:
        """All that is known by now, with what earlier attempts counted."""
        with self._lock:
            return sum((portion.counts for portion in self._portions), self._certain.counts)

    @property
    def causes(self) -> Causes:
        """Why its dead letters are dead, all that is known by now."""
        with self._lock:
            return summed([self._certain.causes, *(portion.causes for portion in self._portions)])

    def save_letters(self) -> None:
        """Upload the dead letters; to be done before a row says that their records are resolved.

        :raises StrataError: S3 does not take them
        """
        with self._letters_lock:
            self._letters.save()

    @property
    def has_unsaved_letters(self) -> bool:
        """Whether :meth:`save_letters` would upload something."""
        with self._letters_lock:
            return self._letters.has_unsaved

    def join_letters(self) -> None:
        """Upload the dead letters as one file, with those of earlier loads; of a settled object.

        :raises StrataError: S3 does not take them
        """
        with self._letters_lock:
            self._letters.join()

    def abandon_letters(self) -> None:
        """Give memory and temporary file of the dead letters back."""
        with self._letters_lock:
            self._letters.abandon()

    def checkpoint(self) -> ObjectRow:
        """The row up to the last record below which everything is certain."""
        with self._lock:
            certain = 0
            for number, (portion, follower) in enumerate(pairwise(self._portions), start=1):
                if portion.waiting:
                    break
                if follower.first > portion.last:
                    certain = number
            return self._folded(certain)

    def whole(self) -> ObjectRow:
        """The row about all that was read; of a settled object."""
        with self._lock:
            return self._folded(len(self._portions))

    def _folded(self, count: int) -> ObjectRow:
        """The row with the first portions in it, which are forgotten then."""
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
                # Those of an attempt before are older: what was deleted since then counts.
                marks={
                    **self._marks({index for one in portions for index in (*one.created, *one.existed)}),
                    **row.marks,
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
            bytes_in=self.bytes_in,
            seconds=self._certain.seconds + self.seconds,
            seq_no=self.row.seq_no,
            primary_term=self.row.primary_term,
        )


def record_outcomes(resolved: Resolved[BulkShare]) -> None:
    """Tell each object what became of its documents."""
    from opensearch_strata.archive.documents.builder import Dead

    body = resolved.body
    for portion, index, count, sample in _by_day(body, resolved.created):
        portion.tally.stored(portion, index, created=count, sample=sample)
    for portion, index, count, sample in _by_day(body, resolved.existed):
        portion.tally.stored(portion, index, existed=count, sample=sample)
    for at, reason, why in resolved.dead:
        portion, event = body.owners[at], body.events[at]
        dead = Dead(reason, why, event.record, event.ordinal, raw_of(event), body.indices[at], body.ids[at])
        portion.tally.rejected(portion, dead)


def _by_day(body: Body[BulkShare], positions: Sequence[int]) -> Iterator[tuple[BulkShare, str, int, str]]:
    """Of each portion and raw index: how many documents at these positions, and the first of them."""
    targets = [(body.owners[at], body.indices[at]) for at in positions]
    first = dict(zip(reversed(targets), reversed(positions), strict=True))
    for (portion, index), count in Counter(targets).items():
        yield portion, index, count, f"{index}/{body.ids[first[portion, index]]}" if body.with_ids else ""


def _summed(before: Mapping[str, int], counters: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total = Counter(before)
    for counter in counters:
        total.update(counter)
    return dict(total)
