"""`make bench-backfill`: how fast archives become documents, next to the server's ceiling and what people write."""

from __future__ import annotations

import argparse
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.cores import CpuMeter
from benchmarks.goals import Result
from benchmarks.material.emulated_s3 import EmulatedS3, emulated_s3
from benchmarks.material.log_archive import LogArchive, put_template, write_archive, writers
from benchmarks.material.log_events import MOST_EVENTS, MYSQL_GROUP, LogStream
from benchmarks.material.site import Site
from benchmarks.measures.loads.decoding import OURS as DECODE_OURS
from benchmarks.measures.loads.decoding import PEER as DECODE_PEER
from benchmarks.measures.loads.decoding import decode_seconds, decode_table, fetched, stage_seconds
from benchmarks.measures.loads.loading import (
    CEILING,
    OURS,
    PEER,
    Loads,
    cpu_table,
    load_seconds,
    loads_table,
    stage_table,
)
from benchmarks.measures.loads.second_run import Runs, repeat_runs
from benchmarks.measures.loads.worker_memory import Worker, measure_worker, worker_table
from benchmarks.peak_memory import MEGABYTE
from benchmarks.report import Report, machine_of
from benchmarks.running import command_line, log, node_at, refuse_leftovers, serve
from benchmarks.timing import Samples
from opensearch_strata.archive.load.batch import LoadSettings

RESULTS = Path(__file__).parent / "results"
SIZES = {"small": 500, "large": 1300}
"""Bytes of a message."""
WARM_UP = 3
"""Every side loads one event in this many before the first round: Java compiles for the first million documents."""

NOTES = (
    "One shard, no replica, one raw day. S3 is a moto server in its own process. The loader, S3 and OpenSearch share "
    "the cores.",
    "Objects are as Firehose writes them: a gzip member for each envelope of 100 events, with envelopes alternating "
    "between an application that logs JSON and MySQL's general log. The stated size is that of the message; a document "
    "also contains the account, group, stream, event and object that it comes from.",
    "Bodies are not compressed on the way to 127.0.0.1, except for the two sides with `http_compress`, which work as "
    "they would over a network, and as the client's own guide sets it up.",
    "The ceiling's bodies are exactly the bytes that Strata sends, including ids and `create`; its index is refreshed "
    "once, at the end, like Strata's.",
    "The peer has no ledger, no dead letters and no retries, and knows the structure of its objects.",
    "Stages are measured individually on the same objects in memory; the rest of the loader's CPU time is spent on "
    "sockets, answers and accounts. The CPU time that the loader and S3 use is not available to the server.",
)


