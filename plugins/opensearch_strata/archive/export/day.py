"""One raw day to proven objects: written, read back, and held against a second reading of the index."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from opensearch_strata.archive.export.content import Content
from opensearch_strata.archive.export.hours import Hours, count_by_hour
from opensearch_strata.archive.export.large_blocks import keep_large_blocks_apart
from opensearch_strata.archive.export.order import sort_key
from opensearch_strata.archive.export.parts import DayWriter
from opensearch_strata.archive.export.read_back import read_back_all
from opensearch_strata.archive.export.reading.as_stored import read_as_stored
from opensearch_strata.archive.export.reading.by_numbers import Part, read_documents
from opensearch_strata.archive.export.source_index import SourceIndex
from opensearch_strata.archive.lines import lines_of
from opensearch_strata.archive.store.manifest import Archived
from opensearch_strata.definition.archive import ArchiveSettings

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

OnStep = Callable[[str, int], None]
"""Called with the name of the step (``export``, ``read back``, ``read again``) and documents that it has done since."""

_SAMPLED = 10  # one object in so many is read back where a sample suffices


@dataclass(frozen=True)
class ArchiveCheck:
    """One line of the proof of an archive.

    :param raw: what the index says
    :param archive: what the archive says
    """

    name: str
    raw: int | str
    archive: int | str

    @property
    def holds(self) -> bool:
        """Whether both say the same."""
        return self.raw == self.archive


@dataclass(frozen=True)
class ExportedDay:
    """What was written of a day, and its proof.

    :param objects: in order
    :param content: all documents, as S3 holds them; as they were written if only a sample was read back
    :param hours: by the server's own count
    """

    objects: tuple[Archived, ...]
    content: Content
    hours: Hours
    checks: tuple[ArchiveCheck, ...]

    @property
    def failed(self) -> list[ArchiveCheck]:
        """The lines that do not hold."""
        return [check for check in self.checks if not check.holds]


@dataclass(frozen=True)
class DayExport:
    """The export of one day.

    :param source: its index
    :param timestamp: path of its time field
    :param documents: of the index
    :param folder: key prefix of the day
    :param attempt: tells its objects from those of other exports
    :param alike: path of the field by whose value lines are sorted
    """

    client: OpenSearch
    s3: BaseClient
    settings: ArchiveSettings
    source: SourceIndex
    timestamp: str
    documents: int
    folder: str
    attempt: str
    alike: str
    on_step: OnStep = lambda *_: None

    def run(self) -> ExportedDay:
        """Write all objects, read them back, and read the index again.

        :raises Refused: documents cannot be archived, or an object is not what was written
        :raises TransientError: OpenSearch did not answer for too long
        """
        hours = self.count_by_hour()
        written = Content() if self.settings.prove == "sample" else None
        objects = self.write(written)
        again, differ = self.read_again(hours)
        held = self._read_back(objects)
        content = held if written is None else written
        checks = (
            ArchiveCheck("documents", self.documents, content.documents),
            ArchiveCheck("lines of the objects", self.documents, sum(one.documents for one in objects)),
            ArchiveCheck("hours with another number of documents", 0, differ),
            ArchiveCheck("digest of a second reading", again.digest, content.digest),
        )
        return ExportedDay(objects, content, hours, checks)

    def count_by_hour(self) -> Hours:
        """Documents by hour, by the server's own count.

        :raises Refused: documents have several times each
        :raises IncompleteAnswer: OpenSearch did not answer in full
        """
        return count_by_hour(self.client, self.source.archived.name, self.timestamp, self.documents)

    def write(self, written: Content | None = None) -> tuple[Archived, ...]:
        """Write all objects, unproven.

        :param written: takes the documents, which costs an eighth of the time; who reads all objects back need not ask
        :returns: the objects, in order
        :raises Refused: a document has no ``_source``
        :raises IncompleteAnswer: OpenSearch did not answer in full for too long
        """
        keep_large_blocks_apart()
        archived, page = self.source.archived, self.source.page
        with DayWriter(self.s3, self.settings, self.folder, self.attempt, sort_key(self.alike)) as writer:
            for hits in read_as_stored(self.client, archived.name, len(archived.sequence), page):
                lines = lines_of(hits)
                if written is not None:
                    written.add(lines)
                writer.add(lines)
                self.on_step("export", len(hits))
            return writer.finish()

    def read_again(self, hours: Hours) -> tuple[Content, int]:
        """All documents, in another order and by other searches than those that are written.

        :param hours: of the index
        :returns: the documents, and how many slices of hours hold another number of them than was counted
        """
        keep_large_blocks_apart()
        again, shards = Content(), len(self.source.archived.sequence)
        found = Counter[int]()
        parts = [Part([part.numbers] * shards, part.query) for part in hours.slices]
        for place, hits in read_documents(self.client, self.source.archived.name, parts, self.source.page):
            again.add(lines_of(hits))
            found[place] += len(hits)
            self.on_step("read again", len(hits))
        return again, sum(found[place] != part.documents for place, part in enumerate(hours.slices))

    def _read_back(self, objects: tuple[Archived, ...]) -> Content:
        few = math.ceil(len(objects) / max(1, len(objects) // _SAMPLED))
        read = objects if self.settings.prove == "full" else objects[::few]
        named = ((archived.key, archived) for archived in read)
        return read_back_all(self.s3, self.settings.bucket, named, partial(self.on_step, "read back"))
