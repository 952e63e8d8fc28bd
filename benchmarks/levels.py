"""`make bench-levels`: how fast a year of history answers from its levels."""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median

from benchmarks.goals import Result
from benchmarks.material.workload import Workload
from benchmarks.material.year import FIRST_DAY, Year
from benchmarks.measures.reading_levels import (
    DAILY,
    HOURLY,
    ONE_DEVICE,
    fleet_seconds,
    levels_table,
    memory_table,
    month_of_fleet,
    without_levels,
    year_seconds,
)
from benchmarks.peak_memory import MEGABYTE
from benchmarks.report import Report, machine_of
from benchmarks.running import command_line, log, node_at, refuse_leftovers, serve
from benchmarks.timing import Samples
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.definition.levels import Level

RESULTS = Path(__file__).parent / "results"
BY_DEVICE = Level("1d", ("device",))

NOTES = (
    "Rows are written directly: 64 different hours of values in turn, packed by the project's own code. One metric, no "
    "replica, indices merged to one segment. Marks and notes say what the rows are, as after `strata levels`.",
    "Of the fleet, only one device has base rows, because nothing that is asked reads the others. Rows of levels are "
    "of all devices.",
    "`read()` is what a user calls: it looks up which days are proven and which levels are complete, reads, and builds "
    "a DataFrame. The server caches none of the answers, because scripts compute them.",
)


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.levels", description=__doc__)
    parser.add_argument("--devices", type=int, default=521, help="devices of the year (default: %(default)s)")
    parser.add_argument("--fleet", type=int, default=20_833, help="devices of the fleet (default: %(default)s)")
    parser.add_argument("--days", type=int, default=365, help="days of the year, 1 to 365 (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds after one warm-up (default: %(default)s)")
    parser.add_argument("--url", help="your own cluster, instead of a node that lives as long as the run")
    parser.add_argument("--prefix", default="bench-levels", help="prefix of all index names (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=RESULTS / "levels.json", help="default: %(default)s")
    parser.add_argument("--markdown", type=Path, default=RESULTS / "levels.md", help="default: %(default)s")
    chosen = parser.parse_args()
    for name, most in (("devices", 10**6), ("fleet", 10**6), ("days", 365), ("rounds", 99)):
        if not 1 <= getattr(chosen, name) <= most:
            parser.error(f"--{name} must be between 1 and {most:,}")
    return chosen


def run(options: argparse.Namespace) -> Report:
    """Measure everything; afterwards, nothing that was written to the cluster is left.

    :raises BenchmarkError: the cluster contains indices with these names, or refused rows
    """
    with node_at(options.url) as url:
        client = build_client(ClientSettings.from_url(url, timeout=600, opaque_id="strata-benchmark"))
        ours = Workload(client, options.prefix, 0, (FIRST_DAY,), 0, 0)
        refuse_leftovers(ours.leftovers())
        one, fleet = options.devices, options.fleet
        levels = (Level("1h"), BY_DEVICE, Level("1d"))
        years = (
            Year(client, f"{options.prefix}-year", one, options.days, levels, range(one)),
            Year(client, f"{options.prefix}-fleet", fleet, options.days, (BY_DEVICE,), [fleet // 2]),
        )
        try:
            return _measure(*years, url, options)
        finally:
            ours.remove()


def _measure(year: Year, fleet: Year, url: str, options: argparse.Namespace) -> Report:
    rows = {"year": year.build(log.info)}
    samples = year_seconds(year, options.rounds, log.info)
    rows["fleet"] = fleet.build(log.info)
    samples |= fleet_seconds(fleet, options.rounds, log.info)
    processes = month_of_fleet(fleet, url, options.rounds)
    seconds, peak = median(one["seconds"] for one in processes), max(one["peak_bytes"] for one in processes)
    results = []
    for key, question in (("levels daily", DAILY), ("levels hourly", HOURLY), ("levels device", ONE_DEVICE)):
        took = 1000 * samples[question].seconds
        results.append(Result(key, took, f"{took:.0f} ms", _plain(samples, question)))
    records = f"{processes[0]['rows']:,} records"
    results += [Result("levels fleet", seconds, records, ""), Result("levels memory", peak / MEGABYTE, records, "")]
    return Report(
        title="A year of history, from its levels",
        method="Medians of the rounds.",
        command=command_line("benchmarks.levels", options.url),
        machine=machine_of(year.client),
        workload={
            "days": options.days,
            "devices": year.devices,
            "base rows of them": year.devices * 24 * options.days,
            "all rows of them": rows["year"],
            "devices of the fleet": fleet.devices,
            "all rows of the fleet": rows["fleet"],
            "rounds": options.rounds,
        },
        results=results,
        samples=samples,
        details={"fleet": processes},
        tables=[levels_table(samples, processes), memory_table(processes)],
        notes=NOTES,
    )


def _plain(samples: dict[str, Samples], question: str) -> str:
    found = samples.get(without_levels(question))
    return f"{1000 * found.seconds:.0f} ms from base rows" if found else ""


def main() -> None:
    """Measure, print the table and write both files."""
    serve(arguments(), run)


if __name__ == "__main__":
    main()
