"""How many bytes the objects of a day take, next to other ways to pack the same lines, and what these bytes are for."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Any

import orjson
import zstandard

from benchmarks.material.bench_day import BenchDay
from benchmarks.material.telemetry import SENSORS
from opensearch_strata.archive.export.order import sort_key
from opensearch_strata.archive.export.parts import CHUNK_BYTES, compressor
from opensearch_strata.archive.export.reading.as_stored import read_as_stored
from opensearch_strata.archive.lines import document_of, line_of, lines_of
from opensearch_strata.presentation.tables import Table
from opensearch_strata.workflows.archiving import alike_field

OURS, GZIP = "Strata", "gzip -6, index order"
REST = "everything else"

Lines = Sequence[bytes]
Document = dict[str, Any]


@dataclass(frozen=True)
class Packed:
    """Lines that were packed in one way, in one thread.

    :param documents: number of lines
    :param seconds: CPU seconds
    """

    documents: int
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Packings:
    """What was measured.

    :param gzip_bytes: all lines of the day through gzip -6, in index order
    :param ways: the first lines of the day, by how they were packed
    :param parts: bytes per line of each part of a line: how much less its object takes without it
    """

    gzip_bytes: int
    ways: dict[str, Packed]
    parts: dict[str, float]

    @property
    def rate(self) -> float:
        """Documents a second that one core sorts and packs."""
        ours = self.ways[OURS]
        return ours.documents / ours.seconds

    def tables(self) -> list[Table]:
        """Bytes by way to pack, and by part of a line."""
        ways = [
            (name, round(found.bytes / found.documents, 1), round(found.documents / found.seconds))
            for name, found in self.ways.items()
        ]
        parts = [(name, round(size, 1)) for name, size in self.parts.items()]
        title = f"{self.ways[OURS].documents:,} lines, packed"
        return [
            Table(title, ("how", "bytes a document", "documents/s of one core"), ways),
            Table("What the bytes are for", ("part of a line", "bytes a document"), parts),
        ]


def measure_packing(day: BenchDay, rounds: int, say: Callable[[str], None]) -> Packings:
    """Pack all lines of a day with gzip -6, and a chunk of them in every other way."""
    say("gzip -6 of all lines")
    gzip, size = zlib.compressobj(6, wbits=31), 0
    for lines in pages_of_lines(day):
        size += len(gzip.compress(b"".join(lines)))
    size += len(gzip.flush())
    say("Packing a chunk of lines in other ways")
    key = sort_key(alike_field(day.workload.dataset))
    chunk = first_chunk(day)

    def zstd(level: int, **options: Any) -> Callable[[Lines], int]:
        return lambda lines: len(zstandard.ZstdCompressor(level, **options).compress(b"".join(lines)))

    def in_order(pack: Callable[[Lines], int]) -> Callable[[Lines], int]:
        return lambda lines: pack(sorted(lines, key=key))

    ways = {
        GZIP: lambda lines: len(zlib.compress(b"".join(lines), 6)),
        "zstd -3, index order": zstd(3),
        OURS: in_order(_as_strata),
        "zstd -9, sorted": in_order(zstd(9)),
        "zstd -19, sorted": in_order(zstd(19)),
    }
    found = {name: _measured(pack, chunk, 1 if "19" in name else rounds) for name, pack in ways.items()}
    whole = found[OURS].bytes
    parts = {
        name: (whole - _as_strata(sorted(without(chunk), key=key))) / len(chunk) for name, without in PARTS.items()
    }
    return Packings(size, found, {**parts, REST: whole / len(chunk) - sum(parts.values())})


def pages_of_lines(day: BenchDay) -> Iterator[Lines]:
    """The lines of a day, in index order."""
    for hits in read_as_stored(day.workload.client, day.index, len(day.primaries.sequence)):
        yield lines_of(hits)


def first_chunk(day: BenchDay) -> Lines:
    """As many lines as are sorted and compressed together."""
    lines = (line for page in pages_of_lines(day) for line in page)
    first = next(lines)
    return [first, *islice(lines, CHUNK_BYTES // len(first))]


def _as_strata(lines: Lines) -> int:
    text = b"".join(lines)
    frame = compressor("zstd")(len(text))
    return len(frame.compress(text) + frame.flush())


def _measured(pack: Callable[[Lines], int], lines: Lines, rounds: int) -> Packed:
    seconds, size = [], 0
    for _ in range(rounds):
        began = time.thread_time()
        size = pack(lines)
        seconds.append(time.thread_time() - began)
    return Packed(len(lines), size, median(seconds))


def _without(*names: str) -> Callable[[Lines], Lines]:
    def removed(lines: Lines) -> Lines:
        changed = []
        for line in lines:
            identity, routing, source = document_of(line)
            kept = {name: value for name, value in orjson.loads(source).items() if name not in names}
            changed.append(line_of(identity, orjson.dumps(kept), routing))
        return changed

    return removed


def _without_id(lines: Iterable[bytes]) -> Lines:
    return [line_of("", document_of(line)[2]) for line in lines]


PARTS: dict[str, Callable[[Lines], Lines]] = {
    "`_id`": _without_id,
    "`request`: 16 random bytes as 32 digits": _without("request"),
    "`trace`: 8 random bytes as 16 digits": _without("trace"),
    "`message`: eleven random words and numbers among fixed text": _without("message"),
    "the eleven metrics": _without(*SENSORS),
    "`@timestamp`": _without("@timestamp"),
}
"""Part of a line -> the lines without it."""
