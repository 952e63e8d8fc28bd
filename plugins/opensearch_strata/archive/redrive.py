"""Loads dead letters again once their cause is fixed: the mapping, the parser or the dataset.

A letter contains the id of its document, so documents that already exist stay as they are. A letter that still cannot
be loaded stays in its file, with one more attempt; a file without letters is deleted. A letter contains only its own
bytes: if their meaning may depend on earlier lines, the letter stays as well.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from itertools import islice
from threading import RLock
from typing import TYPE_CHECKING

from opensearch_strata.archive.bulk.body import Body
from opensearch_strata.archive.bulk.delivery import Resolved
from opensearch_strata.archive.bulk.learned_limits import LearnedLimits
from opensearch_strata.archive.bulk.sender import Sender
from opensearch_strata.archive.causes import Cause, one, summed, told_causes
from opensearch_strata.archive.dead_letters.file import StoredLetters, read_dead_letters
from opensearch_strata.archive.dead_letters.letter import DeadLetter, dead_letters_url, letter_key
from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.documents.event_filter import Unwanted
from opensearch_strata.archive.documents.shaper import Dead, Document, Shaped, Shaper
from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.parsers.registry import begins_of, parser_name, remembers
from opensearch_strata.archive.targets.raw_indices import looked_up
from opensearch_strata.definition.loading.intake import split_s3_url
from opensearch_strata.errors import DefinitionError
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset


_TEXT = frozenset({"lines", "export_task"})
"""Formats in which part of a record reads like a whole one."""
_BY_OPENSEARCH = frozenset({"rejected", "dropped"})
"""Reasons that can only be checked by sending the document again."""
_LOOKED_UP = 1000  # documents in one request
_PART = "Only part of the record was kept; load the object again from an intact copy."
_WITHOUT_REST = (
    "{} was condensed and deleted; with this letter and without the rest of the day it would take the place of its "
    "history. Backfill or restore the day and condense it, then redrive again."
)
_NOT_ALONE = "What it means depends on lines before it; load the object again."


@dataclass
class Redriven:
    """What became of dead letters.

    :param files: number of files, each for one object version
    :param letters: number of records in them
    :param documents: letters that can be sent now; a dry run looks up which of them exist, and goes no further
    :param refused_before: those among them that were sent before but not stored, by reason; only sending them again
        shows whether they are accepted now
    :param created: documents that were created
    :param existed: documents that already existed under the same id
    :param dropped: letters that turned out not to be events, like the banner of a log file
    :param unwanted: letters that ``intake.keep`` and ``intake.skip`` leave out; they stay where they are
    :param still_dead: letters that still cannot be loaded, by reason
    :param first: reason -> object and sentence of the first such letter
    :param damage: what could not be read in the files, one sentence each; it is left there
    """

    files: int = 0
    letters: int = 0
    documents: int = 0
    refused_before: dict[str, Cause] = field(default_factory=dict)
    created: int = 0
    existed: int = 0
    dropped: int = 0
    unwanted: int = 0
    still_dead: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)

    def accept(self, reason: str) -> None:
        """Count a letter less among those that were refused before: its document exists.

        :param reason: of the letter
        """
        cause = self.refused_before.pop(reason)
        if cause.records > 1:
            self.refused_before[reason] = replace(cause, records=cause.records - 1)

    @property
    def remaining(self) -> str:
        """What stays where it is, half a sentence; empty if nothing does."""
        letters, places = self.still_dead.total(), len(self.damage)
        dead = f"{counted(letters, 'dead letter')} cannot be loaded yet" if letters else ""
        damaged = f"{counted(places, 'damaged place')} of the files cannot be read" if places else ""
        return " and ".join(filter(None, [dead, damaged]))

    @property
    def loaded(self) -> int:
        """Letters that are documents now."""
        return self.created + self.existed

    @property
    def outlook(self) -> str:
        """What a dry run found, in sentences."""
        refused = sum(cause.records for cause in self.refused_before.values())
        told_before = (
            f" Of the others, {told_causes(self.refused_before)} Only sending them again shows whether they are "
            f"accepted now."
            if refused
            else ""
        )
        there = f"{self.existed:,} are already there, " if self.existed else ""
        return (
            f"{self.documents - refused - self.existed:,} of {counted(self.letters, 'dead letter')} can probably be "
            f"loaded, {there}{self.still_dead.total():,} still cannot.{told_before}"
        )


def dead_letters_of(dataset: Dataset, url: str | None = None) -> str:
    """The prefix of a dataset's dead letters, as s3://bucket/prefix/.

    :param url: a prefix to use instead of the one in the definition
    :raises DefinitionError: it is not a valid S3 URL, or nothing says where the dead letters are
    """
    intake = dataset.intake
    try:
        if url is not None:
            bucket, prefix = split_s3_url(url if url.endswith("/") else f"{url}/")
            return f"s3://{bucket}/{prefix}"
        if stated := intake.source or intake.dead_letters:
            return dead_letters_url(intake, stated)
    except ValueError as error:
        raise DefinitionError(f"{error}.") from None
    raise DefinitionError(
        f"Dataset {dataset.name!r} does not say where its dead letters are. Give the prefix, s3://bucket/prefix/, or "
        f"set it as intake.dead_letters."
    )


def load_letters(
    s3: BaseClient,
    client: OpenSearch,
    dataset: Dataset,
    dead_letters_url: str,
    *,
    apply: bool,
    settings: LoadSettings,
    make_ready: Callable[[Collection[str]], None],
    lacks_rest: Callable[[date], bool] = lambda _: False,
    serverless: bool = False,
    on_progress: Callable[[Redriven], None] = lambda _: None,
) -> Redriven:
    """Load the dead letters of a dataset again, of all days; without ``apply``, only check whether they can be loaded.

    :param dead_letters_url: s3://bucket/prefix/ of all dead letters
    :param make_ready: called before each bulk request, with the raw days that it writes to
    :param lacks_rest: whether history carries documents of a day that its raw day does not hold; the letters of such
        days stay
    :param serverless: whether the client talks to OpenSearch Serverless
    :param on_progress: called after each file with the sums so far
    :raises Refused: S3 or OpenSearch does not allow it; files that were finished before stay finished
    :raises TransientError: S3 or OpenSearch does not answer, or a load added letters in the meantime; safe to repeat
    """
    sums = Redriven()
    lacks_rest = cache(lacks_rest)
    for stored in read_dead_letters(s3, dead_letters_url, dataset.name):
        _File(client, dataset, stored, sums, make_ready, lacks_rest, serverless=serverless).run(settings, apply)
        sums.files += 1
        sums.damage += stored.damage
        on_progress(sums)
    return sums


class _File:
    """The letters of one object version."""

    def __init__(
        self,
        client: OpenSearch,
        dataset: Dataset,
        stored: StoredLetters,
        sums: Redriven,
        make_ready: Callable[[Collection[str]], None],
        lacks_rest: Callable[[date], bool],
        *,
        serverless: bool,
    ) -> None:
        self._client, self._dataset, self._stored, self._sums = client, dataset, stored, sums
        self._make_ready, self._lacks_rest, self._serverless = make_ready, lacks_rest, serverless
        self._still_dead: dict[int, tuple[str, str]] = {}  # letter key -> reason and sentence
        self._lock = RLock()  # documents are resolved in the sending threads

    def run(self, settings: LoadSettings, apply: bool) -> None:
        """Send the letters that can be sent, and keep the rest."""
        if not apply:
            documents = self._documents()
            while part := list(islice(documents, _LOOKED_UP)):
                self._look_up(part)
            return
        limits = LearnedLimits(settings.in_flight, settings.body_bytes)
        with Sender(self._client, self._resolve, limits, settings.patience, self._make_ready) as sender:
            body: Body[DeadLetter] = Body()
            for document, letter in self._documents():
                body.add(document, letter)
                if body.is_full(limits.body_bytes, at_border=True):
                    sender.send(body)
                    body = Body()
            if body:
                sender.send(body)
            sender.drain()
        self._stored.keep(self._kept())

    def _documents(self) -> Iterator[tuple[Document, DeadLetter]]:
        shaper: Shaper | None = None
        for letter in self._stored:
            self._sums.letters += 1
            # One shaper for all letters: identical records that have no ids yet are distinguished by counting them.
            shaper = shaper or Shaper(self._dataset, letter.place)
            shaped = _shaped(self._dataset, shaper, letter)
            if isinstance(shaped, Document) and self._lacks_rest(shaped.day):
                self._bury(letter, letter.reason, _WITHOUT_REST.format(shaped.index))
            elif isinstance(shaped, Document):
                self._sums.documents += 1
                if letter.reason in _BY_OPENSEARCH:
                    before = one(letter.reason, f"{letter.place}, record {letter.record}: {letter.detail}")
                    self._sums.refused_before = summed([self._sums.refused_before, before])
                yield shaped, letter
            elif isinstance(shaped, Dead):
                self._bury(letter, shaped.reason, shaped.detail)
            elif isinstance(shaped, Unwanted):
                self._sums.unwanted += 1
                self._keep(letter, letter.reason, letter.detail)
            else:
                self._sums.dropped += 1

    def _look_up(self, part: Sequence[tuple[Document, DeadLetter]]) -> None:
        """Find out which documents exist already: a load after the cause was mended may have created them."""
        docs = [{"_index": document.index, "_id": document.id} for document, _ in part]
        answers = looked_up(self._client, docs, serverless=self._serverless)
        for answer, (document, letter) in zip(answers, part, strict=True):
            fault = answer.get("error", {}).get("type", "index_not_found_exception")
            if fault != "index_not_found_exception":  # closed, or an alias of several indices
                self._sums.documents -= 1
                self._bury(letter, letter.reason, f"{document.index} cannot be looked into ({fault})")
            elif answer.get("found"):
                self._sums.existed += 1
                if letter.reason in _BY_OPENSEARCH:
                    self._sums.accept(letter.reason)

    def _resolve(self, resolved: Resolved[DeadLetter]) -> None:
        with self._lock:
            self._sums.created += len(resolved.created)
            self._sums.existed += len(resolved.existed)
            for position, reason, why in resolved.dead:
                self._bury(resolved.body.owners[position], reason, why)

    def _bury(self, letter: DeadLetter, reason: str, detail: str) -> None:
        with self._lock:
            self._keep(letter, reason, detail)
            self._sums.still_dead[reason] += 1
            self._sums.first.setdefault(reason, f"{letter.place}, record {letter.record}: {detail}")

    def _keep(self, letter: DeadLetter, reason: str, detail: str) -> None:
        with self._lock:
            self._still_dead[letter_key(letter)] = sys.intern(reason), sys.intern(detail)  # there may be millions

    def _kept(self) -> Iterator[DeadLetter]:
        for letter in self._stored:
            if fault := self._still_dead.get(letter_key(letter)):
                yield letter.again(*fault)


def _shaped(dataset: Dataset, shaper: Shaper, letter: DeadLetter) -> Shaped:
    """What becomes of a letter by the present definition of the dataset; None if it is not an event."""
    intake = dataset.intake
    begins = begins_of(intake, letter.place.key)
    reading = Reading([letter.raw], letter.format or "auto", begins, unwrap=intake.unwrap)
    items = list(reading)
    if letter.reason == "broken" and letter.format in _TEXT and any(isinstance(one, Event) for one in items):
        return shaper.shaped(Broken(letter.record, _PART, letter.raw), letter.id)
    if len(items) != 1:
        item: Event | Broken = Broken(letter.record, f"Its bytes hold {len(items)} events instead of 1.", letter.raw)
    else:
        item = items[0]._replace(record=letter.record)
    if isinstance(item, Event):
        item = item._replace(ordinal=letter.ordinal)
        if _depends_on_others(dataset, letter, item):
            detail = f"{letter.detail.removesuffix(_NOT_ALONE).rstrip()} {_NOT_ALONE}"
            return Dead(letter.reason, detail, letter.record, letter.ordinal, letter.raw, letter.index, letter.id)
    return shaper.shaped(item, letter.id)


def _depends_on_others(dataset: Dataset, letter: DeadLetter, event: Event) -> bool:
    """Whether its parser might read it differently among the other events of its object."""
    if event.time is not None or event.document_id:
        return False
    return remembers(parser_name(dataset.intake, event.origin, letter.place.key))
