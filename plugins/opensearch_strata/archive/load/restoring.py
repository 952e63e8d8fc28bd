"""Objects of our own archives into bodies, byte for byte: no document is decoded, and no time in it is read.

The manifest of an object says which raw day the documents are from. Their times cannot say it: late documents are in
the raw day in which they arrived.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from opensearch_strata.archive.causes import told_causes
from opensearch_strata.archive.decode.byte_stream import Damaged
from opensearch_strata.archive.decode.layers import TooLarge, decoded
from opensearch_strata.archive.documents.builder import Dead
from opensearch_strata.archive.events import NOWHERE, Event
from opensearch_strata.archive.lines import lines_in, raw_document_of
from opensearch_strata.archive.load.account import BulkShare, ObjectAccount
from opensearch_strata.archive.load.ingest import Ingest, Poisoned
from opensearch_strata.archive.parsers.parsed import fast_namedtuple
from opensearch_strata.archive.store.manifest import Measure
from opensearch_strata.archive.store.manifest_check import Unproven
from opensearch_strata.errors.amounts import counted

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

    def take(self, tally: ObjectAccount, blocks: Iterator[bytes]) -> str:
        """Read an object from its beginning, and load the part that is not known to be loaded.

        Its last documents may wait for those of the next object: see :meth:`flush`.

        :returns: a sentence about damage that cost nothing; an empty string if there is nothing to say
        :raises Poisoned: it differs from its manifest, or too many of its documents cannot be restored
        :raises TakenOver: it is no longer ours
        :raises StrataError: it cannot be read, or no manifest names it any more
        """
        manifest = self._manifests.naming(tally.place)
        measure, damage, started = Measure(), "", time.monotonic()
        try:
            self._load_lines(tally, blocks, self._dataset.raw_index(manifest.day), measure)
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
        portion: BulkShare | None = None
        for lines in lines_in(measure.watched(decoded(self._watched(tally, blocks), names=layers))):
            for line in lines:
                if number >= resume:
                    if portion is None or self._body.is_full(self._limits.body_bytes, at_border=True):
                        portion = self._next_portion(tally, number, _FORMAT, layers)
                    self._add(portion, index, number, line)
                number += 1

    def _add(self, portion: BulkShare, index: str, number: int, line: bytes) -> None:
        portion.last = number
        portion.read += 1
        self.events += 1
        try:
            name, routing, source = raw_document_of(line)
        except ValueError as error:
            portion.tally.add_dead_letter(portion, Dead("broken", str(error), number, 0, b"", index, ""))
            return
        action = b',"_id":' + name
        if routing is not None:
            action += b',"routing":' + routing
        identity = orjson.loads(name)
        known = None if routing is None else orjson.loads(routing)
        event = fast_namedtuple(Event, (number, 0, "", b"", None, "", NOWHERE, identity, known))
        portion.waiting += 1
        self._body.add_line(index, identity, action, source, event, portion)

    def _require_worth(self, tally: ObjectAccount) -> None:
        if tally.counts.dead > _MOST_DEAD:
            raise Poisoned(self.judged(tally))
