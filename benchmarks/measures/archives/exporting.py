"""A raw day into S3 and its proof: Strata, what people write, and the floor, in turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from opensearchpy import OpenSearch

from benchmarks.cores import USERS, CpuMeter
from benchmarks.material.bench_day import BenchDay
from benchmarks.material.emulated_s3 import BUCKET
from benchmarks.material.scan_peer import export_by_scan
from benchmarks.measures.archives.floor import WAYS
from benchmarks.timing import Samples, Task, timed
from opensearch_strata.archive.export.read_back import read_back_all
from opensearch_strata.presentation.tables import Table

OURS, QUARTER, PEER = "Strata", "Strata, a quarter of the day", "scan, json, gzip -6 and boto3"
AGAIN, BACK = "proof: second reading", "proof: read back"

Run = Callable[[bool], int]
"""Does the work, warming up or not, and returns the number of documents."""


@dataclass(frozen=True)
class Exports:
    """Every side's seconds and CPU seconds with one raw day.

    :param documents: of each side
    :param line_bytes: bytes of all lines of the day
    :param stored_bytes: bytes of the day's objects in S3
    """

    documents: dict[str, int]
    samples: dict[str, Samples]
    cpu: dict[str, dict[str, float]]
    line_bytes: int
    stored_bytes: int

    def rate(self, side: str) -> float:
        """Documents a second."""
        return self.documents[side] / self.samples[side].seconds

    @property
    def floor(self) -> str:
        """The fastest way to read the day and throw it away."""
        return max(WAYS, key=self.rate)


def export_seconds(
    day: BenchDay, quarter: BenchDay, url: str, meter: CpuMeter, rounds: int, say: Callable[[str], None]
) -> Exports:
    """Read a raw day with every side.

    :param day: is loaded
    :param quarter: a day with a quarter of the documents, also loaded; with it, people's export warms up
    :param url: of the cluster
    :raises BenchmarkError: a side did not read every document
    """
    kept, objects = day.keep()
    plain = OpenSearch(url, timeout=300)

    def write(of: BenchDay) -> int:
        return sum(archived.documents for archived in of.export().write())

    def read_back() -> int:
        named = [(archived.key, archived) for archived in objects]
        return read_back_all(kept.s3, BUCKET, named).documents

    def read_again() -> int:
        export = day.export()
        content, differ = export.read_again(export.count_by_hour())
        return content.documents - differ

    def scan(warm_up: bool) -> int:
        of = quarter if warm_up else day
        return export_by_scan(plain, day.s3, of.index, BUCKET, f"{day.folder}peer.ndjson.gz")

    ways: dict[str, Run] = {
        **{name: partial(way, day, page) for name, (way, page) in WAYS.items()},
        OURS: lambda _: write(day),
        QUARTER: lambda _: write(quarter),
        AGAIN: lambda _: read_again(),
        BACK: lambda _: read_back(),
        PEER: scan,
    }

    def run(side: str, warm_up: bool) -> None:
        with meter.reading(side, *(["warm-up"] if warm_up else [])):
            documents = ways[side](warm_up)
        (quarter if side == QUARTER or (side == PEER and warm_up) else day).require(documents, side)

    tasks = {
        side: Task(partial(run, side, False), prepare=day.clear, warm_up=partial(run, side, True)) for side in ways
    }
    samples = timed(day.workload.client, tasks, rounds, lambda text: say(f"{text}"))
    day.clear()
    quarter.clear()
    return Exports(
        documents={side: quarter.documents if side == QUARTER else day.documents for side in ways},
        samples=samples,
        cpu={side: meter.medians(side) for side in ways},
        line_bytes=sum(archived.bytes for archived in objects),
        stored_bytes=sum(archived.stored_bytes or 0 for archived in objects),
    )


def exports_table(exports: Exports) -> Table:
    """Seconds and rates of every side."""
    each = exports.line_bytes / exports.documents[OURS]
    rows = [
        (
            side,
            round(samples.seconds, 2),
            round(exports.rate(side)),
            round(exports.rate(side) * each / 1e6),
            f"{exports.rate(side) / exports.rate(exports.floor):.2f}",
            ", ".join(f"{seconds:.2f}" for seconds in samples.whole),
        )
        for side, samples in exports.samples.items()
    ]
    columns = ("what", "median s", "documents/s", "MB/s of lines", "of the floor", "rounds")
    return Table("From the index into S3, and back for the proof", columns, rows)


def cpu_table(exports: Exports, cores: int) -> Table:
    """Who used the cores: what Strata and S3 need beyond the floor is what the server lacks."""
    rows = []
    for side, used in exports.cpu.items():
        idle = max(0.0, cores * exports.samples[side].seconds - sum(used.values()))
        per = 1_000_000 / exports.documents[side]
        rows.append((side, *(round(per * used[user], 2) for user in USERS), round(per * idle, 2)))
    return Table(f"CPU seconds for 1,000,000 documents on {cores} cores", ("what", *USERS, "idle or others"), rows)
