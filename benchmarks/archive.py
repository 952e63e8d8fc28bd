"""`make bench-archive`: what the archive of a raw day costs, next to the server's floor and what people write."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.cores import CpuMeter
from benchmarks.goals import Result
from benchmarks.material.bench_day import BenchDay
from benchmarks.material.emulated_s3 import EmulatedS3, emulated_s3, s3_at
from benchmarks.material.workload import FIRST_DAY, Workload
from benchmarks.measures.archives.exporting import (
    BACK,
    OURS,
    PEER,
    QUARTER,
    Exports,
    cpu_table,
    export_seconds,
    exports_table,
)
from benchmarks.measures.archives.packing import Packings, measure_packing
from benchmarks.measures.archives.restoring import CEILING, Restores, restore_seconds
from benchmarks.measures.archives.restoring import OURS as RESTORE
from benchmarks.measures.archives.worker import GIGABYTE, ArchiveWorker, measure_workers, workers_table
from benchmarks.peak_memory import MEGABYTE
from benchmarks.report import Report, machine_of
from benchmarks.running import command_line, log, node_at, refuse_leftovers, serve
from opensearch_strata.connections.opensearch import ClientSettings, build_client

RESULTS = Path(__file__).parent / "results"

NOTES = (
    "One raw day with one shard, no replica, the default codec, merged to one segment. S3 is a moto server in its own "
    "process. The exporter, S3 and OpenSearch share the cores.",
    "The floor opens no page: it takes the text of each answer, and from its end what the next request needs. In the "
    "warm-up, it counts the documents of each page.",
    "An export is what becomes objects in S3, with the digest of all documents, the SHA-256 of each object and the "
    "checksum that boto3 adds. The proof is measured separately.",
    "People's export writes one gzip file to disk and uploads it. It warms up with a quarter of the day.",
    "What the bytes are for: how much smaller the object gets if its lines lack the part. Neighboring parts compress "
    "each other, so these figures are approximate.",
)


@dataclass(frozen=True)
class Found:
    """What was measured."""

    exports: Exports
    packings: Packings
    restores: Restores
    workers: list[ArchiveWorker]


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archive", description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000, help="documents of the day (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds after one warm-up (default: %(default)s)")
    parser.add_argument(
        "--memory-gb", type=float, default=5.0, help="size of the day that the worker archives (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the documents (default: %(default)s)")
    parser.add_argument("--url", help="your own cluster, instead of a node that lives as long as the run")
    parser.add_argument("--prefix", default="bench-archive", help="prefix of all index names (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=RESULTS / "archive.json", help="default: %(default)s")
    parser.add_argument("--markdown", type=Path, default=RESULTS / "archive.md", help="default: %(default)s")
    chosen = parser.parse_args()
    for name, least, most in (("documents", 8000, 10**9), ("rounds", 1, 99), ("memory_gb", 0.001, 1000)):
        if not least <= getattr(chosen, name) <= most:
            parser.error(f"--{name.replace('_', '-')} must be between {least:,} and {most:,}")
    return chosen


def run(options: argparse.Namespace) -> Report:
    """Measure everything; afterwards, nothing that was written to the cluster is left.

    :raises BenchmarkError: the cluster contains indices with these names, or a side lost documents
    """
    with node_at(options.url) as url, emulated_s3() as s3:
        client = build_client(ClientSettings.from_url(url, timeout=600, opaque_id="strata-benchmark"))
        workload = Workload(client, options.prefix, options.documents, (FIRST_DAY,), options.seed, settle=0)
        refuse_leftovers(workload.leftovers())
        try:
            return _measure(workload, url, s3, options)
        finally:
            workload.remove()


def _measure(workload: Workload, url: str, s3: EmulatedS3, options: argparse.Namespace) -> Report:
    client = workload.client
    day, quarter = (
        BenchDay(Workload(client, prefix, documents, workload.days, workload.seed, workload.settle), s3_at(s3.url))
        for prefix, documents in (
            (workload.prefix, workload.documents),
            (f"{workload.prefix}-quarter", workload.documents // 4),
        )
    )
    for one in (day, quarter):
        log.info("Loading %s", one.index)
        one.load()
    meter = CpuMeter(client, s3.process)
    found = Found(
        export_seconds(day, quarter, url, meter, options.rounds, log.info),
        measure_packing(day, options.rounds, log.info),
        restore_seconds(day, quarter, meter, options.rounds, log.info),
        measure_workers((quarter, day), options.memory_gb, url, s3.url, log.info),
    )
    machine = machine_of(client)
    exports = found.exports
    return Report(
        title="Archive: a raw day to S3 and its proof",
        method="Medians of the rounds, in which the sides take turns. Nothing else ran.",
        command=command_line("benchmarks.archive", options.url),
        machine=machine,
        workload={
            "documents": day.documents,
            "bytes a line": round(exports.line_bytes / day.documents),
            "bytes a document in the index": round(workload.bytes_of(day.index) / day.documents),
            "rounds": options.rounds,
            "seed": workload.seed,
        },
        results=_results(found, day.documents),
        samples={**exports.samples, **found.restores.samples},
        tables=[
            exports_table(exports),
            cpu_table(exports, machine["cores"]),
            *found.packings.tables(),
            found.restores.table(machine["cores"]),
            workers_table(found.workers),
        ],
        notes=NOTES,
        details={"packings": asdict(found.packings), "workers": [asdict(worker) for worker in found.workers]},
    )


def _results(found: Found, documents: int) -> list[Result]:
    exports, packings = found.exports, found.packings
    ours, floor, peer, quarter = (exports.rate(side) for side in (OURS, exports.floor, PEER, QUARTER))
    stored, gzip = exports.stored_bytes, packings.gzip_bytes
    back = exports.rate(BACK)
    restored, ceiling = (found.restores.rate(side) for side in (RESTORE, CEILING))
    largest = found.workers[-1]
    peak = max(worker.peak_bytes for worker in found.workers) / MEGABYTE
    return [
        Result("export floor", ours / floor, f"{ours:,.0f}/s", f"{floor:,.0f}/s"),
        Result("export peer", ours / peer, f"{ours:,.0f}/s", f"{peer:,.0f}/s"),
        Result("archive bytes", stored / gzip, f"{stored / documents:.0f} B each", f"{gzip / documents:.0f} B each"),
        Result("packing", packings.rate / 1000, f"{packings.rate:,.0f}/s", ""),
        Result("read back", back / 1000, f"{back:,.0f}/s", ""),
        Result("restore", restored / ceiling, f"{restored:,.0f}/s", f"{ceiling:,.0f}/s"),
        Result("archive memory", peak, f"{largest.line_bytes / GIGABYTE:.2f} GB of lines", ""),
        Result("linear", ours / quarter, f"{ours:,.0f}/s", f"{quarter:,.0f}/s"),
    ]


def main() -> None:
    """Measure, print the table and write both files."""
    serve(arguments(), run)


if __name__ == "__main__":
    main()
