"""Looks into a few objects of a plan to see what they hold, and how much."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from opensearch_strata.archive.decode.formats.delivered import parquet
from opensearch_strata.archive.decode.layers import TooLarge
from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.documents.event_filter import Unwanted
from opensearch_strata.archive.documents.shaper import Dead, Document, Shaper
from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.archive.parsers.registry import begins_of
from opensearch_strata.archive.spans import Span
from opensearch_strata.archive.store.objects import ListedObject, ObjectChanged, ObjectGone, open_object
from opensearch_strata.errors import StrataError
from opensearch_strata.errors.judging import explain

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from opensearch_strata.definition.dataset import Dataset

OBJECTS = 5
"""How many objects are sampled."""

_PIECE = 256 << 10  # bytes of an object: more than a block of bzip2, and done in a fraction of a second
_WHOLE = 8 << 20  # bytes of a Parquet file, whose beginning says nothing; a larger one is counted but not decoded
_ENOUGH = 32 << 20  # bytes of documents at which decoding a piece ends


@dataclass
class Sample:
    """What was found in the first 256 KiB of some objects, or in whole ones of a few MiB if they are Parquet.

    :param packed: how many bytes of the objects, as stored in S3, were decoded
    :param document_bytes: bytes of the documents as they will be sent
    :param filtered: events that are of other days, no events, or unwanted
    :param unwanted: those among them that ``intake.keep`` and ``intake.skip`` leave out
    :param dead: records that will become dead letters
    :param problem: the first thing that will go wrong, as a sentence; empty if there is none
    :param kinds: format and layers -> number of objects
    """

    objects: int = 0
    packed: int = 0
    documents: int = 0
    document_bytes: int = 0
    filtered: int = 0
    unwanted: int = 0
    dead: int = 0
    problem: str = ""
    kinds: Counter[str] = field(default_factory=Counter)


def sample(s3: BaseClient, dataset: Dataset, objects: Sequence[ListedObject], span: Span) -> Sample:
    """Decode the first 256 KiB of up to :data:`OBJECTS` objects, which are spread evenly over the bytes of all objects.

    :raises Refused: S3 refuses to return an object
    :raises TransientError: S3 does not answer
    """
    found = Sample()
    for listed in spread(objects):
        try:
            _look_into(found, s3, dataset, listed, span)
        except (ObjectGone, ObjectChanged, TooLarge) as error:  # the load will report it for this object only
            found.problem = found.problem or str(error)
        except StrataError:
            raise
        except Exception as error:  # noqa: BLE001 - from a decoder; the load puts such an object into quarantine
            found.problem = found.problem or f"{listed.place} cannot be read: {explain(error)}"
    return found


def spread(objects: Sequence[ListedObject]) -> list[ListedObject]:
    """Up to :data:`OBJECTS` objects: if all bytes are cut into that many equal parts, those at the parts' middles."""
    ends = list(accumulate(listed.size for listed in objects))
    middles = [ends[-1] * (2 * part + 1) / (2 * OBJECTS) for part in range(OBJECTS)] if ends else []
    return [objects[position] for position in sorted({bisect_right(ends, middle) for middle in middles})]


def _look_into(found: Sample, s3: BaseClient, dataset: Dataset, listed: ListedObject, span: Span) -> None:
    with closing(open_object(s3, listed.place, listed.size)) as blocks:
        piece = next(blocks, b"")
        if not parquet.matches(piece):
            piece = piece[:_PIECE]
        elif listed.size <= _WHOLE:
            piece = b"".join([piece, *blocks])
        else:
            found.objects += 1
            found.kinds["parquet"] += 1
            return
    shaper = Shaper(dataset, listed.place, span)
    intake = dataset.intake
    reading = Reading([piece], intake.format, begins_of(intake, listed.place.key), unwrap=intake.unwrap)
    before = found.document_bytes
    for item in _whole(reading, is_cut=len(piece) < listed.size):
        match shaper.shaped(item):
            case Document() as document:
                found.documents += 1
                found.document_bytes += len(document.source)
            case Dead() as dead:
                found.dead += 1
                found.problem = found.problem or f"{listed.place}, record {dead.record}: {dead.detail}"
            case Unwanted():
                found.filtered += 1
                found.unwanted += 1
            case None:
                found.filtered += 1
        if found.document_bytes - before > _ENOUGH and len(piece) <= _PIECE:
            break
    found.problem = found.problem or shaper.problem
    found.objects += 1
    found.packed += len(piece)
    found.kinds[" in ".join([reading.format or "unknown", *reversed(reading.layers)])] += 1


def _whole(items: Iterable[Event | Broken], is_cut: bool) -> Iterator[Event | Broken]:
    """Yield the items, except the last one of a piece that was cut off, which may be incomplete."""
    last: Event | Broken | None = None
    for item in items:
        if last is not None:
            yield last
        last = item
    if last is not None and not is_cut:
        yield last
