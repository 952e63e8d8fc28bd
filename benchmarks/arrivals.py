"""`make bench-arrivals`: how fast new objects become documents as a queue tells of them, and how soon."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.cores import CpuMeter
from benchmarks.goals import Result
from benchmarks.material.emulated_s3 import BUCKET, EmulatedS3, emulated_s3
from benchmarks.material.log_archive import LogArchive, put_template, write_archive, writers
from benchmarks.material.log_events import MOST_EVENTS, LogStream
from benchmarks.material.site import Site
from benchmarks.material.told_objects import ToldObjects
from benchmarks.measures.loads.arriving import (
    BACKFILL,
    QUEUE,
    Arriving,
    Delays,
    arriving_cpu_table,
    arriving_seconds,
    arriving_table,
    delays,
    emulator_floor,
)
from benchmarks.measures.loads.floor import cpu_floor
from benchmarks.report import Report, machine_of
from benchmarks.running import command_line, log, node_at, refuse_leftovers, serve

RESULTS = Path(__file__).parent / "results"
MESSAGE_BYTES = 500
IN_LARGE = 7500
"""Events of an object that has about 1 MB when gzipped."""
IN_TINY = 10

NOTES = (
    "One shard, no replica, one raw day. S3 and SQS are a moto server in its own process, with one change: its queues "
    "count their messages ten times a second at most. The loader, the emulator and OpenSearch share the cores.",
    "While the time runs, notifications are sent to the queue, 200 at a time. Up to a second at the end is the answer "
    "to the last request for messages.",
    "Through the queue, the raw day keeps its refresh interval of 1 s; a backfill sets it to -1 and refreshes once, at "
    "the end.",
    "The floor of the emulator is what remains of the work if nothing is loaded: messages are received and deleted, "
    "and objects are read, with the same concurrency.",
    "For the delay, one object of 10 events is announced at a time, and a search looks for it every 20 ms.",
)


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arrivals", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="in objects of 1 MB (default: %(default)s)")
    parser.add_argument("--tiny", type=int, default=10_000, help="objects of 10 events (default: %(default)s)")
    parser.add_argument("--delays", type=int, default=60, help="objects for the delay (default: %(default)s)")
    parser.add_argument("--pause", type=float, default=1.5, help="seconds between them (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds after a warm-up (default: %(default)s)")
    parser.add_argument("--url", help="your own cluster, instead of a node that lives as long as the run")
    parser.add_argument("--prefix", default="bench-arrivals", help="prefix of all index names (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=RESULTS / "arrivals.json", help="default: %(default)s")
    parser.add_argument("--markdown", type=Path, default=RESULTS / "arrivals.md", help="default: %(default)s")
    chosen = parser.parse_args()
    limits = (("events", 100, MOST_EVENTS), ("tiny", 10, 100_000), ("delays", 2, 1000), ("rounds", 1, 99))
    for name, least, most in limits:
        if not least <= getattr(chosen, name) <= most:
            parser.error(f"--{name} must be between {least:,} and {most:,}")
    return chosen


def run(options: argparse.Namespace) -> Report:
    """Measure everything; afterwards, nothing that was written to the cluster is left.

    :raises BenchmarkError: the cluster contains indices with these names, or documents or messages were lost
    """
    with node_at(options.url) as url, emulated_s3() as aws:
        site = Site.at(url, aws.url, options.prefix)
        refuse_leftovers(site.leftovers())
        try:
            put_template(site.client, site.prefix)
            return _measure(site, aws, options)
        finally:
            site.remove()


def _measure(site: Site, aws: EmulatedS3, options: argparse.Namespace) -> Report:
    with writers() as pool:

        def write(name: str, stream: LogStream) -> LogArchive:
            return write_archive(pool, aws.url, site.prefix, name, stream, log.info)

        large_archive = write("large", LogStream(MESSAGE_BYTES, options.events, most_in_object=IN_LARGE))
        tiny_archive = write("tiny", LogStream(MESSAGE_BYTES, IN_TINY * options.tiny, most_in_object=IN_TINY))
        few = write("few", LogStream(MESSAGE_BYTES, IN_TINY * options.delays, most_in_object=IN_TINY))
    meter, told = CpuMeter(site.client, aws.process), ToldObjects.at(site, aws.url)
    try:
        large = arriving_seconds(site, told, large_archive, meter, options.rounds, log.info)
        tiny = arriving_seconds(site, told, tiny_archive, meter, options.rounds, log.info, beside_backfill=False)
        floor = emulator_floor(aws.url, told, tiny_archive)
        least = cpu_floor(site, large_archive)
        delayed = delays(site, told, few, options.pause, log.info)
    finally:
        told.remove()
    return _report(site, options, large, tiny, floor, least, delayed)


def _report(
    site: Site,
    options: argparse.Namespace,
    large: Arriving,
    tiny: Arriving,
    floor: float,
    least: float,
    delayed: Delays,
) -> Report:
    queued, filled = large.rate(QUEUE), large.rate(BACKFILL)
    objects = len(tiny.archive.objects) / tiny.samples[QUEUE].seconds
    return Report(
        title="Arrivals: how fast and how soon new objects become documents",
        method="Medians of the rounds, in which the sides take turns, each with an empty index. Nothing else ran.",
        command=command_line("benchmarks.arrivals", options.url),
        machine=machine_of(site.client),
        workload={
            "events in objects of 1 MB": options.events,
            "objects of 1 MB": len(large.archive.objects),
            "bytes of one in S3": round(large.archive.stored_bytes / len(large.archive.objects)),
            "tiny objects": len(tiny.archive.objects),
            "rounds": options.rounds,
            "bucket": BUCKET,
        },
        results=[
            Result("queue", queued / filled, f"{queued:,.0f}/s", f"{filled:,.0f}/s"),
            Result("tiny", objects, f"{objects:,.0f}/s", f"floor of the emulator {floor:,.0f}/s"),
            Result(
                "latency",
                max(0.0, delayed.p95 - delayed.refresh),
                f"{delayed.p95:.2f} s",
                f"refresh {delayed.refresh:g} s",
            ),
            Result(
                "cpu", large.loader_per_million, f"{large.cpu[QUEUE]['loader']:.1f} s", f"floor {least:.1f} s a million"
            ),
        ],
        samples={
            **{f"objects of 1 MB, {side}": taken for side, taken in large.samples.items()},
            **{f"objects of 10 events, {side}": taken for side, taken in tiny.samples.items()},
        },
        tables=[arriving_table(large, tiny, floor), arriving_cpu_table(large, tiny), delayed.table()],
        notes=NOTES,
        details={"delays": delayed.seconds, "emulator_floor": floor, "cpu_floor": least},
    )


def main() -> None:
    """Measure, print the table and write both files."""
    serve(arguments(), run)


if __name__ == "__main__":
    main()