@dataclass(frozen=True)
class Found:
    """What was measured."""

    loads: dict[str, Loads]
    stages: dict[str, dict[str, float]]
    decoded: LogArchive
    decode: dict[str, Samples]
    runs: Runs
    workers: list[Worker]


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backfill", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events of each size (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds after a small warm-up (default: %(default)s)")
    parser.add_argument(
        "--memory-gb", type=float, default=1.0, help="decoded size that the worker loads (default: %(default)s)"
    )
    parser.add_argument("--url", help="your own cluster, instead of a node that lives as long as the run")
    parser.add_argument("--prefix", default="bench-backfill", help="prefix of all index names (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=RESULTS / "backfill.json", help="default: %(default)s")
    parser.add_argument("--markdown", type=Path, default=RESULTS / "backfill.md", help="default: %(default)s")
    chosen = parser.parse_args()
    for name, least, most in (("events", 2000, MOST_EVENTS), ("rounds", 1, 99), ("memory_gb", 0.001, 1000)):
        if not least <= getattr(chosen, name) <= most:
            parser.error(f"--{name.replace('_', '-')} must be between {least:,} and {most:,}")
    return chosen


def run(options: argparse.Namespace) -> Report:
    """Measure everything; afterwards, nothing that was written to the cluster is left.

    :raises BenchmarkError: the cluster contains indices with these names, or a side lost documents
    """
    with node_at(options.url) as url, emulated_s3() as s3:
        site = Site.at(url, s3.url, options.prefix)
        refuse_leftovers(site.leftovers())
        try:
            put_template(site.client, site.prefix)
            with writers() as pool:
                found = _measure(site, s3, pool, options)
            return _report(site, found, options)
        finally:
            site.remove()


def _measure(site: Site, s3: EmulatedS3, pool: Executor, options: argparse.Namespace) -> Found:
    def write(name: str, stream: LogStream) -> LogArchive:
        return write_archive(pool, s3.url, site.prefix, name, stream, log.info)

    meter = CpuMeter(site.client, s3.process)
    loads, stages = {}, {}
    for name, size in SIZES.items():
        archive = write(name, LogStream(size, options.events))
        warm_up = write(f"{name}_warm_up", LogStream(size, options.events // WARM_UP))
        loads[name] = load_seconds(site, archive, warm_up, meter, options.rounds, log.info)
        stages[name] = stage_seconds(
            site.s3, archive, fetched(site.s3, archive), LoadSettings().body_bytes, options.rounds, log.info
        )
    decoded = write("mysql", LogStream(SIZES["small"], options.events // 2, (MYSQL_GROUP,)))
    decode = decode_seconds(site.client, decoded, fetched(site.s3, decoded), options.rounds, log.info)
    runs = repeat_runs(site, loads["small"].archive, options.rounds, log.info)
    workers = measure_worker(site, pool, s3.url, options.memory_gb, log.info)
    return Found(loads, stages, decoded, decode, runs, workers)


def _report(site: Site, found: Found, options: argparse.Namespace) -> Report:
    machine = machine_of(site.client)
    loads = list(found.loads.values())
    return Report(
        title="Backfill: how fast archives become documents",
        method="Medians of the rounds, in which the sides take turns, each with an empty index. Nothing else ran.",
        command=command_line("benchmarks.backfill", options.url),
        machine=machine,
        workload={
            "events of each size": options.events,
            "rounds": options.rounds,
            **{
                f"{one.archive.stream.message_bytes} B, {what}": f"{size / MEGABYTE:,.1f} MB"
                for one in loads
                for what, size in (
                    ("in S3", one.archive.stored_bytes),
                    ("decoded", one.archive.decoded_bytes),
                    ("bodies", one.body_bytes),
                )
            },
        },
        results=_results(found),
        samples={f"{name}, {side}": taken for name, one in found.loads.items() for side, taken in one.samples.items()},
        tables=[
            loads_table(loads),
            cpu_table(loads, machine["cores"]),
            stage_table(loads, list(found.stages.values())),
            decode_table(found.decoded, found.decode),
            found.runs.table(),
            worker_table(found.workers),
        ],
        notes=NOTES,
        details={"workers": [asdict(worker) for worker in found.workers], "stages": found.stages},
    )


def _results(found: Found) -> list[Result]:
    results = []
    for key, side in (("ceiling", CEILING), ("peer", PEER)):
        for size, loads in found.loads.items():
            ours, other = loads.rate(OURS), loads.rate(side)
            results.append(Result(f"{key} {size}", ours / other, f"{ours:,.0f}/s", f"{other:,.0f}/s"))
    ours, other = (found.decoded.stream.events / found.decode[name].seconds for name in (DECODE_OURS, DECODE_PEER))
    results.append(Result("decode", ours / 1000, f"{ours:,.0f}/s", f"{other:,.0f}/s"))
    largest = found.workers[-1]
    peak = max(worker.peak_bytes for worker in found.workers) / MEGABYTE
    results.append(Result("worker memory", peak, f"{largest.decoded_bytes / 1e9:.2f} GB decoded", ""))
    runs = found.runs
    results.append(
        Result("second run", runs.first / runs.second, f"{1000 * runs.second:.0f} ms", f"{1000 * runs.first:,.0f} ms")
    )
    return results


def main() -> None:
    """Measure, print the table and write both files."""
    serve(arguments(), run)


if __name__ == "__main__":
    main()
