"""Objects of our own archives into bodies, byte for byte: no document is decoded, and no time in it is read.

The manifest of an object says which raw day the documents are from. Their times cannot say it: late documents are in
the raw day in which they arrived.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from opensearch_strata.archive.bulk.body import EASY, Run, opening
from opensearch_strata.archive.causes import told_causes
from opensearch_strata.archive.decode.byte_stream import Damaged
from opensearch_strata.archive.decode.layers import TooLarge, decoded
from opensearch_strata.archive.documents.reading import restoring_of
from opensearch_strata.archive.documents.shaper import Dead
from opensearch_strata.archive.lines import lines_in, raw_document_of
from opensearch_strata.archive.load.account import BulkShare, ObjectAccount
from opensearch_strata.archive.load.ingest import Ingest, Poisoned
from opensearch_strata.archive.store.manifest import Measure
from opensearch_strata.archive.store.manifest_check import Unproven
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    from opensearch_strata.archive.documents.reading import ReadAs
    from opensearch_strata.definition.dataset import Dataset

_FORMAT = "strata"
_MOST_DEAD = 1000  # of an object; if there are more, its rest is not read


@dataclass(frozen=True)
class Restore:
    """Says that a load restores archived days.

    :param exact: raw indices in which a document that already exists must have the same bytes as ours
    """

    exact: frozenset[str]


class NoLetters:
    """Stands in for the dead letters of an object: what cannot be restored stays in the archive anyway."""

    has_unsaved = False

    def add(self, dead: Dead, format_name: str) -> None:
        """Keep nothing."""

    def save(self) -> None:
        """Upload nothing."""

    def join(self) -> None:
        """Upload nothing."""

    def abandon(self) -> None:
        """Discard nothing."""


class RestoringIngest(Ingest):
    """Reads objects of archived days in one thread."""

    @staticmethod
    def _reading_of(dataset: Dataset) -> ReadAs:
        return restoring_of(dataset)

    def take(self, tally: ObjectAccount, blocks: Iterator[bytes]) -> str:
        """Read an object from its beginning, and load the part that is not known to be loaded.

        Its last documents may wait for those of the next object: see :meth:`flush`.

        :returns: a sentence about damage that cost nothing; an empty string if there is nothing to say
        :raises Poisoned: it differs from its manifest, or too many of its documents cannot be restored
        :raises TakenOver: it is no longer ours
        :raises StrataError: it cannot be read, or no manifest names it any more
        """
        measure, damage, started = Measure(), "", time.monotonic()
        try:
            day = self._manifests.naming(tally.place).day
            self._load_lines(tally, blocks, self._dataset.raw_index(day), measure)
        except (Damaged, TooLarge) as error:
            damage = f"The object is damaged: {error}"
        finally:
            tally.seconds = time.monotonic() - started
            tally.end()
        try:
            self._manifests.check(tally.place, measure)
        except Unproven as error:
            raise Poisoned(f"{damage} {error}".lstrip()) from error
        return damage

    def judged(self, tally: ObjectAccount) -> str:
        """Why an object is not restored as a whole, in sentences; empty if it is."""
        counts = tally.counts
        if not counts.dead:
            return ""
        return (
            f"Of {counted(counts.read, 'document')} of {tally.place}, {counts.dead:,} could not be restored: "
            f"{told_causes(tally.causes)} The archive still holds all of them."
        )

    def _load_lines(self, tally: ObjectAccount, blocks: Iterator[bytes], index: str, measure: Measure) -> None:
        layers: list[str] = []
        number, resume = 0, tally.row.resume
        if not resume or self._is_obsolete(tally.row):
            self._restart(tally)
            resume = 0
        portion: BulkShare | None = None
        for lines in lines_in(measure.watched(decoded(self._watched(tally, blocks), names=layers))):
            start = max(0, resume - number)
            while start < len(lines):
                if portion is None or self._body.is_full(self._limits.body_bytes, at_border=True):
                    portion = self._next_portion(tally, number + start, _FORMAT, layers)
                end = self._fits(lines, start)
                self._add(portion, index, number + start, lines[start:end])
                start = end
            number += len(lines)

    def _fits(self, lines: Sequence[bytes], start: int) -> int:
        """The end of the lines that the body takes before it is full; one at least."""
        room = self._limits.body_bytes * EASY - self._body.size
        for end in range(start, len(lines)):
            room -= len(lines[end])
            if room <= 0:
                return end + 1
        return len(lines)

    def _add(self, portion: BulkShare, index: str, number: int, lines: Sequence[bytes]) -> None:
        """Add the documents of consecutive lines, the first of which has this number, to the body."""

        def on_broken(record: int, why: str) -> None:
            portion.tally.add_dead_letter(portion, Dead("broken", why, record, 0, b"", index, ""))

        run = run_of(index, number, lines, on_broken)
        portion.last = number + len(lines) - 1
        portion.read += len(lines)
        portion.waiting += len(run.ids)
        self.events += len(lines)
        self._body.extend(index, run, portion)

    def _require_worth(self, tally: ObjectAccount) -> None:
        if tally.counts.dead > _MOST_DEAD:
            raise Poisoned(self.judged(tally))


def run_of(index: str, number: int, lines: Sequence[bytes], on_broken: Callable[[int, str], None]) -> Run:
    """The documents of consecutive lines as a body takes them.

    :param index: the index that they are to be created in
    :param number: of the first line
    :param lines: of an archive, each with its line feed
    :param on_broken: called with the number of a line that is none, and why; it is left out
    """
    begin = opening(index) + b',"_id":'
    names, sent, records, routings, singles = list[bytes](), list[bytes](), list[int](), dict[int, str](), list[int]()
    for record, line in enumerate(lines, start=number):
        try:
            name, routing, source = raw_document_of(line)
        except ValueError as error:
            on_broken(record, str(error))
            continue
        if routing is None:
            sent.append(b"%b%b}}\n%b\n" % (begin, name, source))
        else:
            sent.append(b'%b%b,"routing":%b}}\n%b\n' % (begin, name, routing, source))
            routings[len(names)] = orjson.loads(routing)
        if b"\n" in source:
            singles.append(len(names))
        records.append(record)
        names.append(name)
    return Run(orjson.loads(b"[%b]" % b",".join(names)), sent, records, routings, singles)
