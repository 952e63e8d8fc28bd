"""What the loader's own work costs, without a server to receive the documents."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from statistics import median
from typing import Any

from opensearchpy import OpenSearch

from benchmarks.material.bulk_peer import documents
from benchmarks.material.log_archive import SPAN, LogArchive
from benchmarks.material.workload import BenchmarkError
from benchmarks.timing import Samples, Task, timed
from opensearch_strata.archive.bulk.body import Body
from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.documents.shaper import Document, Shaper
from opensearch_strata.archive.events import Broken, Event, Place
from opensearch_strata.archive.store.objects import BLOCK, open_object
from opensearch_strata.presentation.tables import Table

OURS, DECODE_ALONE, PEER = "Strata", "Strata, decode alone", "gzip, json and re"

Objects = Sequence[tuple[Place, bytes]]
"""Objects in memory."""


def documents_of(archive: LogArchive, objects: Objects) -> Iterator[Document]:
    """The documents of objects in order, as Strata creates them.

    :raises BenchmarkError: an event did not become a document
    """
    for place, content in objects:
        shaper = Shaper(archive.dataset, place, SPAN)
        for item in _read(content):
            document = shaper.shaped(item)
            if not isinstance(document, Document):
                raise BenchmarkError(f"{place} contains an event that did not become a document: {document}")
            yield document


def bodies_of(found: Iterable[Document], limit: int) -> Iterator[bytes]:
    """The bodies that Strata would send for these documents, in order.

    :param limit: size of a body in bytes
    """
    body: Body[None] = Body()
    last = -1
    for document in found:
        if body and body.is_full(limit, at_border=document.event.record != last):
            yield body.payload()
            body = Body()
        body.add(document, None)
        last = document.event.record
    if body:
        yield body.payload()


def fetched(s3: Any, archive: LogArchive) -> Objects:
    """Read all objects of an archive into memory."""
    return [(one.place, b"".join(open_object(s3, one.place, one.size))) for one in archive.objects]


def decode_seconds(
    client: OpenSearch, archive: LogArchive, objects: Objects, rounds: int, say: Callable[[str], None]
) -> dict[str, Samples]:
    """Time the work from an object's bytes to a document's bytes, by Strata and as people write it, in one process."""
    tasks = {
        OURS: Task(lambda: _exhaust(documents_of(archive, objects))),
        DECODE_ALONE: Task(lambda: _exhaust(item for _, content in objects for item in _read(content))),
        PEER: Task(partial(_decode_as_people_do, objects)),
    }
    return timed(client, tasks, rounds, lambda text: say(f"Decode and parse: {text}"))


def decode_table(archive: LogArchive, samples: dict[str, Samples]) -> Table:
    """Events and bytes a second."""
    rows = [
        (
            name,
            round(found.seconds, 2),
            round(archive.stream.events / found.seconds),
            round(archive.decoded_bytes / found.seconds / 1e6),
        )
        for name, found in samples.items()
    ]
    columns = ("MySQL general log, one process", "median s", "events/s", "decoded MB/s")
    return Table("Decode and parse", columns, rows)


def stage_seconds(
    s3: Any, archive: LogArchive, objects: Objects, limit: int, rounds: int, say: Callable[[str], None]
) -> dict[str, float]:
    """CPU seconds of each stage of the loader except sending: the extra cost of a chain with it over one without it."""
    chains: dict[str, Callable[[], Iterable[object]]] = {
        "decode": lambda: (item for _, content in objects for item in _read(content)),
        "parse, shape and id": lambda: documents_of(archive, objects),
        "bodies": lambda: bodies_of(documents_of(archive, objects), limit),
    }
    ways: dict[str, Callable[[], Iterable[object]]] = {
        "read from S3": lambda: (block for one in archive.objects for block in open_object(s3, one.place, one.size)),
        **chains,
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        say(f"Stages of the loader, round {number + 1} of {rounds}")
        for name, way in ways.items():
            began = time.process_time()
            _exhaust(way())
            spent[name].append(time.process_time() - began)
    medians = {name: median(seconds) for name, seconds in spent.items()}
    shorter = dict(zip(chains, (0.0, *(medians[name] for name in chains)), strict=False))
    return {name: seconds - shorter.get(name, 0.0) for name, seconds in medians.items()}


def _read(content: bytes) -> Iterator[Event | Broken]:
    yield from Reading(content[start : start + BLOCK] for start in range(0, len(content), BLOCK))


def _decode_as_people_do(objects: Objects) -> None:
    for place, content in objects:
        for _, _, document in documents(place, content):
            json.dumps(document).encode()


def _exhaust(items: Iterable[object]) -> None:
    deque(items, maxlen=0)
