"""`make bench-day`: what a day of full size costs until its rows and levels are proven, compared with a small day.

Both days are of the reference workload. After a warm-up, all steps are done with the small day, the large one, and the
small one again, so that a slow hour of the machine affects both.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.goals import Result
from benchmarks.material.emulated_s3 import emulated_s3
from benchmarks.material.workload import FIRST_DAY, BenchmarkError, Workload
from benchmarks.measures.days.loading import Loaded, is_loaded, load_day
from benchmarks.measures.days.step import (
    ARCHIVE,
    CONDENSE,
    LEVELS,
    OURS,
    READERS,
    STANDARD,
    STEPS,
    Took,
    in_own_process,
)
from benchmarks.measures.days.watch import Peaks, watched
from benchmarks.measures.history.condensing import empty_month
from benchmarks.peak_memory import MEGABYTE
from benchmarks.report import Report, machine_of
from benchmarks.running import command_line, log, node_at, refuse_leftovers, serve
from benchmarks.timing import Samples
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.presentation.tables import Table

RESULTS = Path(__file__).parent / "results"
MILLION = 1_000_000

NOTES = (
    "One shard, no replica, the default codec, in the segments that the server made of the documents as they arrived.",
    "Client: a process of its own for each step, with the 60 s that a task waits for an answer. Its memory is the peak "
    "of that process. Heap: the highest that was seen, including what the next collection frees. Requests: the highest "
    "that the circuit breaker counted.",
    "Both sides of the comparison read the same buckets in slices of the same size, as many at a time, and throw the "
    "answers away.",
)


@dataclass
class Side:
    """One of the two days, and what was measured.

    :param took: for each step, one value for each time that it was done
    """

    workload: Workload
    loaded: Loaded
    took: dict[str, list[Took]] = field(default_factory=dict)
    peaks: dict[str, Peaks] = field(default_factory=dict)
    month_bytes: int = 0
    level_bytes: int = 0

    def seconds(self, step: str) -> float:
        """Median of a step."""
        return median(took.seconds for took in self.took[step])

    def a_million(self, *steps: str) -> float:
        """Seconds of some steps for each million documents."""
        return sum(self.seconds(step) for step in steps) / self.loaded.documents * MILLION

    def measure(self, url: str, step: str, s3_url: str = "") -> None:
        """Do a step once.

        :param s3_url: where to archive
        """
        workload = self.workload
        (day, *_) = workload.days
        log.info("%s of %s", step, workload.dataset.raw_index(day))
        if step == CONDENSE:
            empty_month(workload, workload.dataset, day)
            workload.client.indices.delete(
                index=workload.dataset.levels_index(day), params={"ignore_unavailable": "true"}
            )
        with watched(workload.client) as peaks:
            took = in_own_process(url, workload.dataset, day, step, s3_url)
        self.took.setdefault(step, []).append(took)
        self.peaks[step] = peaks
        log.info("%s took %.1f s, %.2f s a million", step, took.seconds, took.seconds / self.loaded.documents * MILLION)

    def require_agreement(self) -> None:
        """Stop a run whose figures would be meaningless, because steps did not see the same rows.

        :raises BenchmarkError: with what each of them saw
        """
        apart = (LEVELS, ARCHIVE)
        seen = {step: {took.rows for took in found} for step, found in self.took.items() if step not in apart}
        if len(set().union(*seen.values())) != 1:
            raise BenchmarkError(f"The steps of {self.workload.prefix} do not agree on the number of rows: {seen}.")


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.day", description=__doc__)
    parser.add_argument("--documents", type=int, default=4_000_000, help="of the large day (default: %(default)s)")
    parser.add_argument(
        "--small", type=int, default=1_000_000, help="documents of the small day (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=1, help="how often the large day is measured (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the documents (default: %(default)s)")
    parser.add_argument("--url", help="your own cluster, instead of a node that lives as long as the run")
    parser.add_argument("--at", type=Path, help="folder for the node's data, on a disk with enough room")
    parser.add_argument(
        "--keep", action="store_true", help="leave the raw days for another run, which then needs not load them"
    )
    parser.add_argument(
        "--archive", action="store_true", help="archive the days too, in an emulated S3 on this machine's disk"
    )
    parser.add_argument("--prefix", default="bench-day", help="prefix of all index names (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=RESULTS / "day.json", help="default: %(default)s")
    parser.add_argument("--markdown", type=Path, default=RESULTS / "day.md", help="default: %(default)s")
    chosen = parser.parse_args()
    for name, least, most in (("documents", 2000, 10**9), ("small", 2000, 10**9), ("rounds", 1, 99)):
        if not least <= getattr(chosen, name) <= most:
            parser.error(f"--{name} must be between {least:,} and {most:,}")
    if chosen.url and chosen.at:
        parser.error("--at is a folder for a node of this run's own; leave it out with --url")
    if chosen.keep and not (chosen.url or chosen.at):
        parser.error("--keep needs --at or --url: the data of this run's own node is removed with the node")
    return chosen


def run(options: argparse.Namespace) -> Report:
    """Measure everything; afterwards, nothing that was written to the cluster is left, except raw days to keep.

    :raises BenchmarkError: the cluster contains other indices with these names, the disk is too small, or a step failed
    """
    with node_at(options.url, options.at) as url:
        client = build_client(ClientSettings.from_url(url, timeout=600, opaque_id="strata-benchmark"))
        sizes = {"small": options.small, "large": options.documents}
        small, large = (
            Workload(client, f"{options.prefix}-{name}", documents, (FIRST_DAY,), options.seed, settle=0)
            for name, documents in sizes.items()
        )
        refuse_leftovers([index for workload in (small, large) for index in _foreign(workload)])
        try:
            return _measure(small, large, url, options)
        finally:
            for workload in (small, large):
                _remove(workload, keep_raw=options.keep)


def _foreign(workload: Workload) -> list[str]:
    """Indices with a name of ours that are not a raw day that an earlier run kept for this one."""
    raw = workload.dataset.raw_index(workload.days[0])
    return [index for index in workload.leftovers() if index != raw or not is_loaded(workload)]


def _remove(workload: Workload, *, keep_raw: bool) -> None:
    raw = workload.dataset.raw_index(workload.days[0])
    for index in workload.leftovers():
        if not (keep_raw and index == raw and is_loaded(workload)):
            workload.client.indices.delete(index=index)


def _measure(small: Workload, large: Workload, url: str, options: argparse.Namespace) -> Report:
    client = small.client
    before, load_before = Peaks(), os.getloadavg()[0]
    before.see(client.nodes.stats(metric="jvm,fs,breaker")["nodes"])
    with watched(client) as all_the_time:
        sides = [Side(workload, load_day(workload, log.info)) for workload in (small, large)]
        for side in sides:
            log.info(
                "%s has %s documents in %s segments",
                side.workload.prefix,
                f"{side.loaded.documents:,}",
                side.loaded.segments,
            )
        first, second = sides
        for step in (*STEPS, *READERS):  # a node that has just started is slow
            first.measure(url, step)
        first.took.clear()
        for _ in range(options.rounds):
            for side in (first, second, first):
                for step in (*STEPS, *READERS):
                    side.measure(url, step)
        if options.archive:
            for side in sides:
                with emulated_s3() as s3:
                    side.measure(url, ARCHIVE, s3.url)
    for side in sides:
        dataset, (day, *_) = side.workload.dataset, side.workload.days
        side.month_bytes = side.workload.bytes_of(dataset.month_index(day))
        side.level_bytes = side.workload.bytes_of(dataset.levels_index(day))
        side.require_agreement()
    return Report(
        title="A day of full size",
        method="All steps with the small day, the large one, and the small one again; medians. The cores are shared by "
        "the client and the node.",
        command=command_line("benchmarks.day", options.url),
        machine={**machine_of(client), "load before": round(load_before, 1)},
        workload={
            "documents": second.loaded.documents,
            "documents of the small day": first.loaded.documents,
            "bytes a document in the store": round(second.loaded.bytes / second.loaded.documents),
            "rounds": options.rounds,
            "seed": options.seed,
        },
        results=_results(first, second),
        samples={
            f"{step}, {side.loaded.documents:,} documents": Samples([took.seconds for took in found])
            for side in sides
            for step, found in side.took.items()
        },
        details={
            "steps": {
                side.workload.prefix: {step: [asdict(took) for took in found] for step, found in side.took.items()}
                for side in sides
            }
        },
        tables=[
            _steps_table(first, second),
            _needs_table(second),
            _sizes_table(sides, all_the_time.disk - before.disk),
        ],
        notes=NOTES,
    )


def _results(small: Side, large: Side) -> list[Result]:
    ours, theirs = large.a_million(*STEPS), small.a_million(*STEPS)
    minutes = sum(large.seconds(step) for step in STEPS) / 60
    standard = large.seconds(OURS) / large.seconds(STANDARD)
    documents = f"{large.loaded.documents:,} documents"
    return [
        Result("day", ours, f"{minutes:.1f} min for {documents}", ""),
        Result("day growth", ours / theirs, f"{ours:.2f} s a million", f"{theirs:.2f} s a million"),
        Result("day standard", standard, f"{large.seconds(OURS):.1f} s", f"{large.seconds(STANDARD):.1f} s"),
        Result(
            "day memory",
            max(took.peak_bytes for found in large.took.values() for took in found) / MEGABYTE,
            documents,
            "",
        ),
    ]


def _steps_table(small: Side, large: Side) -> Table:
    rows = [
        (
            name,
            round(large.seconds(name), 1),
            round(large.a_million(name), 2),
            round(small.a_million(name), 2),
            round(large.a_million(name) / small.a_million(name), 2),
        )
        for name in large.took
    ]
    title = f"Seconds for {large.loaded.documents:,} documents, and a million of them compared with the small day"
    return Table(title, ("step", "seconds", "s a million", "small day, s a million", "ratio"), rows)


def _needs_table(large: Side) -> Table:
    rows = [
        (
            step,
            round(max(took.peak_bytes for took in found) / MEGABYTE),
            round(max(took.cpu_seconds for took in found), 1),
            round(large.peaks[step].heap / MEGABYTE),
            round(large.peaks[step].request / MEGABYTE),
        )
        for step, found in large.took.items()
    ]
    columns = ("step", "client, peak MB", "client, CPU s", "heap, peak MB", "requests, peak MB")
    return Table("What the steps of the large day need", columns, rows)


def _sizes_table(sides: list[Side], disk: int) -> Table:
    rows = [
        (
            f"{side.loaded.documents:,} documents",
            None if side.loaded.seconds is None else round(side.loaded.seconds),
            None if side.loaded.seconds is None else round(side.loaded.documents / side.loaded.seconds),
            side.loaded.segments,
            round(side.loaded.bytes / MEGABYTE),
            side.took[CONDENSE][-1].rows,
            round(side.month_bytes / MEGABYTE, 1),
            side.took[LEVELS][-1].rows,
            round(side.level_bytes / MEGABYTE, 1),
        )
        for side in sides
    ]
    columns = (
        "raw day",
        "s to load",
        "documents/s",
        "segments",
        "MB",
        "rows",
        "MB of rows",
        "level rows",
        "MB of levels",
    )
    return Table(
        f"Sizes; the disk was used by {max(disk, 0) / MEGABYTE:,.0f} MB more at most than before", columns, rows
    )


def main() -> None:
    """Measure, print the tables and write both files."""
    serve(arguments(), run)


if __name__ == "__main__":
    main()
