"""`make bench-history`: what condensing costs, how much space history takes, how exactly and how fast it answers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from benchmarks.goals import Result
from benchmarks.material.workload import FIRST_DAY, Workload
from benchmarks.measures.days.forms import measure_forms
from benchmarks.measures.history.accuracy import Answer, accuracy_table, ask_history, largest_errors
from benchmarks.measures.history.condensing import (
    FIRST,
    OURS,
    STANDARD,
    WHOLE_CONDENSE,
    condense_seconds,
    condense_table,
)
from benchmarks.measures.history.levels import LEVELS, WITHOUT, Levels, levels_table, measure_levels
from benchmarks.measures.history.memory import Streamed, measure_memory, memory_table
from benchmarks.measures.history.reading import (
    ALL_DEVICES,
    BY_DEVICE,
    ONE_DEVICE,
    by_reader,
    from_history,
    from_raw,
    read_seconds,
    reading_table,
)
from benchmarks.measures.history.sizes import ELEVEN_SKETCHED, THREE_SKETCHED, Sizes, condense_all_days, measure_sizes
from benchmarks.peak_memory import MEGABYTE
from benchmarks.report import Report, machine_of
from benchmarks.running import command_line, log, node_at, refuse_leftovers, serve
from benchmarks.timing import Samples
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.errors.amounts import counted

RESULTS = Path(__file__).parent / "results"
MOST_DAYS = 28

NOTES = (
    "One shard, no replica, the default codec; raw days and history are merged to one segment. Sizes are those of the "
    "primaries' store.",
    "A month index keeps no `_source`. OpenSearch retains a hidden copy of it for recoveries until the retention lease "
    "has advanced (30 s) and a merge rewrites the segment, so rows are written in at least two segments and merged "
    "after a wait. Measured immediately, they look twice their size; in production, merges do this in the background.",
    "† Index rollup (Index Management) is not part of this run: 13.5 MB and 3.3 s for min, max, sum, avg and "
    "value_count of the same day without any distribution were measured earlier, on this class of machine with the "
    "real plugin.",
    "Bytes of a part of a row: how much the merged index shrinks if rows lack the part. Neighboring parts compress "
    "each other, so these figures are approximate.",
    "Exact quantiles are computed from the generator's numbers, at rank floor(q * (n - 1)) of the sorted values.",
    "Both sides of a question, to the history and to raw days, are one search whose answer is turned into quantiles. "
    "`read()` next to them is what a user calls: it also looks up which days are proven, and builds a DataFrame.",
)


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000, help="documents per raw day (default: %(default)s)")
    parser.add_argument("--days", type=int, default=3, help=f"raw days, 2 to {MOST_DAYS} (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds after one warm-up (default: %(default)s)")
    parser.add_argument("--questions", type=int, default=500, help="questions on accuracy (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of documents and questions (default: %(default)s)")
    parser.add_argument("--url", help="your own cluster, instead of a node that lives as long as the run")
    parser.add_argument("--prefix", default="bench-telemetry", help="prefix of all index names (default: %(default)s)")
    parser.add_argument(
        "--settle", type=float, default=35, help="seconds from the last row to the merge (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, default=RESULTS / "history.json", help="default: %(default)s")
    parser.add_argument("--markdown", type=Path, default=RESULTS / "history.md", help="default: %(default)s")
    chosen = parser.parse_args()
    for name, least, most in (("documents", 2000, 10**9), ("days", 2, MOST_DAYS), ("rounds", 1, 99)):
        if not least <= getattr(chosen, name) <= most:
            parser.error(f"--{name} must be between {least:,} and {most:,}")
    return chosen


def run(options: argparse.Namespace) -> Report:
    """Measure everything; afterwards, nothing that was written to the cluster is left.

    :raises BenchmarkError: the cluster contains indices with these names, or refused documents
    """
    with node_at(options.url) as url:
        client = build_client(ClientSettings.from_url(url, timeout=600, opaque_id="strata-benchmark"))
        days = tuple(FIRST_DAY + timedelta(days=number) for number in range(options.days))
        workload = Workload(client, options.prefix, options.documents, days, options.seed, options.settle)
        refuse_leftovers(workload.leftovers())
        try:
            return _measure(workload, url, options)
        finally:
            workload.remove()


def _measure(workload: Workload, url: str, options: argparse.Namespace) -> Report:
    for day in workload.load():
        log.info("Loaded %s", workload.dataset.raw_index(day))
    condense_all_days(workload, log.info)
    condensing = condense_seconds(workload, options.rounds, log.info)
    reading = read_seconds(workload, options.rounds, log.info)
    log.info("Asking %s", counted(options.questions, "question on accuracy", "questions on accuracy"))
    answers = ask_history(workload, options.questions)
    sizes = measure_sizes(workload, log.info)
    levels = measure_levels(workload, options.rounds, log.info)
    formed = measure_forms(workload, options.rounds, log.info)
    streamed = measure_memory(workload, url, log.info)
    return Report(
        title="History: its cost, its size and its answers",
        method="Medians of the rounds; all searches are uncached, with one client for both sides.",
        command=command_line("benchmarks.history", options.url),
        machine=machine_of(workload.client),
        workload={
            "raw days": len(workload.days),
            "documents a day": sizes.raw_documents,
            "bytes a document in the store": round(sizes.raw_bytes / sizes.raw_documents),
            "rounds": options.rounds,
            "seconds before merges": options.settle,
            "seed": workload.seed,
        },
        results=_results(condensing, reading, sizes, levels, answers, streamed),
        samples={**condensing, **reading, **levels.seconds, **formed.condensing},
        details={"sizes": asdict(sizes), "largest_errors": largest_errors(answers)},
        tables=[
            condense_table(condensing),
            *sizes.tables(),
            levels_table(levels, len(workload.days)),
            formed.table(),
            accuracy_table(answers),
            reading_table(reading),
            memory_table(streamed),
        ],
        notes=NOTES,
    )


def _results(
    condensing: dict[str, Samples],
    reading: dict[str, Samples],
    sizes: Sizes,
    levels: Levels,
    answers: Sequence[Answer],
    streamed: Sequence[Streamed],
) -> list[Result]:
    ours = condensing[OURS].seconds
    standard, first, whole = (condensing[name].seconds for name in (STANDARD, FIRST, WHOLE_CONDENSE))
    worst = max(answer.error for answer in answers)
    peak = max(one.peak_bytes for one in streamed)
    found = [
        Result("standard", ours / standard, f"{ours:.2f} s", f"{standard:.2f} s"),
        Result("first", first / ours, f"{ours:.2f} s", f"{first:.2f} s"),
        Result("whole", whole / ours, f"{whole:.2f} s", f"{ours:.2f} s"),
    ]
    for key, variant in (("eleven", ELEVEN_SKETCHED), ("three", THREE_SKETCHED)):
        rows = f"{sizes.variants[variant].bytes / MEGABYTE:.2f} MB"
        found.append(Result(key, sizes.ratio(variant), rows, f"{sizes.raw_bytes / MEGABYTE:.1f} MB"))
    taken = [levels.seconds[name].seconds for name in (LEVELS, WITHOUT)]
    weigh = [f"{size / MEGABYTE:.2f} MB" for size in (levels.level_bytes, levels.month_bytes)]
    found.append(Result("levels bytes", levels.share_of_bytes, *weigh))
    found.append(Result("levels time", levels.share_of_seconds, *(f"{seconds:.2f} s" for seconds in taken)))
    found.append(Result("error", 100 * worst, f"{100 * worst:.5f} %", f"{len(answers):,} exact values"))
    asked = {"all devices": (ALL_DEVICES, by_reader), "each device": (BY_DEVICE, by_reader)}
    for key, (question, ask) in {**asked, "one device": (ONE_DEVICE, from_history)}.items():
        if from_raw(question) not in reading:  # more devices than one search of raw days can tell apart
            continue
        history, raw = reading[ask(question)].seconds, reading[from_raw(question)].seconds
        found.append(Result(key, raw / history, f"{1000 * history:.0f} ms", f"{1000 * raw:.0f} ms"))
    longest = streamed[-1]
    rows_read = f"{longest.rows:,} rows of {longest.devices:,} devices"
    return [*found, Result("memory", peak / MEGABYTE, rows_read, "")]


def main() -> None:
    """Measure, print the table and write both files."""
    serve(arguments(), run)


if __name__ == "__main__":
    main()
