"""How large the archive of a raw day will be, from a sample of its documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensearch_strata.archive.export.order import sort_key
from opensearch_strata.archive.export.parts import OBJECT_BYTES, compressor
from opensearch_strata.archive.export.reading.by_numbers import Part, read_documents
from opensearch_strata.archive.export.source_index import SourceIndex
from opensearch_strata.archive.lines import lines_of
from opensearch_strata.definition.archive import Compression

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_SAMPLES = 4
_NUMBERS = 2500


@dataclass(frozen=True)
class ArchiveEstimate:
    """What an archive will take, about.

    :param documents: of the day
    :param bytes: of its lines
    :param stored_bytes: of its objects in S3
    :param objects: how many
    """

    documents: int
    bytes: int
    stored_bytes: int
    objects: int


def estimate_archive(
    client: OpenSearch, source: SourceIndex, documents: int, compression: Compression, alike: str
) -> ArchiveEstimate:
    """Look at some documents of a raw day and pack them.

    :param source: its index
    :param documents: of the index
    :param compression: of the archive
    :param alike: path of the field by whose value lines are sorted
    :raises Refused: it does not store the ``_source`` of every document
    :raises IncompleteAnswer: OpenSearch did not answer in full for too long
    """
    index, sequence, lines = source.archived.name, source.archived.sequence, list[bytes]()
    for part in range(_SAMPLES):
        starts = [highest * part // _SAMPLES for highest in sequence]
        numbers = [(start, min(start + _NUMBERS, end + 1)) for start, end in zip(starts, sequence, strict=True)]
        for _, hits in read_documents(client, index, [Part(numbers)], source.page):
            lines += lines_of(hits)
    if not lines:
        return ArchiveEstimate(documents, 0, 0, 0)
    lines.sort(key=sort_key(alike))
    text = b"".join(lines)
    size = len(text) * documents // len(lines)
    frame = compressor(compression)(len(text))
    stored = len(frame.compress(text) + frame.flush()) * documents // len(lines)
    return ArchiveEstimate(documents, size, stored, -(-size // OBJECT_BYTES))
